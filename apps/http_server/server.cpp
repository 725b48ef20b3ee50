// SPDX-License-Identifier: BSD-3-Clause
//
// Events of the endpoint, deadlines, and the life of an exchange.
#include "apps/http_server/server.h"

namespace millrace::http {

void ServerStats::add(const ServerStats& other) {
  connections += other.connections;
  requests += other.requests;
  for (std::size_t i = 0; i < answers.size(); ++i) answers[i] += other.answers[i];
  known_heads += other.known_heads;
  bad_requests += other.bad_requests;
  slow_heads += other.slow_heads;
  stalled += other.stalled;
  out_of_memory += other.out_of_memory;
}

HttpServer::HttpServer(const ServerConfig& config)
    : config_(config),
      exchanges_(config.max_exchanges),
      buffers_(config.max_exchanges),
      deadlines_(exchanges_) {}

Status HttpServer::listen(tcp::Endpoint& endpoint, std::uint16_t port) {
  auto listener = endpoint.listen({.local = {}, .port = port});
  if (!listener) return listener.error();
  listeners_.push_back(listener.value());
  return Ok{};
}

void HttpServer::on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events,
                           Instant now) {
  endpoint_ = &endpoint;
  now_ = now;
  users_moved_ = false;
  for (const tcp::Event& event : events) on_event(event);
  if (deadlines_.size() != 0) expire();
  if (now >= next_publish_) publish();
}

void HttpServer::on_event(const tcp::Event& event) {
  switch (event.kind) {
    case tcp::EventKind::data: {
      if (event.bytes.empty()) return;  // consumed already, with an earlier event
      Talk t = talk(event);
      (void)take(t, event.bytes);
      return;
    }
    case tcp::EventKind::accepted:
      ++stats_.connections;
      return;
    case tcp::EventKind::writable: {
      Talk t = talk(event);
      if (t.exchange != nullptr) pump(t);
      return;
    }
    case tcp::EventKind::peer_closed: {
      Talk t = talk(event);
      on_peer_closed(t);
      return;
    }
    case tcp::EventKind::closed:
      on_closed(event);
      return;
    case tcp::EventKind::connected:
      return;  // we open nothing
  }
}

HttpServer::Talk HttpServer::talk(const tcp::Event& event) {
  // Data events hold the word as it is when we are called; the others may have been made while we
  // consumed, before we set it.
  const bool fresh = event.kind == tcp::EventKind::data && !users_moved_;
  const std::uint32_t user = fresh ? event.user : endpoint_->user(event.connection);
  Talk t{.id = event.connection};
  if (user == kOver) {
    t.over = true;
  } else if (user != kIdle) {
    t.exchange = &exchanges_[user - 1];
  }
  return t;
}

void HttpServer::on_peer_closed(Talk& t) {
  if (t.over) return;
  // An answer under way is still given: the client may have closed its sending side alone.
  if (t.exchange != nullptr &&
      (t.exchange->phase == Phase::sending || t.exchange->phase == Phase::delaying)) {
    t.exchange->peer_closed = true;
    t.exchange->plan.close = true;
    return;
  }
  if (t.exchange != nullptr && t.exchange->phase == Phase::echoing && t.exchange->body_complete) {
    t.exchange->peer_closed = true;
    t.exchange->plan.close = true;
    return;
  }
  close(t);
}

void HttpServer::on_closed(const tcp::Event& event) {
  Talk t = talk(event);
  if (t.exchange != nullptr) end_exchange(t);
}

void HttpServer::expire() {
  for (int i = 0; i < kMostExpiries; ++i) {
    const std::uint32_t due = deadlines_.pop_due(now_);
    if (due == kNil) return;
    on_deadline(exchanges_[due]);
  }
}

void HttpServer::on_deadline(Exchange& x) {
  Talk t{.id = x.id, .exchange = &x};
  switch (x.phase) {
    case Phase::head: {
      ++stats_.slow_heads;
      end_exchange(t);
      Plan plan = error_plan(408);
      plan.linger = false;  // who drips would drip on
      answer(t, plan);
      return;
    }
    case Phase::delaying: {
      Plan plan = x.plan;
      plan.kind = Kind::status;
      plan.number = 0;
      end_exchange(t);
      answer(t, plan);
      read_on(t);
      return;
    }
    case Phase::sending:
    case Phase::echoing:
      abort(t, stats_.stalled);
      return;
    case Phase::discarding:
      close(t);
      return;
  }
}

// ---- the life of an exchange

bool HttpServer::begin_exchange(Talk& t, Phase phase) {
  if (t.exchange != nullptr) {
    t.exchange->phase = phase;
    return true;
  }
  const std::uint32_t index = exchanges_.create();
  if (index == kNil) return false;
  t.exchange = &exchanges_[index];
  t.exchange->id = t.id;
  t.exchange->phase = phase;
  set_user(t.id, index + 1);
  return true;
}

void HttpServer::end_exchange(Talk& t) {
  const std::uint32_t index = index_of(*t.exchange);
  deadlines_.clear(index);
  buffers_.release(t.exchange->buffer);
  exchanges_.free(index);
  t.exchange = nullptr;
  set_user(t.id, kIdle);
}

void HttpServer::set_user(tcp::ConnectionId id, std::uint32_t user) {
  endpoint_->set_user(id, user);
  users_moved_ = true;
}

void HttpServer::abort(Talk& t, std::uint64_t& cause) {
  ++cause;
  if (t.exchange != nullptr) end_exchange(t);
  endpoint_->abort(t.id);
  set_user(t.id, kOver);
  t.over = true;
}

void HttpServer::close(Talk& t) {
  if (t.exchange != nullptr) end_exchange(t);
  endpoint_->close(t.id);
  set_user(t.id, kOver);
  t.over = true;
}

// ---- ending

void HttpServer::start_draining(tcp::Endpoint& endpoint) {
  for (const tcp::ListenerId listener : listeners_) endpoint.stop_listening(listener);
  listeners_.clear();
  draining_ = true;
}

std::uint32_t HttpServer::close_idle(tcp::Endpoint& endpoint, std::uint32_t from,
                                     std::size_t most) {
  std::array<tcp::ConnectionStatus, 64> slice;
  for (std::size_t seen = 0; seen < most && from != kNil;) {
    std::size_t count = 0;
    from = endpoint.list(from, slice, count);
    seen += slice.size();
    for (std::size_t i = 0; i < count; ++i) {
      const tcp::ConnectionStatus& status = slice[i];
      if (status.user != kIdle || status.state == tcp::State::time_wait) continue;
      endpoint.close(status.id);
      endpoint.set_user(status.id, kOver);
    }
  }
  return from;
}

void HttpServer::publish() {
  constexpr Duration kPublishInterval = 50ms;
  board_.publish(stats_);
  next_publish_ = now_ + kPublishInterval;
}

}  // namespace millrace::http
