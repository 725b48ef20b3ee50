// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes out. Most answers are queued at once and leave nothing behind; one that finds no room keeps
// what is left in an exchange and goes on with each writable event.
#include "apps/http_server/server.h"

namespace millrace::http {
namespace {

// What is to be sent of an answer whose whole bytes are `rest` already.
Plan without_body(Plan plan) {
  plan.kind = Kind::status;
  return plan;
}

}  // namespace

void HttpServer::answer(Talk& t, const Plan& plan) {
  switch (plan.kind) {
    case Kind::echo:
      return start_echo(t, plan);
    case Kind::delay:
      return start_delay(t, plan);
    case Kind::page:
    case Kind::status:
    case Kind::pattern:
    case Kind::chunked:
      return answer_in_pieces(t, plan);
  }
}

void HttpServer::answer_whole(Talk& t, const Plan& plan, Bytes whole) {
  count_answer(plan.status);
  if (!put(t, whole, tcp::Lifetime::fixed)) return wait_for_room(t, without_body(plan), 0);
  if (plan.close || draining_) finish(t, plan.linger);
}

void HttpServer::answer_in_pieces(Talk& t, const Plan& plan) {
  count_answer(plan.status);
  std::array<char, kMostHeadBytes> space;
  std::uint64_t done = 0;
  if (!put(t, write_head(plan, space), tcp::Lifetime::copied) || !put_body(t.id, plan, done)) {
    return wait_for_room(t, plan, done);
  }
  if (plan.close || draining_) finish(t, plan.linger);
}

void HttpServer::start_delay(Talk& t, const Plan& plan) {
  if (!begin_exchange(t, Phase::delaying)) return abort(t, stats_.out_of_memory);
  t.exchange->plan = plan;
  arm(*t.exchange, std::chrono::milliseconds(plan.number));
}

bool HttpServer::put(Talk& t, Bytes bytes, tcp::Lifetime lifetime) {
  const std::size_t sent = endpoint_->send(t.id, bytes, lifetime);
  if (sent == bytes.size()) [[likely]]
    return true;
  const Bytes rest = bytes.subspan(sent);
  const Phase phase = t.exchange == nullptr ? Phase::sending : t.exchange->phase;
  const bool fixed = lifetime == tcp::Lifetime::fixed;
  if (!begin_exchange(t, phase) || (!fixed && !buffers_.grow(t.exchange->buffer, 0, rest.size()))) {
    abort(t, stats_.out_of_memory);
    return false;
  }
  Exchange& x = *t.exchange;
  x.rest = rest.data();
  x.rest_bytes = static_cast<std::uint32_t>(rest.size());
  if (!fixed) {
    x.rest = buffers_.space(x.buffer).data();
    std::memcpy(buffers_.space(x.buffer).data(), rest.data(), rest.size());
  }
  arm(x, config_.stall_time);
  return false;
}

// What an earlier put() had to keep.
bool HttpServer::put_rest(Talk& t) {
  Exchange& x = *t.exchange;
  if (x.rest_bytes == 0) return true;
  const auto lifetime = x.buffer.held() ? tcp::Lifetime::copied : tcp::Lifetime::fixed;
  const std::size_t sent = endpoint_->send(t.id, {x.rest, x.rest_bytes}, lifetime);
  x.rest += sent;
  x.rest_bytes -= static_cast<std::uint32_t>(sent);
  if (sent != 0) arm(x, config_.stall_time);
  if (x.rest_bytes != 0) return false;
  buffers_.release(x.buffer);
  return true;
}

bool HttpServer::put_body(tcp::ConnectionId id, const Plan& plan, std::uint64_t& done) {
  std::array<char, 16> scratch;
  while (true) {
    const BodyPiece piece = body_piece(plan, done, pattern_, scratch);
    if (piece.bytes.empty()) return true;
    const std::size_t sent = endpoint_->send(
        id, piece.bytes, piece.fixed ? tcp::Lifetime::fixed : tcp::Lifetime::copied);
    done += sent;
    if (sent < piece.bytes.size()) return false;
  }
}

void HttpServer::wait_for_room(Talk& t, const Plan& plan, std::uint64_t done) {
  if (t.over) return;
  if (!begin_exchange(t, Phase::sending)) return abort(t, stats_.out_of_memory);
  t.exchange->plan = plan;
  t.exchange->done = done;
  arm(*t.exchange, config_.stall_time);
}

// There is room again.
void HttpServer::pump(Talk& t) {
  Exchange& x = *t.exchange;
  if (!put_rest(t)) return;
  switch (x.phase) {
    case Phase::sending: {
      const std::uint64_t before = x.done;
      if (put_body(t.id, x.plan, x.done)) {
        complete(t);
        return read_on(t);
      }
      if (x.done != before) arm(x, config_.stall_time);
      return;
    }
    case Phase::echoing:
      return read_on(t);
    case Phase::head:
    case Phase::delaying:
    case Phase::discarding:
      return;
  }
}

// The answer of an exchange is wholly queued.
void HttpServer::complete(Talk& t) {
  const Plan& plan = t.exchange->plan;
  if (plan.close || draining_) return finish(t, plan.linger && !t.exchange->peer_closed);
  end_exchange(t);
}

// The connection ends with the answer just queued. Closing it with bytes unread would reset it, and
// the client might lose the answer (RFC 9112 §9.6).
void HttpServer::finish(Talk& t, bool linger) {
  if (!linger && endpoint_->readable(t.id).empty()) return close(t);
  if (!begin_exchange(t, Phase::discarding)) return abort(t, stats_.out_of_memory);
  endpoint_->shutdown(t.id);
  arm(*t.exchange, config_.linger_time);
}

}  // namespace millrace::http
