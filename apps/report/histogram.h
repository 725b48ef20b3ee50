// SPDX-License-Identifier: BSD-3-Clause
//
// A log-linear histogram for polling cores: recording is a shift and an increment, every bin keeps
// values to within 1/1024 (three significant digits), and merging is exact. The bins are those of
// HdrHistogram with lowest value 1 and three digits, so that its file format fits without rounding.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::report {

class Histogram {
 public:
  static constexpr int kSubBits = 10;
  static constexpr int kMaxBits = 42;  // 2^42 ns: 73 minutes
  static constexpr std::uint64_t kMaxValue = (std::uint64_t{1} << kMaxBits) - 1;
  static constexpr std::size_t kBins = std::size_t{kMaxBits - kSubBits + 1} << kSubBits;

  Histogram() : bins_(kBins, 0) {}

  /// Values above kMaxValue are kept as kMaxValue and counted in saturated().
  void record(std::uint64_t value) {
    if (value > kMaxValue) [[unlikely]] {
      value = kMaxValue;
      ++saturated_;
    }
    ++bins_[index_of(value)];
    ++count_;
    sum_ += value;
    if (value < min_) min_ = value;
    if (value > max_) max_ = value;
  }

  void merge(const Histogram& other);
  void clear();
  /// What a file kept of a histogram: its bins one by one, then the figures that no bin has.
  void add_to_bin(std::size_t bin, std::uint64_t count) {
    bins_[bin] += count;
    count_ += count;
  }
  void add_figures(std::uint64_t min, std::uint64_t max, std::uint64_t sum,
                   std::uint64_t saturated);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t saturated() const { return saturated_; }
  [[nodiscard]] std::uint64_t min() const { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] std::uint64_t max() const { return max_; }
  [[nodiscard]] double mean() const;
  [[nodiscard]] std::uint64_t sum() const { return sum_; }
  /// The least recorded bin value v such that at least `percent` of all values are <= v; the bin's
  /// upper edge, but never above max(). 0 when empty.
  [[nodiscard]] std::uint64_t percentile(double percent) const;

  [[nodiscard]] std::uint64_t count_at(std::size_t bin) const { return bins_[bin]; }
  /// Smallest and largest value that fall into `bin`.
  [[nodiscard]] static std::uint64_t lowest_of(std::size_t bin);
  [[nodiscard]] static std::uint64_t highest_of(std::size_t bin);
  [[nodiscard]] static std::size_t index_of(std::uint64_t value) {
    const int width = static_cast<int>(std::bit_width(value | (std::uint64_t{1} << kSubBits)));
    const int shift = width - kSubBits - 1;
    return (static_cast<std::size_t>(shift) << kSubBits) + static_cast<std::size_t>(value >> shift);
  }

 private:
  std::vector<std::uint64_t> bins_;
  std::uint64_t count_ = 0;
  std::uint64_t saturated_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t min_ = ~std::uint64_t{0};
  std::uint64_t max_ = 0;
};

}  // namespace millrace::report
