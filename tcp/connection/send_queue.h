// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes that the application gave and the peer has not acknowledged: a chain of chunks in
// SendState. Small writes are copied together into blocks; large ones of lasting memory are only
// referred to, so that a retransmission costs headers alone. SEND is RFC 9293 §3.10.2.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// True while the state allows SEND, and so CLOSE to have a meaning (RFC 9293 §3.10.2, §3.10.4).
[[nodiscard]] inline bool may_send(const Connection& c) {
  if (c.has(Connection::kFinQueued)) return false;
  switch (c.state) {
    case State::syn_sent:
    case State::syn_received:
    case State::established:
    case State::close_wait:
      return true;
    case State::closed:
    case State::listen:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::closing:
    case State::last_ack:
    case State::time_wait:
      return false;
  }
  return false;
}

/// A chunk of the chain.
[[nodiscard]] inline Chunk& chunk_of(SendState& st, Stores& stores, std::uint32_t index) {
  return index == kOwnChunk ? st.own : stores.chunks[index];
}
[[nodiscard]] inline const Chunk& chunk_of(const SendState& st, const Stores& stores,
                                           std::uint32_t index) {
  return index == kOwnChunk ? st.own : stores.chunks[index];
}

/// Where a byte of the queue lies. An offset at the end of its chunk means the start of the next.
struct QueuePosition {
  std::uint32_t chunk = kNil;
  std::uint32_t offset = 0;
};

/// False if the pool is empty.
[[nodiscard]] bool ensure_send_state(Connection& c, const Context& context);
/// The position `offset` bytes beyond SND.UNA, found from the head of the chain.
[[nodiscard]] QueuePosition seek(const SendState& st, const Stores& stores, std::uint32_t offset);
/// Describes up to `bytes` from `at` in out.pieces, at most kMaxPieces of them, moves `at` behind
/// them and returns how many.
std::uint32_t gather_pieces(const SendState& st, const Stores& stores, QueuePosition& at,
                            std::uint32_t bytes, SegmentOut& out);
inline std::uint32_t gather(const SendState& st, const Stores& stores, QueuePosition& at,
                            std::uint32_t bytes, SegmentOut& out) {
  if (bytes == 0) return 0;
  const Chunk& chunk = chunk_of(st, stores, at.chunk);
  if (bytes > chunk.bytes - at.offset) return gather_pieces(st, stores, at, bytes, out);
  out.piece_count = 1;
  out.pieces[0] = std::span(chunk.data + at.offset, bytes);
  at.offset += bytes;
  return bytes;
}
/// Nagle's algorithm (RFC 9293 §3.7.4) as Minshall amended it and others run it: a short segment
/// waits while another short one is in flight. So at most one is, but the end of a large write need
/// not wait for an ACK that the peer delays.
[[nodiscard]] inline bool nagle_holds(const Connection& c, const SendState& st) {
  return after(st.short_end, c.snd_una) && !c.has(Connection::kNodelay | Connection::kFinQueued);
}

/// A short write to an empty queue, as most are. False, and nothing done, if it is not that or
/// there is no block.
[[nodiscard, gnu::always_inline]] inline bool write_first(SendState& st, Stores& stores,
                                                          std::span<const std::byte> bytes,
                                                          bool copy) {
  if (st.chunk_tail != kNil) return false;
  st.own.data = bytes.data();
  if (copy) {
    const std::uint32_t block =
        bytes.size() <= kBlockBytes ? stores.blocks.create() : std::uint32_t{kNil};
    if (block == kNil) return false;
    std::byte* const to = stores.blocks[block].bytes.data();
    std::memcpy(to, bytes.data(), bytes.size());
    st.own.data = to;
    st.own.block = block;
  }
  st.own.bytes = st.queued_bytes = static_cast<std::uint32_t>(bytes.size());
  st.chunk_head = st.chunk_tail = st.cursor_chunk = kOwnChunk;
  st.cursor_offset = 0;
  return true;
}

/// SEND as it mostly is: on a connection that is open and has a SendState (most answers: it was
/// kept for them), to an empty queue. False, and nothing done, where it is anything else: ask
/// enqueue().
[[nodiscard, gnu::always_inline]] inline bool enqueue_straight(Connection& c,
                                                               std::span<const std::byte> bytes,
                                                               bool copy, Stores& stores) {
  constexpr std::uint16_t kClosing = Connection::kFinQueued | Connection::kOwnerGone;
  if ((c.state != State::established && c.state != State::close_wait) || c.has(kClosing) ||
      c.send == kNil || bytes.empty() || bytes.size() > kBlockBytes) [[unlikely]] {
    return false;
  }
  return write_first(stores.send[c.send], stores, bytes, copy);
}

/// `bytes` from SND.UNA on have been acknowledged.
void drop_acknowledged(SendState& st, Stores& stores, std::uint32_t bytes);

/// If a write was refused and there is room again (a third of the send buffer and a free block),
/// true once.
[[nodiscard]] bool unblock_writer(Connection& c, const Context& context);
[[nodiscard]] inline bool became_writable(Connection& c, const Context& context) {
  return c.has(Connection::kWriteBlocked) && unblock_writer(c, context);
}

/// Frees a chain of chunks from the pool and the blocks they own.
void free_chain(Stores& stores, std::uint32_t head);

/// Gives back what SendState has beside the queue.
void free_loss_parts(SendState& st, Stores& stores);

/// Frees what hangs on a SendState.
[[gnu::always_inline]] inline void free_queue(SendState& st, Stores& stores) {
  if ((st.log & st.loss) != kNil) [[unlikely]]
    free_loss_parts(st, stores);
  std::uint32_t rest = st.chunk_head;
  if (rest == kOwnChunk) {
    if (st.own.block != kNil) stores.blocks.free(st.own.block);
    rest = st.own.next;
  }
  if (rest != kNil) [[unlikely]]
    free_chain(stores, rest);
}

/// All that was sent is acknowledged, outside recovery, by a segment that the application may
/// answer at once: the SendState stays for that answer, empty. It is given back when next_segment()
/// finds none.
[[gnu::always_inline]] inline void keep_send_state(Connection& c, SendState& st,
                                                   const Context& context) {
  free_queue(st, context.stores);
  st.own = Chunk{};
  st.chunk_head = st.chunk_tail = st.cursor_chunk = kNil;
  st.min_rtt_us = SendState{}.min_rtt_us;
  st.cursor_offset = st.head_offset = st.queued_bytes = 0;
  st.inflation = 0;
  st.dup_acks = st.unanswered = 0;
  st.soft_error = SoftError::none;
  st.in_recovery = st.partial_acked = st.resending = st.retransmit_first = false;
  st.cwnd_limited = false;
  st.recover = st.ecn_recover = c.snd_una - 1;
  st.short_end = c.snd_una;
  st.unacked_since = tick_of(context.now);
  c.clear(Connection::kProbeOwed);
  c.send_timer = SendTimer::none;
}

/// Frees the queue and the SendState; remembers when we last sent, for the idle restart.
[[gnu::always_inline]] inline void release_send_state(Connection& c, const Context& context) {
  if (c.send == kNil) return;
  Stores& stores = context.stores;
  SendState& st = stores.send[c.send];
  c.send_deadline = st.last_send;
  free_queue(st, stores);
  stores.send.free(c.send);
  c.send = kNil;
  c.clear(Connection::kProbeOwed);
  c.send_timer = SendTimer::none;
}

}  // namespace millrace::tcp
