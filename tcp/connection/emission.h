// SPDX-License-Identifier: BSD-3-Clause
//
// How a segment of a connection looks on its way out: sequence and acknowledgment numbers, window,
// options (RFC 9293 §3.1, RFC 7323 §3, RFC 2018 §3), and what sending it settles: every segment
// with an ACK pays ACKs that were owed. What is sent, and when, is output.cpp's.
#pragma once

#include <cstdint>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/connection/receive_window.h"
#include "tcp/connection/timestamps.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// True while bytes are kept that came before their turn.
[[nodiscard]] inline bool has_gap(const Connection& c, const Context& context) {
  return c.has_receive_state() && context.stores.receive[c.receive].reassembly != kNil;
}

/// SACK blocks that have room beside the other options (RFC 2018 §3).
[[nodiscard]] inline std::uint8_t most_sack_blocks(const Connection& c) {
  return c.has(Connection::kTimestamps) ? 3 : kMaxSackBlocks;
}

/// Bytes that SACK blocks take from the payload of a full segment; only while there is a gap.
[[nodiscard]] std::uint32_t sack_option_bytes(const Connection& c, const Context& context);

/// Payload bytes of a full segment now.
[[nodiscard]] inline std::uint32_t segment_payload(const Connection& c, const Context& context) {
  if (!has_gap(c, context)) [[likely]]
    return c.mss;
  return c.mss - sack_option_bytes(c, context);
}

/// What the next ACK acknowledges: RCV.NXT, or a step of two full segments on the way to it.
[[nodiscard]] Seq next_ack(const Connection& c, const Context& context);

/// Blocks for what is out of order, if the peer understands them; only while there is a gap.
void add_sack(const Connection& c, const Context& context, SegmentOut& out);

/// What all segments of a profile have in common. Arrays are left as they are beyond their counts.
inline void fill_fixed(Seq seq, std::uint8_t flags, const Context& context, SegmentOut& out) {
  out.seq = seq;
  out.flags.bits = flags;
  out.ecn = 0;
  out.dscp = context.config.dscp;
  out.ttl = context.config.ttl;
  out.piece_count = 0;
  out.segment_size = 0;
  out.payload_bytes = 0;
  out.options.has = 0;
  out.options.sack_count = 0;
}

/// What a segment that acknowledges `ack` settles; its window field.
[[gnu::always_inline]] inline std::uint16_t acknowledge_with_window(Connection& c, Seq ack,
                                                                    const Context& context) {
  update_receive_window(c, context);
  const std::uint16_t window = window_field(c, ack);
  if (window == 0 && bytes_between(c.last_ack_sent, c.rcv_adv) >> c.our_scale() != 0) [[unlikely]] {
    ++context.counters.TCPToZeroWindowAdv;
  }
  c.last_ack_sent = ack;
  if (ack != c.rcv_nxt) return window;
  if (c.acks_owed != 0) --c.acks_owed;
  c.clear(Connection::kAckDelayed | Connection::kAckWhole);
  return window;
}

/// A segment without payload; `ack` is RCV.NXT or a step on the way to it.
[[gnu::always_inline]] inline void fill_header_acking(Connection& c, Seq seq, Seq ack,
                                                      std::uint8_t flags, const Context& context,
                                                      SegmentOut& out) {
  fill_fixed(seq, flags, context, out);
  if (c.has(Connection::kTimestamps)) {
    out.options.has = Options::kTimestamps;
    out.options.tsval = tsval_of(c, context.now);
    out.options.tsecr = c.ts_recent;
  }
  if (has_gap(c, context)) add_sack(c, context, out);
  out.ack = ack;
  out.window = acknowledge_with_window(c, ack, context);
  if (c.has(Connection::kEcn) && c.ce_seen != 0) [[unlikely]]
    out.flags.bits |= Flags::kEce;
}

/// The same, acknowledging RCV.NXT; out of line.
void fill_header(Connection& c, Seq seq, std::uint8_t flags, const Context& context,
                 SegmentOut& out);
/// A pure ACK of next_ack().
void fill_ack(Connection& c, Seq seq, const Context& context, SegmentOut& out);
/// <SEQ=SND.NXT><CTL=RST> (RFC 9293 §3.10.5), with an ACK if one is owed; settles both.
void fill_reset(Connection& c, const Context& context, SegmentOut& out);
/// Our SYN, or with `answer` SYN and ACK.
void fill_syn(Connection& c, bool answer, const Context& context, SegmentOut& out);

}  // namespace millrace::tcp
