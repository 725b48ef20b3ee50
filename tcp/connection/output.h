// SPDX-License-Identifier: BSD-3-Clause
//
// What a connection has to send now (RFC 9293 §3.7.4, §3.8): owed ACKs, new data within both
// windows, retransmissions, probes, SYN, FIN and RST, each ACK joined to data where there are any.
#pragma once

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// Fills `out` with the next segment that is due (all but `out.tuple`, which the endpoint knows)
/// and moves SND.NXT and the timers; false when nothing is due. Call again until false.
/// `out.pieces` borrow from the send queue, until the next call of anything on this connection.
///
/// Counted here: what the connection knows (RetransSegs, TCPTimeouts, EstabResets, ...). Left to
/// the endpoint, which sees all segments and doors: InSegs, OutSegs, OutRsts, ActiveOpens,
/// PassiveOpens.
[[nodiscard]] bool next_segment(Connection& c, const Context& context, SegmentOut& out);

/// The usual turn: where one segment holds all that is queued (data, FIN or both) with nothing in
/// flight, nothing out of order and nothing else owed, does what next_segment() would, called until
/// it says false; the send timer is then the only one armed. Else false, and nothing has changed
/// but what an idle time changes.
[[nodiscard]] bool send_whole_queue(Connection& c, const Context& context, SegmentOut& out);

/// True if next_segment() would produce something.
[[nodiscard]] bool wants_to_send(const Connection& c, const Context& context);

}  // namespace millrace::tcp
