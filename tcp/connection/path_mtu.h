// SPDX-License-Identifier: BSD-3-Clause
//
// The path MTU of a connection, which is its MSS and the headers. It begins as the link's and is
// lowered by two messengers: a router's packet-too-big that quotes what is in flight (RFC 1191, RFC
// 8201, RFC 5927 §7), in input.h, and silence, where routers tell nothing: a black hole (RFC 4821
// §7.7, RFC 2923 §2.1).
//
// What a router lowered is tried in its old size after ten minutes (RFC 1191 §6.3), by the endpoint
// (tcp/endpoint/lowered_paths.h): the router will speak again. What silence lowered stays, for to
// try it costs three timeouts. Nothing is probed upwards by segments made for that (RFC 4821 §7.3,
// RFC 8899 §5).
#pragma once

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"

namespace millrace::tcp {

/// True if an ICMP error that quotes `seq` can be one about us: it lies in flight (RFC 5927 §4.1).
[[nodiscard]] inline bool quotes_our_flight(const Connection& c, Seq seq) {
  return in_window(seq, c.snd_una, bytes_between(c.snd_una, c.snd_nxt));
}

/// The retransmission timer expired for the `timeouts`th time in a row. From the third on, the R1
/// of RFC 9293 §3.8.3, what is in flight goes in segments of 1024 bytes of MTU, then of half as
/// much, down to the floor that packet-too-big has as well. Not where an ICMP error has told why
/// nothing comes back, and not where no segment in flight is larger.
void suspect_black_hole(Connection& c, const SendState& st, unsigned timeouts,
                        const Context& context);

/// Segments may have `mss` bytes again, or what our link allows. False, and nothing done, while
/// something is being repaired, which larger segments would only hinder.
[[nodiscard]] bool raise_path_mtu(Connection& c, std::uint16_t mss, const Context& context);

}  // namespace millrace::tcp
