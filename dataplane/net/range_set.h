// SPDX-License-Identifier: BSD-3-Clause
//
// A set of unsigned numbers as disjoint ranges in order: ten thousand addresses in a row cost as
// much as one. Changed at start and when an address turns out to be taken; asked twice per packet.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace millrace::net {

template <typename T>
class RangeSet {
 public:
  struct Range {
    T first;
    T last;  // inclusive
  };

  void add(T first, T last) {
    ranges_.push_back({first, last});
    std::sort(ranges_.begin(), ranges_.end(),
              [](const Range& a, const Range& b) { return a.first < b.first; });
    std::vector<Range> merged;
    for (const Range& r : ranges_) {
      // Ranges that touch become one; `last + 1` may wrap, so compare the other way round.
      if (!merged.empty() && (r.first == 0 || r.first - 1 <= merged.back().last)) {
        merged.back().last = std::max(merged.back().last, r.last);
      } else {
        merged.push_back(r);
      }
    }
    ranges_ = std::move(merged);
  }

  /// Takes one number out; true if it was in.
  bool remove(T value) {
    for (std::size_t i = 0; i < ranges_.size(); ++i) {
      const Range r = ranges_[i];
      if (value - r.first > r.last - r.first) continue;
      ranges_.erase(ranges_.begin() + static_cast<std::ptrdiff_t>(i));
      if (r.first != value) ranges_.push_back({r.first, static_cast<T>(value - 1)});
      if (r.last != value) ranges_.push_back({static_cast<T>(value + 1), r.last});
      std::sort(ranges_.begin(), ranges_.end(),
                [](const Range& a, const Range& b) { return a.first < b.first; });
      return true;
    }
    return false;
  }

  [[nodiscard]] bool contains(T value) const {
    if (ranges_.size() > kLinear) return search(value);
    for (const Range& r : ranges_) {
      if (value - r.first <= r.last - r.first) return true;
    }
    return false;
  }

  [[nodiscard]] const std::vector<Range>& ranges() const { return ranges_; }

 private:
  static constexpr std::size_t kLinear = 4;

  [[nodiscard]] bool search(T value) const {
    const auto above = std::upper_bound(ranges_.begin(), ranges_.end(), value,
                                        [](T v, const Range& r) { return v < r.first; });
    return above != ranges_.begin() && value <= std::prev(above)->last;
  }

  std::vector<Range> ranges_;
};

}  // namespace millrace::net
