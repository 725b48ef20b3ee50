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
    idle,     // in the generator's idle list
    busy,     // waits for an answer
    held,     // stays open without asking (concurrent mode)
    closing,  // closed or aborted by us: its closed event is all that is awaited
  };

  tcp::ConnectionId id;
  std::uint32_t transaction = kNil;  // while connecting or busy
  std::uint32_t requests = 0;        // started so far
  std::uint32_t prev_idle = kNil;
  std::uint32_t next_idle = kNil;
  Phase phase = Phase::connecting;
  bool used = false;       // a slot that was never created reads as not used
  bool has_cause = false;  // we ended it, for `cause`
  std::uint8_t cause = 0;  // Failed
  bool has_asked = false;  // its first request was sent before it was connected (Fast Open)

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
  std::uint64_t body_left = 0;  // of a response recognised by its head
  http_parser parser;
  std::uint32_t client = kNil;
  std::uint32_t prev = kNil;  // in order of start, for time-outs
  std::uint32_t next = kNil;
  bool answered = false;  // first byte seen
  bool known_head = false;
  bool complete = false;
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
