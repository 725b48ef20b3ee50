// SPDX-License-Identifier: BSD-3-Clause
//
// An application whose requests cost more: each piece of data that arrives takes a fixed time of
// the core before the application within is told of it. For experiments with overload alone: it
// looks at the clock while others wait.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <utility>

#include "tcp/endpoint/endpoint.h"

namespace millrace::load {

class Slowed final : public tcp::App {
 public:
  Slowed(std::unique_ptr<tcp::App> within, Duration cost)
      : within_(std::move(within)), cost_(cost) {}

  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events,
                 Instant now) override {
    const auto requests = std::count_if(events.begin(), events.end(), [](const tcp::Event& event) {
      return event.kind == tcp::EventKind::data;
    });
    if (requests > 0) spend(requests * cost_);
    within_->on_events(endpoint, events, now);
  }

 private:
  static void spend(Duration time) {
    using Clock = std::chrono::steady_clock;
    for (const auto end = Clock::now() + time; Clock::now() < end;) {
    }
  }

  std::unique_ptr<tcp::App> within_;
  Duration cost_;
};

/// `app`, as slow as that; itself where `cost` is nothing.
[[nodiscard]] inline std::unique_ptr<tcp::App> slowed(std::unique_ptr<tcp::App> app,
                                                      Duration cost) {
  if (cost == Duration{0}) return app;
  return std::make_unique<Slowed>(std::move(app), cost);
}

}  // namespace millrace::load
