// SPDX-License-Identifier: BSD-3-Clause
//
// Time as the protocol sees it: an argument, never a question. `Instant` is nanoseconds since an
// arbitrary start that only the caller knows; nothing under tcp/ reads a clock. `Tick` is the unit
// of the timer wheels: 65.536 us, 32 bits, wrapping after 78 hours, so deadlines must lie less than
// 39 hours ahead (`kMaxTimeout`).
#pragma once

#include <chrono>
#include <cstdint>

namespace millrace {

struct MonotonicTag {};
using Duration = std::chrono::nanoseconds;
using Instant = std::chrono::time_point<MonotonicTag, Duration>;

using namespace std::chrono_literals;

inline constexpr int kTickShift = 16;  // 2^16 ns
inline constexpr Duration kTick{std::int64_t{1} << kTickShift};
inline constexpr Duration kMaxTimeout = 24h;

/// A point in wheel time. Modular like a sequence number: compare with `tick_before`.
using Tick = std::uint32_t;

[[nodiscard]] constexpr Tick tick_of(Instant t) {
  return static_cast<Tick>(static_cast<std::uint64_t>(t.time_since_epoch().count()) >> kTickShift);
}
/// Ticks that cover `d`, rounded up: a timer never fires early.
[[nodiscard]] constexpr Tick ticks_for(Duration d) {
  return static_cast<Tick>((d.count() + kTick.count() - 1) >> kTickShift);
}
/// The first tick at which `t + d` has passed.
[[nodiscard]] constexpr Tick deadline_after(Instant t, Duration d) {
  return tick_of(t + d + kTick - Duration{1});
}
[[nodiscard]] constexpr bool tick_before(Tick a, Tick b) {
  return static_cast<std::int32_t>(b - a) > 0;
}
[[nodiscard]] constexpr Duration ticks_to_duration(Tick ticks) {
  return Duration{static_cast<std::int64_t>(ticks) << kTickShift};
}
[[nodiscard]] constexpr std::uint32_t to_us(Duration d) {
  return static_cast<std::uint32_t>(d.count() / 1000);
}
/// When a segment left, in units of 1024 ns. It wraps after 73 minutes, and nothing leaves in the
/// future: compare ages, `now - stamp`, which are right until then.
using Stamp = std::uint32_t;
inline constexpr int kStampShift = 10;

[[nodiscard]] constexpr Stamp stamp_of(Instant t) {
  return static_cast<Stamp>(static_cast<std::uint64_t>(t.time_since_epoch().count()) >>
                            kStampShift);
}
[[nodiscard]] constexpr std::uint32_t stamps_to_us(Stamp units) {
  return static_cast<std::uint32_t>((std::uint64_t{units} << kStampShift) / 1000);
}
[[nodiscard]] constexpr Stamp us_to_stamps(std::uint32_t us) {
  return static_cast<Stamp>((std::uint64_t{us} * 1000) >> kStampShift);
}

/// When something began that may last for months, in units of 2^24 ns (16.8 ms); it wraps after two
/// years. Of such stamps one asks for the age.
using LongStamp = std::uint32_t;
inline constexpr int kLongStampShift = 24;

[[nodiscard]] constexpr LongStamp long_stamp_of(Instant t) {
  return static_cast<LongStamp>(static_cast<std::uint64_t>(t.time_since_epoch().count()) >>
                                kLongStampShift);
}
[[nodiscard]] constexpr Duration age_of(LongStamp stamp, Instant now) {
  return Duration{std::int64_t{long_stamp_of(now) - stamp} << kLongStampShift};
}

/// The 1 ms clock behind our timestamp option (RFC 7323 §5.4), before the per-flow offset is added.
[[nodiscard]] constexpr std::uint32_t timestamp_clock(Instant t) {
  return static_cast<std::uint32_t>(t.time_since_epoch().count() / 1'000'000);
}

}  // namespace millrace
