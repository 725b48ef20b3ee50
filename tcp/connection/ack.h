// SPDX-License-Identifier: BSD-3-Clause
//
// The fifth check of SEGMENT ARRIVES: the ACK field (RFC 9293 §3.10.7.4, RFC 5961 §5), the send
// window, and what an acknowledgment sets free.
#pragma once

#include "tcp/base/drop.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// Fifth check in the states after SYN-RECEIVED. May end the connection (LAST-ACK) or move it to
/// TIME-WAIT (CLOSING).
Drop check_ack(Connection& c, const SegmentIn& segment, const Context& context, Outcome& outcome);

/// The peer has acknowledged our SYN: SND.UNA moves over it, its round trip is sampled, and the
/// send window is taken from this segment.
void syn_acknowledged(Connection& c, const SegmentIn& segment, std::uint32_t window_bytes,
                      const Context& context, Outcome& outcome);

}  // namespace millrace::tcp
