// SPDX-License-Identifier: BSD-3-Clause
//
// One connection: the transmission control block of RFC 9293 §3.3.1 in two cache lines. Protocol
// variables keep their RFC names. Whatever is needed only while data are in flight, out of order or
// unread lives in cold.h and goes back to its pool as soon as it is empty; an idle ESTABLISHED
// connection is these 128 bytes and nothing else (IPv6: 32 more for its addresses).
//
// Plain data: the functions over it are in input.h, output.h, timers.h and calls.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tcp/base/packed_tuple.h"
#include "tcp/base/pool.h"
#include "tcp/base/seq.h"
#include "tcp/base/state.h"
#include "tcp/base/time.h"
#include "tcp/congestion/congestion.h"

namespace millrace::tcp {

/// A connection's place in the timer wheel: one node for the earliest of its deadlines.
struct WheelNode {
  std::uint32_t place = kNil;  // among the entries of its slot; kNil: not filed (timer_wheel.h)
  std::uint32_t slot = 0;
  Tick filed = 0;  // the tick it was filed under; never later than the earliest deadline
};

/// Which of the mutually exclusive purposes `send_deadline` serves now. `memory`: a write found no
/// block free and nothing of ours is in flight that would free one; ask again.
/// `loss_probe` and `reorder` stand in for `retransmit` while they are earlier (RFC 8985 §8).
enum class SendTimer : std::uint8_t {
  none,
  retransmit,
  loss_probe,
  reorder,
  persist,
  keepalive,
  fin_wait_2,
  memory,
};

struct alignas(64) Connection {
  // ---- first line: what every segment in order touches
  PackedTuple tuple;
  State state : 4 = State::closed;
  SendTimer send_timer : 4 = SendTimer::none;
  std::uint8_t profile = 0;  // which TcpConfig of the endpoint
  std::uint16_t flags = 0;   // Connection::k...
  Seq snd_una;
  Seq snd_nxt;
  std::uint32_t snd_wnd = 0;  // bytes, scaled
  Seq snd_wl1;  // SND.WL2 needs no word: it is never after SND.UNA, so its test always holds
  Seq rcv_nxt;
  Seq rcv_adv;                  // right edge advertised: RCV.NXT + RCV.WND; never goes back
  Seq last_ack_sent;            // Last.ACK.sent (RFC 7323 §4.3)
  std::uint32_t ts_recent = 0;  // TS.Recent
  std::uint32_t ts_offset = 0;  // added to timestamp_clock(); keyed per flow
  std::uint16_t mss = 536;      // payload bytes we may put in a segment, options already deducted
  std::uint8_t window_scales = 0;  // low nibble: shift for windows we receive; high: for ours
  std::uint8_t acks_owed = 0;      // ACKs of RCV.NXT that the next flush must send
  std::uint32_t send = kNil;       // cold SendState while something is queued or in flight
  /// Cold ReceiveState while something is unread or out of order; else kNoReceiveState and the
  /// bytes of the receive buffer.
  std::uint32_t receive = kNil;

  // ---- second line
  WheelNode timer;
  Tick send_deadline = 0;  // with send_timer none: when we last sent data (idle restart)
  /// Meaningful if kAckDelayed; with edge_owed the number of that edge; else with kFinReceived the
  /// LongStamp of the FIN, for nothing delays an ACK any more.
  Tick ack_deadline = 0;
  std::uint32_t srtt_us = 0;
  std::uint32_t rttvar_us = 0;
  std::uint16_t max_snd_wnd = 0;  // MAX.SND.WND in units of the peer's scale (RFC 5961 §5.2)
  std::uint16_t generation = 0;   // of this slot: stale handles do not resolve
  std::uint32_t ts_recent_when : 11 = 0;  // when TS.Recent was taken, 2^44 ns units (RFC 7323 §5.5)
  std::uint32_t edge_owed : 1 = 0;        // an ACK up to where marks began or ended (ecn.h)
  std::uint32_t reordering : 1 = 0;       // RACK.reordering_seen (RFC 8985 §6.2)
  std::uint32_t challenge_when : 11 = 0;  // last challenge ACK, 2^24 ns units; 0: never
  std::uint32_t ce_seen : 1 = 0;          // our ACKs echo congestion (RFC 3168 §6.1.3)
  std::uint32_t cwr_owed : 1 = 0;         // the next new text says that CWND was reduced
  std::uint32_t backoff : 6 = 0;          // of the send timer; keepalive: probes unanswered
  std::uint32_t user = 0;                 // the application's own word
  CongestionState congestion;

  // Bits of `flags`.
  static constexpr std::uint16_t kIpv6 = 1 << 0;
  static constexpr std::uint16_t kTimestamps = 1 << 1;  // Snd.TS.OK
  static constexpr std::uint16_t kSack = 1 << 2;        // SACK-permitted both ways
  static constexpr std::uint16_t kNodelay = 1 << 3;     // Nagle off
  static constexpr std::uint16_t kDirty = 1 << 4;       // in the endpoint's list for flush
  static constexpr std::uint16_t kAckDelayed = 1 << 5;  // ack_deadline is armed
  static constexpr std::uint16_t kFinQueued = 1 << 6;   // FIN follows what is queued; no more SENDs
  static constexpr std::uint16_t kFinSent = 1 << 7;     // FIN is in SND.NXT
  static constexpr std::uint16_t kOwnerGone = 1 << 8;   // closed by the application: no more reads
  static constexpr std::uint16_t kResetOwed = 1 << 9;   // flush sends RST, then the object goes
  static constexpr std::uint16_t kProbeOwed = 1 << 10;  // a window or keepalive probe is due
  static constexpr std::uint16_t kAckWhole = 1 << 11;   // the next ACK goes to RCV.NXT in one step
  static constexpr std::uint16_t kActiveOpen = 1 << 12;    // we sent the first SYN
  static constexpr std::uint16_t kFinReceived = 1 << 13;   // RCV.NXT is beyond the peer's FIN
  static constexpr std::uint16_t kWriteBlocked = 1 << 14;  // application wants a writable event
  static constexpr std::uint16_t kEcn = 1 << 15;           // ECN was agreed (RFC 3168 §6.1.1)

  static constexpr std::uint32_t kNoReceiveState = 0x8000'0000;  // no index of a pool is so large

  [[nodiscard]] bool has_receive_state() const { return static_cast<std::int32_t>(receive) >= 0; }
  [[nodiscard]] bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
  void set(std::uint16_t flag) { flags = static_cast<std::uint16_t>(flags | flag); }
  void clear(std::uint16_t flag) { flags = static_cast<std::uint16_t>(flags & ~flag); }

  [[nodiscard]] std::uint32_t rcv_wnd() const { return bytes_between(rcv_nxt, rcv_adv); }
  [[nodiscard]] int peer_scale() const { return window_scales & 0x0f; }
  [[nodiscard]] int our_scale() const { return window_scales >> 4; }
};
static_assert(sizeof(Connection) == 128);
static_assert(offsetof(Connection, timer) == 64);

}  // namespace millrace::tcp
