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

namespace millrace::tcp {

/// Bytes to send, in a chain of references. `copied` chunks own blocks; `fixed` ones point at memory
/// that outlives the endpoint.
struct Chunk {
  const std::byte* data = nullptr;
  std::uint32_t bytes = 0;
  std::uint32_t next = kNil;
  std::uint32_t block = kNil;  // first block owned, kNil for fixed memory
};

inline constexpr std::size_t kBlockBytes = 2048;
/// Payload that we had to copy: to be sent, unread, or out of order.
struct Block {
  std::array<std::byte, kBlockBytes> bytes;
};

/// Exists while anything is queued or unacknowledged (FIN and SYN included).
struct SendState {
  std::uint32_t chunk_head = kNil;
  std::uint32_t chunk_tail = kNil;
  std::uint32_t head_offset = 0;   // bytes of the first chunk already acknowledged
  std::uint32_t queued_bytes = 0;  // from SND.UNA to the end of what the application gave
  Seq snd_max;                     // highest SND.NXT ever; SND.NXT goes back on a timeout
  Seq recover;                     // RFC 6582
  Seq rtt_seq;                     // the segment being timed (Karn); valid if rtt_at is not zero
  Instant rtt_at{};
  Instant last_send{};             // for idle restart and the user timeout
  Instant unacked_since{};         // first transmission of SND.UNA
  std::uint32_t dup_bytes = 0;     // recovery's inflation, bytes
};

inline constexpr std::size_t kMaxGaps = 64;
struct Range {
  Seq left;
  Seq right;
  std::uint32_t block = kNil;
};

/// Exists while bytes are unread or out of order. Its owner, reassembly.h, defines what lies in it.
struct ReceiveState {
  std::uint32_t unread_head = kNil;
  std::uint32_t unread_tail = kNil;
  std::uint32_t unread_bytes = 0;
  std::uint32_t ranges = kNil;  // out-of-order data, first of a bounded sorted list
  std::uint32_t range_count = 0;
  Seq last_arrival;  // the range to be reported first (RFC 2018 §4)
  Seq fin;           // valid if fin_known
  bool fin_known = false;
};

}  // namespace millrace::tcp
