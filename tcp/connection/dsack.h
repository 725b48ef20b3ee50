// SPDX-License-Identifier: BSD-3-Clause
//
// The receiver's half of DSACK (RFC 2883): text that came although it was there already is told in
// the first block of the next ACK, once, so that its sender learns what it need not have sent
// again. What a sender makes of it is rack.h's, tlp.h's and undo.h's.
//
// The ACK goes at once and without data, as far as RCV.NXT: beside data there would be no room for
// the block, and below RCV.NXT it would read as an ordinary one. The block waits in ReceiveState;
// where there is none to be had nothing is told. Of several stretches that do not touch the first
// is.
#pragma once

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// [left, right) came again; nothing if it is empty or SACK was not agreed.
void note_twice(Connection& c, Seq left, Seq right, const Context& context);

[[nodiscard]] inline bool owes_dsack(const Connection& c, const Context& context) {
  return c.has_receive_state() && context.stores.receive[c.receive].twice_owed;
}

/// Puts the block before those of `out`, a pure ACK of RCV.NXT, and forgets it.
void add_dsack(Connection& c, const Context& context, SegmentOut& out);

}  // namespace millrace::tcp
