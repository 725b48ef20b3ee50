// SPDX-License-Identifier: BSD-3-Clause
//
// Connections that think before they ask again, the first to be done in front. Bounded: a
// connection that ended while it thought is left in here until its time, or until the room is
// needed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tcp/base/time.h"
#include "tcp/endpoint/app.h"

namespace millrace::load {

class Thinkers {
 public:
  struct Entry {
    Instant due{};
    tcp::ConnectionId id;
    std::uint32_t client = 0;
  };

  /// Room for twice as many as think at once.
  explicit Thinkers(std::size_t most) { heap_.reserve(2 * most); }

  /// `live(entry)`: whether that one still thinks; asked of all when the room is used up.
  template <typename Live>
  void push(const Entry& entry, const Live& live) {
    if (heap_.size() == heap_.capacity()) {
      std::erase_if(heap_, [&](const Entry& e) { return !live(e); });
      std::make_heap(heap_.begin(), heap_.end(), later);
    }
    heap_.push_back(entry);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  [[nodiscard]] bool due(Instant now) const { return !heap_.empty() && heap_.front().due <= now; }
  Entry pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Entry first = heap_.back();
    heap_.pop_back();
    return first;
  }
  [[nodiscard]] std::size_t size() const { return heap_.size(); }

 private:
  static bool later(const Entry& a, const Entry& b) { return a.due > b.due; }
  std::vector<Entry> heap_;
};

}  // namespace millrace::load
