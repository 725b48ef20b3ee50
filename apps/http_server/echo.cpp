// SPDX-License-Identifier: BSD-3-Clause
//
// POST /echo: the request's body is the answer's, as it comes. What finds no room in the send queue
// is not taken from the receive queue, so a client that does not read is not read from either. A
// chunked body is answered in chunks of our own.
#include <charconv>

#include "apps/http_server/server.h"

namespace millrace::http {
namespace {

// Data of one chunk of the answer, so that it fits a medium buffer with its framing.
constexpr std::size_t kEchoChunk = 2000;

// "SIZE CRLF data CRLF" in `space`.
Bytes write_chunk(std::string_view data, std::span<char, 2048> space) {
  char* at = std::to_chars(space.data(), space.data() + 8, data.size(), 16).ptr;
  *at++ = '\r';
  *at++ = '\n';
  std::memcpy(at, data.data(), data.size());
  at += data.size();
  *at++ = '\r';
  *at++ = '\n';
  return std::as_bytes(space.first(static_cast<std::size_t>(at - space.data())));
}

}  // namespace

void HttpServer::start_echo(Talk& t, const Plan& plan) {
  if (!begin_exchange(t, Phase::echoing)) return abort(t, stats_.out_of_memory);
  Exchange& x = *t.exchange;
  x.plan = plan;
  count_answer(plan.status);
  arm(x, config_.stall_time);
  if (!plan.chunked_body && plan.number == 0) {
    (void)put_echo_head(t);
    if (!t.over) end_echo(t);
    return;
  }
  // The answer's head follows with the first byte of the body: until then the client may wait for
  // leave to send it (RFC 9110 §10.1.1).
  if (plan.continues) (void)put(t, bytes_of(kContinue), tcp::Lifetime::fixed);
}

bool HttpServer::put_echo_head(Talk& t) {
  Exchange& x = *t.exchange;
  if (x.head_sent) return true;
  x.head_sent = true;
  std::array<char, kMostHeadBytes> space;
  return put(t, write_head(x.plan, space), tcp::Lifetime::copied);
}

std::size_t HttpServer::take_body(Talk& t, Bytes bytes) {
  if (t.exchange->body_complete || !put_rest(t)) return 0;
  return t.exchange->plan.chunked_body ? take_chunked_body(t, bytes) : take_plain_body(t, bytes);
}

std::size_t HttpServer::take_plain_body(Talk& t, Bytes bytes) {
  if (!put_echo_head(t)) return 0;
  Exchange& x = *t.exchange;
  const auto count =
      static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), x.plan.number - x.done));
  const std::size_t sent = endpoint_->send(t.id, bytes.first(count), tcp::Lifetime::copied);
  endpoint_->consume(t.id, sent);
  x.done += sent;
  if (sent != 0) arm(x, config_.stall_time);
  if (x.done == x.plan.number) end_echo(t);
  return sent;
}

std::size_t HttpServer::take_chunked_body(Talk& t, Bytes bytes) {
  Exchange& x = *t.exchange;
  const ChunkReader::Step step = x.chunks.next(view_of(bytes), kEchoChunk);
  x.done += step.data.size();
  arm(x, config_.stall_time);
  if (step.outcome == ChunkReader::Outcome::bad || x.done > kMostBytes) {
    endpoint_->consume(t.id, step.used);
    break_echo(t);
    return step.used;
  }
  if (step.outcome == ChunkReader::Outcome::more) {
    endpoint_->consume(t.id, step.used);
    return step.used;
  }
  // Head and chunk go together, so that there is one rest at most.
  std::array<char, kMostHeadBytes + 2048> space;
  std::size_t length = 0;
  const auto add = [&](Bytes piece) {
    std::memcpy(space.data() + length, piece.data(), piece.size());
    length += piece.size();
  };
  if (!x.head_sent) {
    std::array<char, kMostHeadBytes> head;
    add(write_head(x.plan, head));
    x.head_sent = true;
  }
  std::array<char, 2048> chunk;
  const bool done = step.outcome == ChunkReader::Outcome::done;
  add(done ? bytes_of("0\r\n\r\n") : write_chunk(step.data, chunk));
  endpoint_->consume(t.id, step.used);  // its data are in `space`
  (void)put(t, std::as_bytes(std::span(space).first(length)), tcp::Lifetime::copied);
  if (done && !t.over) end_echo(t);
  return step.used;
}

// All of the body was taken; the answer is whole as soon as its rest is queued.
void HttpServer::end_echo(Talk& t) {
  Exchange& x = *t.exchange;
  x.body_complete = true;
  if (x.rest_bytes == 0) return complete(t);
  x.phase = Phase::sending;
  x.plan.kind = Kind::status;  // nothing follows the rest
  arm(x, config_.stall_time);
}

// The body is not what it says it is. Once the answer has begun there is no way to say so but a
// reset.
void HttpServer::break_echo(Talk& t) {
  if (t.exchange->head_sent || t.exchange->rest_bytes != 0) return abort(t, stats_.bad_requests);
  ++stats_.bad_requests;
  end_exchange(t);
  answer(t, error_plan(400));
}

}  // namespace millrace::http
