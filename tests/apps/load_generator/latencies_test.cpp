// SPDX-License-Identifier: BSD-3-Clause
//
// Histograms that another thread takes while one records: nothing is lost, nothing counted twice.
#include "apps/load_generator/latencies.h"

#include <gtest/gtest.h>

#include <thread>

namespace millrace::load {
namespace {

TEST(LatencyPair, TurnsOnlyWhenAsked) {
  LatencyPair pair;
  ASSERT_NE(pair.resting(), nullptr);
  pair[Measure::connect].record(5);
  pair.turn();
  EXPECT_EQ((*pair.resting())[Measure::connect].count(), 0U) << "nobody asked";
  pair.ask();
  EXPECT_EQ(pair.resting(), nullptr) << "asked, and not turned yet";
  pair.ask();
  pair[Measure::connect].record(6);
  pair.turn();
  ASSERT_NE(pair.resting(), nullptr);
  EXPECT_EQ((*pair.resting())[Measure::connect].count(), 2U) << "asking twice is asking once";
  pair[Measure::connect].record(7);
  EXPECT_EQ((*pair.resting())[Measure::connect].count(), 2U);
  EXPECT_EQ(pair.both()[0][Measure::connect].count() + pair.both()[1][Measure::connect].count(),
            3U);
}

TEST(LatencyPair, LosesNothingBetweenTwoThreads) {
  constexpr int kTurns = 100;
  LatencyPair pair;
  std::uint64_t recorded = 0;
  std::atomic<bool> enough{false};
  std::thread core([&] {
    while (!enough.load()) {
      for (int i = 0; i < 100; ++i) pair[Measure::close].record(recorded++);
      pair.turn();
    }
  });
  Latencies taken;
  for (int i = 0; i < kTurns; ++i) {
    pair.ask();
    while (pair.resting() == nullptr) std::this_thread::yield();
    taken.merge(*pair.resting());
    pair.resting()->clear();
  }
  enough.store(true);
  core.join();
  for (const Latencies& left : pair.both()) taken.merge(left);
  const report::Histogram& all = taken[Measure::close];
  EXPECT_EQ(all.count(), recorded);
  EXPECT_EQ(all.sum(), recorded * (recorded - 1) / 2);
  EXPECT_EQ(all.max(), recorded - 1);
}

}  // namespace
}  // namespace millrace::load
