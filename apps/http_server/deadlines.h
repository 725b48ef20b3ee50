// SPDX-License-Identifier: BSD-3-Clause
//
// When an exchange must be looked at again: a heap of the times, each exchange in it once at most
// and knowing its place, so that a deadline is moved or withdrawn without leaving anything behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "apps/http_server/exchange.h"
#include "tcp/base/pool.h"
#include "tcp/base/time.h"

namespace millrace::http {

class Deadlines {
 public:
  explicit Deadlines(Pool<Exchange>& exchanges) : exchanges_(exchanges) {
    heap_.reserve(exchanges.capacity());
  }

  void set(std::uint32_t exchange, Instant when);
  void clear(std::uint32_t exchange);
  /// The exchange that is due first, withdrawn; kNil if none is due yet.
  [[nodiscard]] std::uint32_t pop_due(Instant now);
  [[nodiscard]] std::size_t size() const { return heap_.size(); }

 private:
  struct Entry {
    Instant when;
    std::uint32_t exchange;
  };
  void put(std::size_t place, const Entry& entry) {
    heap_[place] = entry;
    exchanges_[entry.exchange].deadline = static_cast<std::uint32_t>(place);
  }
  void sift_up(std::size_t place, Entry entry);
  void sift_down(std::size_t place, Entry entry);
  void replace(std::size_t place, const Entry& entry);

  Pool<Exchange>& exchanges_;
  std::vector<Entry> heap_;  // never beyond what was reserved
};

}  // namespace millrace::http
