// SPDX-License-Identifier: BSD-3-Clause
//
// Data events, consumption and the end of a batch. A data event lends received payload or shows a
// piece of the unread queue, and has been claimed by readable() or not: two bits in a word of the
// event that means nothing else there. Copying happens for what the application leaves; never else.
#include "tcp/endpoint/lending.h"

#include <algorithm>

#include "tcp/connection/calls.h"
#include "tcp/endpoint/lifecycle.h"

namespace millrace::tcp {
namespace {

constexpr std::uint16_t kLent = 1;     // else it shows the unread queue
constexpr std::uint16_t kClaimed = 2;  // shrinks as it is consumed

// Pieces of the unread queue that one batch shows of a connection.
constexpr int kMaxPiecesShown = 128;

[[nodiscard]] constexpr std::uint64_t filter_bit(std::uint32_t index) {
  return std::uint64_t{1} << (index % 64);
}
[[nodiscard]] bool may_have_data(const EndpointImpl& e, std::uint32_t index) {
  return (e.data_filter & filter_bit(index)) != 0;
}
[[nodiscard]] bool is_data_of(const Event& event, std::uint32_t index) {
  return event.connection.index == index && event.kind == EventKind::data;
}
[[nodiscard]] bool lends(const Event& event) { return (event.listener.index & kLent) != 0; }
[[nodiscard]] bool is_claimed(const Event& event) { return (event.listener.index & kClaimed) != 0; }

[[nodiscard]] std::size_t left_of(EndpointImpl& e, std::size_t i) {
  return e.events[i].bytes.size() - e.events.consumed(i);
}
/// Forgets the bytes of an event that were consumed.
void shrink(EndpointImpl& e, std::size_t i) {
  Event& event = e.events[i];
  event.bytes = event.bytes.subspan(e.events.consumed(i));
  e.events.consumed(i) = 0;
}
void empty(EndpointImpl& e, std::size_t i) {
  e.events[i].bytes = {};
  e.events.consumed(i) = 0;
}

void add_data_event(EndpointImpl& e, std::uint32_t index, const Connection& c, std::uint16_t bits,
                    std::span<const std::byte> bytes) {
  Event& event = e.events.add(e.id_of(index, c), c.user, EventKind::data);
  event.listener.index = bits;
  event.bytes = bytes;
  e.data_filter |= filter_bit(index);
  e.last_data.data()[index % 64] = e.events.size() - 1;
}
/// False: no data event from the cursor on is the connection's. One look instead of one at each.
[[nodiscard]] bool may_have_data_ahead(const EndpointImpl& e, std::uint32_t index) {
  return may_have_data(e, index) && e.last_data.data()[index % 64] >= e.data_cursor;
}

/// A connection that can still give bytes to its application.
[[nodiscard]] bool is_readable(const Connection& c) {
  return !c.has(Connection::kOwnerGone) && (!is_over(c) || ending_of(c) == Ending::reading);
}

void take_unread(EndpointImpl& e, std::uint32_t index, Connection& c, std::size_t bytes) {
  take(c, bytes, e.context_of(c));
  if (!is_over(c)) mark_dirty(e, index, c);  // the window may open
}

/// Takes what was consumed of an event that shows the unread queue out of that queue.
void take_deferred(EndpointImpl& e, std::size_t i, Connection& c) {
  const std::uint32_t consumed = e.events.consumed(i);
  if (consumed == 0) return;
  take_unread(e, e.events[i].connection.index, c, consumed);
  shrink(e, i);
}
void take_all_deferred(EndpointImpl& e, std::uint32_t index, Connection& c) {
  if (!may_have_data(e, index)) return;
  for (std::size_t i = 0; i < e.events.size(); ++i) {
    if (is_data_of(e.events[i], index) && !lends(e.events[i])) take_deferred(e, i, c);
  }
}

/// Takes from the connection's data events in order; returns how many of `bytes` are left.
std::size_t consume_shown(EndpointImpl& e, std::uint32_t index, Connection& c, std::size_t bytes) {
  if (!may_have_data(e, index)) return bytes;
  for (std::size_t i = e.data_cursor; i < e.events.size() && bytes != 0; ++i) {
    Event& event = e.events[i];
    if (!is_data_of(event, index)) continue;
    const std::size_t taken = std::min(bytes, left_of(e, i));
    if (taken == 0) continue;
    e.events.consumed(i) += static_cast<std::uint32_t>(taken);
    bytes -= taken;
    if (!is_claimed(event)) continue;
    if (!lends(event)) take_unread(e, index, c, taken);
    shrink(e, i);
  }
  while (e.data_cursor < e.events.size() &&
         (e.events[e.data_cursor].kind != EventKind::data || left_of(e, e.data_cursor) == 0)) {
    ++e.data_cursor;
  }
  return bytes;
}

/// Bytes of the unread queue that are consumed but not yet taken out.
[[nodiscard]] std::size_t deferred_bytes(EndpointImpl& e, std::uint32_t index) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < e.events.size(); ++i) {
    if (is_data_of(e.events[i], index) && !lends(e.events[i])) sum += e.events.consumed(i);
  }
  return sum;
}

[[nodiscard]] bool has_shown_left(EndpointImpl& e, std::uint32_t index) {
  if (!may_have_data_ahead(e, index)) return false;
  for (std::size_t i = e.data_cursor; i < e.events.size(); ++i) {
    if (is_data_of(e.events[i], index) && left_of(e, i) != 0) return true;
  }
  return false;
}

/// Backwards, because what is parked goes in front of what was parked before it.
void park_all_lent(EndpointImpl& e) {
  for (std::size_t i = e.events.size(); i > e.data_cursor; --i) {
    Event& event = e.events[i - 1];
    if (event.kind != EventKind::data || !lends(event) || left_of(e, i - 1) == 0) continue;
    shrink(e, i - 1);
    event.listener.index = 0;
    const std::span<const std::byte> left = event.bytes;
    if (i > e.shown) empty(e, i - 1);
    const std::uint32_t index = event.connection.index;
    Connection* c = e.resolve(event.connection);
    if (c == nullptr || !is_readable(*c) || park(*c, left, e.context_of(*c))) continue;
    stop_reading(e, index, *c);
    abort_by_endpoint(e, index, *c, CloseReason::no_memory);
  }
}

void take_what_was_consumed(EndpointImpl& e) {
  for (std::size_t i = 0; i < e.events.size(); ++i) {
    Event& event = e.events[i];
    if (event.kind != EventKind::data || lends(event) || e.events.consumed(i) == 0) continue;
    Connection* c = e.resolve(event.connection);
    if (c != nullptr && is_readable(*c)) take_deferred(e, i, *c);
  }
}

/// A data event that has nothing left: an application that goes on gets what comes next.
void show_next(EndpointImpl& e, const Event& event) {
  const Connection* c = e.resolve(event.connection);
  if (c == nullptr || !c->has_receive_state() || !is_readable(*c)) return;
  show_unread(e, event.connection.index, *c);
}

/// What follows from events that the application has seen.
void retire_shown(EndpointImpl& e) {
  for (std::size_t i = 0; i < e.shown; ++i) {
    switch (e.events[i].kind) {
      case EventKind::closed:
        --e.closed_events;
        forget(e, e.events[i].connection);
        break;
      case EventKind::data:
        if (left_of(e, i) == 0) show_next(e, e.events[i]);
        break;
      case EventKind::accepted:
      case EventKind::connected:
      case EventKind::peer_closed:
      case EventKind::writable:
        break;
    }
  }
}

}  // namespace

void lend(EndpointImpl& e, std::uint32_t index, const Connection& c,
          std::span<const std::byte> bytes) {
  add_data_event(e, index, c, kLent, bytes);
}

void show_unread(EndpointImpl& e, std::uint32_t index, const Connection& c) {
  if (may_have_data(e, index)) {
    for (std::size_t i = 0; i < e.events.size(); ++i) {
      if (is_data_of(e.events[i], index) && !lends(e.events[i]) && left_of(e, i) != 0) return;
    }
  }
  std::uint32_t at = e.stores.receive[c.receive].unread_head;
  for (int pieces = 0; at != kNil && pieces < kMaxPiecesShown; ++pieces) {
    const Chunk& chunk = e.stores.chunks[at];
    add_data_event(e, index, c, 0, {chunk.data, chunk.bytes});
    at = chunk.next;
  }
}

void withdraw_unread(EndpointImpl& e, std::uint32_t index) {
  if (!may_have_data(e, index)) return;
  for (std::size_t i = 0; i < e.events.size(); ++i) {
    if (is_data_of(e.events[i], index) && !lends(e.events[i])) empty(e, i);
  }
}

bool stop_reading(EndpointImpl& e, std::uint32_t index, Connection& c) {
  if (!may_have_data(e, index)) return false;
  if (c.has_receive_state()) take_all_deferred(e, index, c);
  if (!may_have_data_ahead(e, index)) return false;
  bool was_left = false;
  for (std::size_t i = e.data_cursor; i < e.events.size(); ++i) {
    if (!is_data_of(e.events[i], index)) continue;
    was_left |= lends(e.events[i]) && left_of(e, i) != 0;
    empty(e, i);
  }
  return was_left;
}

std::size_t unconsumed_bytes(EndpointImpl& e, std::uint32_t index, const Connection& c) {
  const std::size_t unread = unread_bytes(c, e.context_of(c));
  if (!may_have_data(e, index)) return unread;
  std::size_t lent = 0;
  for (std::size_t i = e.data_cursor; i < e.events.size(); ++i) {
    if (is_data_of(e.events[i], index) && lends(e.events[i])) lent += left_of(e, i);
  }
  return lent + unread - deferred_bytes(e, index);
}

bool has_unconsumed(EndpointImpl& e, std::uint32_t index, const Connection& c) {
  if (has_shown_left(e, index)) return true;
  if (!c.has_receive_state()) return false;
  const std::size_t deferred = may_have_data(e, index) ? deferred_bytes(e, index) : 0;
  return unread_bytes(c, e.context_of(c)) > deferred;
}

bool consume_whole(EndpointImpl& e, ConnectionId id, std::size_t bytes) {
  while (e.data_cursor < e.events.size() && e.events[e.data_cursor].kind != EventKind::data) {
    ++e.data_cursor;
  }
  if (e.data_cursor == e.events.size()) return false;
  const Event& event = e.events[e.data_cursor];
  std::uint32_t& consumed = e.events.consumed(e.data_cursor);
  if (event.connection != id || event.bytes.size() != bytes || consumed != 0) return false;
  if (event.listener.index != kLent) return false;
  const Connection& c = e.connections[id.index];
  if (c.has(Connection::kFinReceived) || c.has_receive_state() || bytes == 0) return false;
  consumed = static_cast<std::uint32_t>(bytes);
  ++e.data_cursor;
  return true;
}

// Out of line, here and where enqueue_more() is: what is rare would else be paid for at each call,
// in registers to be saved.
[[gnu::noinline]] void consume_bytes(EndpointImpl& e, std::uint32_t index, Connection& c,
                                     std::size_t bytes) {
  std::size_t left = consume_shown(e, index, c, bytes);
  if (!is_readable(c)) return;
  if (left != 0 && c.has_receive_state()) {
    take_all_deferred(e, index, c);
    const std::size_t taken = std::min<std::size_t>(left, unread_bytes(c, e.context_of(c)));
    if (taken != 0) take_unread(e, index, c, taken);
    left -= taken;
  }
  if (left != bytes && c.has(Connection::kFinReceived) && !has_unconsumed(e, index, c)) {
    end_of_stream(e, index, c);
  }
}

std::span<const std::byte> readable_bytes(EndpointImpl& e, std::uint32_t index, Connection& c) {
  if (may_have_data(e, index)) {
    for (std::size_t i = e.data_cursor; i < e.events.size(); ++i) {
      Event& event = e.events[i];
      if (!is_data_of(event, index) || !lends(event) || left_of(e, i) == 0) continue;
      shrink(e, i);
      event.listener.index |= kClaimed;
      return event.bytes;
    }
  }
  if (!is_readable(c)) return {};
  if (!c.has_receive_state()) return {};
  take_all_deferred(e, index, c);
  if (may_have_data(e, index)) {
    for (Event& event : e.events.all()) {
      if (is_data_of(event, index)) event.listener.index |= kClaimed;
    }
  }
  return front(c, e.context_of(c));
}

void settle_events(EndpointImpl& e) {
  if (e.events.size() != 0) {
    // With nothing unread anywhere and nobody gone there is nothing to go through the events for.
    if (e.stores.receive.live() != 0) take_what_was_consumed(e);
    if (e.data_filter != 0) park_all_lent(e);
    if (e.stores.receive.live() != 0 || e.closed_events != 0) retire_shown(e);
  }
  e.events.drop_front(e.shown);
  if (e.data_filter != 0) {
    e.data_filter = 0;
    for (std::size_t i = 0; i < e.events.size(); ++i) {
      if (e.events[i].kind != EventKind::data) continue;
      const std::uint32_t index = e.events[i].connection.index;
      e.data_filter |= filter_bit(index);
      e.last_data.data()[index % 64] = i;
    }
    for (std::size_t i = 0, kept = e.events.size(); i < kept; ++i) {
      if (e.events[i].kind == EventKind::data && left_of(e, i) == 0) show_next(e, e.events[i]);
    }
  }
  e.shown = 0;
  e.data_cursor = 0;
  ++e.iteration;
}

}  // namespace millrace::tcp
