// SPDX-License-Identifier: BSD-3-Clause
//
// Arrivals at a constant rate: the k-th is due at start + k / rate. The schedule never waits for
// what it offers: who falls behind finds the overdue arrivals still there, with their own times.
#pragma once

#include <cstdint>

#include "tcp/base/time.h"

namespace millrace::load {

class Schedule {
 public:
  Schedule() = default;
  /// `per_second` > 0. Arrivals from `start` up to, not including, `end`.
  Schedule(Instant start, Instant end, double per_second)
      : start_(start), end_(end), spacing_ns_(1e9 / per_second), next_(start) {}

  [[nodiscard]] bool due(Instant now) const { return next_ <= now && next_ < end_; }
  /// The time at which the next arrival is due.
  [[nodiscard]] Instant next() const { return next_; }
  [[nodiscard]] bool finished() const { return next_ >= end_; }
  /// Takes the next arrival and returns its time.
  Instant take() {
    const Instant taken = next_;
    ++taken_;
    const double offset_ns = static_cast<double>(taken_) * spacing_ns_;
    next_ = start_ + Duration{static_cast<std::int64_t>(offset_ns)};
    return taken;
  }

 private:
  Instant start_{};
  Instant end_{};
  double spacing_ns_ = 0;
  Instant next_{};
  std::uint64_t taken_ = 0;
};

}  // namespace millrace::load
