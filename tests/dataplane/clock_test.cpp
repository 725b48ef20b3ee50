// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/clock.h"

#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <cmath>

namespace millrace {
namespace {

std::int64_t system_now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

/// Our clock less the system's, read as close together as one of many tries allows.
std::int64_t difference(const Clock& clock) {
  std::int64_t best = 0;
  std::int64_t least = INT64_MAX;
  for (int i = 0; i < 200; ++i) {
    const std::int64_t before = clock.now().time_since_epoch().count();
    const std::int64_t system = system_now();
    const std::int64_t after = clock.now().time_since_epoch().count();
    if (after - before < least) {
      least = after - before;
      best = before + (after - before) / 2 - system;
    }
  }
  return best;
}

TEST(Clock, RunsAsTheSystemsDoesWithinFiftyPartsInAMillion) {
  double worst = 0;
  for (int run = 0; run < 3; ++run) {
    Clock clock;
    clock.ready();
    const std::int64_t start_difference = difference(clock);
    const std::int64_t start = system_now();
    const timespec pause{.tv_sec = 0, .tv_nsec = 200'000'000};
    nanosleep(&pause, nullptr);
    const auto error = static_cast<double>(difference(clock) - start_difference);
    worst = std::max(worst, std::abs(error) / static_cast<double>(system_now() - start) * 1e6);
  }
  EXPECT_LT(worst, 50.0) << "parts in a million";
}

TEST(Clock, ShowsTheSystemsTimeFromTheStart) {
  Clock clock;
  clock.ready();
  EXPECT_LT(std::abs(difference(clock)), 20'000) << "ns";
}

TEST(Clock, MeasuresForTwentyMillisecondsOfWhichOthersMayUseAllButTheRest) {
  const std::int64_t start = system_now();
  Clock clock;
  const timespec pause{.tv_sec = 0, .tv_nsec = 30'000'000};
  nanosleep(&pause, nullptr);
  const std::int64_t worked = system_now();
  clock.ready();
  EXPECT_LT(system_now() - worked, 15'000'000) << "the time was over already";
  EXPECT_GE(worked - start, Clock::kMeasure.count());
}

TEST(Clock, NeverRunsBackwards) {
  Clock clock;
  clock.ready();
  Instant last = clock.now();
  for (int i = 0; i < 1'000'000; ++i) {
    const Instant now = clock.now();
    ASSERT_LE(last, now);
    last = now;
  }
}

}  // namespace
}  // namespace millrace
