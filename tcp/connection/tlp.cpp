// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 8985 §7.4.2. With timestamps the ACK of the probe's end tells at once whose it is, which
// matters where it acknowledges all and nothing further would come.
#include "tcp/connection/tlp.h"

#include "tcp/connection/timestamps.h"

namespace millrace::tcp {

bool tlp_on_ack(const Connection& c, Tlp& tlp, const SegmentIn& segment, const SackBlock* dsack) {
  if (!tlp.open || before(segment.ack, tlp.end)) return false;
  if (!tlp.is_again) {
    tlp.open = false;
    return false;
  }
  if (dsack != nullptr && at_or_after(dsack->right, tlp.end) && before(dsack->left, tlp.end)) {
    tlp.open = false;  // case 1: both copies arrived
    return false;
  }
  if (c.has(Connection::kTimestamps) && segment.options.tsecr != 0) {
    tlp.open = false;
    return !ts_before(segment.options.tsecr, tlp.tsval);
  }
  if (after(segment.ack, tlp.end)) {
    tlp.open = false;
    return true;
  }
  // Case 2: an ACK that only repeats is of the copy.
  if (segment.ack == c.snd_una && segment.length() == 0) tlp.open = false;
  return false;
}

}  // namespace millrace::tcp
