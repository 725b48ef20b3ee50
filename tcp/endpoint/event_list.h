// SPDX-License-Identifier: BSD-3-Clause
//
// The events of the iteration in order of happening. Lies in reserved address space, because calls
// of the application may end any number of connections at once: a slot of the connection pool is
// used again only after its closed event was shown, so its share of one batch is bounded, and so is
// the whole.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>

#include "tcp/base/check.h"
#include "tcp/base/pool.h"
#include "tcp/endpoint/app.h"

namespace millrace::tcp {

class EventList {
 public:
  /// Segments that an endpoint takes between two calls of settle().
  static constexpr std::size_t kMaxSegments = 65'536;
  /// A connection that lives through a batch has opened, ended and reached its end of stream once
  /// at most; a segment brings one piece of data and may make one queue writable; settling shows
  /// what a connection still has to read.
  static constexpr std::size_t capacity_for(std::size_t connections) {
    return 4 * connections + 2 * kMaxSegments;
  }

  explicit EventList(std::size_t capacity)
      : pages_(capacity * sizeof(Event)),
        events_(reinterpret_cast<Event*>(pages_.data())),
        capacity_(capacity) {}

  Event& add(ConnectionId connection, std::uint32_t user, EventKind kind) {
    MR_CHECK(size_ < capacity_);
    Event* event = new (events_ + size_++) Event;
    event->connection = connection;
    event->user = user;
    event->kind = kind;
    return *event;
  }

  [[nodiscard]] Event& operator[](std::size_t i) { return events_[i]; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool full_of_segments() const { return segments_ >= kMaxSegments; }
  [[nodiscard]] std::span<Event> from(std::size_t first) {
    return {events_ + first, size_ - first};
  }

  void drop_front(std::size_t count) {
    high_water_ = std::max(high_water_, size_);
    size_ -= count;
    if (size_ != 0) {
      std::memmove(static_cast<void*>(events_), events_ + count, size_ * sizeof(Event));
    }
    segments_ = 0;
  }
  void count_segment() { ++segments_; }

  [[nodiscard]] std::size_t reserved_bytes() const { return pages_.bytes(); }
  [[nodiscard]] std::size_t touched_bytes() const {
    return std::max(high_water_, size_) * sizeof(Event);
  }

 private:
  static_assert(std::is_trivially_copyable_v<Event> && sizeof(Event) == 32);

  ReservedPages pages_;
  Event* events_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  std::size_t segments_ = 0;
  std::size_t high_water_ = 0;
};

}  // namespace millrace::tcp
