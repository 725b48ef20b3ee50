// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 9293 §3.8.6.3 (delayed ACKs), RFC 5961 §7 (challenge ACKs, limited per connection).
//
// The time of the last challenge is kept in 11 bits of 16.8 ms, which come round after 34 s: a
// challenge that falls into the same half second of a later round is withheld although none was
// sent just before. Whoever asks honestly asks again.
#include "tcp/connection/ack_policy.h"

#include "tcp/connection/dsack.h"
#include "tcp/connection/handshake.h"

namespace millrace::tcp {
namespace {

constexpr int kChallengeShift = 24;  // 2^24 ns
constexpr std::uint32_t kChallengeMask = 0x07ff;

}  // namespace

bool is_twice_full(const Connection& c, std::uint32_t bytes, const Context& context) {
  return bytes >= 2U * our_mss(context.config, c.has(Connection::kIpv6));
}

bool owe_challenge_ack(Connection& c, const Context& context) {
  const auto ns = static_cast<std::uint64_t>(context.now.time_since_epoch().count());
  std::uint32_t now = static_cast<std::uint32_t>(ns >> kChallengeShift) & kChallengeMask;
  if (now == 0) now = 1;  // zero says "never"
  const auto interval = static_cast<std::uint64_t>(context.config.challenge_ack_interval.count());
  const std::uint64_t units = (interval + (1U << kChallengeShift) - 1) >> kChallengeShift;
  const std::uint32_t age = (now - c.challenge_when) & kChallengeMask;
  if (units != 0 && c.challenge_when != 0 && age <= units) return false;
  c.challenge_when = now & kChallengeMask;
  ++context.counters.TCPChallengeACK;
  owe_ack(c);
  return true;
}

void answer_unacceptable(Connection& c, const SegmentIn& segment, const Context& context) {
  if (segment.length() != 0 && !segment.flags.syn()) {
    owe_ack(c);
    const Seq end = segment.seq + static_cast<std::uint32_t>(segment.payload.size());
    note_twice(c, segment.seq, earlier_of(end, c.rcv_nxt), context);
  } else {
    (void)owe_challenge_ack(c, context);
  }
}

}  // namespace millrace::tcp
