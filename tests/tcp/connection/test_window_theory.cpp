// SPDX-License-Identifier: BSD-3-Clause
//
// Whole connections of CUBIC and NewReno against what theory says of them: the mean window where
// every n-th segment is lost (RFC 9438 §5.1, equations 5 and 6; RFC 5681 by the same model), and a
// full link where none is. BBR's paths are test_bbr_path.cpp, the full table is `bench_congestion`.
//
// The model knows no round trip of recovery and no fast convergence (RFC 9438 §4.7), both of which
// only take away: a few parts in a hundred where a cycle lasts hundreds of round trips, 14 where it
// lasts twenty. Beyond it there is nothing to be had.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/bulk_path.h"
#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {
namespace {

using millrace::test::BulkPath;
using millrace::test::PathPlan;

constexpr double kSegment = 1448;

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

// RFC 9438 figure 5 with C = 0.4 and beta = 0.7, in segments.
double cubic_window(double loss, Duration rtt) {
  return 1.054 * std::pow(seconds(rtt), 0.75) / std::pow(loss, 0.75);
}
// One segment a round trip and half of it at a loss; CUBIC's estimate of Reno is as fast (§4.3).
double reno_window(double loss) { return std::sqrt(1.5 / loss); }

// The mean number of segments a round trip, which is what the window lets through.
double window_of(CongestionAlgorithm algorithm, std::uint64_t lose_each, Duration rtt) {
  PathPlan plan;
  plan.bytes_per_second = 1'250'000'000;
  plan.round_trip = rtt;
  plan.buffer_bytes = 100'000'000;
  plan.lose_each = lose_each;
  plan.tcp.congestion = algorithm;
  BulkPath path(plan);
  path.run(15s + 60 * rtt);
  path.begin_count();
  path.run(70s + 400 * rtt);
  EXPECT_EQ(path.figures().timeouts, 0U);
  return path.figures().bytes_per_second / kSegment * seconds(rtt);
}

struct Case {
  std::uint64_t lose_each;
  Duration rtt;
};

TEST(WindowTheory, CubicsMeanWindow) {
  for (const Case& at :
       {Case{1'000, 100ms}, Case{10'000, 100ms}, Case{50'000, 100ms}, Case{100'000, 20ms},
        Case{10'000, 400ms}, Case{1'000, 10ms}, Case{10'000, 2ms}}) {
    const double loss = 1.0 / static_cast<double>(at.lose_each);
    const double theory = std::max(cubic_window(loss, at.rtt), reno_window(loss));
    const double window = window_of(CongestionAlgorithm::cubic, at.lose_each, at.rtt);
    EXPECT_GT(window / theory, 0.85) << at.lose_each << " segments, " << at.rtt / 1ms << " ms";
    EXPECT_LT(window / theory, 1.1) << at.lose_each << " segments, " << at.rtt / 1ms << " ms";
  }
}

TEST(WindowTheory, NewRenosMeanWindow) {
  for (const Case& at : {Case{1'000, 100ms}, Case{10'000, 20ms}, Case{10'000, 100ms}}) {
    const double theory = reno_window(1.0 / static_cast<double>(at.lose_each));
    const double window = window_of(CongestionAlgorithm::newreno, at.lose_each, at.rtt);
    EXPECT_GT(window / theory, 0.85) << at.lose_each << " segments, " << at.rtt / 1ms << " ms";
    EXPECT_LT(window / theory, 1.1) << at.lose_each << " segments, " << at.rtt / 1ms << " ms";
  }
}

struct Link {
  std::uint64_t mbit;
  Duration rtt;
};

// After a loss a buffer of a fifth leaves 0.84 of what the link holds, from where the curve climbs.
TEST(WindowTheory, CubicFillsLinks) {
  for (const Link& link : {Link{10, 50ms}, Link{10, 100ms}, Link{100, 10ms}, Link{100, 50ms},
                           Link{100, 100ms}, Link{1000, 10ms}}) {
    for (const double buffer : {1.0, 0.2}) {
      PathPlan plan;
      plan.bytes_per_second = link.mbit * 125'000;
      plan.round_trip = link.rtt;
      const double bdp = static_cast<double>(plan.bytes_per_second) * seconds(link.rtt);
      plan.buffer_bytes = static_cast<std::uint64_t>(bdp * buffer);
      BulkPath path(plan);
      path.run(10s);
      path.begin_count();
      path.run(20s);
      const double share =
          path.figures().bytes_per_second / static_cast<double>(plan.bytes_per_second);
      EXPECT_GT(share, 0.94) << link.mbit << " Mbit/s, " << link.rtt / 1ms << " ms, " << buffer
                             << " BDP";
      EXPECT_EQ(path.figures().timeouts, 0U);
    }
  }
}

}  // namespace
}  // namespace millrace::tcp::test
