// SPDX-License-Identifier: BSD-3-Clause
//
// Departures in quanta, at a rate: the profile's own, and BBR's.
#include <gtest/gtest.h>

#include <algorithm>

#include "tcp/connection/pacing.h"
#include "tests/support/bulk_path.h"
#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {
namespace {

using millrace::test::BulkPath;
using millrace::test::PathPlan;

/// The most that leaves within `time`.
std::uint64_t most_within(const std::vector<BulkPath::Left>& left, Duration time) {
  std::uint64_t most = 0;
  std::uint64_t sum = 0;
  std::size_t from = 0;
  for (const BulkPath::Left& l : left) {
    sum += l.bytes;
    while (left[from].at + time < l.at) sum -= left[from++].bytes;
    most = std::max(most, sum);
  }
  return most;
}

TEST(Pacing, ACapHoldsForEveryAlgorithm) {
  for (const auto algorithm : {CongestionAlgorithm::newreno, CongestionAlgorithm::cubic,
                               CongestionAlgorithm::dctcp, CongestionAlgorithm::bbr}) {
    for (const std::uint64_t cap : {20'000U, 1'000'000U, 50'000'000U}) {
      PathPlan plan;
      plan.bytes_per_second = 125'000'000;
      plan.round_trip = 5ms;
      plan.buffer_bytes = 1'000'000;
      plan.tcp.congestion = algorithm;
      plan.tcp.pacing = cap;
      BulkPath path(plan);
      path.run(1s);
      std::vector<BulkPath::Left> left;
      path.departures = &left;
      path.begin_count();
      path.run(3s);
      const double rate = path.figures().bytes_per_second;
      EXPECT_LE(rate, static_cast<double>(cap) * 1.02 + 2000) << congestion_name(algorithm) << cap;
      EXPECT_GE(rate, static_cast<double>(cap) * 0.9) << congestion_name(algorithm) << cap;
      const std::uint64_t quantum = std::max<std::uint64_t>({2 * 1448, cap / 1000});
      EXPECT_LE(most_within(left, 100us), quantum + cap / 2500 + 1448)
          << "a burst beyond a quantum";
    }
  }
}

TEST(Pacing, BbrSpacesItsQuanta) {
  PathPlan plan;
  plan.bytes_per_second = 1'250'000;
  plan.round_trip = 50ms;
  plan.buffer_bytes = 62'500;
  plan.tcp.congestion = CongestionAlgorithm::bbr;
  BulkPath path(plan);
  path.run(3s);
  std::vector<BulkPath::Left> left;
  path.departures = &left;
  path.run(1s);
  EXPECT_LE(most_within(left, 1ms), 3U * 1448) << "two segments take more than two milliseconds";
}

TEST(Pacing, ShortExchangesKeepTheCap) {
  PathPlan plan;
  plan.bytes_per_second = 125'000'000;
  plan.round_trip = 200us;
  plan.buffer_bytes = 1'000'000;
  plan.tcp.pacing = 100'000;
  BulkPath path(plan);
  path.set_writing(false);
  path.run(10ms);
  for (int i = 0; i < 1000; ++i) {
    if (path.connection().send == kNil) path.write(2896);
    path.run(1ms);
  }
  EXPECT_LE(path.received(), 106'000U) << "each began a queue of its own";
  EXPECT_GE(path.received(), 90'000U);
}

TEST(Pacing, WakesAtItsTimeAndNotBefore) {
  TcpConfig config;
  config.pacing = 100'000;
  Host h(config);
  h.establish();
  h.write(pattern(20'000));
  std::vector<Segment> sent = h.flush();
  ASSERT_EQ(sent.size(), 2U) << "a quantum";
  const auto at = departure_deadline(h.c, h.context());
  ASSERT_TRUE(at);
  const auto wait = ticks_to_duration(*at - tick_of(h.now));
  EXPECT_NEAR(std::chrono::duration<double>(wait).count(), 2 * 1460 / 100'000.0, 0.0005);
  EXPECT_FALSE(wants_to_send(h.c, h.context()));
  h.now += wait - 2 * kTick;
  EXPECT_TRUE(h.flush().empty());
  h.now += 2 * kTick;
  EXPECT_EQ(h.flush().size(), 2U);
}

TEST(Pacing, DoesNotHoldBackAcksNorAFinAlone) {
  TcpConfig config;
  config.pacing = 10'000;
  Host h(config);
  h.establish();
  h.write(pattern(5'000));
  EXPECT_EQ(h.flush().size(), 2U);
  h.input(h.peer(pattern(100)));
  h.input(h.peer(pattern(3000)));
  EXPECT_FALSE(h.flush().empty()) << "an ACK goes";
  Host idle(config);
  idle.establish();
  idle.write(pattern(1460));
  EXPECT_EQ(idle.flush().size(), 1U);
  idle.input(idle.peer());
  idle.shut_down();
  const std::vector<Segment> fin = idle.flush();
  ASSERT_EQ(fin.size(), 1U);
  EXPECT_TRUE(fin[0].has(kF));
}

TEST(Pacing, HoldsNoTimerThatIsNotNeeded) {
  TcpConfig config;
  config.pacing = 1'000;
  Host h(config);
  h.establish();
  h.write(pattern(3'000));
  EXPECT_EQ(h.flush().size(), 2U);
  h.input(h.peer());
  EXPECT_EQ(h.c.snd_una, h.c.snd_nxt);
  EXPECT_TRUE(h.flush().empty());
  EXPECT_NE(h.c.send_timer, SendTimer::persist) << "its own time holds it, no window";
  EXPECT_TRUE(departure_deadline(h.c, h.context()));
}

TEST(Pacing, AnotherRateCountsFromNowOn) {
  TcpConfig config;
  config.pacing = 1'000;
  Host h(config);
  h.establish();
  h.write(pattern(20'000));
  EXPECT_EQ(h.flush().size(), 2U);
  const TcpConfig before = h.config;
  h.config.pacing = 0;
  Outcome outcome;
  on_profile_changed(h.c, before, h.context(), outcome);
  EXPECT_EQ(h.flush().size(), 8U) << "the rest of the initial window";
}

}  // namespace
}  // namespace millrace::tcp::test
