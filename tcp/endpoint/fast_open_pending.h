// SPDX-License-Identifier: BSD-3-Clause
//
// How many connections of each listener were accepted by a Fast Open cookie and are not through
// their handshake (PendingFastOpenRequests, RFC 7413 §5.1). Whoever has a cookie can have them made
// with a forged SYN, so they are bounded for each listener, and for the endpoint.
//
// A reset does not free its place: who forges SYNs in the name of others would get every place back
// with the resets of those. It is free again after a minute.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tcp/base/check.h"
#include "tcp/base/pool.h"
#include "tcp/base/time.h"
#include "tcp/endpoint/listeners.h"

namespace millrace::tcp {

class FastOpenPending {
 public:
  /// Of all listeners together.
  static constexpr std::uint32_t kMost = 16'384;
  static constexpr Duration kHeldAfterReset = 60s;

  explicit FastOpenPending(std::uint32_t connections)
      : pages_(kMost * sizeof(Held) + kMaxListeners * sizeof(std::uint32_t) +
               connections * sizeof(std::uint16_t)),
        held_(reinterpret_cast<Held*>(pages_.data())),
        of_listener_(reinterpret_cast<std::uint32_t*>(held_ + kMost)),
        listener_of_(reinterpret_cast<std::uint16_t*>(of_listener_ + kMaxListeners)) {}

  /// Whether one more may be added; first frees some places that were held long enough.
  [[nodiscard]] bool has_room(std::uint16_t listener, std::uint32_t bound, Instant now) {
    constexpr int kMostAtOnce = 64;
    for (int i = 0; i < kMostAtOnce && head_ != tail_; ++i, ++head_) {
      const Held& oldest = held_[head_ % kMost];
      if (oldest.until > now) break;
      release(oldest.listener);
    }
    return of_listener_[listener] < bound && total_ < kMost;
  }

  void add(std::uint32_t connection, std::uint16_t listener) {
    listener_of_[connection] = listener;
    ++of_listener_[listener];
    ++total_;
    most_connections_ = std::max(most_connections_, connection + 1);
  }
  /// Its handshake is over, or its SYN-ACKs are used up.
  void remove(std::uint32_t connection) { release(listener_of_[connection]); }
  /// It was reset: its place is free later.
  void hold(std::uint32_t connection, Instant now) {
    MR_CHECK(tail_ - head_ < total_);
    held_[tail_++ % kMost] = {now + kHeldAfterReset, listener_of_[connection]};
    most_held_ = std::max(most_held_, std::min(tail_, kMost));
  }

  /// Of all listeners, held places included.
  [[nodiscard]] std::uint32_t total() const { return total_; }

  [[nodiscard]] std::size_t reserved_bytes() const { return pages_.bytes(); }
  [[nodiscard]] std::size_t touched_bytes() const {
    if (most_connections_ == 0) return 0;
    return most_held_ * sizeof(Held) + kMaxListeners * sizeof(std::uint32_t) +
           most_connections_ * sizeof(std::uint16_t);
  }

 private:
  struct Held {
    Instant until;
    std::uint16_t listener;
  };

  void release(std::uint16_t listener) {
    MR_CHECK(of_listener_[listener] != 0);
    --of_listener_[listener];
    --total_;
  }

  ReservedPages pages_;
  Held* held_;  // a ring, in order of time; no longer than total_
  std::uint32_t* of_listener_;
  std::uint16_t* listener_of_;  // of a pending connection, by its index
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  std::uint32_t total_ = 0;
  std::uint32_t most_held_ = 0;  // for touched_bytes(), and so the next
  std::uint32_t most_connections_ = 0;
};

}  // namespace millrace::tcp
