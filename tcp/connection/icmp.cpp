// SPDX-License-Identifier: BSD-3-Clause
//
// What ICMP may do to a connection (RFC 5927): end one that is opening, lower its MSS; nothing
// else. The sequence number that the error quotes must lie in flight, else anyone could have sent
// it.
#include <algorithm>

#include "tcp/connection/calls.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/fast_open.h"
#include "tcp/connection/handshake.h"
#include "tcp/connection/input.h"
#include "tcp/connection/recovery.h"

namespace millrace::tcp {
namespace {

// An MTU below these is nobody's honest path (RFC 1191 §3 with RFC 8201 §4).
constexpr std::uint16_t kFloor4 = 552;
constexpr std::uint16_t kFloor6 = 1280;

[[nodiscard]] bool quotes_our_flight(const Connection& c, Seq seq) {
  return in_window(seq, c.snd_una, flight_bytes(c));
}

}  // namespace

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

Drop on_icmp_too_big(Connection& c, Seq seq, std::uint16_t mtu, const Context& context) {
  if (!quotes_our_flight(c, seq)) return Drop::icmp_no_connection;
  const bool opening = c.state == State::syn_sent || c.state == State::syn_received;
  if (opening) return Drop::icmp_ignored;
  const bool ipv6 = c.has(Connection::kIpv6);
  const int headers = (ipv6 ? 60 : 40) + (c.has(Connection::kTimestamps) ? 12 : 0);
  const int told = std::max(mtu, ipv6 ? kFloor6 : kFloor4) - headers;
  if (told >= c.mss) return Drop::icmp_ignored;
  c.mss = static_cast<std::uint16_t>(told);
  // What was too big is lost, but not by congestion (RFC 1191 §6.5).
  resend_all(c, context.stores.send[c.send], context);
  return Drop::none;
}

}  // namespace millrace::tcp
