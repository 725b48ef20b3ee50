// SPDX-License-Identifier: BSD-3-Clause
//
// Several jobs on one core: each has a generator of its own, with its own books, and an event goes
// to the one whose connection it is of. The upper bits of a connection's user word say which.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "apps/load_generator/generator.h"

namespace millrace::load {

class JobApp final : public tcp::App {
 public:
  /// In the order of their plans' `job`.
  explicit JobApp(std::vector<std::unique_ptr<Generator>> jobs) : jobs_(std::move(jobs)) {}

  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events,
                 Instant now) override {
    for (const auto& job : jobs_) job->begin_iteration(endpoint, now);
    for (const tcp::Event& event : events) jobs_[event.user >> kJobShift]->on_event(event);
    for (const auto& job : jobs_) job->pace();
  }

 private:
  std::vector<std::unique_ptr<Generator>> jobs_;
};

}  // namespace millrace::load
