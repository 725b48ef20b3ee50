// SPDX-License-Identifier: BSD-3-Clause
//
// Loss recovery without SACK: duplicate ACKs, limited transmit and fast retransmit (RFC 5681 §3.2,
// RFC 3042), NewReno's fast recovery (RFC 6582), and go-back-N after a timeout (RFC 6298 §5,
// RFC 5681 §3.1). This room decides what is sent again; how much may be in flight is
// tcp/congestion's.
#pragma once

#include <cstdint>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"

namespace millrace::tcp {

/// An ACK that repeats SND.UNA while something is in flight (RFC 5681 §2).
void on_duplicate_ack(Connection& c, SendState& st, const Context& context);

/// SND.UNA is about to move to `ack`, which acknowledges `acked_bytes`; tells congestion control.
/// True if the retransmission timer is to be restarted (RFC 6298 §5.3; not on later partial ACKs,
/// RFC 6582 §3.2 step 3).
[[nodiscard]] bool on_new_ack(Connection& c, SendState& st, Seq ack, std::uint32_t acked_bytes,
                              const Context& context);

/// The retransmission timer expired; `first` for this SND.UNA.
void on_timeout_loss(Connection& c, SendState& st, bool first, const Context& context);

/// Everything from SND.UNA on is to be sent again, without any judgement on the path: after a
/// window probe that was refused, or a smaller MSS.
void resend_all(Connection& c, SendState& st);

}  // namespace millrace::tcp
