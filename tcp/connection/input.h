// SPDX-License-Identifier: BSD-3-Clause
//
// SEGMENT ARRIVES for a connection of its own: SYN-SENT (RFC 9293 §3.10.7.3) and all later states
// but TIME-WAIT (§3.10.7.4), the eight checks in their order, with RFC 5961 and RFC 7323 where they
// amend them. LISTEN, half-open and TIME-WAIT live in tcp/endpoint. Input never sends: it changes
// `c`, fills `outcome`, and sets acks_owed or leaves work that next_segment() will find.
#pragma once

#include "tcp/base/drop.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/connection/timestamps.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

Drop on_segment(Connection& c, const SegmentIn& segment, const Context& context, Outcome& outcome);

/// What both straight ways in ask of a segment: it is the next, its ACK covers all that was sent
/// (`fin`: our FIN is counted), outside recovery, its timestamp is not old, and nothing is unread
/// or out of order.
[[nodiscard, gnu::always_inline]] inline bool is_next(const Connection& c, const SegmentIn& segment,
                                                      std::uint32_t fin, const Context& context) {
  if (segment.seq != c.rcv_nxt || segment.ack != c.snd_nxt || c.has_receive_state()) return false;
  if (c.has(Connection::kEcn) && (segment.ecn == kCongestionExperienced || c.ce_seen != 0)) {
    return false;
  }
  if (c.has(Connection::kTimestamps) &&
      (!segment.options.has_timestamps() || ts_before(segment.options.tsval, c.ts_recent))) {
    return false;
  }
  if (c.send == kNil) return true;
  const SendState& st = context.stores.send[c.send];
  const std::uint32_t flight = bytes_between(c.snd_una, c.snd_nxt);
  return flight == st.queued_bytes + fin && flight != 0 && !st.in_recovery && st.loss == kNil &&
         segment.options.sack_count == 0;
}

/// Header prediction (Jacobson): true only if every check before the fifth passes, the ACK covers
/// all that was sent, outside recovery, and the text, if any, is next and fits, with nothing unread
/// or out of order.
[[nodiscard]] inline bool is_expected(const Connection& c, const SegmentIn& segment,
                                      const Context& context) {
  constexpr std::uint8_t kMask =
      Flags::kSyn | Flags::kFin | Flags::kRst | Flags::kAck | Flags::kEce | Flags::kCwr;
  if (c.state != State::established || (segment.flags.bits & kMask) != Flags::kAck) return false;
  return segment.payload.size() <= c.rcv_wnd() && is_next(c, segment, 0, context);
}

/// What on_segment() comes to for such a segment: its payload is lent, and nothing else can happen
/// but that a waiting writer finds room, which is what is returned.
bool input_expected(Connection& c, const SegmentIn& segment, const Context& context);

/// The same for the segments that end most connections: a FIN without text, the ACK of ours, or
/// both in one.
[[nodiscard]] inline bool is_expected_end(const Connection& c, const SegmentIn& segment,
                                          const Context& context) {
  constexpr std::uint8_t kMask =
      Flags::kSyn | Flags::kRst | Flags::kAck | Flags::kEce | Flags::kCwr;
  if ((segment.flags.bits & kMask) != Flags::kAck || !segment.payload.empty()) return false;
  const bool fin = segment.flags.fin();
  const bool usual = fin ? c.state == State::established || c.state == State::fin_wait_1 ||
                               c.state == State::fin_wait_2
                         : c.state == State::fin_wait_1 || c.state == State::last_ack;
  return usual && (!fin || c.rcv_wnd() != 0) &&
         is_next(c, segment, c.has(Connection::kFinQueued) ? 1 : 0, context);
}

/// What on_segment() comes to for such a segment: the state that follows; the FIN is the end of
/// what the peer sends; in TIME-WAIT an ACK is owed, and CLOSED is a graceful end. True if a
/// waiting writer finds room.
bool input_expected_end(Connection& c, const SegmentIn& segment, const Context& context);

/// An ICMP error whose sequence number lies in [SND.UNA, SND.NXT): a hard one ends an opening
/// connection, in synchronized states it is soft (RFC 5927 §4, §5). Drop::icmp_no_connection if
/// not.
Drop on_icmp_error(Connection& c, Seq seq, SoftError error, bool hard, const Context& context,
                   Outcome& outcome);
/// A validated packet-too-big lowers the MSS, never below the floor of 552 (v4) or 1280 (v6) bytes
/// of MTU (RFC 1191, RFC 8201, RFC 5927 §7).
Drop on_icmp_too_big(Connection& c, Seq seq, std::uint16_t mtu, const Context& context);

}  // namespace millrace::tcp
