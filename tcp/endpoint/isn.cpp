// SPDX-License-Identifier: BSD-3-Clause
//
// Initial sequence numbers and timestamp offsets: see isn.h for the RFCs.
#include "tcp/endpoint/isn.h"

#include "tcp/endpoint/tuple_hash.h"

namespace millrace::tcp {

namespace {
constexpr std::int64_t kNanosecondsPerIsn = 4000;
// As much as an unscaled window could hold of the old incarnation beyond what it had sent.
constexpr std::uint32_t kBeyond = 65'535 + 2;
}  // namespace

FlowNumbers flow_numbers(SipKey key, const FourTuple& tuple, Instant now) {
  const std::uint64_t keyed = tuple_siphash<2, 4>(key, tuple);
  const auto clock = static_cast<std::uint64_t>(now.time_since_epoch().count()) /
                     std::uint64_t{kNanosecondsPerIsn};
  return {Seq(static_cast<std::uint32_t>(keyed) + static_cast<std::uint32_t>(clock)),
          static_cast<std::uint32_t>(keyed >> 32)};
}

FlowNumbers flow_numbers_beyond(SipKey key, const FourTuple& tuple, Instant now, Seq old_snd_nxt) {
  FlowNumbers numbers = flow_numbers(key, tuple, now);
  numbers.isn = later_of(numbers.isn, old_snd_nxt + kBeyond);
  return numbers;
}

std::uint32_t timestamp_offset(SipKey key, const FourTuple& tuple) {
  return static_cast<std::uint32_t>(tuple_siphash<2, 4>(key, tuple) >> 32);
}

}  // namespace millrace::tcp
