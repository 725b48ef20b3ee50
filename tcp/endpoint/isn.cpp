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

Seq initial_seq(SipKey isn_key, const FourTuple& tuple, Instant now) {
  const auto keyed = static_cast<std::uint32_t>(tuple_siphash<2, 4>(isn_key, tuple));
  const auto clock = static_cast<std::uint64_t>(now.time_since_epoch().count()) /
                     std::uint64_t{kNanosecondsPerIsn};
  return Seq(keyed + static_cast<std::uint32_t>(clock));
}

Seq initial_seq_beyond(SipKey isn_key, const FourTuple& tuple, Instant now, Seq old_snd_nxt) {
  return later_of(initial_seq(isn_key, tuple, now), old_snd_nxt + kBeyond);
}

std::uint32_t timestamp_offset(SipKey timestamps_key, const FourTuple& tuple) {
  return static_cast<std::uint32_t>(tuple_siphash<2, 4>(timestamps_key, tuple));
}

}  // namespace millrace::tcp
