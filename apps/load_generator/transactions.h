// SPDX-License-Identifier: BSD-3-Clause
//
// Clients and transactions of one generator, in bounded pools. A client lives as long as its
// connection and is small; a transaction lives from the intended time of a request (or of the open)
// to the last byte of its answer, and carries the HTTP parser.
#pragma once

#include <http_parser.h>

#include <cstdint>

#include "tcp/base/pool.h"
#include "tcp/base/time.h"
#include "tcp/endpoint/app.h"

namespace millrace::load {

struct Client {
  enum class Phase : std::uint8_t {
    connecting,
    idle,      // could ask
    busy,      // waits for an answer
    thinking,  // asks again when it has thought
    held,      // stays open without asking (concurrent mode), or for the server to end it
    closing,   // closed or aborted by us: its closed event is all that is awaited
  };
  static constexpr std::uint32_t kNoLimit = 0xffff'ffff;

  tcp::ConnectionId id;
  std::uint32_t transaction = kNil;  // while connecting; while busy the last, which names the first
  std::uint32_t requests_left = 0;   // that it may still ask; kNoLimit: any number
  std::uint32_t prev_idle = kNil;
  std::uint32_t next_idle = kNil;
  std::uint16_t target = 0;
  std::uint8_t outstanding = 0;  // requests without an answer
  std::uint8_t cause = 0;        // Failed
  Phase phase = Phase::connecting;
  bool used : 1 = false;       // a slot that was never created reads as not used
  bool has_cause : 1 = false;  // we ended it, for `cause`
  bool has_asked : 1 = false;  // its first request was sent before it was connected (Fast Open)
  bool listed : 1 = false;     // in the list of those that could ask
  bool blocked : 1 = false;    // its last request is not wholly in the send queue
  bool reset : 1 = false;      // we ended it by RST, as it was to be
  bool answered : 1 = false;   // its last answer came whole

  /// When we closed it. What is being closed is in no idle list, whose links have room for this.
  void set_closed_at(Instant at) {
    const auto ns = static_cast<std::uint64_t>(at.time_since_epoch().count());
    prev_idle = static_cast<std::uint32_t>(ns >> 32);
    next_idle = static_cast<std::uint32_t>(ns);
  }
  [[nodiscard]] Instant closed_at() const {
    const std::uint64_t ns = std::uint64_t{prev_idle} << 32 | next_idle;
    return Instant{Duration{static_cast<std::int64_t>(ns)}};
  }
};
static_assert(sizeof(Client) <= 32);

struct Transaction {
  Instant intended{};
  Instant started{};  // SYN or request handed to the endpoint
  Instant first_byte{};
  std::uint64_t body_left = 0;   // of a response recognised by its head
  std::uint64_t body_bytes = 0;  // of the request
  std::uint64_t body_sent = 0;
  http_parser parser;
  std::uint32_t client = kNil;
  std::uint32_t prev = kNil;  // in order of start, for time-outs
  std::uint32_t next = kNil;
  std::uint32_t behind = kNil;  // of its client: asked next; behind the last one stands the first
  std::uint16_t request = 0;    // index into the plan's
  std::uint16_t head_sent = 0;
  bool last_request = false;
  bool sent = false;
  bool answered = false;  // first byte seen
  bool known_head = false;
  bool complete = false;
  bool no_body = false;  // the answer has none, whatever its head says
};

/// Transactions in order of their start: with one time-out for all of them the head is the first to
/// expire.
class StartOrder {
 public:
  explicit StartOrder(Pool<Transaction>& pool) : pool_(pool) {}

  void append(std::uint32_t index) {
    pool_[index].prev = tail_;
    pool_[index].next = kNil;
    (tail_ == kNil ? head_ : pool_[tail_].next) = index;
    tail_ = index;
  }
  void remove(std::uint32_t index) {
    const Transaction& t = pool_[index];
    (t.prev == kNil ? head_ : pool_[t.prev].next) = t.next;
    (t.next == kNil ? tail_ : pool_[t.next].prev) = t.prev;
  }
  [[nodiscard]] bool any() const { return head_ != kNil; }
  /// The oldest one if it started at or before `limit`, else kNil.
  [[nodiscard]] std::uint32_t expired(Instant limit) const {
    return head_ != kNil && pool_[head_].started <= limit ? head_ : kNil;
  }

 private:
  Pool<Transaction>& pool_;
  std::uint32_t head_ = kNil;
  std::uint32_t tail_ = kNil;
};

}  // namespace millrace::load
