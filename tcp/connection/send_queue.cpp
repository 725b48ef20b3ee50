// SPDX-License-Identifier: BSD-3-Clause
//
// The send queue (RFC 9293 §3.10.2). Bounded by the send buffer (autotune.h) and by the pools; a
// write that finds either full is cut short and the application hears of room later.
#include "tcp/connection/send_queue.h"

#include <algorithm>
#include <cstring>

#include "tcp/connection/autotune.h"
#include "tcp/connection/calls.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/fast_open.h"
#include "tcp/connection/loss_recovery.h"
#include "tcp/connection/pacing.h"

namespace millrace::tcp {
namespace {

// Lasting memory below this is copied all the same: a reference costs a chunk and a piece of a
// segment, and a queue of tiny references would make seek() slow.
// The first chunk of a queue costs nothing.
constexpr std::size_t kReferFrom = 256;

// A chunk at the end of the chain; kNil if there is none to be had.
[[nodiscard]] std::uint32_t append_chunk(SendState& st, Stores& stores) {
  if (st.chunk_tail == kNil) {
    st.chunk_head = st.chunk_tail = st.cursor_chunk = kOwnChunk;
    st.cursor_offset = 0;
    return kOwnChunk;
  }
  const std::uint32_t index = stores.chunks.create();
  if (index == kNil) return kNil;
  chunk_of(st, stores, st.chunk_tail).next = index;
  st.chunk_tail = index;
  return index;
}

[[nodiscard]] bool append_reference(SendState& st, Stores& stores,
                                    std::span<const std::byte> bytes) {
  const std::uint32_t index = append_chunk(st, stores);
  if (index == kNil) return false;
  Chunk& chunk = chunk_of(st, stores, index);
  chunk.data = bytes.data();
  chunk.bytes = static_cast<std::uint32_t>(bytes.size());
  return true;
}

// Chunk with room behind its last byte: the last one if it is a block of ours, else a new one. kNil
// if there is none to be had.
[[nodiscard]] std::uint32_t chunk_with_room(SendState& st, Stores& stores) {
  if (st.chunk_tail != kNil) {
    const Chunk& tail = chunk_of(st, stores, st.chunk_tail);
    if (tail.block != kNil && tail.bytes != kBlockBytes) return st.chunk_tail;
  }
  const std::uint32_t block = stores.blocks.create();
  if (block == kNil) return kNil;
  const std::uint32_t index = append_chunk(st, stores);
  if (index == kNil) {
    stores.blocks.free(block);
    return kNil;
  }
  Chunk& chunk = chunk_of(st, stores, index);
  chunk.data = stores.blocks[block].bytes.data();
  chunk.block = block;
  return index;
}

[[nodiscard]] std::size_t append_copy(SendState& st, Stores& stores,
                                      std::span<const std::byte> bytes) {
  std::size_t copied = 0;
  while (copied < bytes.size()) {
    const std::uint32_t index = chunk_with_room(st, stores);
    if (index == kNil) break;
    Chunk& chunk = chunk_of(st, stores, index);
    const std::size_t n = std::min(kBlockBytes - chunk.bytes, bytes.size() - copied);
    std::byte* to = stores.blocks[chunk.block].bytes.data() + chunk.bytes;
    std::memcpy(to, bytes.data() + copied, n);
    chunk.bytes += static_cast<std::uint32_t>(n);
    copied += n;
  }
  return copied;
}

// What is worth referring to where it lies: a long piece, or the first of a queue.
[[nodiscard]] bool is_worth_referring_to(const SendState& st, std::span<const std::byte> bytes) {
  return bytes.size() >= kReferFrom || (st.chunk_tail == kNil && !bytes.empty());
}

// What was written last was copied.
[[nodiscard]] bool holds_copies(const Connection& c, const Stores& stores) {
  if (c.send == kNil) return false;
  const SendState& st = stores.send[c.send];
  return st.chunk_tail != kNil && chunk_of(st, stores, st.chunk_tail).block != kNil;
}

// A write was cut short. If nothing of this connection is queued, no ACK will ever tell it that
// there is room again, so a timer asks.
void block_writer(Connection& c, const Context& context) {
  c.set(Connection::kWriteBlocked);
  if (c.send == kNil) arm_idle_timer(c, context);
}

// What write_first() is not: a queue that holds something already, a long write, no block.
[[gnu::noinline]] std::size_t enqueue_more(Connection& c, std::span<const std::byte> bytes,
                                           bool copy, bool had_none, const Context& context) {
  SendState& st = context.stores.send[c.send];
  const std::uint32_t usual = send_buffer_of(c, context.config);
  const std::uint32_t limit = copy ? send_buffer_for_copies(c, context) : usual;
  const std::size_t room = st.queued_bytes < limit ? limit - st.queued_bytes : 0;
  if (limit < usual && room < bytes.size()) ++context.counters.TCPSndBufferHeld;
  const std::span<const std::byte> fits = bytes.first(std::min(bytes.size(), room));
  std::size_t taken = 0;
  if (copy || !is_worth_referring_to(st, fits)) {
    taken = append_copy(st, context.stores, fits);
  } else if (append_reference(st, context.stores, fits)) {
    taken = fits.size();
  }
  st.queued_bytes += static_cast<std::uint32_t>(taken);
  if (had_none && taken == 0) {
    context.stores.send.free(c.send);
    c.send = kNil;
  }
  if (taken < bytes.size()) block_writer(c, context);
  return taken;
}

}  // namespace

bool ensure_send_state(Connection& c, const Context& context) {
  if (c.send != kNil) return true;
  const std::uint32_t index = context.stores.send.create();
  if (index == kNil) return false;
  SendState& st = context.stores.send[index];
  st.recover = c.snd_una - 1;
  st.ecn_recover = st.recover;
  st.short_end = c.snd_una;
  st.unacked_since = tick_of(context.now);
  // Between two SendStates the time of the last send rests in send_deadline (connection.h). Under
  // keepalive that is when anything was last heard, which is later.
  switch (c.send_timer) {
    [[likely]] case SendTimer::none : st.last_send = c.send_deadline;
    break;
    case SendTimer::keepalive:
      st.last_send = c.send_deadline - ticks_for(context.config.keepalive_idle);
      break;
    case SendTimer::retransmit:
    case SendTimer::persist:
    case SendTimer::fin_wait_2:
    case SendTimer::memory:
    case SendTimer::loss_probe:
    case SendTimer::reorder:
      st.last_send = st.unacked_since;
      break;
  }
  if (is_paced(context.config)) [[unlikely]]
    begin_pacing(st, context);
  c.send = index;
  return true;
}

void free_loss_parts(SendState& st, Stores& stores) {
  release_loss_state(st, stores);
  if (st.log == kNil) return;
  stores.logs.free(st.log);
  st.log = kNil;
}

void free_chain(Stores& stores, std::uint32_t head) {
  while (head != kNil) {
    const Chunk chunk = stores.chunks[head];
    if (chunk.block != kNil) stores.blocks.free(chunk.block);
    stores.chunks.free(head);
    head = chunk.next;
  }
}

QueuePosition seek(const SendState& st, const Stores& stores, std::uint32_t offset) {
  QueuePosition at{st.chunk_head, st.head_offset};
  while (at.chunk != kNil) {
    const Chunk& chunk = chunk_of(st, stores, at.chunk);
    const std::uint32_t here = chunk.bytes - at.offset;
    if (offset < here || chunk.next == kNil) break;
    offset -= here;
    at = {chunk.next, 0};
  }
  at.offset += offset;
  return at;
}

std::uint32_t gather_pieces(const SendState& st, const Stores& stores, QueuePosition& at,
                            std::uint32_t bytes, SegmentOut& out) {
  std::uint32_t gathered = 0;
  out.piece_count = 0;
  while (gathered < bytes) {
    const Chunk& chunk = chunk_of(st, stores, at.chunk);
    if (at.offset == chunk.bytes) {
      at = {chunk.next, 0};
      continue;
    }
    if (out.piece_count == kMaxPieces) break;
    const std::uint32_t n = std::min(chunk.bytes - at.offset, bytes - gathered);
    out.pieces[out.piece_count++] = std::span(chunk.data + at.offset, n);
    at.offset += n;
    gathered += n;
  }
  return gathered;
}

void drop_acknowledged(SendState& st, Stores& stores, std::uint32_t bytes) {
  st.queued_bytes -= bytes;
  std::uint32_t left = st.head_offset + bytes;
  while (st.chunk_head != kNil) {
    const Chunk chunk = chunk_of(st, stores, st.chunk_head);
    if (left < chunk.bytes) break;
    left -= chunk.bytes;
    const std::uint32_t gone = st.chunk_head;
    st.chunk_head = chunk.next;
    if (st.cursor_chunk == gone) {
      st.cursor_chunk = chunk.next;
      st.cursor_offset = 0;
    }
    if (chunk.block != kNil) stores.blocks.free(chunk.block);
    if (gone != kOwnChunk) {
      stores.chunks.free(gone);
    } else {
      st.own = Chunk{};
    }
  }
  if (st.chunk_head == kNil) st.chunk_tail = kNil;
  st.head_offset = left;
  if (st.cursor_chunk == st.chunk_head && st.cursor_offset < left) st.cursor_offset = left;
}

bool unblock_writer(Connection& c, const Context& context) {
  if (!may_send(c)) return false;
  const Stores& stores = context.stores;
  const std::uint32_t queued = unacked_bytes(c, context);
  const std::uint32_t limit = holds_copies(c, stores) ? send_buffer_for_copies(c, context)
                                                      : send_buffer_of(c, context.config);
  if (queued > limit - limit / 3) return false;
  if (stores.blocks.live() == stores.blocks.capacity() ||
      stores.chunks.live() == stores.chunks.capacity()) {
    return false;
  }
  if (c.send == kNil && stores.send.live() == stores.send.capacity()) return false;
  c.clear(Connection::kWriteBlocked);
  return true;
}

std::size_t send_space(const Connection& c, const Context& context) {
  if (!may_send(c)) return 0;
  const std::uint32_t queued = unacked_bytes(c, context);
  const std::uint32_t limit = send_buffer_of(c, context.config);
  return queued < limit ? limit - queued : 0;
}

std::uint32_t unsent_bytes(const Connection& c, const Context& context) {
  if (c.send == kNil) return 0;
  const SendState& st = context.stores.send[c.send];
  const bool opening = c.state == State::syn_sent || c.state == State::syn_received;
  const std::uint32_t syn = opening && !is_early(c) ? 1 : 0;
  const std::uint32_t flight = flight_bytes(c);
  const std::uint32_t sent = flight > syn ? flight - syn : 0;
  return st.queued_bytes > sent ? st.queued_bytes - sent : 0;
}

std::size_t enqueue(Connection& c, std::span<const std::byte> bytes, bool copy,
                    const Context& context) {
  if (!may_send(c) || bytes.empty()) return 0;
  const bool had_none = c.send == kNil;
  if (!ensure_send_state(c, context)) {
    block_writer(c, context);
    return 0;
  }
  SendState& st = context.stores.send[c.send];
  // No send buffer is smaller than a block.
  if (bytes.size() <= kBlockBytes && write_first(st, context.stores, bytes, copy)) {
    return bytes.size();
  }
  return enqueue_more(c, bytes, copy, had_none, context);
}

}  // namespace millrace::tcp
