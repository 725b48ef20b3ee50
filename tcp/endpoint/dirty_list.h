// SPDX-License-Identifier: BSD-3-Clause
//
// Connections that flush must look at, first come first served. A connection is in it at most once
// (Connection::kDirty says so), so a ring as long as the pool never overflows; starting over
// whenever it is empty keeps the pages that are touched few.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "tcp/base/check.h"
#include "tcp/base/pool.h"

namespace millrace::tcp {

class DirtyList {
 public:
  explicit DirtyList(std::uint32_t connections)
      : pages_(std::size_t{std::bit_ceil(connections)} * sizeof(std::uint32_t)),
        slots_(reinterpret_cast<std::uint32_t*>(pages_.data())),
        mask_(std::bit_ceil(connections) - 1) {}

  void push(std::uint32_t index) {
    if (head_ == tail_) {
      high_water_ = std::max(high_water_, tail_);
      head_ = tail_ = 0;
    }
    MR_DCHECK(tail_ - head_ <= mask_);
    slots_[tail_++ & mask_] = index;
  }
  [[nodiscard]] std::uint32_t pop() {
    MR_DCHECK(!empty());
    return slots_[head_++ & mask_];
  }
  [[nodiscard]] bool empty() const { return head_ == tail_; }
  [[nodiscard]] std::uint32_t size() const { return tail_ - head_; }

  [[nodiscard]] std::size_t reserved_bytes() const { return pages_.bytes(); }
  [[nodiscard]] std::size_t touched_bytes() const {
    return std::min(std::max(high_water_, tail_), mask_ + 1) * sizeof(std::uint32_t);
  }

 private:
  ReservedPages pages_;
  std::uint32_t* slots_;
  std::uint32_t mask_;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  std::uint32_t high_water_ = 0;  // of tail_, before it last began anew
};

}  // namespace millrace::tcp
