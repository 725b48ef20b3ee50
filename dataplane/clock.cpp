// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/clock.h"

#include <cpuid.h>
#include <time.h>

#include <cerrno>
#include <limits>

namespace millrace {

namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

/// Whether the counter runs at one rate through all power states (CPUID 8000_0007h, EDX bit 8).
bool invariant_tsc() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0x8000'0007, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
}

}  // namespace

std::int64_t Clock::system_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * kNsPerSecond + t.tv_nsec;
}

/// Both clocks at one moment: of several tries the one least disturbed.
Clock::Pair Clock::read_both() {
  Pair best{0, 0};
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (int i = 0; i < 16; ++i) {
    const std::uint64_t before = __rdtsc();
    const std::int64_t ns = system_ns();
    const std::uint64_t took = __rdtsc() - before;
    if (took < least) {
      least = took;
      best = {before + took / 2, ns};
    }
  }
  return best;
}

Clock::Clock() : uses_tsc_(invariant_tsc()) {
  const Pair start = read_both();
  base_ticks_ = start.ticks;
  base_ns_ = start.ns;
}

void Clock::ready() {
  if (!uses_tsc_) return;
  const std::int64_t until = base_ns_ + kMeasure.count();
  const timespec deadline{.tv_sec = until / kNsPerSecond, .tv_nsec = until % kNsPerSecond};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
  }
  const Pair end = read_both();
  __extension__ using Wide = unsigned __int128;
  const auto ns = static_cast<std::uint64_t>(end.ns - base_ns_);
  factor_ = static_cast<std::uint64_t>((Wide{ns} << kShift) / (end.ticks - base_ticks_));
}

double Clock::frequency_hz() const {
  if (!uses_tsc_ || factor_ == 0) return 0;
  return static_cast<double>(std::uint64_t{1} << kShift) / static_cast<double>(factor_) * 1e9;
}

}  // namespace millrace
