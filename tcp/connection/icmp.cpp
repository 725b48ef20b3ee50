// SPDX-License-Identifier: BSD-3-Clause
//
// What ICMP may do to a connection (RFC 5927): end one that is opening, lower its MSS
// (path_mtu.cpp); nothing else. The sequence number that the error quotes must lie in flight, else
// anyone could have sent it.
#include "tcp/connection/calls.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/fast_open.h"
#include "tcp/connection/handshake.h"
#include "tcp/connection/input.h"
#include "tcp/connection/path_mtu.h"

namespace millrace::tcp {

Drop on_icmp_error(Connection& c, Seq seq, SoftError error, bool hard, const Context& context,
                   Outcome& outcome) {
  if (!quotes_our_flight(c, seq)) return Drop::icmp_no_connection;
  const bool opening = c.state == State::syn_sent || c.state == State::syn_received;
  if (!opening || !hard) {
    // Soft: retransmission goes on (§4.1). What is in flight has a SendState.
    context.stores.send[c.send].soft_error = error;
    return Drop::icmp_ignored;
  }
  if (c.state == State::syn_sent) fast_open_failed(c, context.stores.send[c.send], context);
  finish(c, CloseReason::unreachable, context, outcome);
  return Drop::none;
}

}  // namespace millrace::tcp
