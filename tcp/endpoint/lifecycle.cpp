// SPDX-License-Identifier: BSD-3-Clause
//
// Making, ending and freeing connections. The only file that changes the population of the pool.
#include "tcp/endpoint/lifecycle.h"

#include "tcp/connection/calls.h"
#include "tcp/connection/path_model.h"
#include "tcp/endpoint/fast_open_accept.h"
#include "tcp/endpoint/lending.h"
#include "tcp/endpoint/time_wait_rules.h"

namespace millrace::tcp {
namespace {

/// The connection is over on the network; for the application only if it has read everything.
void conclude(EndpointImpl& e, std::uint32_t index, Connection& c, CloseReason reason) {
  c.clear(Connection::kAckDelayed);
  if (c.state == State::closed) ++e.states.of(State::closed);
  set_ending(c, Ending::reading);
  if (reason == CloseReason::graceful && !c.has(Connection::kOwnerGone) &&
      has_unconsumed(e, index, c)) {
    return;
  }
  announce(e, index, c, reason);
}

[[gnu::noinline]] void push_reset(EndpointImpl& e, const Connection& c, Seq seq) {
  Reply reply;
  reply.tuple = e.tuple_of(c);
  reply.seq = seq;
  reply.flags = Flags{Flags::kRst};
  e.replies.push(reply);
}

void tell_application(EndpointImpl& e, std::uint32_t index, const Connection& c,
                      const Outcome& outcome) {
  const ConnectionId id = e.id_of(index, c);
  // Who was accepted early knows of the connection already.
  if (outcome.connected && c.has(Connection::kActiveOpen)) {
    e.events.add(id, c.user, EventKind::connected);
  }
  if (!outcome.lent.empty()) lend(e, index, c, outcome.lent);
  if (outcome.readable) [[unlikely]]
    show_unread(e, index, c);
  if (outcome.writable) e.events.add(id, c.user, EventKind::writable);
  if (outcome.peer_closed && !has_unconsumed(e, index, c)) {
    e.events.add(id, c.user, EventKind::peer_closed);
  }
}

}  // namespace

void discard_connection(EndpointImpl& e, std::uint32_t index) {
  Connection& c = e.connections[index];
  if (c.has_receive_state() || c.send != kNil || c.congestion.words[3] == kModelTag) {
    release_cold(c, e.context_of(c));
  }
  if (c.has(Connection::kIpv6)) e.stores.pairs.free(c.tuple.local);
  c.generation = 0;
  c.state = State::closed;
  e.connections.free(index);
}

void to_closed(EndpointImpl& e, std::uint32_t index, Connection& c, CloseReason reason) {
  leave_network(e, index, c);
  c.state = State::closed;
  conclude(e, index, c, reason);
  if (c.has(Connection::kResetOwed)) mark_dirty(e, index, c);
}

void to_time_wait(EndpointImpl& e, std::uint32_t index, Connection& c) {
  enter_time_wait(e, index, c);
  conclude(e, index, c, CloseReason::graceful);
}

void apply(EndpointImpl& e, std::uint32_t index, Connection& c, State before,
           const Outcome& outcome) {
  if (before == State::syn_received && c.state != before && !c.has(Connection::kActiveOpen))
      [[unlikely]] {
    left_early(e, index, outcome);
  }
  if (!c.has(Connection::kOwnerGone)) [[likely]]
    tell_application(e, index, c, outcome);
  if (outcome.reset_reply) [[unlikely]]
    push_reset(e, c, outcome.reset_seq);
  if (outcome.closed) {
    --e.states.of(before);
    to_closed(e, index, c, outcome.reason);
    return;
  }
  if (outcome.enter_time_wait) {
    --e.states.of(before);
    to_time_wait(e, index, c);
    return;
  }
  if (c.state != before) {
    --e.states.of(before);
    ++e.states.of(c.state);
  }
  mark_dirty(e, index, c);
}

void abort_by_endpoint(EndpointImpl& e, std::uint32_t index, Connection& c, CloseReason reason) {
  if (is_over(c)) {
    if (ending_of(c) == Ending::reading) announce(e, index, c, reason);
    return;
  }
  const State before = c.state;
  Outcome outcome;
  abort_connection(c, reason, e.context_of(c), outcome);
  apply(e, index, c, before, outcome);
}

void end_of_stream(EndpointImpl& e, std::uint32_t index, Connection& c) {
  e.events.add(e.id_of(index, c), c.user, EventKind::peer_closed);
  if (is_over(c)) announce(e, index, c, CloseReason::graceful);
}

void announce(EndpointImpl& e, std::uint32_t index, Connection& c, CloseReason reason) {
  MR_DCHECK(is_over(c) && ending_of(c) == Ending::reading);
  if (c.state == State::closed) --e.states.of(State::closed);
  set_ending(c, Ending::announced);
  // Bytes that are still shown stay until settle(); after a reset they are gone already.
  if (!c.has_receive_state()) withdraw_unread(e, index);
  e.events.add(e.id_of(index, c), c.user, EventKind::closed).reason = reason;
  ++e.closed_events;
}

void forget(EndpointImpl& e, ConnectionId id) {
  Connection* c = e.resolve(id);
  MR_CHECK(c != nullptr && is_over(*c) && ending_of(*c) == Ending::announced);
  c->generation = 0;
  set_ending(*c, Ending::shown);
  free_if_done(e, id.index, *c);
}

void free_if_done(EndpointImpl& e, std::uint32_t index, Connection& c) {
  if (c.state != State::closed || ending_of(c) != Ending::shown || c.has(Connection::kDirty)) {
    return;
  }
  discard_connection(e, index);
}

void leave_network(EndpointImpl& e, std::uint32_t index, Connection& c) {
  const bool was_there = e.index.erase(e.hash_of(index, c), EntryRef{EntryKind::connection, index});
  MR_CHECK(was_there);
  e.wheel.disarm(index);
  if (c.has(Connection::kActiveOpen)) e.ports.released(e.tuple_of(c));
}

}  // namespace millrace::tcp
