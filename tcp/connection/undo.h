// SPDX-License-Identifier: BSD-3-Clause
//
// Retransmissions that were not needed, and how one knows: the echoed timestamp is older than the
// first of them (Eifel detection, RFC 3522 §3.2), or the peer tells of each by DSACK that it came
// twice (RFC 2883 §5, RFC 3708 §3). F-RTO (frto.h) is a third way. What follows from it is the same
// for all: congestion control forgets the loss (RFC 4015 §3.2 by congestion_undo()).
//
// Without timestamps a DSACK must come before everything was acknowledged and SendState has gone.
#pragma once

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/connection/loss_state.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// A recovery begins, and congestion control has not heard of it yet.
void undo_begin(const Connection& c, Undo& undo, const Context& context);
/// `bytes` from `first` on go again.
void undo_note_resent(const Connection& c, Undo& undo, Seq first, std::uint32_t bytes,
                      const Context& context);
/// RFC 3522: true if this ACK, which moves SND.UNA, is of what was sent first.
[[nodiscard]] bool undo_by_timestamp(const Connection& c, Undo& undo, const SegmentIn& segment);
/// True if with this block all that was sent again came twice.
[[nodiscard]] bool undo_by_dsack(Undo& undo, const SackBlock& block);
/// Congestion control as it was; never a smaller window than now.
void undo_window(Connection& c, Undo& undo, const Context& context);

}  // namespace millrace::tcp
