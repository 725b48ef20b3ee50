// SPDX-License-Identifier: BSD-3-Clause
//
// Headers of outgoing segments. Fields are written in place; arrays of a SegmentOut are left as
// they are beyond their counts.
#include "tcp/connection/emission.h"

#include <algorithm>

#include "tcp/connection/dsack.h"
#include "tcp/connection/ecn.h"
#include "tcp/connection/handshake.h"
#include "tcp/connection/reassembly.h"
#include "tcp/connection/receive_window.h"
#include "tcp/connection/timestamps.h"

namespace millrace::tcp {
std::uint32_t sack_option_bytes(const Connection& c, const Context& context) {
  if (!c.has(Connection::kSack)) return 0;
  const ReceiveState& r = context.stores.receive[c.receive];
  const std::uint32_t blocks =
      std::min<std::uint32_t>(reassembly_of(r, context.stores).range_count, most_sack_blocks(c));
  const std::uint32_t bytes = 4 + 8 * blocks;
  return std::min(bytes, std::uint32_t{c.mss} / 2);
}

Seq next_ack(const Connection& c, const Context& context) {
  if (context.config.coalesce_acks || c.has(Connection::kAckWhole)) return c.rcv_nxt;
  const std::uint32_t behind = bytes_between(c.last_ack_sent, c.rcv_nxt);
  const std::uint32_t step = 2 * largest_payload(c, context.config);
  return behind > step ? c.last_ack_sent + step : c.rcv_nxt;
}

void add_sack(const Connection& c, const Context& context, SegmentOut& out) {
  if (!c.has(Connection::kSack)) return;
  out.options.sack_count = fill_sack(context.stores.receive[c.receive], context.stores,
                                     most_sack_blocks(c), out.options.sack);
}

void fill_header(Connection& c, Seq seq, std::uint8_t flags, const Context& context,
                 SegmentOut& out) {
  fill_header_acking(c, seq, c.rcv_nxt, flags, context, out);
}

void fill_ack(Connection& c, Seq seq, const Context& context, SegmentOut& out) {
  if (c.edge_owed != 0) [[unlikely]] {
    c.edge_owed = 0;
    fill_header_acking(c, seq, edge_of(c), Flags::kAck, context, out);
    out.flags.bits ^= Flags::kEce;
    // The edge had the place of the FIN's time, which was a moment ago.
    if (c.has(Connection::kFinReceived)) c.ack_deadline = long_stamp_of(context.now);
    return;
  }
  fill_header_acking(c, seq, next_ack(c, context), Flags::kAck, context, out);
  if (owes_dsack(c, context) && out.ack == c.rcv_nxt) add_dsack(c, context, out);
}

void fill_reset(Connection& c, const Context& context, SegmentOut& out) {
  // A probe of a closed window put SND.NXT beyond it; a reset from there would be dropped as out of
  // window (RFC 9293 §3.10.7.4), and its peer never hear of it.
  const Seq seq = earlier_of(c.snd_nxt, c.snd_una + c.snd_wnd);
  fill_fixed(seq, Flags::kRst, context, out);
  out.ack = Seq();
  out.window = 0;
  if (c.acks_owed != 0) {
    out.flags.bits |= Flags::kAck;
    out.ack = c.rcv_nxt;
    c.acks_owed = 0;
  }
  c.clear(Connection::kResetOwed);
}

void fill_syn(Connection& c, bool answer, const Context& context, SegmentOut& out) {
  const bool ipv6 = c.has(Connection::kIpv6);
  std::uint8_t flags = answer ? Flags::kSyn | Flags::kAck : Flags::kSyn;
  // A SYN that got no answer goes without: something on the way may not like it (§6.1.1.1).
  if (!answer && c.backoff == 0 && asks_for_ecn(context.config)) flags |= Flags::kEce | Flags::kCwr;
  fill_fixed(c.snd_una, flags, context, out);
  out.ack = Seq();
  // Not scaled (RFC 7323 §2.2), though a scaled one may have been told since.
  out.window = static_cast<std::uint16_t>(std::min(c.rcv_wnd(), 0xffffU));
  Options offered;
  if (answer) {
    // Only what was agreed goes back. Two scales of zero are the same as none.
    if (c.has(Connection::kTimestamps)) offered.has |= Options::kTimestamps;
    if (c.has(Connection::kSack)) offered.has |= Options::kSackPermitted;
    if (c.window_scales != 0) offered.has |= Options::kWindowScale;
    out.ack = c.rcv_nxt;
    c.last_ack_sent = c.rcv_nxt;
    if (c.acks_owed != 0) --c.acks_owed;
    c.clear(Connection::kAckDelayed | Connection::kAckWhole);
  }
  out.options = syn_options(context.config, ipv6, tsval_of(c, context.now),
                            answer ? &offered : nullptr, c.ts_recent);
}

}  // namespace millrace::tcp
