// SPDX-License-Identifier: BSD-3-Clause
//
// The clocks behind the timestamp option: ours, in milliseconds with a keyed offset per flow
// (RFC 7323 §5.4, §7.1), and the coarse one that tells how old TS.Recent is (§5.5).
#pragma once

#include <cstdint>

#include "tcp/base/time.h"
#include "tcp/connection/connection.h"

namespace millrace::tcp {

/// TSval of a segment that leaves now.
[[nodiscard]] inline std::uint32_t tsval_of(const Connection& c, Instant now) {
  return timestamp_clock(now) + c.ts_offset;
}

inline constexpr std::uint32_t kTsAgeMask = 0x7ff;

/// Units of 2^44 ns (4.9 hours), modulo 2^11: comes round after more than a year.
[[nodiscard]] inline std::uint32_t ts_age_clock(Instant now) {
  constexpr int kAgeShift = 44;
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(now.time_since_epoch().count()) >>
                                    kAgeShift) &
         kTsAgeMask;
}

/// True once TS.Recent is more than 24 days old: before the peer's clock can have wrapped its sign,
/// which a clock of 1 ms does in 24.8 days (RFC 7323 §5.5).
[[nodiscard]] inline bool ts_recent_expired(const Connection& c, Instant now) {
  constexpr std::uint32_t kUnits = 119;  // floor differences of 119 are more than 24.02 days
  return ((ts_age_clock(now) - c.ts_recent_when) & kTsAgeMask) >= kUnits;
}

/// Signed age of `a` against `b` on the peer's clock, which wraps.
[[nodiscard]] inline bool ts_before(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) < 0;
}

}  // namespace millrace::tcp
