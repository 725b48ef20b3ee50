// SPDX-License-Identifier: BSD-3-Clause
//
// The application's calls on a connection (RFC 9293 §3.10.2 to §3.10.5) and on listeners. A stale
// id does nothing; so does a call on a connection that is over, but for reading what it left.
#include "tcp/connection/calls.h"

#include <string>

#include "tcp/connection/send_queue.h"
#include "tcp/endpoint/impl.h"
#include "tcp/endpoint/lending.h"
#include "tcp/endpoint/lifecycle.h"
#include "tcp/endpoint/listen.h"

namespace millrace::tcp {
namespace {

/// The connection of `id` if it is still on the network and its owner has not given it up.
[[nodiscard]] Connection* find_open(EndpointImpl& e, ConnectionId id) {
  Connection* c = e.resolve(id);
  return c == nullptr || is_over(*c) || c->has(Connection::kOwnerGone) ? nullptr : c;
}

/// Runs `call(connection, context, outcome)` and applies what it did.
[[gnu::noinline]] void call_and_apply(EndpointImpl& e, std::uint32_t index, Connection& c,
                                      void (*call)(Connection&, const Context&, Outcome&)) {
  const State before = c.state;
  Outcome outcome;
  call(c, e.context_of(c), outcome);
  apply(e, index, c, before, outcome);
}

/// send() where it is not straight. Out of line, for the registers that it takes.
[[gnu::noinline]] std::size_t send_somehow(EndpointImpl& e, ConnectionId id,
                                           std::span<const std::byte> bytes, bool copy) {
  Connection* c = find_open(e, id);
  if (c == nullptr || bytes.empty()) return 0;
  const std::size_t taken = enqueue(*c, bytes, copy, e.context_of(*c));
  mark_dirty(e, id.index, *c);
  return taken;
}

void abort_unread(Connection& c, const Context& context, Outcome& outcome) {
  abort_connection(c, CloseReason::unread_data, context, outcome);
}

/// Aborts what is left of the connection then. Ids of those that ended before are dropped when
/// there are many.
void linger_until(EndpointImpl& e, Instant at, ConnectionId id) {
  if (e.lingering.full()) {
    e.lingering.keep_if([&](ConnectionId other) {
      const Connection* c = e.resolve(other);
      return c != nullptr && !is_over(*c);
    });
  }
  e.lingering.add(at, id);
}

[[nodiscard]] Error usage(std::string sentence) {
  return {ErrorKind::usage, std::move(sentence), {}};
}

}  // namespace

Result<ListenerId> Endpoint::listen(const ListenRequest& request) {
  EndpointImpl& e = impl();
  if (request.port == 0) return usage("The port to listen on is 0: it must be 1 to 65535.");
  if (request.backlog == 0) return usage("The backlog is 0: nothing could ever be accepted.");
  if (request.profile >= e.config.profiles.size()) {
    return usage("The listener names profile " + std::to_string(request.profile) +
                 ", but there are " + std::to_string(e.config.profiles.size()) + ".");
  }
  if (e.listeners.find_exact(request.local, request.port) != kNoListener) {
    return usage("Port " + std::to_string(request.port) +
                 " has a listener on this address already.");
  }
  const std::uint16_t index =
      e.listeners.add(request.local, request.port, request.backlog, request.profile);
  if (index == kNoListener) {
    return usage("There are " + std::to_string(kMaxListeners) + " listeners already.");
  }
  ++e.states.of(State::listen);
  return ListenerId{index};
}

void Endpoint::stop_listening(ListenerId listener) {
  EndpointImpl& e = impl();
  if (!e.listeners.is_open(listener.index)) return;
  drop_half_open_of(e, listener.index);
  e.listeners.remove(listener.index);
  --e.states.of(State::listen);
}

std::size_t Endpoint::send(ConnectionId id, std::span<const std::byte> bytes, Lifetime lifetime) {
  EndpointImpl& e = impl();
  const bool copy = lifetime == Lifetime::copied;
  if (Connection* c = e.resolve(id); c != nullptr && enqueue_straight(*c, bytes, copy, e.stores))
      [[likely]] {
    mark_dirty(e, id.index, *c);
    return bytes.size();
  }
  return send_somehow(e, id, bytes, copy);
}

std::size_t Endpoint::send_space(ConnectionId id) const {
  EndpointImpl& e = impl();
  const Connection* c = find_open(e, id);
  return c == nullptr ? 0 : tcp::send_space(*c, e.context_of(*c));
}

void Endpoint::consume(ConnectionId id, std::size_t bytes) {
  EndpointImpl& e = impl();
  if (consume_whole(e, id, bytes)) [[likely]]
    return;
  if (Connection* c = e.resolve(id)) consume_bytes(e, id.index, *c, bytes);
}

std::span<const std::byte> Endpoint::readable(ConnectionId id) const {
  EndpointImpl& e = impl();
  Connection* c = e.resolve(id);
  if (c == nullptr) return {};
  return readable_bytes(e, id.index, *c);
}

void Endpoint::shutdown(ConnectionId id) {
  EndpointImpl& e = impl();
  Connection* c = find_open(e, id);
  if (c == nullptr) return;
  call_and_apply(e, id.index, *c, shut_down_sending);
}

void Endpoint::close(ConnectionId id) {
  EndpointImpl& e = impl();
  Connection* c = e.resolve(id);
  if (c == nullptr || c->has(Connection::kOwnerGone)) return;
  const bool unread = stop_reading(e, id.index, *c);
  if (is_over(*c)) {
    if (ending_of(*c) == Ending::reading) announce(e, id.index, *c, CloseReason::graceful);
    return;
  }
  const Duration linger = e.profile(c->profile).linger;
  if (linger == Duration::zero()) return abort_by_endpoint(e, id.index, *c, CloseReason::aborted);
  const State before = c->state;
  if (!unread && close_straight(*c, e.context_of(*c))) [[likely]] {
    --e.states.of(before);
    ++e.states.of(c->state);
    mark_dirty(e, id.index, *c);
  } else {
    call_and_apply(e, id.index, *c, unread ? abort_unread : close_by_owner);
  }
  if (linger > Duration::zero() && !is_over(*c)) linger_until(e, e.now + linger, id);
}

void Endpoint::abort(ConnectionId id) {
  EndpointImpl& e = impl();
  Connection* c = e.resolve(id);
  if (c == nullptr) return;
  stop_reading(e, id.index, *c);
  abort_by_endpoint(e, id.index, *c, CloseReason::aborted);
}

void Endpoint::prefetch(ConnectionId id) const { impl().connections.prefetch(id.index); }

void Endpoint::set_user(ConnectionId id, std::uint32_t user) {
  if (Connection* c = impl_->resolve(id)) c->user = user;
}

std::uint32_t Endpoint::user(ConnectionId id) const {
  const Connection* c = impl_->resolve(id);
  return c == nullptr ? 0 : c->user;
}

void Endpoint::set_nodelay(ConnectionId id, bool on) {
  EndpointImpl& e = impl();
  Connection* c = find_open(e, id);
  if (c == nullptr) return;
  if (!on) {
    c->clear(Connection::kNodelay);
    return;
  }
  c->set(Connection::kNodelay);
  mark_dirty(e, id.index, *c);
}

void Endpoint::acknowledge(ConnectionId id) {
  EndpointImpl& e = impl();
  Connection* c = find_open(e, id);
  if (c == nullptr) return;
  acknowledge_now(*c);
  mark_dirty(e, id.index, *c);
}

}  // namespace millrace::tcp
