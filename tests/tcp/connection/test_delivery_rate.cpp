// SPDX-License-Identifier: BSD-3-Clause
//
// The estimator of runs against the draft's own, which keeps a record for each packet.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <random>

#include "tcp/connection/delivery_rate.h"

namespace millrace::tcp {
namespace {

constexpr std::uint32_t kMss = 1000;

/// draft-ietf-ccwg-bbr §4.1.2, packet by packet.
struct Exact {
  struct Packet {
    Seq end;
    std::uint64_t delivered;
    Instant delivered_time, first_send_time, send_time;
    bool app_limited;
    std::uint32_t tx_in_flight;
  };
  std::uint64_t delivered = 0, app_limited = 0;
  Instant delivered_time{}, first_send_time{};
  Duration min_rtt = Duration::max();
  std::deque<Packet> packets;

  void sent(Seq end, std::uint32_t inflight, Instant now) {
    if (packets.empty()) first_send_time = delivered_time = now;
    packets.push_back(
        {end, delivered, delivered_time, first_send_time, now, app_limited != 0, inflight});
  }
  struct Sample {
    double rate = 0;
    std::uint64_t prior_delivered = 0;
    bool app_limited = false;
    std::uint32_t tx_in_flight = 0;
    Duration rtt{0};
  };
  Sample acked(Seq una, Instant now) {
    Sample rs;
    Duration send_elapsed{0}, ack_elapsed{0};
    while (!packets.empty() && at_or_before(packets.front().end, una)) {
      const Packet& p = packets.front();
      delivered += kMss;
      delivered_time = now;
      rs.prior_delivered = p.delivered;
      rs.app_limited = p.app_limited;
      rs.tx_in_flight = p.tx_in_flight;
      rs.rtt = now - p.send_time;
      send_elapsed = p.send_time - p.first_send_time;
      ack_elapsed = now - p.delivered_time;
      first_send_time = p.send_time;
      packets.pop_front();
    }
    min_rtt = std::min(min_rtt, rs.rtt);
    if (app_limited != 0 && delivered > app_limited) app_limited = 0;
    const Duration interval = std::max(send_elapsed, ack_elapsed);
    if (interval < min_rtt) return rs;
    rs.rate = static_cast<double>(delivered - rs.prior_delivered) /
              std::chrono::duration<double>(interval).count();
    return rs;
  }
};

/// A window of packets over a path whose delivery is drawn at random; both estimators watch.
struct Watched {
  RateLogs logs{1};
  RateSampler runs;
  Exact exact;
  Instant now{100s};
  Seq una{0xffff'0000};  // the numbers wrap soon
  Seq nxt = una;
  Duration longest_run;

  explicit Watched(Duration rtt) : longest_run(rtt / 32) {}

  void send() {
    Departure d;
    d.snd_una = una;
    d.nxt_before = nxt;
    nxt += kMss;
    d.nxt = nxt;
    d.inflight = bytes_between(una, nxt);
    d.inflight_before = d.inflight - kMss;
    d.longest_run = longest_run;
    d.now = now;
    exact.sent(nxt, d.inflight, now);
    rate_on_sent(runs, d, logs);
  }
  std::pair<bbr::RateSample, Exact::Sample> ack(std::uint32_t packets) {
    RateAck a;
    a.bytes = packets * kMss;
    a.once = true;
    a.once_end = una + a.bytes;
    a.now = now;
    const bbr::RateSample rs = rate_on_ack(runs, a, logs);
    una += a.bytes;
    rate_forget(runs, una, una == nxt, logs);
    return {rs, exact.acked(una, now)};
  }
};

struct Errors {
  double worst = 0, mean = 0;
  int samples = 0;
};

/// A sender paced at `gain` of the link, in bursts of `burst`, and a link that delivers at its
/// rate, ACKs for every second packet, held up now and then.
Errors compare(double gain, int burst, double aggregated, std::uint32_t seed) {
  constexpr Duration kRtt = 40ms;
  constexpr Duration kPacket = 100us;  // 10 MB/s
  Watched w(kRtt);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> chance(0, 1);
  std::deque<Instant> acks;  // one for each packet
  Instant free{};
  Instant next_burst = w.now;
  Errors errors;
  int due = 0;
  const Instant end = w.now + 3s;
  while (w.now < end) {
    const Instant next_ack = acks.empty() ? Instant::max() : acks.front();
    w.now = std::min(next_burst, next_ack);
    if (w.now == next_ack) {
      acks.pop_front();
      ++due;
      const bool held = chance(random) < aggregated && due < 16;
      if ((due < 2 || held) && !acks.empty()) continue;
      const auto [got, wanted] = w.ack(static_cast<std::uint32_t>(due));
      due = 0;
      EXPECT_GE(got.rtt, wanted.rtt) << "never shorter than it was";
      EXPECT_LE(got.rtt, wanted.rtt + 3 * w.longest_run) << "some runs were merged";
      EXPECT_LE(got.prior_delivered, wanted.prior_delivered);
      EXPECT_NEAR(got.tx_in_flight, wanted.tx_in_flight, 60.0 * kMss)
          << "what was delivered in a run";
      w.longest_run = wanted.rtt / 32;
      if (got.delivery_rate == 0 || wanted.rate == 0) continue;
      const double error = std::abs(static_cast<double>(got.delivery_rate) / wanted.rate - 1);
      errors.worst = std::max(errors.worst, error);
      errors.mean += error;
      ++errors.samples;
    } else {
      for (int i = 0; i < burst && bytes_between(w.una, w.nxt) < 900 * kMss; ++i) {
        w.send();
        free = std::max(free, w.now) + kPacket;
        acks.push_back(free + kRtt);
      }
      next_burst = w.now + Duration{static_cast<std::int64_t>(
                               static_cast<double>((kPacket * burst).count()) / gain)};
    }
  }
  errors.mean /= std::max(errors.samples, 1);
  return errors;
}

TEST(DeliveryRate, RunsAgreeWithPackets) {
  for (const double gain : {0.5, 0.9, 1.0, 1.25, 2.77}) {
    for (const int burst : {1, 2, 10}) {
      for (const double aggregated : {0.0, 0.6}) {
        const Errors e = compare(gain, burst, aggregated, 11);
        EXPECT_GT(e.samples, 300);
        EXPECT_LT(e.mean, 0.01) << gain << ", " << burst << ", " << aggregated;
        EXPECT_LT(e.worst, 0.08) << gain << ", " << burst << ", " << aggregated;
      }
    }
  }
}

TEST(DeliveryRate, ExactWhereEachRunIsABurst) {
  Watched w(10ms);
  w.longest_run = Duration{0};
  for (int i = 0; i < 20; ++i) {
    w.now += 1ms;
    w.send();
    w.send();
  }
  for (int i = 0; i < 20; ++i) {
    w.now += 1500us;
    const auto [got, wanted] = w.ack(2);
    EXPECT_NEAR(static_cast<double>(got.delivery_rate), wanted.rate, 1.0);
    EXPECT_EQ(got.rtt, wanted.rtt);
    EXPECT_EQ(got.tx_in_flight, wanted.tx_in_flight);
    EXPECT_EQ(got.prior_delivered, wanted.prior_delivered);
  }
  EXPECT_EQ(w.logs.live(), 0U) << "nothing in flight, nothing kept";
}

TEST(DeliveryRate, TheRateOfSendingIsABound) {
  // Twenty packets over 20 ms, all acknowledged within one: the path did not deliver them in that.
  Watched w(10ms);
  for (int i = 0; i < 20; ++i) {
    w.send();
    w.now += 1ms;
  }
  w.now += 30ms;
  std::uint64_t most = 0;
  for (int i = 0; i < 10; ++i) {
    w.now += 100us;
    most = std::max(most, w.ack(2).first.delivery_rate);
  }
  EXPECT_LE(most, 1'060'000U);
}

TEST(DeliveryRate, AnAckThatComesTooEarlyIsNoSample) {
  Watched w(10ms);
  w.runs.min_rtt = 10ms;
  w.send();
  w.send();
  w.now += 10ms;
  EXPECT_NE(w.ack(2).first.delivery_rate, 0U);
  w.send();
  w.now += 20us;
  RateAck forged;
  forged.bytes = 1;
  forged.again = true;
  forged.again_age = 20us;
  forged.now = w.now;
  const bbr::RateSample rs = rate_on_ack(w.runs, forged, w.logs);
  EXPECT_EQ(rs.delivery_rate, 0U) << "what was sent again cannot be back yet";
  EXPECT_FALSE(rs.has_data);
  EXPECT_EQ(rs.newly_acked, 1U) << "it counts as delivered all the same";
}

TEST(DeliveryRate, ABubbleIsMarkedUntilItHasGone) {
  Watched w(10ms);
  w.send();
  mark_app_limited(w.runs, kMss);
  w.send();
  w.now += 10ms;
  EXPECT_FALSE(w.ack(1).first.is_app_limited) << "it left before";
  EXPECT_TRUE(w.ack(1).first.is_app_limited);
  EXPECT_EQ(w.runs.app_limited, 0U);
}

TEST(DeliveryRate, MoreRunsThanRoomAreMerged) {
  Watched w(10ms);
  w.longest_run = Duration{0};
  for (int i = 0; i < 500; ++i) {
    w.now += 100us;
    w.send();
  }
  ASSERT_NE(w.runs.log, kNil);
  EXPECT_LE(w.logs[w.runs.log].count, kRateRuns);
  w.now += 10ms;
  for (int i = 0; i < 250; ++i) {
    w.now += 200us;
    const auto [got, wanted] = w.ack(2);
    EXPECT_TRUE(got.has_data);
    if (wanted.rate == 0 || got.delivery_rate == 0) continue;
    EXPECT_NEAR(static_cast<double>(got.delivery_rate) / wanted.rate, 1.0, 0.1);
  }
}

TEST(DeliveryRate, WithoutMemoryOnlyTheLatestRunIsKnown) {
  Watched w(10ms);
  const std::uint32_t taken = w.logs.create();
  w.longest_run = Duration{0};
  for (int i = 0; i < 4; ++i) {
    w.now += 1ms;
    w.send();
  }
  w.now += 10ms;
  EXPECT_FALSE(w.ack(1).first.has_data);
  EXPECT_FALSE(w.ack(2).first.has_data);
  EXPECT_TRUE(w.ack(1).first.has_data);
  w.logs.free(taken);
}

TEST(DeliveryRate, LossesAreToldRunByRun) {
  Watched w(10ms);
  w.longest_run = Duration{0};
  for (int i = 0; i < 4; ++i) {
    w.now += 1ms;
    w.send();
    w.send();
  }
  Seq first = w.una + kMss;
  const Seq end = w.una + 5 * kMss;
  bbr::LostPacket p = rate_on_lost(w.runs, first, end, nullptr, w.logs);
  EXPECT_EQ(p.bytes, kMss);
  EXPECT_EQ(p.tx_in_flight, 2 * kMss);
  p = rate_on_lost(w.runs, first, end, nullptr, w.logs);
  EXPECT_EQ(p.bytes, 2 * kMss);
  EXPECT_EQ(p.tx_in_flight, 4 * kMss);
  EXPECT_EQ(p.lost, 3 * kMss);
  p = rate_on_lost(w.runs, first, end, nullptr, w.logs);
  EXPECT_EQ(p.bytes, kMss);
  EXPECT_EQ(p.tx_in_flight, 5 * kMss) << "the half of its run";
  EXPECT_EQ(first, end);
  Seq unknown = w.una - 100;
  p = rate_on_lost(w.runs, unknown, w.una, nullptr, w.logs);
  EXPECT_FALSE(p.known);
  EXPECT_EQ(p.bytes, 100U);
}

}  // namespace
}  // namespace millrace::tcp
