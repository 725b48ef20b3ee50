// SPDX-License-Identifier: BSD-3-Clause
//
// MTU to MSS, what lowers it, and what raises it again.
#include "tcp/connection/path_mtu.h"

#include <algorithm>

#include "tcp/connection/calls.h"
#include "tcp/connection/handshake.h"
#include "tcp/connection/input.h"
#include "tcp/connection/recovery.h"

namespace millrace::tcp {
namespace {

// An MTU below these is nobody's honest path (RFC 1191 §3 with RFC 8201 §4).
constexpr std::uint16_t kFloor4 = 552;
constexpr std::uint16_t kFloor6 = 1280;
// RFC 4821 §7.2: what nearly every path takes; and R1 (RFC 9293 §3.8.3).
constexpr unsigned kSafeMtu = 1024;
constexpr unsigned kSilentTimeouts = 3;

// The payload of a full segment on a path of `mtu` bytes, not below the floor.
[[nodiscard]] std::uint16_t mss_for(const Connection& c, unsigned mtu) {
  const bool ipv6 = c.has(Connection::kIpv6);
  const unsigned headers = (ipv6 ? 60U : 40U) + (c.has(Connection::kTimestamps) ? 12U : 0U);
  const unsigned least = ipv6 ? kFloor6 : kFloor4;
  return static_cast<std::uint16_t>(std::max(mtu, least) - headers);
}

}  // namespace

Drop on_icmp_too_big(Connection& c, Seq seq, std::uint16_t mtu, const Context& context) {
  if (!quotes_our_flight(c, seq)) return Drop::icmp_no_connection;
  const bool opening = c.state == State::syn_sent || c.state == State::syn_received;
  if (opening) return Drop::icmp_ignored;
  const std::uint16_t told = mss_for(c, mtu);
  if (told >= c.mss) return Drop::icmp_ignored;
  c.mss = told;
  // What was too big is lost, but not by congestion (RFC 1191 §6.5).
  resend_all(c, context.stores.send[c.send], context);
  return Drop::none;
}

void suspect_black_hole(Connection& c, const SendState& st, unsigned timeouts,
                        const Context& context) {
  if (timeouts < kSilentTimeouts || st.soft_error != SoftError::none) return;
  const std::uint16_t smaller = mss_for(c, kSafeMtu >> std::min(timeouts - kSilentTimeouts, 8U));
  if (smaller >= c.mss || std::min(flight_bytes(c), c.snd_wnd) <= smaller) return;
  c.mss = smaller;
  ++context.counters.TCPMTUBlackHole;
}

bool raise_path_mtu(Connection& c, std::uint16_t mss, const Context& context) {
  if (c.send != kNil) {
    const SendState& st = context.stores.send[c.send];
    if (st.unanswered != 0 || st.in_recovery || st.resending || st.loss != kNil) return false;
  }
  c.mss = std::max(c.mss, std::min(mss, largest_payload(c, context.config)));
  c.congestion.cwnd = std::max<std::uint32_t>(c.congestion.cwnd, c.mss);
  return true;
}

}  // namespace millrace::tcp
