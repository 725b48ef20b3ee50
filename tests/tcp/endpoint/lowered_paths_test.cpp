// SPDX-License-Identifier: BSD-3-Clause
//
// The memory of path MTUs that are tried again: order, several errors about one connection, bound.
#include "tcp/endpoint/lowered_paths.h"

#include <gtest/gtest.h>

namespace millrace::tcp::test {
namespace {

constexpr Instant kBegin{1h};

TEST(LoweredPaths, TellsEachWhenItsRestIsOver) {
  LoweredPaths paths;
  paths.add({1, 7}, 1400, kBegin);
  paths.add({2, 7}, 1300, kBegin + 1s);
  EXPECT_EQ(paths.next(), kBegin + LoweredPaths::kRest);
  EXPECT_FALSE(paths.pop_due(kBegin + LoweredPaths::kRest - 1ns));
  EXPECT_EQ(paths.pop_due(kBegin + LoweredPaths::kRest)->id, (ConnectionId{1, 7}));
  EXPECT_FALSE(paths.pop_due(kBegin + LoweredPaths::kRest));
  EXPECT_EQ(paths.pop_due(kBegin + 1h)->mss, 1300);
  EXPECT_TRUE(paths.empty());
}

TEST(LoweredPaths, TheLastErrorBeginsTheRestAndTheFirstKnewTheSize) {
  LoweredPaths paths;
  paths.add({1, 7}, 1400, kBegin);
  paths.add({1, 7}, 1300, kBegin + 1min);
  paths.add({1, 8}, 1000, kBegin + 2min);  // the slot's next connection
  EXPECT_FALSE(paths.pop_due(kBegin + LoweredPaths::kRest));
  const auto path = paths.pop_due(kBegin + LoweredPaths::kRest + 1min);
  ASSERT_TRUE(path);
  EXPECT_EQ(path->id, (ConnectionId{1, 7}));
  EXPECT_EQ(path->mss, 1400);
  EXPECT_EQ(paths.pop_due(kBegin + 1h)->mss, 1000);
  EXPECT_FALSE(paths.pop_due(kBegin + 1h));
}

TEST(LoweredPaths, AFloodOfErrorsIsBounded) {
  LoweredPaths paths;
  for (std::uint32_t i = 0; i < 5 * LoweredPaths::kCapacity; ++i) paths.add({i, 1}, 1400, kBegin);
  for (std::uint16_t i = 0; i < 5 * LoweredPaths::kCapacity; ++i) paths.add({0, 1}, i, kBegin);
  std::uint32_t told = 0;
  while (paths.pop_due(kBegin + 1h)) ++told;
  EXPECT_LE(told, LoweredPaths::kCapacity);
  EXPECT_GE(told, LoweredPaths::kCapacity - 1);
  EXPECT_TRUE(paths.empty());
  for (int i = 0; i < 3; ++i) paths.add({9, 1}, 500, kBegin);
  EXPECT_EQ(paths.pop_due(kBegin + 1h)->id, (ConnectionId{9, 1}));
  EXPECT_LE(paths.touched_bytes(), paths.reserved_bytes());
}

}  // namespace
}  // namespace millrace::tcp::test
