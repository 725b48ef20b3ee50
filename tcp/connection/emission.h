// SPDX-License-Identifier: BSD-3-Clause
//
// How a segment of a connection looks on its way out: sequence and acknowledgment numbers, window,
// options (RFC 9293 §3.1, RFC 7323 §3, RFC 2018 §3), and what sending it settles: every segment
// with an ACK pays ACKs that were owed. What is sent, and when, is output.cpp's.
#pragma once

#include <cstdint>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// True while bytes are kept that came before their turn.
[[nodiscard]] inline bool has_gap(const Connection& c, const Context& context) {
  return c.receive != kNil && context.stores.receive[c.receive].reassembly != kNil;
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

/// A segment without payload that acknowledges RCV.NXT.
void fill_header(Connection& c, Seq seq, std::uint8_t flags, const Context& context,
                 SegmentOut& out);
/// A pure ACK of next_ack().
void fill_ack(Connection& c, Seq seq, const Context& context, SegmentOut& out);
/// <SEQ=SND.NXT><CTL=RST> (RFC 9293 §3.10.5); settles kResetOwed.
void fill_reset(Connection& c, const Context& context, SegmentOut& out);
/// Our SYN, or with `answer` SYN and ACK.
void fill_syn(Connection& c, bool answer, const Context& context, SegmentOut& out);

}  // namespace millrace::tcp
