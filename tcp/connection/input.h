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
#include "tcp/wire/segment.h"

namespace millrace::tcp {

Drop on_segment(Connection& c, const SegmentIn& segment, const Context& context, Outcome& outcome);

/// An ICMP error whose sequence number lies in [SND.UNA, SND.NXT): a hard one ends an opening
/// connection, in synchronized states it is soft (RFC 5927 §4, §5). Drop::icmp_no_connection if
/// not.
Drop on_icmp_unreachable(Connection& c, Seq seq, bool hard, const Context& context,
                         Outcome& outcome);
/// A validated packet-too-big lowers the MSS, never below the floor of 552 (v4) or 1280 (v6) bytes
/// of MTU (RFC 1191, RFC 8201, RFC 5927 §7).
Drop on_icmp_too_big(Connection& c, Seq seq, std::uint16_t mtu, const Context& context);

}  // namespace millrace::tcp
