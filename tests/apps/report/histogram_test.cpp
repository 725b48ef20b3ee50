// SPDX-License-Identifier: BSD-3-Clause
//
// The histogram against sorted samples: bins tile the range, percentiles are within a bin, merging
// is exact.
#include "apps/report/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace millrace::report {
namespace {

TEST(Histogram, BinsTileTheRangeWithoutGapOrOverlap) {
  std::uint64_t expected = 0;
  for (std::size_t bin = 0; bin < Histogram::kBins; ++bin) {
    ASSERT_EQ(Histogram::lowest_of(bin), expected) << bin;
    ASSERT_EQ(Histogram::index_of(Histogram::lowest_of(bin)), bin);
    ASSERT_EQ(Histogram::index_of(Histogram::highest_of(bin)), bin);
    expected = Histogram::highest_of(bin) + 1;
  }
  EXPECT_EQ(expected, Histogram::kMaxValue + 1);
}

TEST(Histogram, BinIsNeverWiderThanAThousandthOfItsValue) {
  for (std::size_t bin = 2048; bin < Histogram::kBins; ++bin) {
    const std::uint64_t width = Histogram::highest_of(bin) - Histogram::lowest_of(bin) + 1;
    ASSERT_LE(width * 1024, Histogram::lowest_of(bin)) << bin;
  }
}

TEST(Histogram, PercentilesFollowSortedSamples) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latency(11.0, 1.5);
  std::vector<std::uint64_t> samples(100'000);
  Histogram h;
  for (auto& s : samples) {
    s = static_cast<std::uint64_t>(latency(random));
    h.record(s);
  }
  std::sort(samples.begin(), samples.end());
  for (const double p : {1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99}) {
    const auto rank = static_cast<std::size_t>(std::ceil(p / 100.0 * 100'000.0)) - 1;
    const double truth = static_cast<double>(samples[rank]);
    EXPECT_NEAR(static_cast<double>(h.percentile(p)), truth, truth / 1000.0 + 1.0) << p;
  }
  EXPECT_EQ(h.percentile(100.0), samples.back());
  EXPECT_EQ(h.min(), samples.front());
  EXPECT_EQ(h.max(), samples.back());
}

TEST(Histogram, MergingEqualsRecordingTogether) {
  Histogram a;
  Histogram b;
  Histogram both;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const std::uint64_t value = i * i * 37;
    (i % 3 == 0 ? a : b).record(value);
    both.record(value);
  }
  a.merge(b);
  for (std::size_t bin = 0; bin < Histogram::kBins; ++bin) {
    ASSERT_EQ(a.count_at(bin), both.count_at(bin));
  }
  EXPECT_EQ(a.count(), both.count());
  EXPECT_EQ(a.percentile(99.0), both.percentile(99.0));
  EXPECT_DOUBLE_EQ(a.mean(), both.mean());
}

TEST(Histogram, WhatIsTooLargeIsKeptAndCounted) {
  Histogram h;
  h.record(~std::uint64_t{0});
  EXPECT_EQ(h.count(), 1U);
  EXPECT_EQ(h.saturated(), 1U);
  EXPECT_EQ(h.max(), Histogram::kMaxValue);
}

TEST(Histogram, EmptyGivesZeros) {
  const Histogram h;
  EXPECT_EQ(h.percentile(99.0), 0U);
  EXPECT_EQ(h.min(), 0U);
  EXPECT_EQ(h.mean(), 0.0);
}

}  // namespace
}  // namespace millrace::report
