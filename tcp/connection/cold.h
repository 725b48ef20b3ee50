// SPDX-License-Identifier: BSD-3-Clause
//
// What a connection needs only now and then, in bounded pools shared by all connections of a core.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tcp/base/pool.h"
#include "tcp/base/seq.h"
#include "tcp/base/time.h"
#include "tcp/connection/connection.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// Bytes to send or to be read, in a chain of references. `block` is owned; without one `data`
/// points at memory that outlives the endpoint.
struct Chunk {
  const std::byte* data = nullptr;
  std::uint32_t bytes = 0;
  std::uint32_t next = kNil;
  std::uint32_t block = kNil;
};

/// Names the chunk that lies in the SendState itself.
inline constexpr std::uint32_t kOwnChunk = 0xffff'fffe;

inline constexpr std::size_t kBlockBytes = 2048;
/// Payload that we had to copy: to be sent, unread, or out of order.
struct alignas(64) Block {
  std::array<std::byte, kBlockBytes> bytes;
  Block() {}  // NOLINT(modernize-use-equals-default): zeroing 2 KiB per small write would be waste
};

/// What was first sent between `began` and `ended`, up to `end` (send_log.h).
struct SentRun {
  Seq end;
  Stamp began = 0;
  Stamp ended = 0;
};
inline constexpr std::uint32_t kLoggedRuns = 42;
struct SendLog {
  std::uint32_t head = 0;
  std::uint32_t count = 0;
  std::array<SentRun, kLoggedRuns> runs;
};
static_assert(sizeof(SendLog) <= 512);

/// Exists while anything is queued or unacknowledged (SYN and FIN included). Offsets count from
/// SND.UNA. SND.NXT never goes back: what is sent again is told by `resend_next`.
struct alignas(64) SendState {
  // In the order of what they begin with, so that few stores make a new one.
  Chunk own;  // of what is written to an empty queue: most queues are one
  std::uint32_t chunk_head = kNil;
  std::uint32_t chunk_tail = kNil;
  std::uint32_t cursor_chunk = kNil;  // where the next byte to go out lies
  std::uint32_t log = kNil;           // cold SendLog while more than one run is in flight
  std::uint32_t loss = kNil;          // cold LossState while anything is missing (loss_state.h)
  std::uint32_t min_rtt_us = 0xffff'ffff;  // RACK.min_RTT, of this SendState's life
  std::uint32_t cursor_offset = 0;
  std::uint32_t head_offset = 0;   // bytes of the first chunk already acknowledged
  std::uint32_t queued_bytes = 0;  // from SND.UNA to the end of what the application gave
  Seq resend_next;                 // valid if resending: go-back-N up to SND.NXT; while a SYN is
                                   // in flight what fast_open.h says
  Seq limited_from;                // SND.NXT before limited transmit (RFC 3042)
  Seq rtt_seq;  // the end of the segment being timed (Karn); valid if rtt_at is not zero
  Instant rtt_at{};
  Stamp sent_at = 0;            // the latest run of first transmissions: when it ended,
  Stamp run_began = 0;          // and when it began
  std::int32_t inflation = 0;   // bytes beside cwnd: what is in flight and does not count, or more
  std::uint8_t dup_acks = 0;    // saturates
  std::uint8_t unanswered = 0;  // retransmissions and probes in a row that nobody answered
  SoftError soft_error = SoftError::none;  // the last that ICMP told of what is in flight
  bool in_recovery = false;                // fast recovery (RFC 6582)
  bool partial_acked = false;              // the first partial ACK of this recovery has come
  bool resending = false;
  bool retransmit_first = false;  // the segment at SND.UNA is due (SYN included), or with a
                                  // LossState whatever that says
  bool cwnd_limited = false;      // the last flush ended because of cwnd
  Seq recover;                    // RFC 6582: SND.NXT when loss was last found
  Seq ecn_recover;                // SND.NXT when the window was last reduced (RFC 3168 §6.1.2)
  Seq short_end;           // the end of the last short segment (Nagle, as Minshall amends it)
  Tick last_send = 0;      // of anything that takes sequence space
  Tick unacked_since = 0;  // when SND.UNA last moved, or went out first after all was acknowledged
  Instant pace_at{};       // C.next_send_time (pacing.h); 0 without pacing, and only then
};
static_assert(sizeof(SendState) == 128);

/// Exists while bytes are unread or out of order, a FIN came out of order, or a DSACK is owed.
struct ReceiveState {
  std::uint32_t buffer_bytes = 0;    // what Connection::receive says while there is none of these
  Tick taken_at = 0;                 // when the application last took something, or this was made
  std::uint32_t unread_head = kNil;  // chain of Chunks
  std::uint32_t unread_tail = kNil;
  std::uint32_t unread_bytes = 0;
  std::uint32_t reassembly =
      kNil;  // a Block that holds a Reassembly, while anything is out of order
  Seq fin;   // sequence number of the peer's FIN; valid if fin_known
  bool fin_known = false;
  bool twice_owed = false;
  SackBlock twice;  // text that came again (dsack.h); valid if twice_owed
};

}  // namespace millrace::tcp
