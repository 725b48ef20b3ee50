// SPDX-License-Identifier: BSD-3-Clause
//
// The parts of the histogram that no polling core runs: merging, percentiles, bin edges.
#include "apps/report/histogram.h"

#include <algorithm>
#include <cmath>

namespace millrace::report {

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < kBins; ++i) bins_[i] += other.bins_[i];
  count_ += other.count_;
  saturated_ += other.saturated_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

void Histogram::clear() {
  std::fill(bins_.begin(), bins_.end(), 0);
  count_ = saturated_ = sum_ = max_ = 0;
  min_ = ~std::uint64_t{0};
}

void Histogram::add_figures(std::uint64_t min, std::uint64_t max, std::uint64_t sum,
                            std::uint64_t saturated) {
  min_ = std::min(min_, min);
  max_ = std::max(max_, max);
  sum_ += sum;
  saturated_ += saturated;
}

double Histogram::mean() const {
  return count_ == 0 ? 0.0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

std::uint64_t Histogram::percentile(double percent) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(percent / 100.0 * static_cast<double>(count_));
  const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    seen += bins_[i];
    if (seen >= rank) return std::clamp(highest_of(i), min(), max());
  }
  return max();
}

std::uint64_t Histogram::lowest_of(std::size_t bin) {
  const std::size_t half = std::size_t{1} << kSubBits;
  if (bin < 2 * half) return bin;
  const std::size_t shift = (bin >> kSubBits) - 1;
  return std::uint64_t{bin - shift * half} << shift;
}

std::uint64_t Histogram::highest_of(std::size_t bin) {
  const std::size_t half = std::size_t{1} << kSubBits;
  const std::size_t shift = bin < 2 * half ? 0 : (bin >> kSubBits) - 1;
  return lowest_of(bin) + (std::uint64_t{1} << shift) - 1;
}

}  // namespace millrace::report
