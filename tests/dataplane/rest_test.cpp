// SPDX-License-Identifier: BSD-3-Clause
//
// What cores do when nothing comes: that they rest, for how long, and that connections live.
#include "dataplane/rest.h"

#include <gtest/gtest.h>

#include "tests/dataplane/fake_backend.h"
#include "tests/dataplane/fleet_parts.h"

namespace millrace::test {
namespace {

TEST(Rest, BeginsAfterManyFruitlessLooksAndEndsWithTheFirstFruitfulOne) {
  Rest rest;
  for (std::uint32_t i = 1; i < Rest::kPatience; ++i) EXPECT_FALSE(rest.is_due(false));
  EXPECT_TRUE(rest.is_due(false));
  EXPECT_TRUE(rest.is_due(false));
  EXPECT_FALSE(rest.is_due(true));
  EXPECT_FALSE(rest.is_due(false));
}

TEST(Rest, GrowsToItsBoundAndNeverBeyondWhatIsDue) {
  const Instant now{1s};
  Rest rest;
  EXPECT_EQ(rest.length(now, std::nullopt), Rest::kShortest);
  EXPECT_EQ(rest.length(now, std::nullopt), 2 * Rest::kShortest);
  EXPECT_EQ(rest.length(now, now + 5us), 5us);
  EXPECT_EQ(rest.length(now, now), 0us);
  EXPECT_EQ(rest.length(now, now - 1s), 0us);
  for (int i = 0; i < 10; ++i) EXPECT_LE(rest.length(now, now + 1h), Rest::kLongest);
  EXPECT_EQ(rest.length(now, std::nullopt), Rest::kLongest);
  (void)rest.is_due(true);
  EXPECT_EQ(rest.length(now, std::nullopt), Rest::kShortest);
}

TEST(FleetAtRest, SleepsWhenNothingComesAndServesWhatDoes) {
  for (const Idle idle : {Idle::pause, Idle::sleep}) {
    Apps apps{.connections = 200};
    FleetConfig config = two_ends();
    config.idle = idle;
    auto made = Fleet::create(config, apps.factory(), make_dpdk_backend());
    ASSERT_TRUE(made.ok()) << made.error().sentence;
    Fleet& fleet = *made.value();
    fleet.start();
    EXPECT_TRUE(eventually([&] { return apps.graceful() == 200; })) << apps.graceful();
    EXPECT_EQ(apps.failed(), 0U);
    if (idle == Idle::pause) continue;
    const std::uint64_t before = apps.servers[0]->calls.load();
    const auto begin = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(300ms);
    const auto length = std::chrono::steady_clock::now() - begin;
    const std::uint64_t looks = apps.servers[0]->calls.load() - before;
    // What is due meanwhile may wake it for another thousand looks, some times.
    EXPECT_LT(looks, 20 * Rest::kPatience + static_cast<std::uint64_t>(length / Rest::kLongest));
    EXPECT_GT(looks, 0U);
  }
}

}  // namespace
}  // namespace millrace::test
