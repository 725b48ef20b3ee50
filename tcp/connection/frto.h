// SPDX-License-Identifier: BSD-3-Clause
//
// F-RTO (RFC 5682 §3.1, the SACK-enhanced version): after a timeout the first segment goes again,
// and what the next two ACKs say decides whether the rest follows. If they acknowledge what was
// sent once, nothing was lost, only late.
//
// Not tried when a recovery was going on already, nor when there is nothing new to send or no
// window for it (step 2b): then the rest follows, and timestamps or DSACK may still tell (undo.h).
#pragma once

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/connection/loss_state.h"
#include "tcp/connection/scoreboard.h"

namespace millrace::tcp {

/// Steps 2 and 3, by an ACK of `ack` that delivered `delivered`; SND.UNA is still where it was.
/// True if the timeout was spurious.
[[nodiscard]] bool frto_on_ack(const Connection& c, const SendState& st, LossState& ls, Seq ack,
                               const Delivered& delivered);

}  // namespace millrace::tcp
