// SPDX-License-Identifier: BSD-3-Clause
//
// CUBIC against the formulas of RFC 9438 in floating point, and HyStart++ (RFC 9406) round by
// round.
#include <gtest/gtest.h>

#include <cmath>

#include "tcp/congestion/congestion.h"

namespace millrace::tcp {
namespace {

constexpr auto kCubic = CongestionAlgorithm::cubic;
constexpr std::uint32_t kMss = 1000;
constexpr double kC = 0.4;

/// A sender that fills its window, one ACK for each segment, on a path of constant round trip.
struct Sender {
  CongestionState s;
  Instant now{100s};
  Duration rtt = 100ms;

  Sender() { congestion_init(kCubic, s, kMss); }

  void ack(std::uint32_t bytes, std::uint32_t rtt_us, bool limited = true) {
    AckSample a;
    a.acked_bytes = bytes;
    a.flight_bytes = s.cwnd;
    a.mss = kMss;
    a.rtt_us = rtt_us;
    a.srtt_us = static_cast<std::uint32_t>(rtt / 1us);
    a.cwnd_limited = limited;
    congestion_on_ack(kCubic, s, a, now);
  }
  /// A window of ACKs, spread over one round trip.
  void round(std::uint32_t rtt_us = 0, bool limited = true) {
    const std::uint32_t segments = s.cwnd / kMss;
    for (std::uint32_t i = 0; i < segments; ++i) {
      now += rtt / segments;
      ack(kMss, rtt_us == 0 ? static_cast<std::uint32_t>(rtt / 1us) : rtt_us, limited);
    }
  }
  void loss() { congestion_on_loss(kCubic, s, s.cwnd, kMss, now); }
};

double w_cubic(double t_s, double w_max, double cwnd_epoch) {
  const double k = std::cbrt((w_max - cwnd_epoch) / kC);
  return kC * std::pow(t_s - k, 3) + w_max;
}

TEST(Cubic, LossLeavesSevenTenths) {
  Sender one;
  one.s.cwnd = 100 * kMss;
  one.loss();
  EXPECT_EQ(one.s.cwnd, 70 * kMss);
  EXPECT_EQ(one.s.ssthresh, 70 * kMss);
  one.s.cwnd = 1500;
  one.loss();
  EXPECT_EQ(one.s.ssthresh, 2 * kMss) << "two segments at least";
}

TEST(Cubic, FollowsTheCurve) {
  Sender one;
  one.s.cwnd = 1000 * kMss;
  one.loss();
  const Instant begun = one.now;
  double worst = 0;
  while (one.now - begun < 20s) {
    one.round();
    const double t = std::chrono::duration<double>(one.now - begun).count();
    const double expected = w_cubic(t, 1000, 700);
    const double got = one.s.cwnd / double{kMss};
    worst = std::max(worst, std::abs(got - expected) / expected);
  }
  // K is 9.09 s: twenty seconds go through the plateau and far into the convex half.
  EXPECT_GT(one.s.cwnd, 1400 * kMss);
  EXPECT_LT(worst, 0.02);
}

TEST(Cubic, AtShortRoundTripsItIsReno) {
  Sender one;
  one.rtt = 1ms;
  one.s.cwnd = 100 * kMss;
  one.loss();
  // alpha 0.53 below the old window, 1 above it.
  for (int i = 0; i < 20; ++i) one.round();
  EXPECT_NEAR(one.s.cwnd / double{kMss}, 70 + 20 * 0.5294, 1.0);
  while (one.s.cwnd < 101 * kMss) one.round();
  const double before = one.s.cwnd / double{kMss};
  for (int i = 0; i < 20; ++i) one.round();
  EXPECT_NEAR(one.s.cwnd / double{kMss}, before + 20, 1.0);
}

TEST(Cubic, FastConvergenceLeavesRoom) {
  Sender one;
  one.s.cwnd = 1000 * kMss;
  one.loss();
  one.loss();  // at 700, below the plateau of 1000: the next is 0.85 of 700
  EXPECT_EQ(one.s.cwnd, 490 * kMss);
  const Instant begun = one.now;
  const double k = std::cbrt((595.0 - 490.0) / kC);
  while (one.now - begun < std::chrono::duration<double>(k)) one.round();
  EXPECT_NEAR(one.s.cwnd / double{kMss}, 595, 8);
}

TEST(Cubic, AfterATimeoutTheCurveIsFlatWhereSlowStartEnds) {
  Sender one;
  one.s.cwnd = 200 * kMss;
  congestion_on_timeout(kCubic, one.s, one.s.cwnd, kMss, true, one.now);
  EXPECT_EQ(one.s.cwnd, kMss);
  EXPECT_EQ(one.s.ssthresh, 140 * kMss);
  while (one.s.cwnd < one.s.ssthresh) one.round();
  const double start = one.s.cwnd / double{kMss};
  const Instant begun = one.now;
  while (one.now - begun < 3s) one.round();
  const double t = std::chrono::duration<double>(one.now - begun).count();
  const double reno = start + 0.53 * 30;
  EXPECT_NEAR(one.s.cwnd / double{kMss}, std::max(reno, start + kC * t * t * t), 3);
}

TEST(Cubic, TimeOfAnIdleApplicationDoesNotCount) {
  Sender one;
  one.s.cwnd = 1000 * kMss;
  one.loss();
  one.round();
  const std::uint32_t before = one.s.cwnd;
  for (int i = 0; i < 100; ++i) {
    one.now += 1s;
    one.ack(kMss, 100'000, false);
  }
  EXPECT_EQ(one.s.cwnd, before);
  one.round();
  EXPECT_LT(one.s.cwnd, before + 15 * kMss);
}

TEST(Cubic, IdleRestart) {
  Sender one;
  one.s.cwnd = 100 * kMss;
  congestion_on_idle_restart(kCubic, one.s, kMss);
  EXPECT_EQ(one.s.cwnd, initial_window(kMss));
}

TEST(Cubic, NeverBeyondTheLargestWindow) {
  Sender one;
  one.s.ssthresh = 1U << 29;
  one.s.cwnd = (1U << 30) - 5000;
  for (int i = 0; i < 100'000; ++i) {
    one.now += 1ms;
    one.ack(100 * kMss, 100'000);
  }
  EXPECT_EQ(one.s.cwnd, 1U << 30);
}

// ---- HyStart++

TEST(HyStart, DoublesWhileTheRoundTripIsConstant) {
  Sender one;
  std::uint32_t window = one.s.cwnd;
  for (int i = 0; i < 8; ++i) {
    one.round();
    EXPECT_EQ(one.s.cwnd, 2 * window);
    window = one.s.cwnd;
  }
}

TEST(HyStart, AnAckGrowsItByEightSegmentsAtMost) {
  Sender one;
  one.ack(100 * kMss, 0);
  EXPECT_EQ(one.s.cwnd, 18 * kMss);
}

TEST(HyStart, EndsFiveRoundsAfterTheRoundTripRose) {
  Sender one;
  one.rtt = 40ms;
  for (int i = 0; i < 4; ++i) one.round();
  const std::uint32_t at_rise = one.s.cwnd;
  int rounds = 0;
  while (one.s.ssthresh > one.s.cwnd && rounds < 20) {
    one.round(50'000);  // 40 ms and an eighth are 45
    ++rounds;
  }
  EXPECT_LE(one.s.ssthresh, one.s.cwnd);
  EXPECT_GE(rounds, 5);
  EXPECT_LE(rounds, 8);
  // A quarter a round instead of doubling: below at_rise * 2 * 1.25^6.
  EXPECT_LT(one.s.cwnd, 8 * at_rise);
}

TEST(HyStart, APassingRiseIsForgiven) {
  Sender one;
  one.rtt = 40ms;
  for (int i = 0; i < 3; ++i) one.round();
  one.round(50'000);
  one.round(50'000);
  for (int i = 0; i < 6; ++i) one.round(40'000);
  EXPECT_GT(one.s.ssthresh, one.s.cwnd);
  const std::uint32_t window = one.s.cwnd;
  one.round(40'000);
  EXPECT_NEAR(one.s.cwnd, 2.0 * window, kMss);
}

TEST(HyStart, ShortRoundTripsMayVaryByFourMilliseconds) {
  Sender one;
  one.rtt = 1ms;
  for (int i = 0; i < 3; ++i) one.round(1000);
  for (int i = 0; i < 8; ++i) one.round(4900);
  EXPECT_GT(one.s.ssthresh, one.s.cwnd);
}

TEST(HyStart, LossEndsItAsWell) {
  Sender one;
  for (int i = 0; i < 3; ++i) one.round();
  const std::uint32_t window = one.s.cwnd;
  one.loss();
  EXPECT_EQ(one.s.cwnd, window / 10 * 7);
  const Instant begun = one.now;
  while (one.now - begun < 3s) one.round();
  EXPECT_LT(one.s.cwnd, 2 * window);
}

}  // namespace
}  // namespace millrace::tcp
