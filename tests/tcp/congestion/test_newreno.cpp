// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 5681 §3.1, RFC 3465, RFC 6928, RFC 7661.
#include <gtest/gtest.h>

#include "tcp/congestion/congestion.h"

namespace millrace::tcp {
namespace {

constexpr auto kNewReno = CongestionAlgorithm::newreno;
constexpr std::uint32_t kMss = 1000;

CongestionState fresh() {
  CongestionState s;
  congestion_init(kNewReno, s, kMss);
  return s;
}

void ack(CongestionState& s, std::uint32_t bytes, bool limited = true, bool after_timeout = false) {
  AckSample a;
  a.acked_bytes = bytes;
  a.flight_bytes = s.cwnd;
  a.mss = kMss;
  a.cwnd_limited = limited;
  a.after_timeout = after_timeout;
  congestion_on_ack(kNewReno, s, a, Instant{});
}

TEST(InitialWindow, OfRfc6928) {
  EXPECT_EQ(initial_window(1460), 14'600U);
  EXPECT_EQ(initial_window(1448), 14'480U);
  EXPECT_EQ(initial_window(536), 5'360U);
  EXPECT_EQ(initial_window(8960), 17'920U);
  EXPECT_EQ(initial_window(204), 2'040U);
}

TEST(NewRenoWindow, SlowStartCountsBytesAtMostTwoSegments) {
  CongestionState s = fresh();
  ack(s, 500);
  EXPECT_EQ(s.cwnd, 10'500U);
  ack(s, 2000);
  EXPECT_EQ(s.cwnd, 12'500U);
  ack(s, 50'000);
  EXPECT_EQ(s.cwnd, 14'500U) << "L = 2";
  ack(s, 50'000, true, true);
  EXPECT_EQ(s.cwnd, 15'500U) << "L = 1 after a timeout";
}

TEST(NewRenoWindow, AvoidanceGrowsOneSegmentAWindow) {
  CongestionState s = fresh();
  s.ssthresh = s.cwnd = 20'000;
  for (int i = 0; i < 19; ++i) ack(s, 1000);
  EXPECT_EQ(s.cwnd, 20'000U);
  ack(s, 1000);
  EXPECT_EQ(s.cwnd, 21'000U);
  for (int i = 0; i < 21; ++i) ack(s, 1000);
  EXPECT_EQ(s.cwnd, 22'000U);
  ack(s, 1'000'000);
  EXPECT_EQ(s.cwnd, 23'000U) << "one step for an ACK, however much it covers";
}

TEST(NewRenoWindow, UnusedWindowDoesNotGrow) {
  CongestionState s = fresh();
  ack(s, 1000, false);
  EXPECT_EQ(s.cwnd, 10'000U);
}

TEST(NewRenoWindow, LossHalvesTheFlight) {
  CongestionState s = fresh();
  congestion_on_loss(kNewReno, s, 30'000, kMss, Instant{});
  EXPECT_EQ(s.ssthresh, 15'000U);
  EXPECT_EQ(s.cwnd, 15'000U);
  congestion_on_loss(kNewReno, s, 1'000, kMss, Instant{});
  EXPECT_EQ(s.ssthresh, 2'000U) << "two segments at least";
}

TEST(NewRenoWindow, TimeoutLeavesOneSegment) {
  CongestionState s = fresh();
  congestion_on_timeout(kNewReno, s, 10'000, kMss, true, Instant{});
  EXPECT_EQ(s.ssthresh, 5'000U);
  EXPECT_EQ(s.cwnd, kMss);
  congestion_on_timeout(kNewReno, s, 1'000, kMss, false, Instant{});
  EXPECT_EQ(s.ssthresh, 5'000U) << "the same loss again";
}

TEST(NewRenoWindow, IdleRestart) {
  CongestionState s = fresh();
  s.cwnd = 100'000;
  congestion_on_idle_restart(kNewReno, s, kMss);
  EXPECT_EQ(s.cwnd, 10'000U);
  s.cwnd = 3'000;
  congestion_on_idle_restart(kNewReno, s, kMss);
  EXPECT_EQ(s.cwnd, 3'000U) << "never more than before";
}

TEST(NewRenoWindow, NeverOverflows) {
  CongestionState s = fresh();
  for (int i = 0; i < 2'000'000; ++i) ack(s, 2000);
  EXPECT_EQ(s.cwnd, 1U << 30);
}

TEST(Names, BothWays) {
  EXPECT_EQ(congestion_from_name("newreno"), kNewReno);
  EXPECT_FALSE(congestion_from_name("NewReno").has_value());
  EXPECT_FALSE(congestion_from_name("").has_value());
  EXPECT_NE(congestion_names().find(congestion_name(kNewReno)), std::string_view::npos);
}

}  // namespace
}  // namespace millrace::tcp
