// SPDX-License-Identifier: BSD-3-Clause
//
// Whole BBR connections over links: what they reach, what they leave in the queue, how recovery and
// silence suit them. The full table of links is `bench_congestion`.
#include <gtest/gtest.h>

#include <algorithm>

#include "tcp/connection/path_model.h"
#include "tests/support/bulk_path.h"
#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {
namespace {

using millrace::test::BulkPath;
using millrace::test::PathPlan;

PathPlan plan_of(std::uint64_t mbit, Duration rtt, double buffer_bdp, double loss = 0) {
  PathPlan plan;
  plan.bytes_per_second = mbit * 125'000;
  plan.round_trip = rtt;
  const double bdp =
      static_cast<double>(plan.bytes_per_second) * std::chrono::duration<double>(rtt).count();
  plan.buffer_bytes = static_cast<std::uint64_t>(bdp * buffer_bdp);
  plan.loss = loss;
  plan.tcp.congestion = CongestionAlgorithm::bbr;
  return plan;
}

double share(const BulkPath& path, const PathPlan& plan) {
  return path.figures().bytes_per_second / static_cast<double>(plan.bytes_per_second);
}

struct Link {
  std::uint64_t mbit;
  Duration rtt;
  double buffer, loss, least;
};

TEST(BbrPath, FillsLinks) {
  for (const Link& l :
       {Link{10, 10ms, 1, 0, 0.94}, Link{10, 10ms, 0.2, 0, 0.85}, Link{10, 100ms, 1, 0, 0.94},
        Link{10, 100ms, 0.2, 0.001, 0.9}, Link{100, 10ms, 1, 0, 0.94},
        Link{100, 10ms, 0.2, 0.001, 0.9}, Link{100, 10ms, 1, 0.01, 0.85},
        Link{100, 100ms, 1, 0.01, 0.9}, Link{100, 100ms, 0.2, 0, 0.94}}) {
    PathPlan plan = plan_of(l.mbit, l.rtt, l.buffer, l.loss);
    BulkPath path(plan);
    path.run(4s);
    path.begin_count();
    path.run(14s);
    EXPECT_GE(share(path, plan), l.least)
        << l.mbit << " Mbit/s, " << l.rtt / 1ms << " ms, " << l.buffer << " BDP, loss " << l.loss;
    EXPECT_EQ(path.figures().timeouts, 0U);
  }
}

TEST(BbrPath, RandomLossBelowTheThresholdIsBorne) {
  PathPlan plan = plan_of(100, 50ms, 1, 0.05);
  double shares[2] = {};
  for (const std::uint8_t percent : {std::uint8_t{2}, std::uint8_t{10}}) {
    plan.tcp.bbr_loss_percent = percent;
    BulkPath path(plan);
    path.run(4s);
    path.begin_count();
    path.run(14s);
    shares[percent == 10] = share(path, plan);
  }
  EXPECT_LT(shares[0], 0.3) << "5 % are taken for congestion";
  EXPECT_GT(shares[1], 0.8);
}

TEST(BbrPath, CruisesWithAnEmptyQueue) {
  const PathPlan plan = plan_of(100, 20ms, 4);
  BulkPath path(plan);
  path.run(3s);
  const double bdp = 250'000;
  int cruises = 0;
  for (int i = 0; i < 400; ++i) {
    path.begin_count();
    path.run(10ms);
    if (path.model().bbr.state != bbr::State::probe_bw_cruise) continue;
    const auto f = path.figures();
    if (path.model().bbr.rounds_since_probe_up < 12) continue;  // it drains what probing left
    EXPECT_LT(f.mean_queue_bytes, bdp / 10);
    EXPECT_NEAR(f.mean_in_flight_bytes, bdp, bdp * 0.1);
    ++cruises;
  }
  EXPECT_GT(cruises, 100);
}

TEST(BbrPath, FindsTheBandwidthInStartupWithinTwoPercent) {
  const PathPlan plan = plan_of(100, 40ms, 2);
  BulkPath path(plan);
  for (int i = 0; i < 100 && path.model().bbr.state == bbr::State::startup; ++i) path.run(20ms);
  EXPECT_EQ(path.model().bbr.full_bw_count, 3);
  EXPECT_NEAR(static_cast<double>(path.model().bbr.max_bw), 12'500'000, 250'000);
  EXPECT_LT(path.now() - Instant{100s}, 1s) << "some doublings and three rounds";
}

TEST(BbrPath, FollowsALinkThatGrowsTenfold) {
  PathPlan plan = plan_of(10, 40ms, 2);
  BulkPath path(plan);
  path.run(4s);
  path.set_rate(12'500'000);
  path.run(9s);
  path.begin_count();
  path.run(2s);
  plan.bytes_per_second = 12'500'000;
  EXPECT_GT(share(path, plan), 0.8);
}

TEST(BbrPath, FollowsALinkThatShrinksTenfold) {
  PathPlan plan = plan_of(100, 40ms, 0.1);
  BulkPath path(plan);
  path.run(4s);
  path.set_rate(1'250'000);
  std::uint64_t least = ~std::uint64_t{0};
  for (int i = 0; i < 20; ++i) {
    path.run(100ms);
    least = std::min(least, path.model().bbr.bw);
  }
  EXPECT_LT(least, 6'000'000U) << "losses bound the short term at once";
  path.run(10s);
  EXPECT_LT(path.model().bbr.max_bw, 1'500'000U) << "and two cycles later the long term knows";
  plan.bytes_per_second = 1'250'000;
  path.begin_count();
  path.run(5s);
  EXPECT_GT(share(path, plan), 0.85);
}

TEST(BbrPath, TailLossIsRepairedByAProbe) {
  const PathPlan plan = plan_of(100, 20ms, 2);
  BulkPath path(plan);
  path.set_writing(false);
  path.write(100'000);
  path.run(1s);
  ASSERT_EQ(path.received(), 100'000U);
  std::vector<BulkPath::Left> left;
  path.departures = &left;
  path.write(9 * 1448);
  while (left.size() < 6) path.run(70us);
  ASSERT_LT(left.size(), 9U) << "paced: the rest waits for its time";
  path.lose_next(static_cast<std::uint32_t>(9 - left.size()));
  path.run(1s);
  EXPECT_EQ(path.received(), 100'000U + 9 * 1448);
  EXPECT_EQ(path.counters().TCPTimeouts, 0U);
}

TEST(BbrPath, TheVeryLastIsRepairedByAProbe) {
  const PathPlan plan = plan_of(100, 20ms, 2);
  BulkPath path(plan);
  path.set_writing(false);
  path.write(100'000);
  path.run(1s);
  path.lose_next(1);
  path.write(1448);
  path.run(1s);
  EXPECT_EQ(path.received(), 100'000U + 1448);
  EXPECT_EQ(path.counters().TCPTimeouts, 0U);
  EXPECT_GE(path.counters().TCPLossProbes, 1U);
}

// Nothing is in flight after a timeout, and the application had no more to say: yet the path was
// not silent. Taken for a restart from idle (draft §5.4.1) it would pace at the full rate into a
// path that has just lost a window, and end ProbeRTT with the window of before.
TEST(BbrPath, ATimeoutIsNoSilence) {
  const PathPlan plan = plan_of(100, 20ms, 2);
  BulkPath path(plan);
  path.set_writing(false);
  path.write(100'000);
  path.run(1s);
  ASSERT_EQ(path.received(), 100'000U);
  std::vector<BulkPath::Left> left;
  path.departures = &left;
  path.write(9 * 1448);
  while (left.size() < 6) path.run(70us);
  EXPECT_TRUE(path.model().bbr.idle_restart) << "this was a silence";
  path.lose_next(1000);
  path.run(25ms);
  ASSERT_FALSE(path.model().bbr.idle_restart) << "what arrived has ended it";
  const auto before = left.size();
  while (path.counters().TCPTimeouts == 0) path.run(1ms);
  ASSERT_NE(path.model().rate.app_limited, 0U);
  path.run(5ms);
  ASSERT_GT(left.size(), before) << "it has gone again";
  EXPECT_FALSE(path.model().bbr.idle_restart);
  path.lose_next(0);
  path.run(3s);
  EXPECT_EQ(path.received(), 100'000U + 9 * 1448);
}

TEST(BbrPath, ASpuriousTimeoutIsUndone) {
  PathPlan plan = plan_of(10, 20ms, 4);
  plan.tcp.timestamps = false;  // F-RTO has to find out
  BulkPath path(plan);
  path.run(1500ms);
  const std::uint32_t cwnd = path.connection().congestion.cwnd;
  const std::uint64_t bw = path.model().bbr.max_bw;
  path.delay_next(400, 600ms);
  path.run(600ms);
  ASSERT_GE(path.counters().TCPTimeouts, 1U);
  path.run(1500ms);
  EXPECT_GE(path.counters().TCPSpuriousRTOs, 1U);
  EXPECT_GE(path.connection().congestion.cwnd, cwnd / 2);
  EXPECT_GE(path.model().bbr.max_bw, bw * 9 / 10);
}

TEST(BbrPath, SilenceKeepsTheModelAndGivesTheLogBack) {
  const PathPlan plan = plan_of(100, 20ms, 2);
  BulkPath path(plan);
  path.set_writing(false);
  path.write(6'000'000);
  path.run(3s);
  ASSERT_EQ(path.received(), 6'000'000U);
  EXPECT_EQ(path.connection().send, kNil);
  EXPECT_EQ(path.context().stores.rate_logs.live(), 0U);
  EXPECT_EQ(path.context().stores.models.live(), 1U);
  const std::uint64_t bw = path.model().bbr.max_bw;
  path.run(8s);
  path.write(3'000'000);
  path.run(20ms);
  EXPECT_TRUE(path.model().bbr.idle_restart || path.model().bbr.state != bbr::State::probe_rtt);
  path.run(500ms);
  EXPECT_EQ(path.received(), 9'000'000U) << "at the rate of before, not from a small window";
  EXPECT_GE(path.model().bbr.max_bw, bw * 9 / 10);
}

TEST(BbrPath, AnApplicationThatWritesLittleDoesNotLowerTheBandwidth) {
  const PathPlan plan = plan_of(100, 20ms, 2);
  BulkPath path(plan);
  path.run(3s);
  path.set_writing(false);
  path.run(25s);  // the queue was long
  const std::uint64_t bw = path.model().bbr.max_bw;
  for (int i = 0; i < 200; ++i) {
    path.write(5'000);
    path.run(25ms);
  }
  EXPECT_GE(path.model().bbr.max_bw, bw * 95 / 100);
}

TEST(BbrPath, WithoutSackItStillFillsALink) {
  PathPlan plan = plan_of(10, 20ms, 2);
  plan.tcp.sack = false;
  BulkPath path(plan);
  path.run(3s);
  path.begin_count();
  path.run(10s);
  EXPECT_GT(share(path, plan), 0.8);
}

TEST(BbrPath, TwoGigabytesInOneStreamChangeNothing) {
  PathPlan plan = plan_of(2'000, 10ms, 2);
  BulkPath path(plan);
  while (path.received() < (std::uint64_t{1} << 31) + 50'000'000) path.run(500ms);
  const std::uint32_t round = path.model().bbr.round_count;
  path.run(200ms);
  EXPECT_GT(path.model().bbr.round_count, round) << "sequence numbers went half round";
}

TEST(BbrModel, WithoutMemoryItIsCubicAndCounted) {
  TcpConfig config;
  config.congestion = CongestionAlgorithm::bbr;
  Host h(config, {4, 4, 4096, 1024, 1});
  h.establish();
  EXPECT_EQ(algorithm_of(h.c, h.config), CongestionAlgorithm::bbr);
  EXPECT_EQ(h.counters.BBRFallbacks, 0U);
  Connection second = h.c;
  begin_congestion_control(second, h.context());  // gives back what it had first
  EXPECT_EQ(algorithm_of(second, h.config), CongestionAlgorithm::bbr);
  second.congestion = CongestionState{};
  begin_congestion_control(second, h.context());
  EXPECT_EQ(algorithm_of(second, h.config), CongestionAlgorithm::cubic);
  EXPECT_EQ(h.counters.BBRFallbacks, 1U);
  EXPECT_EQ(second.congestion.cwnd, initial_window(second.mss));
}

TEST(BbrModel, GoesBackWithTheConnectionAndWithAnotherAlgorithm) {
  TcpConfig config;
  config.congestion = CongestionAlgorithm::bbr;
  Host h(config);
  h.establish();
  EXPECT_EQ(h.stores.models.live(), 1U);
  TcpConfig before = h.config;
  h.config.congestion = CongestionAlgorithm::cubic;
  const std::uint32_t cwnd = h.c.congestion.cwnd;
  Outcome outcome;
  on_profile_changed(h.c, before, h.context(), outcome);
  EXPECT_EQ(h.stores.models.live(), 0U);
  EXPECT_EQ(h.c.congestion.cwnd, cwnd);
  before = h.config;
  h.config.congestion = CongestionAlgorithm::bbr;
  on_profile_changed(h.c, before, h.context(), outcome);
  EXPECT_EQ(h.stores.models.live(), 1U);
  h.abort();
  EXPECT_EQ(h.stores.models.live(), 0U);
}

}  // namespace
}  // namespace millrace::tcp::test
