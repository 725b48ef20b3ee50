// SPDX-License-Identifier: BSD-3-Clause
//
// TCP Fast Open (RFC 7413), both ends of one connection. Off unless TcpConfig::fast_open is set:
// then data in a SYN mean what RFC 9293 says.
//
// The client: its SYN asks for a cookie, or has one and what the application queued before the
// first flush, as much as fits the MSS that the path had (§4.2.1). SND.NXT counts the SYN alone; up
// to where its text reaches is in SendState::resend_next. What the SYN-ACK does not acknowledge is
// sent again as if it never had been. A SYN that found no answer goes again without option and text
// (§4.1.3), and the path remembers that as a failure.
//
// The server: a connection in SYN-RECEIVED that a listener gave to the application already, "early"
// in short. Its SND.UNA stands behind the SYN-ACK from the start, so that text sent before the
// handshake ends is text like any other; what the timer sends again until then is the SYN-ACK.
// SND.WL1 is the number of the peer's SYN, which tells a copy of it. Our FIN waits for ESTABLISHED.
// Whose cookie is good, and how many connections may be early, the endpoint decides.
//
// Refuses: the experimental option (kind 254, RFC 7413 §4.1.1 and appendix A); a FIN beside SYN,
// which comes again; text in the SYN-ACK of ours, where it follows behind; Fast Open in a
// simultaneous open.
#pragma once

#include "tcp/base/drop.h"
#include "tcp/connection/cold.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/connection/handshake.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

// ---- the server's end

/// Accepted by its cookie, its SYN-ACK not acknowledged yet. No other connection is in SYN-RECEIVED
/// without having been opened by us.
[[nodiscard]] inline bool is_early(const Connection& c) {
  return c.state == State::syn_received && !c.has(Connection::kActiveOpen);
}

/// `c` becomes early by `h`, whose snd_wnd is that of the SYN; the SYN-ACK goes out at the next
/// flush, with a fresh cookie if `grants`. False: no SendState free.
[[nodiscard]] bool open_early(Connection& c, const Handshake& h, bool grants,
                              const Context& context);

/// The text of the SYN: how many of its bytes are taken.
std::uint32_t take_early_text(Connection& c, std::size_t bytes);

/// A segment with SYN for an early connection. True if it was the peer's SYN once more: the SYN-ACK
/// goes again, not more often than a challenge may.
[[nodiscard]] bool take_repeated_syn(Connection& c, const SegmentIn& segment,
                                     const Context& context);

/// Fifth check, early: whatever acknowledges the SYN-ACK ends the handshake.
Drop check_early_ack(Connection& c, const SegmentIn& segment, const Context& context,
                     Outcome& outcome);

/// The SYN-ACK of an early connection, the first or again; `st.retransmit_first` is settled.
void emit_early_syn_ack(Connection& c, SendState& st, const Context& context, SegmentOut& out);

// ---- the client's end

/// Our first SYN: what Fast Open adds to it.
void add_fast_open(Connection& c, SendState& st, const Context& context, SegmentOut& out);

/// Up to where the text of our SYN reaches; SND.NXT if it had none. In SYN-SENT, and SYN-RECEIVED
/// after it.
[[nodiscard]] inline Seq end_of_syn(const Connection& c, const Context& context) {
  return later_of(c.snd_nxt, context.stores.send[c.send].resend_next);
}

/// The SYN-ACK of our SYN: what it says of cookie and path. Before SND.UNA moves.
void learn_fast_open(const Connection& c, const SegmentIn& segment, const Context& context);

/// After syn_acknowledged(): the text of our SYN up to `ack` has been acknowledged with it.
void syn_text_acknowledged(Connection& c, Seq ack, const Context& context, Outcome& outcome);

/// Our SYN got no answer in time, or a hard ICMP error for one.
void fast_open_failed(const Connection& c, SendState& st, const Context& context);

}  // namespace millrace::tcp
