// SPDX-License-Identifier: BSD-3-Clause
//
// SEGMENT ARRIVES in SYN-SENT (RFC 9293 §3.10.7.3).
#pragma once

#include "tcp/base/drop.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

Drop input_syn_sent(Connection& c, const SegmentIn& segment, const Context& context,
                    Outcome& outcome);

/// The usual answer to our SYN: SYN and ACK of it, without text.
[[nodiscard]] inline bool is_syn_ack(const Connection& c, const SegmentIn& segment) {
  constexpr std::uint8_t kMask = Flags::kSyn | Flags::kFin | Flags::kRst | Flags::kAck;
  return c.state == State::syn_sent &&
         (segment.flags.bits & kMask) == (Flags::kSyn | Flags::kAck) && segment.payload.empty() &&
         segment.ack == c.snd_una + 1 && segment.ack == c.snd_nxt;
}
/// What input_syn_sent() comes to for it: connected. True if a waiting writer finds room.
bool input_syn_ack(Connection& c, const SegmentIn& segment, const Context& context);

}  // namespace millrace::tcp
