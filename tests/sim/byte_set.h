// SPDX-License-Identifier: BSD-3-Clause
//
// Which bytes of a stream have arrived somewhere: sorted ranges of stream offsets, the SYN at 0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace millrace::sim {

class ByteSet {
 public:
  void add(std::uint64_t from, std::uint64_t to) {
    if (from >= to) return;
    if (from <= whole_) {
      whole_ = std::max(whole_, to);
    } else {
      ranges_.push_back({from, to});
      std::sort(ranges_.begin(), ranges_.end());
    }
    std::vector<Range> kept;
    for (const Range& r : ranges_) {
      if (r.from <= whole_) {
        whole_ = std::max(whole_, r.to);
      } else if (!kept.empty() && r.from <= kept.back().to) {
        kept.back().to = std::max(kept.back().to, r.to);
      } else {
        kept.push_back(r);
      }
    }
    ranges_ = std::move(kept);
  }
  void clear() { *this = {}; }
  /// Calls `take(from, to)` for each stretch of [from, to) that is there.
  template <typename Take>
  void each_in(std::uint64_t from, std::uint64_t to, Take&& take) const {
    const auto part = [&](std::uint64_t left, std::uint64_t right) {
      left = std::max(left, from);
      right = std::min(right, to);
      if (left < right) take(left, right);
    };
    part(0, whole_);
    for (const Range& r : ranges_) part(r.from, r.to);
  }
  /// Everything before this offset is there.
  [[nodiscard]] std::uint64_t whole() const { return whole_; }
  [[nodiscard]] bool has(std::uint64_t from, std::uint64_t to) const {
    if (to <= whole_) return true;
    return std::any_of(ranges_.begin(), ranges_.end(),
                       [&](const Range& r) { return r.from <= from && to <= r.to; });
  }

 private:
  struct Range {
    std::uint64_t from = 0, to = 0;
    auto operator<=>(const Range&) const = default;
  };
  std::uint64_t whole_ = 0;
  std::vector<Range> ranges_;
};

}  // namespace millrace::sim
