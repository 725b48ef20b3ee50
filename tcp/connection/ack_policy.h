// SPDX-License-Identifier: BSD-3-Clause
//
// When we acknowledge: at once, later, or not at all (RFC 9293 §3.8.6.3, RFC 5681 §4.2), and how
// often we answer what is not acceptable (RFC 5961 §7). ACKs are only owed here; output.cpp sends
// them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// One more ACK of RCV.NXT: for a segment out of order, a duplicate, a probe.
inline void owe_ack(Connection& c) {
  if (c.acks_owed != 0xff) ++c.acks_owed;
}

/// RCV.NXT has moved and this is to be told at once. ACKs owed for its old value have become moot.
inline void ack_progress_now(Connection& c) { c.acks_owed = 1; }

/// The same after a hole was filled: one ACK of all of it. ACKs on the way would read as partial
/// ones, each of which says that more is missing (RFC 6582).
inline void ack_whole(Connection& c) {
  c.acks_owed = 1;
  c.set(Connection::kAckWhole);
}

/// True if `bytes` are twice the MSS that we told the peer (RFC 9293 SHLD-19: 2*RMSS).
[[nodiscard]] bool is_twice_full(const Connection& c, std::uint32_t bytes, const Context& context);

/// `bytes` arrived in order, with no gap around: every second full segment at once, or as much in
/// fewer that the NIC joined, or in more that were small; else later. True for the first that is to
/// be acknowledged at once: one of a stream, and a good one to take the round trip of.
inline bool ack_progress(Connection& c, std::uint32_t bytes, const Context& context) {
  // A segment of at least this is a full one even if our own MSS is larger than the peer's.
  constexpr std::uint32_t kSurelyFullBytes = 536;
  const bool owed = c.acks_owed != 0;
  if (owed || context.config.delayed_ack == Duration::zero()) {
    ack_progress_now(c);
    return !owed;
  }
  if (!c.has(Connection::kAckDelayed)) [[likely]] {
    if (bytes > context.config.mtu && is_twice_full(c, bytes, context)) {
      ack_progress_now(c);
      return true;
    }
    c.set(Connection::kAckDelayed);
    c.ack_deadline = deadline_after(context.now, context.config.delayed_ack);
    return false;
  }
  if (bytes >= std::min(std::uint32_t{c.mss}, kSurelyFullBytes)) {
    ack_progress_now(c);
    return true;
  }
  if (is_twice_full(c, bytes_between(c.last_ack_sent, c.rcv_nxt), context)) ack_whole(c);
  return false;
}

/// A challenge ACK, unless this connection sent one less than challenge_ack_interval ago. The limit
/// knows no other connection (CVE-2016-5696). True if one is owed now.
bool owe_challenge_ack(Connection& c, const Context& context);

/// The ACK for a segment that is not acceptable. Segments without text share the challenge's limit,
/// else two ends that disagree would acknowledge each other for ever.
void answer_unacceptable(Connection& c, const SegmentIn& segment, const Context& context);

}  // namespace millrace::tcp
