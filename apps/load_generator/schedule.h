// SPDX-License-Identifier: BSD-3-Clause
//
// When arrivals are due: at even distances or as a Poisson process, both along a rate that may
// change with time, or as a trace recorded them. The schedule never waits for what it offers: who
// falls behind finds the overdue arrivals still there, with their own times.
//
// Several workers share one schedule. Of even arrivals and of a trace, worker w of n has the w-th
// and every n-th behind it; Poisson processes add up to one, so each draws its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "apps/load_generator/random.h"
#include "apps/load_generator/rate_curve.h"
#include "tcp/base/time.h"

namespace millrace::load {

enum class Arrivals : std::uint8_t { constant, poisson, trace };

class Schedule {
 public:
  struct Share {
    std::uint32_t worker = 0;
    std::uint32_t workers = 1;
  };

  Schedule() = default;
  /// Arrivals along `curve`, which outlives the schedule. Not of kind trace.
  Schedule(Instant start, const RateCurve& curve, Arrivals arrivals, Share share, Random random);
  /// At one rate above 0, up to, not including, `end`. Nothing is allocated.
  Schedule(Instant start, Instant end, double per_second, Arrivals arrivals = Arrivals::constant,
           Share share = {0, 1}, Random random = {});
  /// At `offsets` from `start`, in order, which outlive the schedule; none from `length` on.
  Schedule(Instant start, const std::vector<Duration>& offsets, Duration length, Share share);

  [[nodiscard]] bool due(Instant now) const { return next_ <= now && next_ < end_; }
  /// The time at which the next arrival is due.
  [[nodiscard]] Instant next() const { return next_; }
  [[nodiscard]] bool finished() const { return next_ >= end_; }
  /// Takes the next arrival and returns its time.
  Instant take() {
    const Instant taken = next_;
    if (arrivals_ == Arrivals::trace) {
      step_trace();
    } else {
      count_ += arrivals_ == Arrivals::poisson ? step_ * random_.exponential() : step_;
      place();
    }
    return taken;
  }

 private:
  void begin(Share share);
  void place() {
    while (count_ >= line_.area_end) [[unlikely]] {
        if (!next_line()) {
          next_ = end_;
          return;
        }
      }
    next_ = start_ + Duration{static_cast<std::int64_t>(line_.time_of(count_) * 1e9)};
  }
  bool next_line();
  void step_trace();

  Instant start_{};
  Instant end_{};
  Instant next_{};
  Arrivals arrivals_ = Arrivals::constant;
  double count_ = 0;  // arrivals of all workers before the next one
  double step_ = 1;
  RateLine line_;  // where count_ is
  const RateLine* lines_ = nullptr;
  std::size_t lines_left_ = 0;
  const Duration* offsets_ = nullptr;
  std::size_t offset_ = 0;
  std::size_t offsets_end_ = 0;
  std::size_t stride_ = 1;
  Random random_;
};

}  // namespace millrace::load
