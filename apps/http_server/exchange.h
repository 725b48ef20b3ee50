// SPDX-License-Identifier: BSD-3-Clause
//
// What the server knows of a connection whose request or answer is under way. An idle keep-alive
// connection has none of this: its user word is zero and that is all. One line, from a bounded
// pool, with at most one buffer for bytes that had to be kept.
#pragma once

#include <cstddef>
#include <cstdint>

#include "apps/http_server/chunk_reader.h"
#include "apps/http_server/plan.h"
#include "tcp/base/pool.h"
#include "tcp/endpoint/app.h"

namespace millrace::http {

enum class Phase : std::uint8_t {
  head,        // part of a request's head has come and lies in the buffer
  delaying,    // the answer waits for its time
  sending,     // the answer waits for room in the send queue
  echoing,     // the request's body is coming in and going out
  discarding,  // the answer is out; what the client still sends is read and dropped
};

/// A buffer of one of three sizes.
struct BufferHandle {
  std::uint32_t index = kNil;
  std::uint8_t size_class = 0;

  [[nodiscard]] bool held() const { return index != kNil; }
};

struct Exchange {
  tcp::ConnectionId id;
  Plan plan;
  std::uint64_t done =
      0;               // sending: bytes of the body queued; echoing: of the request's body taken
  ChunkReader chunks;  // echoing a chunked body
  // Bytes to be sent before anything else: the end of a head or a chunk that found no room.
  const std::byte* rest = nullptr;
  std::uint32_t rest_bytes = 0;
  BufferHandle buffer;  // phase head: what has come; later: what `rest` points into, if not fixed
  std::uint32_t used = 0;         // phase head: bytes in the buffer
  std::uint32_t deadline = kNil;  // place in the heap of deadlines
  Phase phase = Phase::head;
  bool head_sent = false;      // echoing
  bool body_complete = false;  // echoing
  bool peer_closed = false;
};
static_assert(sizeof(Exchange) <= 104);

}  // namespace millrace::http
