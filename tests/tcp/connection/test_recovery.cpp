// SPDX-License-Identifier: BSD-3-Clause
//
// Loss: RTO and its backoff (RFC 6298), fast retransmit and NewReno (RFC 5681 §3.2, RFC 6582),
// limited transmit (RFC 3042), and what a lying receiver gains (catalogue D1, D3): nothing.
#include "tcp/connection/rtt.h"
#include "tests/tcp/connection/pair.h"

namespace millrace::tcp::test {
namespace {

constexpr std::uint32_t kMss = 1000;

// MSS 1000, a window of `segments` of them in flight from sequence number 1001 on.
TcpConfig with_newreno() {
  TcpConfig config;
  config.congestion = CongestionAlgorithm::newreno;
  return config;
}

Host in_flight(std::uint32_t segments, const TcpConfig& config = with_newreno(),
               std::uint32_t queued = 100) {
  Host h(config);
  h.config.mtu = kMss + 40;
  HostSetup s;
  s.rtt_us = 100'000;
  s.sack = false;
  h.establish(s);
  h.c.congestion.cwnd = segments * kMss;
  (void)h.write(pattern(std::size_t{queued} * kMss));
  EXPECT_EQ(h.flush().size(), segments);
  return h;
}

Segment ack_of(const Host& h, std::uint32_t segments) {
  Segment s = h.peer();
  s.ack = Seq(1001 + segments * kMss);
  return s;
}

TEST(Rto, FollowsTheEstimator) {  // RFC 6298 §2
  Host h;
  h.establish();
  EXPECT_EQ(retransmission_timeout(h.c, h.config), 1s);
  take_rtt_sample(h.c, 400'000);
  EXPECT_EQ(h.c.srtt_us, 400'000U);
  EXPECT_EQ(h.c.rttvar_us, 200'000U);
  EXPECT_EQ(retransmission_timeout(h.c, h.config), 1200ms);
  take_rtt_sample(h.c, 480'000);
  EXPECT_EQ(h.c.srtt_us, 410'000U);
  EXPECT_EQ(h.c.rttvar_us, 170'000U);
  EXPECT_EQ(retransmission_timeout(h.c, h.config), 1090ms);
  for (int i = 0; i < 200; ++i) take_rtt_sample(h.c, 50'000);
  EXPECT_NEAR(static_cast<double>(h.c.srtt_us), 50'000, 10);
  const Duration calm = retransmission_timeout(h.c, h.config);
  EXPECT_TRUE(calm >= 250ms && calm < 251ms) << "SRTT + min_rto";
}

TEST(Rto, StaysWithinItsBounds) {  // invariant 15
  Host h;
  h.config.min_rto = 1ms;
  h.config.max_rto = 60s;
  h.establish();
  for (const std::uint32_t rtt : {0U, 1U, 1000U, 60'000'000U, 0xffff'ffffU}) {
    take_rtt_sample(h.c, rtt);
    for (unsigned b = 0; b < 63; ++b) {
      h.c.backoff = b & 63;
      const Duration rto = retransmission_timeout(h.c, h.config);
      EXPECT_TRUE(rto >= 1ms && rto <= 60s);
    }
    h.c.backoff = 0;
  }
}

TEST(Rto, BacksOffExponentiallyAndGivesUp) {  // RFC 6298 §5.5, RFC 9293 §3.8.3
  Host h = in_flight(1, {}, 1);
  std::vector<Instant> at{h.now};
  const Instant start = h.now;
  while (!h.closed && h.now < start + 2000s) {
    for (const Segment& s : h.pass(5ms)) {
      EXPECT_EQ(s.seq, Seq(1001));
      // From the third on a black hole is suspected (RFC 4821 §7.7).
      const std::size_t sent = at.size();
      EXPECT_EQ(s.data.size(), sent <= 2 ? kMss : (sent == 3 ? 984U : 512U));
      at.push_back(h.now);
    }
  }
  ASSERT_EQ(at.size(), 11U);  // 1 + data_retries
  Duration expected = 300ms;  // SRTT 100 ms, RTTVAR 50 ms
  for (std::size_t i = 1; i < at.size(); ++i) {
    EXPECT_NEAR(static_cast<double>((at[i] - at[i - 1]).count()),
                static_cast<double>(expected.count()), 1.2e7);
    expected = std::min<Duration>(expected * 2, 60s);
  }
  EXPECT_EQ(h.reason, CloseReason::timeout);
  EXPECT_EQ(h.counters.TCPTimeouts, 10U);
  EXPECT_EQ(h.counters.RetransSegs, 10U);
  EXPECT_EQ(h.counters.TCPAbortOnTimeout, 1U);
  EXPECT_TRUE(h.cold_is_empty());
}

TEST(Rto, CollapsesTheWindowAndGoesBack) {  // RFC 5681 §3.1, equation 4
  Host h = in_flight(10);
  const auto first = h.pass(310ms);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].seq, Seq(1001));
  EXPECT_EQ(h.c.congestion.cwnd, kMss);
  EXPECT_EQ(h.c.congestion.ssthresh, 5 * kMss);
  EXPECT_EQ(h.c.snd_nxt, Seq(1001 + 10 * kMss)) << "SND.NXT does not go back";
  (void)h.input(ack_of(h, 1));
  EXPECT_EQ(h.c.congestion.cwnd, 2 * kMss) << "slow start by one segment an ACK";
  const auto next = h.flush();
  ASSERT_EQ(next.size(), 2U);
  EXPECT_EQ(next[0].seq, Seq(1001 + 1 * kMss));
  EXPECT_EQ(next[1].seq, Seq(1001 + 2 * kMss));
  (void)h.input(ack_of(h, 10));  // the rest had arrived
  const auto fresh = h.flush();
  ASSERT_GE(fresh.size(), 1U);
  EXPECT_EQ(fresh[0].seq, Seq(1001 + 10 * kMss));
  EXPECT_EQ(h.counters.RetransSegs, 3U);
}

TEST(Rto, SlowStartAfterItGrowsByOneSegmentAnAck) {  // RFC 3465 §2.3: L = 1
  Host h = in_flight(10);
  (void)h.pass(310ms);
  (void)h.input(ack_of(h, 1));
  EXPECT_EQ(h.flush().size(), 2U);
  (void)h.input(ack_of(h, 3));
  EXPECT_EQ(h.c.congestion.cwnd, 3 * kMss);
}

TEST(Rto, SecondTimeoutHoldsSsthresh) {  // RFC 5681 §3.1
  Host h = in_flight(10);
  (void)h.pass(310ms);
  (void)h.pass(610ms);
  EXPECT_EQ(h.counters.TCPTimeouts, 2U);
  EXPECT_EQ(h.c.congestion.ssthresh, 5 * kMss);
  EXPECT_EQ(h.c.congestion.cwnd, kMss);
}

TEST(Rto, KarnTakesNoSampleOfWhatWasSentTwice) {  // RFC 6298 §3, §5
  Host h = in_flight(1, {}, 2);
  const std::uint32_t srtt = h.c.srtt_us;
  (void)h.pass(310ms);
  h.now += 5ms;
  (void)h.input(ack_of(h, 1));
  EXPECT_EQ(h.c.srtt_us, srtt);
  EXPECT_EQ(h.c.backoff, 1U) << "the backoff stays until a sample comes";
  (void)h.flush();
  h.now += 100ms;
  (void)h.input(ack_of(h, 2));
  EXPECT_EQ(h.c.backoff, 0U);
}

TEST(Rto, TimestampsTellTheCopiesApart) {  // RFC 7323 §4.1
  for (const bool latest : {false, true}) {
    Host h;
    HostSetup s;
    s.timestamps = true;
    s.sack = false;
    s.rtt_us = 100'000;
    h.establish(s);
    (void)h.write("x");
    const auto original = h.flush();
    const auto copy = h.pass(310ms);
    ASSERT_EQ(copy.size(), 1U);
    h.now += 20ms;
    Segment ack = h.peer();
    ack.options.tsecr = (latest ? copy : original)[0].options.tsval;
    const std::uint32_t srtt = h.c.srtt_us;
    (void)h.input(ack);
    EXPECT_EQ(h.c.srtt_us != srtt, latest);
    EXPECT_EQ(h.c.backoff, latest ? 0U : 1U);
  }
}

TEST(Rto, RestartsWithEachAckOfNewData) {  // RFC 6298 §5.3
  Host h = in_flight(4);
  for (std::uint32_t i = 1; i <= 4; ++i) {
    EXPECT_EQ(h.counters.TCPTimeouts, 0U);
    (void)h.pass(200ms);
    (void)h.input(ack_of(h, i));
  }
  EXPECT_EQ(h.counters.TCPTimeouts, 0U);
}

TEST(Rto, UserTimeoutEndsEarlier) {  // RFC 5482
  TcpConfig config = with_newreno();
  config.user_timeout = 5s;
  Host h = in_flight(1, config, 1);
  (void)h.pass(4500ms);
  EXPECT_FALSE(h.closed);
  (void)h.pass(6s);
  EXPECT_TRUE(h.closed);
}

TEST(FastRetransmit, OnTheThirdDuplicate) {  // RFC 5681 §3.2
  Host h = in_flight(10);
  const Segment dup = ack_of(h, 0);
  (void)h.input(dup);
  EXPECT_EQ(h.flush().at(0).seq, Seq(1001 + 10 * kMss)) << "limited transmit (RFC 3042)";
  (void)h.input(dup);
  EXPECT_EQ(h.flush().at(0).seq, Seq(1001 + 11 * kMss));
  EXPECT_EQ(h.c.congestion.cwnd, 10 * kMss) << "limited transmit leaves cwnd alone";
  (void)h.input(dup);
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].seq, Seq(1001));
  EXPECT_EQ(h.c.congestion.ssthresh, 5 * kMss) << "without what limited transmit sent";
  EXPECT_EQ(h.counters.TCPFastRetrans, 1U);
  // Each further duplicate lets a segment out once the window covers the flight.
  std::size_t out = 0;
  for (int i = 0; i < 8; ++i) {
    (void)h.input(dup);
    out += h.flush().size();
  }
  EXPECT_EQ(out, 4U);  // 5 + 3 + 8 segments of window, 12 in flight
  (void)h.input(ack_of(h, 12));
  EXPECT_FALSE(h.send().in_recovery);
  EXPECT_EQ(h.c.congestion.cwnd, 5 * kMss) << "deflated";
}

TEST(FastRetransmit, TakesNoSampleOfWhatItSentTwice) {  // RFC 6298 §3
  Host h = in_flight(5);
  const std::uint32_t srtt = h.c.srtt_us;
  for (int i = 0; i < 3; ++i) (void)h.input(ack_of(h, 0));
  (void)h.flush();
  h.now += 150ms;
  (void)h.input(ack_of(h, 3));
  EXPECT_EQ(h.c.srtt_us, srtt);
}

TEST(FastRetransmit, KeepsWithinAShrunkenWindow) {  // RFC 9293 §3.8.6
  Host h = in_flight(5);
  Segment dup = ack_of(h, 0);
  dup.window = 400;
  for (int i = 0; i < 4; ++i) (void)h.input(dup);  // the first of them changes the window
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].data.size(), 400U);
  EXPECT_EQ(sent[0].seq, Seq(1001));
}

TEST(FastRetransmit, WhatIsNoDuplicate) {  // RFC 5681 §2
  Host data = in_flight(5);
  for (int i = 0; i < 5; ++i) {
    Segment s = data.peer("x");
    s.ack = Seq(1001);
    (void)data.input(s);
  }
  EXPECT_EQ(data.counters.TCPFastRetrans, 0U);
  Host window = in_flight(5);
  for (int i = 0; i < 5; ++i) {
    Segment s = ack_of(window, 0);
    s.window = static_cast<std::uint16_t>(60'000 + i);
    (void)window.input(s);
  }
  (void)window.flush();
  EXPECT_EQ(window.counters.TCPFastRetrans, 0U);
  Host idle;
  idle.establish();
  for (int i = 0; i < 5; ++i) (void)idle.input(idle.peer());
  EXPECT_TRUE(idle.flush().empty());
}

TEST(NewReno, PartialAcksRepairOneHoleEach) {  // RFC 6582 §3.2
  Host h = in_flight(10);
  for (int i = 0; i < 3; ++i) (void)h.input(ack_of(h, 0));
  auto sent = h.flush();
  EXPECT_EQ(sent.at(0).seq, Seq(1001));
  for (int i = 0; i < 4; ++i) (void)h.input(ack_of(h, 0));
  (void)h.flush();
  for (const std::uint32_t hole : {3U, 6U, 8U}) {  // segments 3, 6 and 8 are missing as well
    (void)h.input(ack_of(h, hole));
    EXPECT_TRUE(h.send().in_recovery);
    sent = h.flush();
    ASSERT_GE(sent.size(), 1U);
    EXPECT_EQ(sent[0].seq, Seq(1001 + hole * kMss));
    EXPECT_EQ(h.c.congestion.ssthresh, 5 * kMss) << "one reduction for the window";
  }
  EXPECT_EQ(h.counters.TCPTimeouts, 0U);
  (void)h.input(ack_of(h, 12));
  EXPECT_FALSE(h.c.send == kNil || h.send().in_recovery);
  EXPECT_LE(h.c.congestion.cwnd, 5 * kMss);
}

TEST(NewReno, OnlyTheFirstPartialAckRestartsTheTimer) {  // RFC 6582 §3.2 step 3
  Host h = in_flight(10);
  for (int i = 0; i < 3; ++i) (void)h.input(ack_of(h, 0));
  (void)h.flush();
  (void)h.pass(100ms);
  (void)h.input(ack_of(h, 2));
  (void)h.flush();
  const Tick deadline = h.c.send_deadline;
  (void)h.pass(100ms);
  (void)h.input(ack_of(h, 4));
  (void)h.flush();
  EXPECT_EQ(h.c.send_deadline, deadline);
}

TEST(NewReno, GoBackDoesNotProvokeItself) {  // RFC 6582 §3.2 step 1: after a timeout
  Host h = in_flight(10);
  (void)h.pass(310ms);
  const std::uint32_t ssthresh = h.c.congestion.ssthresh;
  for (int i = 0; i < 6; ++i) (void)h.input(ack_of(h, 0));
  (void)h.flush();
  EXPECT_EQ(h.counters.TCPFastRetrans, 0U);
  EXPECT_EQ(h.c.congestion.ssthresh, ssthresh);
}

TEST(NewReno, NorDoWhatGoBackSentTwice) {  // the same, once all has been sent again
  Host h = in_flight(3, {}, 3);
  (void)h.pass(310ms);
  (void)h.input(ack_of(h, 1));
  EXPECT_EQ(h.flush().size(), 2U);
  EXPECT_FALSE(h.send().resending);
  (void)h.write(pattern(20 * kMss));
  for (int i = 0; i < 6; ++i) {
    (void)h.input(ack_of(h, 1));
    (void)h.flush();
  }
  EXPECT_EQ(h.counters.TCPFastRetrans, 0U);
}

TEST(NewReno, AWindowBelowTheDeflationIsNone) {  // BBR or a mark may lower cwnd meanwhile
  Host h = in_flight(10);
  for (int i = 0; i < 3; ++i) (void)h.input(ack_of(h, 0));
  (void)h.flush();
  (void)h.input(ack_of(h, 8));
  ASSERT_EQ(h.send().inflation, -4 * static_cast<std::int32_t>(kMss));
  h.c.congestion.cwnd = 2 * kMss;
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].seq, Seq(1001 + 8 * kMss)) << "the hole, and nothing new";
}

TEST(NewReno, PartialAckDeflatesByWhatItCovers) {  // RFC 6582 §3.2 step 3
  Host h = in_flight(10);
  for (int i = 0; i < 6; ++i) (void)h.input(ack_of(h, 0));
  const auto window = [&] {
    return static_cast<std::int64_t>(h.c.congestion.cwnd) + h.send().inflation;
  };
  EXPECT_EQ(window(), 11 * kMss);  // ssthresh 5, three and three more
  (void)h.input(ack_of(h, 4));
  EXPECT_EQ(window(), 8 * kMss) << "less four, and one back";
  Segment half = ack_of(h, 4);
  half.ack += kMss / 2;
  (void)h.input(half);
  EXPECT_EQ(window(), 8 * kMss - kMss / 2) << "less than a segment gives nothing back";
}

TEST(NewReno, FullAckMakesNoBurst) {  // RFC 6582 §3.2 step 3, option 1
  Host h = in_flight(10);
  for (int i = 0; i < 3; ++i) (void)h.input(ack_of(h, 0));
  (void)h.flush();
  const std::uint32_t sent = flight_bytes(h.c) / kMss;
  (void)h.input(ack_of(h, sent));
  EXPECT_EQ(h.c.congestion.cwnd, 2 * kMss);
  EXPECT_EQ(h.flush().size(), 2U);
}

TEST(LyingReceiver, AckDivisionGainsNothing) {  // catalogue D1 (Savage 1999), RFC 3465
  Host honest = in_flight(10);
  Host divided = in_flight(10);
  for (std::uint32_t i = 1; i <= 10; ++i) {
    (void)honest.input(ack_of(honest, i));
    for (std::uint32_t part = 1; part <= 1000; ++part) {
      Segment s = divided.peer();
      s.ack = Seq(1001 + (i - 1) * kMss + part);
      (void)divided.input(s);
    }
  }
  EXPECT_EQ(divided.c.congestion.cwnd, honest.c.congestion.cwnd);
  EXPECT_EQ(honest.c.congestion.cwnd, 20 * kMss);
}

TEST(LyingReceiver, ForgedDuplicatesGainAWindowAtMost) {  // Savage 1999, catalogue D3
  Host h = in_flight(10, {}, 200);
  std::size_t sent = 0;
  for (int i = 0; i < 5000; ++i) {
    (void)h.input(ack_of(h, 0));
    sent += h.flush().size();
  }
  EXPECT_LE(sent, 12U);
}

TEST(Idle, RestartsFromTheInitialWindow) {  // RFC 5681 §4.1
  Host h = in_flight(30, {}, 30);
  (void)h.input(ack_of(h, 30));
  EXPECT_GT(h.c.congestion.cwnd, 30 * kMss);
  EXPECT_TRUE(h.cold_is_empty());
  h.now += 150ms;
  (void)h.write("soon");
  (void)h.flush();
  EXPECT_GT(h.c.congestion.cwnd, 30 * kMss) << "not yet idle for an RTO";
  (void)h.input(h.peer());
  h.now += 5s;
  (void)h.write(pattern(60'000));
  EXPECT_EQ(h.flush().size(), 10U);
  EXPECT_EQ(h.c.congestion.cwnd, 10 * kMss);
}

TEST(Idle, WindowGrowsOnlyWhereItIsUsed) {  // RFC 7661
  Host h;
  h.establish();
  for (int i = 0; i < 1000; ++i) {
    (void)h.write("small request");
    (void)h.flush();
    h.now += 1ms;
    (void)h.input(h.peer());
  }
  EXPECT_EQ(h.c.congestion.cwnd, 14'600U);
}

TEST(SlowStart, DoublesEachRoundTrip) {  // RFC 5681 §3.1 with RFC 3465
  TcpConfig config = with_newreno();
  config.send_buffer = 4'000'000;
  config.receive_buffer = 4'000'000;
  Pair p(config, config);
  p.establish();
  static const std::string kText = pattern(3'000'000);
  EXPECT_EQ(p.a.write(kText, false), kText.size());
  const Instant start = p.a.now;
  EXPECT_TRUE(p.run([&] { return p.b.received.size() == 3'000'000; }, 10s));
  // 10, 20, 40 ... segments in each 20 ms: 2,072 segments take eight rounds.
  EXPECT_LE(p.a.now - start, 9 * 20ms + 5ms);
  EXPECT_EQ(p.a.counters.RetransSegs, 0U);
}

}  // namespace
}  // namespace millrace::tcp::test
