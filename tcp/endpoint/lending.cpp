// SPDX-License-Identifier: BSD-3-Clause
//
// Data events, consumption and the end of a batch. A data event is of one of two kinds, told by a
// word of the event that means nothing else there: it lends received payload, or it shows the first
// piece of the unread queue. consume() shrinks the events of the batch in place, so that an
// application that reads ahead by readable() is not shown the same bytes twice.
//
// Copying happens for what the application leaves; never else.
#include "tcp/endpoint/lending.h"

#include <algorithm>

#include "tcp/connection/calls.h"
#include "tcp/endpoint/lifecycle.h"

namespace millrace::tcp {
namespace {

constexpr ListenerId kUnread{0};
constexpr ListenerId kLent{1};

[[nodiscard]] constexpr std::uint64_t filter_bit(std::uint32_t index) {
  return std::uint64_t{1} << (index % 64);
}
[[nodiscard]] bool lends(const Event& event) {
  return event.kind == EventKind::data && event.listener.index == kLent.index;
}
[[nodiscard]] bool shows_unread(const Event& event) {
  return event.kind == EventKind::data && event.listener.index == kUnread.index;
}

void add_data_event(EndpointImpl& e, std::uint32_t index, const Connection& c, ListenerId kind,
                    std::span<const std::byte> bytes) {
  Event& event = e.events.add(e.id_of(index, c), c.user, EventKind::data);
  event.listener = kind;
  event.bytes = bytes;
  e.data_filter |= filter_bit(index);
}

[[nodiscard]] std::span<const std::byte> first_unread(EndpointImpl& e, const Connection& c) {
  return c.receive == kNil ? std::span<const std::byte>{} : front(c, e.context_of(c));
}

/// Takes from lent events of this connection; returns how many of `bytes` are left.
std::size_t consume_lent(EndpointImpl& e, std::uint32_t index, std::size_t bytes) {
  if ((e.data_filter & filter_bit(index)) == 0) return bytes;
  for (std::size_t i = e.lent_cursor; i < e.events.size() && bytes != 0; ++i) {
    Event& event = e.events[i];
    if (event.connection.index != index || !lends(event)) continue;
    const std::size_t taken = std::min(bytes, event.bytes.size());
    event.bytes = event.bytes.subspan(taken);
    bytes -= taken;
  }
  while (e.lent_cursor < e.events.size()) {
    const Event& event = e.events[e.lent_cursor];
    if (lends(event) && !event.bytes.empty()) break;
    ++e.lent_cursor;
  }
  return bytes;
}

void consume_unread(EndpointImpl& e, std::uint32_t index, Connection& c, std::size_t bytes) {
  const Context context = e.context_of(c);
  const std::size_t taken = std::min<std::size_t>(bytes, unread_bytes(c, context));
  if (taken == 0) return;
  if ((e.data_filter & filter_bit(index)) != 0) {
    for (Event& event : e.events.from(0)) {
      if (event.connection.index != index || !shows_unread(event)) continue;
      event.bytes = event.bytes.subspan(std::min(taken, event.bytes.size()));
    }
  }
  take(c, taken, context);
  if (!is_over(c)) mark_dirty(e, index, c);  // the window may open
}

/// A connection that can still give bytes to its application.
[[nodiscard]] bool is_readable(const Connection& c) {
  return !is_over(c) || ending_of(c) == Ending::reading;
}

/// Backwards, because what is parked goes in front of what was parked before it.
void park_all_lent(EndpointImpl& e) {
  for (std::size_t i = e.events.size(); i > e.lent_cursor; --i) {
    Event& event = e.events[i - 1];
    if (!lends(event) || event.bytes.empty()) continue;
    event.listener = kUnread;
    Connection* c = e.resolve(event.connection);
    if (c == nullptr || !is_readable(*c) || park(*c, event.bytes, e.context_of(*c))) continue;
    const std::uint32_t index = event.connection.index;
    withdraw_lent(e, index);
    abort_by_endpoint(e, index, *c, CloseReason::no_memory);
  }
}

/// What follows from events that the application has seen.
void retire_shown(EndpointImpl& e) {
  for (std::size_t i = 0; i < e.shown; ++i) {
    const Event event = e.events[i];
    switch (event.kind) {
      case EventKind::closed:
        forget(e, event.connection);
        break;
      case EventKind::data: {
        // Everything it was shown is consumed: an application that goes on gets the next piece.
        if (!event.bytes.empty()) break;
        const Connection* c = e.resolve(event.connection);
        if (c == nullptr || c->receive == kNil || !is_readable(*c)) break;
        show_unread(e, event.connection.index, *c);
        break;
      }
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
  const std::span<const std::byte> bytes = first_unread(e, c);
  if (bytes.empty()) return;
  if ((e.data_filter & filter_bit(index)) != 0) {
    for (const Event& event : e.events.from(0)) {
      if (event.connection.index == index && shows_unread(event) && !event.bytes.empty()) return;
    }
  }
  add_data_event(e, index, c, kUnread, bytes);
}

void withdraw_lent(EndpointImpl& e, std::uint32_t index) {
  if ((e.data_filter & filter_bit(index)) == 0) return;
  for (Event& event : e.events.from(0)) {
    if (event.connection.index == index && event.kind == EventKind::data) event.bytes = {};
  }
}

bool has_lent(const EndpointImpl& e, std::uint32_t index) {
  if ((e.data_filter & filter_bit(index)) == 0) return false;
  const auto events = const_cast<EndpointImpl&>(e).events.from(e.lent_cursor);
  return std::ranges::any_of(events, [&](const Event& event) {
    return event.connection.index == index && lends(event) && !event.bytes.empty();
  });
}

bool has_unconsumed(EndpointImpl& e, std::uint32_t index, const Connection& c) {
  return (c.receive != kNil && unread_bytes(c, e.context_of(c)) != 0) || has_lent(e, index);
}

void consume_bytes(EndpointImpl& e, std::uint32_t index, Connection& c, std::size_t bytes) {
  if (bytes == 0) return;
  const std::size_t left = consume_lent(e, index, bytes);
  if (!is_readable(c)) return;
  if (left != 0 && c.receive != kNil) consume_unread(e, index, c, left);
  if (c.has(Connection::kFinReceived) && !c.has(Connection::kOwnerGone) &&
      !has_unconsumed(e, index, c)) {
    end_of_stream(e, index, c);
  }
}

std::span<const std::byte> readable_bytes(EndpointImpl& e, std::uint32_t index,
                                          const Connection& c) {
  if (has_lent(e, index)) {
    for (const Event& event : e.events.from(e.lent_cursor)) {
      if (event.connection.index == index && lends(event) && !event.bytes.empty()) {
        return event.bytes;
      }
    }
  }
  return is_readable(c) ? first_unread(e, c) : std::span<const std::byte>{};
}

void refresh_shown(EndpointImpl& e, std::uint32_t index, const Connection& c) {
  if ((e.data_filter & filter_bit(index)) == 0) return;
  const std::span<const std::byte> first = first_unread(e, c);
  for (Event& event : e.events.from(0)) {
    if (event.connection.index != index || !shows_unread(event)) continue;
    event.bytes = first.first(std::min(first.size(), event.bytes.size()));
  }
}

void settle_events(EndpointImpl& e) {
  if (e.events.size() != 0) {
    if (e.data_filter != 0) park_all_lent(e);
    retire_shown(e);
    e.events.drop_front(e.shown);
    e.data_filter = 0;
    for (Event& event : e.events.from(0)) {
      if (event.kind != EventKind::data) continue;
      e.data_filter |= filter_bit(event.connection.index);
      const Connection* c = e.resolve(event.connection);
      event.bytes = c == nullptr ? std::span<const std::byte>{} : first_unread(e, *c);
    }
  }
  e.shown = 0;
  e.lent_cursor = 0;
  ++e.iteration;
}

}  // namespace millrace::tcp
