// SPDX-License-Identifier: BSD-3-Clause
//
// The clock of the workers: the processor's time stamp counter, scaled by a factor measured against
// CLOCK_MONOTONIC at start. DPDK's own figure for the counter is rounded to 10 MHz, which is off by
// as much as 1,500 parts in a million; every latency and every timer would be.
//
// Where the counter does not run evenly (no constant and non-stop TSC) the system's clock is asked
// instead, which costs more. Gaps of any length are harmless: the product has 128 bits.
#pragma once

#include <x86intrin.h>

#include <cstdint>

#include "tcp/base/time.h"

namespace millrace {

class Clock {
 public:
  /// How long the factor is measured at least: 20 ms bound its error by a few parts in a million.
  static constexpr Duration kMeasure = 20ms;

  /// Notes where counter and system stand. Start early: what happens until ready() is not lost
  /// time.
  Clock();
  /// Ends the measurement, after sleeping for what is missing of it. now() is right from then on.
  void ready();

  [[nodiscard]] Instant now() const {
    if (!uses_tsc_) [[unlikely]]
      return Instant{Duration{system_ns()}};
    const std::uint64_t ticks = __rdtsc() - base_ticks_;
    __extension__ using Wide = unsigned __int128;
    const auto ns = static_cast<std::uint64_t>((Wide{ticks} * factor_) >> kShift);
    return Instant{Duration{base_ns_ + static_cast<std::int64_t>(ns)}};
  }

  [[nodiscard]] bool uses_tsc() const { return uses_tsc_; }
  /// Counter ticks per second as measured; 0 where the counter is not used.
  [[nodiscard]] double frequency_hz() const;

 private:
  struct Pair {
    std::uint64_t ticks;
    std::int64_t ns;
  };
  static constexpr int kShift = 48;  // factor_ is nanoseconds per tick, times 2^48

  [[nodiscard]] static std::int64_t system_ns();
  [[nodiscard]] static Pair read_both();

  bool uses_tsc_ = false;
  std::uint64_t base_ticks_ = 0;
  std::int64_t base_ns_ = 0;
  std::uint64_t factor_ = 0;
};

}  // namespace millrace
