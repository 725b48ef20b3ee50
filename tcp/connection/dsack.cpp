// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 2883 §4: what is owed, and its place in front of the SACK blocks.
#include "tcp/connection/dsack.h"

#include <algorithm>

#include "tcp/connection/ack_policy.h"
#include "tcp/connection/emission.h"
#include "tcp/connection/unread.h"

namespace millrace::tcp {

void note_twice(Connection& c, Seq left, Seq right, const Context& context) {
  if (!c.has(Connection::kSack) || !before(left, right)) return;
  // Older than any window of ours could be: no honest sender has it still.
  if (before(left, c.rcv_nxt - (0xffffU << c.our_scale()))) return;
  if (!ensure_receive_state(c, context)) return;
  ReceiveState& r = context.stores.receive[c.receive];
  if (!r.twice_owed) {
    r.twice = {left, right};
    r.twice_owed = true;
  } else if (at_or_before(left, r.twice.right) && at_or_before(r.twice.left, right)) {
    r.twice = {earlier_of(left, r.twice.left), later_of(right, r.twice.right)};
  }
  if (c.acks_owed == 0) owe_ack(c);
  c.set(Connection::kAckWhole);
}

void add_dsack(Connection& c, const Context& context, SegmentOut& out) {
  ReceiveState& r = context.stores.receive[c.receive];
  const SackBlock twice = r.twice;
  r.twice_owed = false;
  release_receive_state_if_empty(c, context);
  auto& sack = out.options.sack;
  // It has to lie below the ACK or within the block that follows, or it would say something else.
  const bool old = at_or_before(twice.right, out.ack);
  const bool held = out.options.sack_count != 0 && at_or_after(twice.left, sack[0].left) &&
                    at_or_before(twice.right, sack[0].right);
  if (!old && !held) return;
  const auto kept = std::min<std::uint8_t>(out.options.sack_count, most_sack_blocks(c) - 1);
  std::copy_backward(sack.begin(), sack.begin() + kept, sack.begin() + kept + 1);
  sack[0] = twice;
  out.options.sack_count = static_cast<std::uint8_t>(kept + 1);
}

}  // namespace millrace::tcp
