// SPDX-License-Identifier: BSD-3-Clause
//
// BBR phase by phase, on samples made up for it: when each phase begins and ends, what it does to
// the rate and the window, and the filters. Whole connections over links: test_bbr_path.cpp of
// tests/tcp/connection.
#include <gtest/gtest.h>

#include "tcp/congestion/bbr.h"
#include "tcp/congestion/congestion.h"

namespace millrace::tcp::bbr {
namespace {

constexpr std::uint32_t kMss = 1000;
constexpr std::uint64_t kLink = 10'000'000;  // bytes a second
constexpr Duration kRtt = 20ms;
constexpr std::uint64_t kBdp = 200'000;

/// Rounds of one ACK each, over a path that delivers at `rate`.
struct Flow {
  Bbr b;
  Sender c;
  RateSample rs;

  Flow() {
    c.now = Instant{100s};
    c.srtt = kRtt;
    c.mss = kMss;
    c.cwnd = c.initial_cwnd = 10 * kMss;
    c.has_selective_acks = true;
    init(b, c, 12345);
  }
  /// The ACK that ends a round: `bytes` were delivered in it, at `rate`.
  void round(std::uint64_t rate, std::uint32_t bytes, Duration rtt = kRtt) {
    c.now += rtt;
    rs = RateSample{};
    rs.prior_delivered = c.delivered;
    c.delivered += bytes;
    rs.newly_acked = bytes;
    rs.delivered = bytes;
    rs.delivery_rate = rate;
    rs.rtt = rtt;
    rs.has_data = true;
    rs.tx_in_flight = c.inflight;
    rs.is_app_limited = c.mark_app_limited;
    finish();
  }
  void finish() {
    c.mark_app_limited = false;
    on_ack(b, c, rs);
    rs = RateSample{};
  }
  /// Startup on the link, until the queue that it made has gone.
  void to_cruise() {
    for (int i = 0; i < 20 && b.state == State::startup; ++i) {
      const std::uint64_t rate = std::min(kLink, std::uint64_t{500'000} << i);
      c.inflight = static_cast<std::uint32_t>(std::min<std::uint64_t>(2 * kBdp, rate / 25));
      round(rate, static_cast<std::uint32_t>(rate / 50));
    }
    EXPECT_EQ(b.state, State::drain);
    c.inflight = kBdp / 2;
    round(kLink, kBdp);
    EXPECT_EQ(b.state, State::probe_bw_cruise) << "through DOWN, which has nothing to do";
  }
  void to_up() {
    to_cruise();
    c.now += 3100ms;
    round(kLink, kBdp);
    EXPECT_EQ(b.state, State::probe_bw_refill);
    round(kLink, kBdp);
    EXPECT_EQ(b.state, State::probe_bw_up);
  }
};

TEST(Bbr, BeginsByTheInitialWindowAndRoundTrip) {
  Flow f;
  EXPECT_EQ(f.b.state, State::startup);
  EXPECT_EQ(f.b.pacing_rate, 10'000U * 50 * 277 / 100) << "2.77 initial windows a round trip";
  EXPECT_EQ(f.b.min_rtt, kRtt);
}

TEST(Bbr, StartupDoublesAndEndsWhereThreeRoundsBringNoMore) {
  Flow f;
  std::uint64_t rate = 500'000;
  for (; rate < kLink; rate *= 2) {
    f.round(rate, static_cast<std::uint32_t>(rate / 50));
    EXPECT_EQ(f.b.state, State::startup);
    EXPECT_EQ(f.b.max_bw, rate);
  }
  f.round(kLink, kBdp);
  f.round(kLink, kBdp);
  f.round(kLink, kBdp);
  EXPECT_EQ(f.b.state, State::startup) << "the first such round set the mark";
  f.c.inflight = 2 * kBdp;
  f.round(kLink, kBdp);
  EXPECT_EQ(f.b.state, State::drain);
  EXPECT_TRUE(f.b.full_bw_reached);
  EXPECT_EQ(f.b.pacing_rate, kLink / 2 * 99 / 100);
  EXPECT_EQ(f.c.cwnd, 2 * kBdp + f.b.extra_acked_filter.get());
}

TEST(Bbr, StartupIsNotEndedByAnApplicationThatHasNoMore) {
  Flow f;
  f.round(500'000, 10'000);
  for (int i = 0; i < 10; ++i) {
    f.c.now += kRtt;
    f.rs.prior_delivered = f.c.delivered;
    f.c.delivered += 10'000;
    f.rs.newly_acked = 10'000;
    f.rs.delivered = 10'000;
    f.rs.delivery_rate = 400'000;
    f.rs.has_data = f.rs.is_app_limited = true;
    f.rs.rtt = kRtt;
    f.finish();
  }
  EXPECT_EQ(f.b.state, State::startup);
  EXPECT_EQ(f.b.max_bw, 500'000U) << "less than before, and nobody's limit";
  f.rs.prior_delivered = f.c.delivered;
  f.rs.delivery_rate = 600'000;
  f.rs.has_data = f.rs.is_app_limited = true;
  f.finish();
  EXPECT_EQ(f.b.max_bw, 600'000U) << "more than before is the path's all the same";
}

void lossy_round(Flow& f, std::uint32_t ranges, std::uint32_t lost_bytes) {
  on_lost(f.b, f.c, {.bytes = lost_bytes, .tx_in_flight = kBdp, .lost = lost_bytes, .known = true});
  on_lost_ranges(f.b, ranges);
  f.c.in_recovery = true;
  f.c.inflight = 1 << 20;
  for (int i = 0; i < 2; ++i) {  // the round of the loss, and the one after
    f.c.now += kRtt;
    f.rs.prior_delivered = f.c.delivered;
    f.c.delivered += kBdp;
    f.rs.newly_acked = kBdp;
    f.rs.delivered = kBdp;
    f.rs.delivery_rate = kLink << (i + 1);  // growing still
    f.rs.tx_in_flight = kBdp;
    f.rs.lost = lost_bytes;
    f.rs.has_data = true;
    f.rs.rtt = kRtt;
    f.finish();
    if (f.b.state != State::startup) return;
  }
}

TEST(Bbr, StartupEndsByManyLosses) {
  Flow f;
  f.round(500'000, kBdp);
  lossy_round(f, 6, kBdp / 20);
  EXPECT_EQ(f.b.state, State::drain);
  EXPECT_GE(f.b.inflight_longterm, kBdp) << "what was delivered in a round is safe";
  EXPECT_EQ(f.b.undo_state, State::startup);
  on_spurious_loss(f.b, f.c);
  EXPECT_EQ(f.b.state, State::startup) << "they were none";
  EXPECT_EQ(f.b.inflight_longterm, kUnbounded);
}

TEST(Bbr, StartupBearsFewLosses) {
  Flow few;
  few.round(500'000, kBdp);
  lossy_round(few, 5, kBdp / 20);
  EXPECT_EQ(few.b.state, State::startup) << "five stretches may be one burst";
  Flow little;
  little.round(500'000, kBdp);
  lossy_round(little, 6, kBdp / 60);
  EXPECT_EQ(little.b.state, State::startup) << "less than 2 %";
}

TEST(Bbr, HowMuchLossIsTooMuchIsTheOperatorsToSay) {  // LossThresh, §2.5
  Flow f;
  f.c.loss_thresh_percent = 10;
  f.round(500'000, kBdp);
  lossy_round(f, 6, kBdp / 20);
  EXPECT_EQ(f.b.state, State::startup) << "5 % of 10";
  lossy_round(f, 6, kBdp / 8);
  EXPECT_EQ(f.b.state, State::drain) << "12.5 %";
}

TEST(Bbr, DrainEndsWhenTheQueueHasGoneOrAfterThreeRounds) {
  Flow f;
  f.to_cruise();
  Flow slow;
  for (int i = 0; slow.b.state == State::startup; ++i) {
    slow.c.inflight = 3 * kBdp;
    slow.round(std::min(kLink, std::uint64_t{500'000} << i), kBdp);
  }
  for (int i = 0; i < 3; ++i) {
    slow.round(kLink, kBdp);
    EXPECT_EQ(slow.b.state, State::drain);
  }
  slow.round(kLink, kBdp);
  EXPECT_EQ(slow.b.state, State::probe_bw_down);
}

TEST(Bbr, CruisesAtOnePercentLessAndProbesAfterTwoToThreeSeconds) {
  Flow f;
  f.to_cruise();
  EXPECT_EQ(f.b.pacing_rate, kLink * 99 / 100);
  EXPECT_EQ(f.c.cwnd, 2 * kBdp + f.b.extra_acked_filter.get());
  const Instant begun = f.b.cycle_stamp;
  EXPECT_GE(f.b.bw_probe_wait, 2s);
  EXPECT_LT(f.b.bw_probe_wait, 3s);
  f.b.rounds_since_probe_up = 0;
  while (f.b.state == State::probe_bw_cruise) {
    f.round(kLink, kBdp);
    if (f.b.rounds_since_probe_up == 63) break;
  }
  EXPECT_EQ(f.b.state, State::probe_bw_refill) << "as often as Reno would, in 63 rounds";
  EXPECT_LT(f.c.now - begun, 2s);
}

TEST(Bbr, RefillsForOneRoundThenSendsAQuarterMore) {
  Flow f;
  f.to_up();
  EXPECT_EQ(f.b.pacing_rate, kLink * 125 / 100 * 99 / 100);
  EXPECT_TRUE(f.b.is_bw_probe_sample);
  // A link that has grown is followed.
  f.c.inflight = kBdp * 3 / 2;
  f.round(kLink * 5 / 4, kBdp);
  EXPECT_EQ(f.b.max_bw, kLink * 5 / 4);
  EXPECT_EQ(f.b.state, State::probe_bw_up);
  for (int i = 0; i < 3; ++i) f.round(kLink * 5 / 4, kBdp);
  EXPECT_EQ(f.b.state, State::probe_bw_down) << "no more came in three rounds";
  EXPECT_EQ(f.b.pacing_rate, kLink * 5 / 4 * 90 / 100 * 99 / 100);
}

TEST(Bbr, ALossyProbeSetsTheLongTermBoundAndTheNextIsCautious) {
  Flow f;
  f.to_up();
  f.c.inflight = kBdp * 3 / 2;
  on_lost(f.b, f.c, {.bytes = kMss, .tx_in_flight = 300'000, .lost = 3 * kMss, .known = true});
  EXPECT_EQ(f.b.state, State::probe_bw_up) << "1 %";
  on_lost(f.b, f.c, {.bytes = 4 * kMss, .tx_in_flight = 300'000, .lost = 7 * kMss, .known = true});
  EXPECT_EQ(f.b.state, State::probe_bw_down);
  // 296,000 were in flight with 3,000 lost; of these 4,000 as much fits as makes it 2 %.
  const std::uint64_t fits = 296'000 + (296'000 * 2 - 3'000 * 100) / 98;
  EXPECT_EQ(f.b.inflight_longterm, fits);
  EXPECT_TRUE(f.b.prev_probe_too_high);
  on_lost(f.b, f.c, {.bytes = 9 * kMss, .tx_in_flight = 100'000, .lost = 16 * kMss, .known = true});
  EXPECT_EQ(f.b.inflight_longterm, fits) << "once for each probe";
  // Down until there is headroom, then cruising below it.
  f.c.inflight = static_cast<std::uint32_t>(fits);
  f.round(kLink, kBdp);
  EXPECT_EQ(f.b.state, State::probe_bw_down);
  f.c.inflight = kBdp;
  f.round(kLink, kBdp);
  ASSERT_EQ(f.b.state, State::probe_bw_cruise);
  EXPECT_EQ(f.c.cwnd, fits - fits * 15 / 100);
  // The next probe stops as soon as it is there, and the one after may stay.
  f.b.probe_rtt_min_stamp = f.c.now;
  f.c.now += 3100ms;
  f.round(kLink, kBdp);
  f.round(kLink, kBdp);
  ASSERT_EQ(f.b.state, State::probe_bw_up);
  f.c.inflight = static_cast<std::uint32_t>(fits);
  f.round(kLink, kBdp);
  ASSERT_EQ(f.b.state, State::probe_bw_down);
  EXPECT_TRUE(f.b.prev_probe_precautionary);
  f.c.inflight = kBdp;
  f.round(kLink, kBdp);
  EXPECT_EQ(f.b.state, State::probe_bw_refill) << "nothing was lost: at once again";
}

TEST(Bbr, TheLongTermBoundGrowsBySegmentsThenFaster) {
  Flow f;
  f.to_up();
  f.b.inflight_longterm = 250'000;
  f.b.prev_probe_too_high = false;
  f.c.cwnd = 250'000;
  f.c.is_cwnd_limited = true;
  std::uint64_t before = f.b.inflight_longterm;
  std::uint64_t grown = 0;
  for (int i = 0; i < 5; ++i) {
    f.c.inflight = 200'000;
    f.round(kLink, 25'000);
    for (int ack = 0; ack < 9; ++ack) {
      f.c.delivered += 25'000;
      f.rs = {.delivery_rate = kLink, .delivered = kBdp, .newly_acked = 25'000, .has_data = true};
      f.finish();
    }
    const std::uint64_t now = f.b.inflight_longterm - before;
    EXPECT_GE(now, grown) << "round " << i;
    grown = now;
    before = f.b.inflight_longterm;
    f.c.cwnd = static_cast<std::uint32_t>(before);
  }
  EXPECT_GE(grown, 8U * kMss);
  EXPECT_EQ(f.b.state, State::probe_bw_up) << "bound by what it raises, it cannot see a plateau";
}

TEST(Bbr, LossesInCruiseBoundTheShortTermByWhatIsDelivered) {
  Flow f;
  f.to_cruise();
  f.c.inflight = kBdp;
  const LostPacket lost{.bytes = kBdp / 10, .tx_in_flight = kBdp, .lost = kBdp / 10, .known = true};
  on_lost(f.b, f.c, lost);
  EXPECT_EQ(f.b.bw_shortterm, kUnbounded) << "not before the round is over";
  f.round(kLink * 8 / 10, kBdp * 8 / 10);
  EXPECT_EQ(f.b.bw, kLink) << "as much was delivered in that round";
  on_lost(f.b, f.c, lost);
  f.round(kLink * 8 / 10, kBdp * 8 / 10);
  EXPECT_EQ(f.b.bw, kLink * 8 / 10 + kLink * 8 / 990) << "and a hundredth that we kept back";
  EXPECT_GE(f.b.inflight_shortterm, f.b.inflight_latest * 7 / 10);
  EXPECT_EQ(f.b.max_bw, kLink) << "the long term has not changed";
  // Once more, with nothing delivered to speak of: seven tenths, no less.
  const std::uint64_t bw = f.b.bw_shortterm;
  on_lost(f.b, f.c, lost);
  f.round(1'000, 1'000);
  f.round(1'000, 1'000);
  EXPECT_GE(f.b.bw_shortterm, bw * 7 / 10);
  // The next probe forgets it.
  f.c.now += 3100ms;
  f.round(1'000, 1'000);
  EXPECT_EQ(f.b.state, State::probe_bw_refill);
  EXPECT_EQ(f.b.bw, kLink);
}

TEST(Bbr, LossesToPutUpWithBoundNothing) {
  Flow f;
  f.to_cruise();
  f.c.inflight = kBdp;
  const auto lose = [&](std::uint32_t bytes) {
    on_lost(f.b, f.c, {.bytes = bytes, .tx_in_flight = kBdp, .lost = bytes, .known = true});
  };
  for (int i = 0; i < 4; ++i) {
    lose(kMss);
    lose(static_cast<std::uint32_t>(kBdp / 100));
    f.round(kLink * 95 / 100, kBdp);
    f.round(kLink * 95 / 100, kBdp);
  }
  EXPECT_EQ(f.b.bw_shortterm, kUnbounded);
  EXPECT_EQ(f.b.inflight_shortterm, kUnbounded);
  lose(kMss);
  lose(static_cast<std::uint32_t>(kBdp / 20));
  f.round(kLink * 9 / 10, kBdp);
  f.round(kLink * 9 / 10, kBdp);
  EXPECT_NE(f.b.bw_shortterm, kUnbounded) << "more than 2 %";
}

TEST(Bbr, BandwidthIsThatOfTwoCycles) {
  Flow f;
  f.to_cruise();
  const std::uint32_t first = f.b.cycle_count;
  const auto until_cycle = [&](std::uint32_t cycles) {
    for (int i = 0; i < 2000 && f.b.cycle_count - first < cycles; ++i) {
      f.c.inflight = static_cast<std::uint32_t>(kBdp / 4);
      f.b.probe_rtt_min_stamp = f.c.now;  // no round trips are probed here
      f.round(kLink / 4, kBdp / 4);
    }
    EXPECT_EQ(f.b.cycle_count - first, cycles);
  };
  f.round(kLink / 4, kBdp / 4);
  EXPECT_EQ(f.b.max_bw, kLink) << "one bad round says nothing";
  until_cycle(3);
  EXPECT_EQ(f.b.max_bw, kLink / 4);
}

TEST(Bbr, ProbesTheRoundTripEveryFiveSeconds) {
  Flow f;
  f.to_cruise();
  f.c.inflight = kBdp;
  const Instant begun = f.b.probe_rtt_min_stamp;
  while (f.b.state != State::probe_rtt && f.c.now - begun < 10s) f.round(kLink, kBdp, 21ms);
  ASSERT_EQ(f.b.state, State::probe_rtt);
  EXPECT_NEAR(std::chrono::duration<double>(f.c.now - begun).count(), 5.0, 0.05);
  EXPECT_EQ(f.c.cwnd, kBdp / 2) << "half of what the path holds";
  EXPECT_TRUE(f.c.mark_app_limited);
  const Instant entered = f.c.now;
  f.c.inflight = kBdp / 2;
  f.round(kLink / 2, kBdp / 2);
  while (f.b.state == State::probe_rtt && f.c.now - entered < 2s) f.round(kLink / 2, kBdp / 2);
  EXPECT_EQ(f.b.state, State::probe_bw_cruise);
  EXPECT_GE(f.c.now - entered, 200ms);
  EXPECT_LE(f.c.now - entered, 280ms);
  EXPECT_GE(f.c.cwnd, 2 * kBdp * 9 / 10) << "the window of before";
}

TEST(Bbr, ProbingTheRoundTripInStartupLeadsBackThere) {
  Flow f;
  for (int i = 0; i < 60 && f.b.state == State::startup; ++i) {
    f.c.inflight = 1'000;
    f.c.now += 100ms;
    f.rs.is_app_limited = true;
    f.rs.has_data = true;
    f.rs.prior_delivered = f.c.delivered;
    f.rs.rtt = 30ms;
    f.finish();
  }
  ASSERT_EQ(f.b.state, State::probe_rtt);
  for (int i = 0; i < 30 && f.b.state == State::probe_rtt; ++i) f.round(500'000, 10'000);
  EXPECT_EQ(f.b.state, State::startup);
}

TEST(Bbr, SilenceIsAProbeOfTheRoundTripToo) {
  Flow f;
  f.to_cruise();
  f.c.now += 7s;
  f.c.inflight = 0;
  f.c.app_limited = true;
  on_transmit(f.b, f.c);
  EXPECT_TRUE(f.b.idle_restart);
  EXPECT_EQ(f.b.pacing_rate, kLink * 99 / 100) << "at the rate of the path, whatever the phase";
  f.c.inflight = 1'000;
  f.round(kLink / 10, 1'000);
  EXPECT_NE(f.b.state, State::probe_rtt);
}

TEST(Bbr, MinRttLivesTenSeconds) {
  Flow f;
  f.to_cruise();
  EXPECT_EQ(f.b.min_rtt, kRtt);
  const Instant begun = f.c.now;
  while (f.c.now - begun < 9s) {
    f.c.inflight = 1'000;
    f.round(kLink, kBdp, 40ms);
  }
  EXPECT_EQ(f.b.min_rtt, kRtt);
  while (f.c.now - begun < 21s) f.round(kLink, kBdp, 40ms);
  EXPECT_EQ(f.b.min_rtt, Duration{40ms}) << "the path has grown longer";
  f.round(kLink, kBdp, 10ms);
  EXPECT_EQ(f.b.min_rtt, Duration{10ms}) << "less is believed at once";
}

TEST(Bbr, AggregationWidensTheWindow) {
  Flow f;
  f.to_cruise();
  const std::uint32_t before = f.c.cwnd;
  // Two round trips' worth at once: a round trip more than expected.
  f.round(kLink, 2 * kBdp);
  EXPECT_GE(f.b.extra_acked_filter.get(), kBdp * 9 / 10);
  f.round(kLink, kBdp);
  EXPECT_GE(f.c.cwnd, before + kBdp / 2);
  f.c.now += 2 * kRtt;  // what came too early is made up for
  for (int i = 0; i < 12; ++i) f.round(kLink, kBdp);
  EXPECT_LT(f.b.extra_acked_filter.get(), 2 * kBdp) << "ten rounds later it is forgotten";
}

TEST(Bbr, ATimeoutLeavesOneSegmentAndItsEndTheWindowOfBefore) {
  Flow f;
  f.to_cruise();
  const std::uint32_t before = f.c.cwnd;
  f.c.inflight = 0;
  on_enter_recovery(f.b, f.c);
  f.c.in_recovery = true;
  on_timeout(f.b, f.c);
  EXPECT_EQ(f.c.cwnd, kMss);
  on_exit_recovery(f.b, f.c);
  EXPECT_EQ(f.c.cwnd, before);
}

TEST(Bbr, ASpuriousRecoveryLeavesNoTrace) {
  Flow f;
  f.to_up();
  f.c.inflight = kBdp * 3 / 2;
  on_enter_recovery(f.b, f.c);
  on_lost(f.b, f.c, {.bytes = 9 * kMss, .tx_in_flight = 300'000, .lost = 9 * kMss, .known = true});
  ASSERT_EQ(f.b.state, State::probe_bw_down);
  ASSERT_NE(f.b.inflight_longterm, kUnbounded);
  on_spurious_loss(f.b, f.c);
  EXPECT_EQ(f.b.state, State::probe_bw_refill) << "to probe again";
  EXPECT_EQ(f.b.inflight_longterm, kUnbounded);
}

TEST(Bbr, MarksEndAProbeAndTwoMarkedRoundsEndStartup) {
  Flow f;
  f.to_up();
  f.c.inflight = 300'000;
  on_mark(f.b, f.c);
  EXPECT_EQ(f.b.state, State::probe_bw_down);
  EXPECT_EQ(f.b.inflight_longterm, 300'000U);
  Flow young;
  young.round(500'000, 10'000);
  for (int i = 0; i < 3 && young.b.state == State::startup; ++i) {
    on_mark(young.b, young.c);
    young.round(std::uint64_t{1'000'000} << i, 20'000);
  }
  EXPECT_NE(young.b.state, State::startup);
}

TEST(Bbr, SmallPathsKeepFourSegments) {
  Flow f;
  f.c.mss = kMss;
  for (int i = 0; i < 30; ++i) {
    f.c.inflight = 1'000;
    f.round(10'000, 200);
  }
  EXPECT_EQ(f.b.state == State::startup, false);
  EXPECT_GE(f.c.cwnd, 4 * kMss);
  EXPECT_GE(f.b.pacing_rate, 4U * kMss) << "no departure lies far away";
}

TEST(Bbr, QuantumIsAMillisecondWithinBounds) {
  EXPECT_EQ(send_quantum(10'000, 1000), 2'000U) << "two segments";
  EXPECT_EQ(send_quantum(12'500'000, 1000), 12'500U);
  EXPECT_EQ(send_quantum(125'000'000, 1000), 65'536U);
  EXPECT_EQ(send_quantum(12'500'000'000, 1000), 819'200U) << "a tick of 100 Gbit/s";
}

TEST(Bbr, HoldsAtHundredGigabitsAndBeyond) {
  Flow f;
  f.c.inflight = 1U << 30;
  for (int i = 0; i < 40; ++i) f.round(std::uint64_t{1} << 62, 0x3fff'ffff, 10s);
  EXPECT_LE(f.c.cwnd, 1U << 30);
  EXPECT_GT(f.b.pacing_rate, std::uint64_t{1} << 60);
  Flow g;
  for (int i = 0; i < 20; ++i) g.round(12'500'000'000, 1U << 30, 2s);
  EXPECT_EQ(bytes_in(12'500'000'000, 2s), 25'000'000'000U);
  EXPECT_EQ(g.b.max_bw, 12'500'000'000U);
}

TEST(WindowedMax, IsThatOfABruteForceWindow) {
  WindowedMax filter;
  std::uint32_t random = 7;
  std::uint64_t values[400];
  for (std::uint32_t t = 0; t < 400; ++t) {
    random = random * 1664525 + 1013904223;
    values[t] = random >> 16;
    const std::uint64_t got = filter.update(values[t], t, 10);
    std::uint64_t most = 0;
    std::uint64_t sure = 0;
    for (std::uint32_t i = t >= 10 ? t - 10 : 0; i <= t; ++i) most = std::max(most, values[i]);
    for (std::uint32_t i = t >= 2 ? t - 2 : 0; i <= t; ++i) sure = std::max(sure, values[i]);
    EXPECT_LE(got, most) << t;
    EXPECT_GE(got, sure) << t;
  }
}

}  // namespace
}  // namespace millrace::tcp::bbr
