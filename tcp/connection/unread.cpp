// SPDX-License-Identifier: BSD-3-Clause
//
// RECEIVE (RFC 9293 §3.10.3): the unread queue and its calls.
#include "tcp/connection/unread.h"

#include <algorithm>
#include <cstring>

#include "tcp/connection/ack_policy.h"
#include "tcp/connection/calls.h"
#include "tcp/connection/receive_window.h"
#include "tcp/connection/send_queue.h"

namespace millrace::tcp {
namespace {

// Room behind the last unread byte, if its block has some.
[[nodiscard]] std::span<std::byte> tail_room(const ReceiveState& r, Stores& stores) {
  if (r.unread_tail == kNil) return {};
  const Chunk& tail = stores.chunks[r.unread_tail];
  Block& block = stores.blocks[tail.block];
  const auto used = static_cast<std::size_t>(tail.data + tail.bytes - block.bytes.data());
  return std::span(block.bytes).subspan(used);
}

// A chunk with a fresh block, linked to nothing; kNil if either pool is empty.
[[nodiscard]] std::uint32_t new_chunk(Stores& stores) {
  const std::uint32_t index = stores.chunks.create();
  if (index == kNil) return kNil;
  const std::uint32_t block = stores.blocks.create();
  if (block == kNil) {
    stores.chunks.free(index);
    return kNil;
  }
  Chunk& chunk = stores.chunks[index];
  chunk.block = block;
  chunk.data = stores.blocks[block].bytes.data();
  return index;
}

void link_last(ReceiveState& r, Stores& stores, std::uint32_t index) {
  if (r.unread_tail == kNil) {
    r.unread_head = index;
  } else {
    stores.chunks[r.unread_tail].next = index;
  }
  r.unread_tail = index;
}

}  // namespace

bool ensure_receive_state(Connection& c, const Context& context) {
  if (c.has_receive_state()) return true;
  Stores& stores = context.stores;
  const std::uint32_t index = stores.receive.create();
  if (index == kNil) return false;
  ReceiveState& r = stores.receive[index];
  r.buffer_bytes = receive_buffer_of(c, stores);
  r.taken_at = tick_of(context.now);
  c.receive = index;
  return true;
}

void drop_receive_state(Connection& c, Stores& stores) {
  const std::uint32_t buffer_bytes = stores.receive[c.receive].buffer_bytes;
  stores.receive.free(c.receive);
  c.receive = Connection::kNoReceiveState | buffer_bytes;
}

void release_receive_state_if_empty(Connection& c, const Context& context) {
  if (!c.has_receive_state()) return;
  const ReceiveState& r = context.stores.receive[c.receive];
  if (r.unread_bytes != 0 || r.reassembly != kNil || r.twice_owed) return;
  if (r.fin_known && !c.has(Connection::kFinReceived)) return;
  drop_receive_state(c, context.stores);
}

std::size_t append_unread(ReceiveState& r, Stores& stores, std::span<const std::byte> bytes) {
  std::size_t copied = 0;
  while (copied < bytes.size()) {
    std::span<std::byte> room = tail_room(r, stores);
    if (room.empty()) {
      const std::uint32_t index = new_chunk(stores);
      if (index == kNil) break;
      link_last(r, stores, index);
      room = tail_room(r, stores);
    }
    const std::size_t n = std::min(room.size(), bytes.size() - copied);
    std::memcpy(room.data(), bytes.data() + copied, n);
    stores.chunks[r.unread_tail].bytes += static_cast<std::uint32_t>(n);
    r.unread_bytes += static_cast<std::uint32_t>(n);
    copied += n;
  }
  return copied;
}

bool append_unread_block(ReceiveState& r, Stores& stores, std::uint32_t block,
                         std::span<const std::byte> bytes) {
  const std::uint32_t index = stores.chunks.create();
  if (index == kNil) return false;
  Chunk& chunk = stores.chunks[index];
  chunk.block = block;
  chunk.data = bytes.data();
  chunk.bytes = static_cast<std::uint32_t>(bytes.size());
  link_last(r, stores, index);
  r.unread_bytes += chunk.bytes;
  return true;
}

bool park(Connection& c, std::span<const std::byte> bytes, const Context& context) {
  if (bytes.empty()) return true;
  if (!ensure_receive_state(c, context)) return false;
  Stores& stores = context.stores;
  ReceiveState& r = stores.receive[c.receive];
  // A chain of its own first, so that a pool running dry half way leaves the queue as it was.
  ReceiveState front_part;
  if (append_unread(front_part, stores, bytes) != bytes.size()) {
    free_chain(stores, front_part.unread_head);
    release_receive_state_if_empty(c, context);
    return false;
  }
  stores.chunks[front_part.unread_tail].next = r.unread_head;
  r.unread_head = front_part.unread_head;
  if (r.unread_tail == kNil) r.unread_tail = front_part.unread_tail;
  r.unread_bytes += front_part.unread_bytes;
  return true;
}

std::span<const std::byte> front(const Connection& c, const Context& context) {
  if (!c.has_receive_state()) return {};
  const ReceiveState& r = context.stores.receive[c.receive];
  if (r.unread_head == kNil) return {};
  const Chunk& chunk = context.stores.chunks[r.unread_head];
  return {chunk.data, chunk.bytes};
}

void take(Connection& c, std::size_t bytes, const Context& context) {
  if (!c.has_receive_state()) return;
  Stores& stores = context.stores;
  ReceiveState& r = stores.receive[c.receive];
  r.taken_at = tick_of(context.now);
  while (bytes != 0 && r.unread_head != kNil) {
    Chunk& chunk = stores.chunks[r.unread_head];
    const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(bytes, chunk.bytes));
    chunk.data += n;
    chunk.bytes -= n;
    r.unread_bytes -= n;
    bytes -= n;
    if (chunk.bytes != 0) break;
    const std::uint32_t gone = r.unread_head;
    r.unread_head = chunk.next;
    if (r.unread_head == kNil) r.unread_tail = kNil;
    stores.blocks.free(chunk.block);
    stores.chunks.free(gone);
  }
  const bool open =
      c.state == State::established || c.state == State::fin_wait_1 || c.state == State::fin_wait_2;
  if (open && c.acks_owed == 0 && window_update_due(c, context)) owe_ack(c);
  release_receive_state_if_empty(c, context);
}

std::uint32_t unread_bytes(const Connection& c, const Context& context) {
  return c.has_receive_state() ? context.stores.receive[c.receive].unread_bytes : 0;
}

}  // namespace millrace::tcp
