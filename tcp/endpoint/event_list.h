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
  /// at most; a segment brings one piece of data and may make one queue writable. What is unread
  /// is shown in as many pieces as it lies in blocks.
  static constexpr std::size_t capacity_for(std::size_t connections, std::size_t blocks) {
    return 3 * connections + 2 * kMaxSegments + 2 * blocks;
  }

  explicit EventList(std::size_t capacity)
      : pages_(capacity * (sizeof(Event) + sizeof(std::uint32_t))),
        events_(reinterpret_cast<Event*>(pages_.data())),
        consumed_(reinterpret_cast<std::uint32_t*>(pages_.data() + capacity * sizeof(Event))),
        capacity_(capacity) {}

  [[gnu::always_inline]] Event& add(ConnectionId connection, std::uint32_t user, EventKind kind) {
    MR_CHECK(size_ < capacity_);
    consumed_[size_] = 0;
    Event* event = new (events_ + size_++) Event;
    event->connection = connection;
    event->user = user;
    event->kind = kind;
    return *event;
  }

  [[nodiscard]] Event& operator[](std::size_t i) { return events_[i]; }
  /// Bytes of a data event that the application has taken although the event still shows them.
  [[nodiscard]] std::uint32_t& consumed(std::size_t i) { return consumed_[i]; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool full_of_segments() const { return segments_ >= kMaxSegments; }
  [[nodiscard]] std::span<Event> all() { return {events_, size_}; }

  void drop_front(std::size_t count) {
    high_water_ = std::max(high_water_, size_);
    size_ -= count;
    if (size_ != 0) {
      std::memmove(static_cast<void*>(events_), events_ + count, size_ * sizeof(Event));
      std::memmove(consumed_, consumed_ + count, size_ * sizeof(std::uint32_t));
    }
    segments_ = 0;
  }
  void count_segment() { ++segments_; }

  [[nodiscard]] std::size_t reserved_bytes() const { return pages_.bytes(); }
  [[nodiscard]] std::size_t touched_bytes() const {
    return std::max(high_water_, size_) * (sizeof(Event) + sizeof(std::uint32_t));
  }

 private:
  static_assert(std::is_trivially_copyable_v<Event> && sizeof(Event) == 32);

  ReservedPages pages_;
  Event* events_;
  std::uint32_t* consumed_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  std::size_t segments_ = 0;
  std::size_t high_water_ = 0;
};

}  // namespace millrace::tcp
