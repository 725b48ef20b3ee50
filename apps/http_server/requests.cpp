// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes in: heads known or parsed, whole or in pieces. A head that comes in one piece is read where
// it lies; only an unfinished one is copied.
#include "apps/http_server/request.h"
#include "apps/http_server/server.h"

namespace millrace::http {

// True if all was taken.
bool HttpServer::take(Talk& t, Bytes bytes) {
  while (!bytes.empty() && !t.over) {
    std::size_t used = 0;
    if (t.exchange == nullptr) {
      used = take_request(t, bytes);
    } else {
      switch (t.exchange->phase) {
        case Phase::head:
          used = take_head_part(t, bytes);
          break;
        case Phase::echoing:
          used = take_body(t, bytes);
          break;
        case Phase::discarding:
          endpoint_->consume(t.id, bytes.size());
          used = bytes.size();
          break;
        case Phase::delaying:
        case Phase::sending:
          break;  // one answer after the other: the rest waits, and the window with it
      }
    }
    if (used == 0) return false;
    bytes = bytes.subspan(used);
  }
  return true;
}

// After an answer that had to wait: what the client has sent meanwhile.
void HttpServer::read_on(Talk& t) {
  while (!t.over) {
    const Bytes bytes = endpoint_->readable(t.id);
    if (bytes.empty() || !take(t, bytes)) return;
  }
}

std::size_t HttpServer::take_request(Talk& t, Bytes bytes) {
  if (const KnownHead* known = memo_.find(bytes); known != nullptr && !draining_) [[likely]] {
    const std::size_t length = known->length;
    endpoint_->consume(t.id, length);
    ++stats_.requests;
    ++stats_.known_heads;
    if (known->answer.empty()) {
      answer(t, known->plan);
    } else {
      answer_whole(t, known->plan, known->answer);
    }
    return length;
  }
  const HeadScan scan = scan_head(view_of(bytes), 0);
  switch (scan.outcome) {
    case HeadScan::Outcome::blank:
      endpoint_->consume(t.id, scan.length);
      return scan.length;
    case HeadScan::Outcome::bare_lf:
      return refuse(t, bytes.size(), 400);
    case HeadScan::Outcome::incomplete:
      if (bytes.size() < kMostHead) return keep_head(t, bytes);
      return refuse(t, bytes.size(), too_long(view_of(bytes)));
    case HeadScan::Outcome::complete:
      break;
  }
  if (scan.length > kMostHead) return refuse(t, bytes.size(), too_long(view_of(bytes)));
  handle_head(t, view_of(bytes.first(scan.length)), scan.length);
  return scan.length;
}

// A head without end yet: it is copied, and its time runs from now.
std::size_t HttpServer::keep_head(Talk& t, Bytes bytes) {
  if (!begin_exchange(t, Phase::head) || !buffers_.grow(t.exchange->buffer, 0, bytes.size())) {
    ++stats_.out_of_memory;
    if (t.exchange != nullptr) end_exchange(t);
    return refuse(t, bytes.size(), 503);
  }
  Exchange& x = *t.exchange;
  std::memcpy(buffers_.space(x.buffer).data(), bytes.data(), bytes.size());
  x.used = static_cast<std::uint32_t>(bytes.size());
  arm(x, config_.head_time);
  endpoint_->consume(t.id, bytes.size());
  return bytes.size();
}

std::size_t HttpServer::take_head_part(Talk& t, Bytes bytes) {
  Exchange& x = *t.exchange;
  const std::size_t count = std::min(bytes.size(), kMostHead - x.used);
  if (!buffers_.grow(x.buffer, x.used, x.used + count)) {
    ++stats_.out_of_memory;
    end_exchange(t);
    return refuse(t, bytes.size(), 503);
  }
  const Bytes space = buffers_.space(x.buffer);
  std::memcpy(buffers_.space(x.buffer).data() + x.used, bytes.data(), count);
  const std::string_view head = view_of(space.first(x.used + count));
  const HeadScan scan = scan_head(head, x.used);
  switch (scan.outcome) {
    case HeadScan::Outcome::incomplete: {
      if (head.size() >= kMostHead) {
        const std::uint16_t status = too_long(head);
        end_exchange(t);
        return refuse(t, bytes.size(), status);
      }
      x.used += static_cast<std::uint32_t>(count);
      endpoint_->consume(t.id, count);
      return count;
    }
    case HeadScan::Outcome::bare_lf:
      end_exchange(t);
      return refuse(t, bytes.size(), 400);
    case HeadScan::Outcome::blank:
    case HeadScan::Outcome::complete:
      break;
  }
  const std::size_t used = scan.length - x.used;
  if (scan.outcome == HeadScan::Outcome::blank) {
    endpoint_->consume(t.id, used);
    end_exchange(t);
    return used;
  }
  // The buffer must outlive the parsing, and the exchange end before the answer begins.
  BufferHandle buffer = x.buffer;
  x.buffer = {};
  end_exchange(t);
  handle_head(t, head.substr(0, scan.length), used);
  buffers_.release(buffer);
  return used;
}

// A whole head, `unread` bytes of which are still to be consumed: after they were looked at, since
// consuming gives their memory back, and before the answer, since that may close the connection.
void HttpServer::handle_head(Talk& t, std::string_view head, std::size_t unread) {
  ++stats_.requests;
  const Request request = parse_request(head);
  if (request.error_status != 0) ++stats_.bad_requests;
  Plan plan = plan_for(request);
  if (draining_) plan.close = true;
  const Bytes whole = prepared_.find(plan, pattern_);
  if (request.error_status == 0 && !request.has_body() && !draining_) {
    memo_.learn(bytes_of(head), plan, whole);
  }
  endpoint_->consume(t.id, unread);
  if (whole.empty()) {
    answer(t, plan);
  } else {
    answer_whole(t, plan, whole);
  }
}

// Bytes that are no request, or too much of one: all of them are dropped.
std::size_t HttpServer::refuse(Talk& t, std::size_t used, std::uint16_t status) {
  ++stats_.requests;
  ++stats_.bad_requests;
  endpoint_->consume(t.id, used);
  answer(t, error_plan(status));
  return used;
}

// RFC 9110 §15.5.15, RFC 6585 §5: the request line alone, or the fields.
std::uint16_t HttpServer::too_long(std::string_view head) {
  return head.substr(0, kMostHead).find('\n') == std::string_view::npos ? 414 : 431;
}

}  // namespace millrace::http
