// SPDX-License-Identifier: BSD-3-Clause
//
// Explicit congestion notification (RFC 3168) and what DCTCP makes of it (RFC 8257). Three parts:
// who asks for it and who agrees (§6.1.1), the receiver's echo (§6.1.3), the sender's answer to it
// (§6.1.2). What the window becomes is tcp/congestion's.
//
// Only new text is sent as ECN-capable: no SYN, pure ACK, probe or retransmission (§6.1.4 to
// §6.1.6). A simultaneous open has no ECN.
#pragma once

#include <cstdint>

#include "tcp/connection/cold.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

[[nodiscard]] inline bool is_dctcp(const TcpConfig& config) {
  return config.congestion == CongestionAlgorithm::dctcp;
}
/// Our SYNs ask for ECN.
[[nodiscard]] inline bool asks_for_ecn(const TcpConfig& config) {
  return config.ecn == EcnUse::always || (config.ecn == EcnUse::when_asked && is_dctcp(config));
}
/// A SYN that asks for it, and we agree.
[[nodiscard]] inline bool is_ecn_question(const TcpConfig& config, Flags syn) {
  return config.ecn != EcnUse::never && syn.ece() && syn.cwr();
}
/// A SYN-ACK that agrees to what our SYN asked. CWR beside ECE reflects the SYN's reserved bits and
/// says nothing.
[[nodiscard]] inline bool is_ecn_answer(const TcpConfig& config, Flags syn_ack) {
  return asks_for_ecn(config) && syn_ack.ack() && syn_ack.ece() && !syn_ack.cwr();
}

/// `out` carries text that was never sent before, on a connection with kEcn.
inline void mark_new_text(Connection& c, SegmentOut& out) {
  out.ecn = kEcnCapable;
  if (c.cwr_owed == 0) return;
  out.flags.bits |= Flags::kCwr;
  c.cwr_owed = 0;
}

/// An acceptable segment with text or FIN on a connection with kEcn: what our ACKs echo from now.
void ecn_arrived(Connection& c, const SegmentIn& segment, const Context& context);

/// The number that an ACK owed for a change of marks acknowledges: it has the echo of before.
[[nodiscard]] inline Seq edge_of(const Connection& c) { return Seq(c.ack_deadline); }

/// The window was reduced, for whatever reason: no mark of this window reduces it again, and the
/// peer is told (§6.1.2).
inline void note_reduction(Connection& c, SendState& st) {
  st.ecn_recover = c.snd_nxt;
  c.cwr_owed = c.has(Connection::kEcn) ? 1 : 0;
}

/// An acceptable ACK while something is in flight, on a connection with kEcn, before SND.UNA moves;
/// it acknowledges `acked_bytes`. True if it echoes a mark.
bool ecn_acknowledged(Connection& c, SendState& st, const SegmentIn& segment,
                      std::uint32_t acked_bytes, const Context& context);

}  // namespace millrace::tcp
