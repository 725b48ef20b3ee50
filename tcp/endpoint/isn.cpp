// SPDX-License-Identifier: BSD-3-Clause
//
// Initial sequence numbers and timestamp offsets: see isn.h for the RFCs.
#include "tcp/endpoint/isn.h"

namespace millrace::tcp {

namespace {
constexpr std::int64_t kNanosecondsPerIsn = 4000;
// As much as an unscaled window could hold of the old incarnation beyond what it had sent.
constexpr std::uint32_t kBeyond = 65'535 + 2;
}  // namespace

FlowNumbers flow_numbers(const TupleCipher& cipher, const FourTuple& tuple, Instant now) {
  const std::uint64_t keyed = cipher(tuple);
  const auto clock = static_cast<std::uint64_t>(now.time_since_epoch().count()) /
                     std::uint64_t{kNanosecondsPerIsn};
  return {Seq(static_cast<std::uint32_t>(keyed) + static_cast<std::uint32_t>(clock)),
          static_cast<std::uint32_t>(keyed >> 32)};
}

FlowNumbers flow_numbers_beyond(const TupleCipher& cipher, const FourTuple& tuple, Instant now,
                                Seq old_snd_nxt) {
  FlowNumbers numbers = flow_numbers(cipher, tuple, now);
  numbers.isn = later_of(numbers.isn, old_snd_nxt + kBeyond);
  return numbers;
}

std::uint32_t timestamp_offset(const TupleCipher& cipher, const FourTuple& tuple) {
  return static_cast<std::uint32_t>(cipher(tuple) >> 32);
}

}  // namespace millrace::tcp
