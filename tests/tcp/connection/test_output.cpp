// SPDX-License-Identifier: BSD-3-Clause
//
// What is sent and when: Nagle and silly windows (RFC 9293 §3.7.4, §3.8.6.2), ACKs (§3.8.6.3, RFC
// 5681 §4.2), windows and probes (§3.8.6), keepalive (§3.8.4), the shape of segments.
#include "tests/tcp/connection/pair.h"

namespace millrace::tcp::test {
namespace {

Host established(const TcpConfig& config = TcpConfig{}, std::uint32_t snd_wnd = 65'535) {
  Host h(config);
  HostSetup s;
  s.snd_wnd = snd_wnd;
  h.establish(s);
  return h;
}

std::string text_of(const std::vector<Segment>& sent) {
  std::string text;
  for (const Segment& s : sent) text += s.data;
  return text;
}

TEST(Nagle, HoldsTheShortTailWhileDataAreInFlight) {  // RFC 9293 §3.7.4
  Host h = established();
  (void)h.write("one");
  EXPECT_EQ(h.flush().size(), 1U);
  (void)h.write("two");
  (void)h.write("three");
  EXPECT_TRUE(h.flush().empty());
  (void)h.write(pattern(1460));
  const auto full = h.flush();
  ASSERT_EQ(full.size(), 1U) << "a full segment goes";
  EXPECT_EQ(full[0].data.size(), 1460U);
  EXPECT_EQ(h.input(h.peer()), Drop::none);
  const auto tail = h.flush();
  ASSERT_EQ(tail.size(), 1U);
  EXPECT_TRUE(tail[0].has(kP));
}

TEST(Nagle, LooksAtShortSegmentsOnly) {  // Minshall: the end of a large write need not wait
  Host h = established();
  (void)h.write(pattern(2000));
  EXPECT_EQ(h.flush().size(), 2U);
  (void)h.write("more");
  EXPECT_TRUE(h.flush().empty());
  Segment ack = h.peer();
  ack.ack = Seq(1001 + 1460);
  EXPECT_EQ(h.input(ack), Drop::none);
  EXPECT_TRUE(h.flush().empty());
  EXPECT_EQ(h.input(h.peer()), Drop::none);
  EXPECT_EQ(h.flush().size(), 1U);
}

TEST(Nagle, HasASwitch) {  // MUST-17
  TcpConfig config;
  config.nagle = false;
  Host h = established(config);
  for (int i = 0; i < 5; ++i) {
    (void)h.write("x");
    EXPECT_EQ(h.flush().size(), 1U);
  }
}

TEST(Nagle, DoesNotHoldWhatAFinFollows) {
  Host h = established();
  (void)h.write("one");
  (void)h.flush();
  (void)h.write("two");
  h.shut_down();
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_TRUE(sent[0].has(kF | kP));
}

TEST(Segments, AreFullAndPushedAtTheEnd) {
  for (const bool timestamps : {false, true}) {
    for (const bool ipv6 : {false, true}) {
      Host h;
      HostSetup s;
      s.timestamps = timestamps;
      s.ipv6 = ipv6;
      h.establish(s);
      const std::string text = pattern(5000);
      (void)h.write(text);
      const auto sent = h.flush();
      EXPECT_TRUE(text_of(sent) == text);
      const std::size_t mss = (ipv6 ? 1440U : 1460U) - (timestamps ? 12U : 0U);
      ASSERT_EQ(sent.size(), 4U);
      for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(sent[i].has(kP), i == 3);
        EXPECT_EQ(sent[i].data.size(), i == 3 ? 5000 - 3 * mss : mss);
        EXPECT_EQ(sent[i].options.has_timestamps(), timestamps);
      }
    }
  }
}

TEST(Segments, BurstsAreCutByThePort) {
  TcpConfig config;
  config.max_segment_burst = 9000;
  Host h = established(config);
  (void)h.write(pattern(14'000));
  SegmentOut out;
  ASSERT_TRUE(next_segment(h.c, h.context(), out));
  EXPECT_EQ(out.payload_bytes, 6U * 1460);
  EXPECT_EQ(out.segment_size, 1460);
  ASSERT_TRUE(next_segment(h.c, h.context(), out));
  EXPECT_EQ(out.payload_bytes, 14'000U - 6 * 1460);
  EXPECT_EQ(out.segment_size, 1460);
  (void)h.write(pattern(3000));
  h.c.congestion.cwnd = 100'000;
  ASSERT_TRUE(next_segment(h.c, h.context(), out));
  EXPECT_EQ(out.payload_bytes, 2U * 1460) << "Nagle: one short segment in flight is enough";
}

TEST(Segments, BurstsOfManySmallPiecesAreWholeSegments) {
  TcpConfig config;
  config.max_segment_burst = 9000;
  Host h = established(config);
  h.c.mss = 1000;
  // Lasting memory that does not adjoin: each write is a piece, and eight of them make a burst.
  const std::string text = pattern(20'000);
  for (std::size_t at = 0; at + 600 < text.size(); at += 700) {
    ASSERT_EQ(h.write(std::string_view(text).substr(at, 600), false), 600U);
  }
  SegmentOut out;
  ASSERT_TRUE(next_segment(h.c, h.context(), out));
  EXPECT_EQ(out.segment_size, 1000);
  EXPECT_EQ(out.payload_bytes, 4000U) << "and not 4,800: a short segment in the midst";
  ASSERT_TRUE(next_segment(h.c, h.context(), out));
  EXPECT_EQ(out.payload_bytes % 1000, 0U);
}

TEST(Segments, KeepWithinBothWindows) {  // invariant 4
  for (const std::uint32_t window : {1U, 500U, 1460U, 4000U, 65'535U}) {
    Host h = established({}, window);
    (void)h.write(pattern(60'000));
    const std::size_t sent = text_of(h.flush()).size();
    EXPECT_LE(sent, window);
    EXPECT_LE(sent, 14'600U) << "IW10 (RFC 6928)";
  }
}

TEST(SillyWindow, SenderWaitsForHalfTheLargestWindow) {  // RFC 9293 §3.8.6.2.1
  Host h = established({}, 1000);
  (void)h.write(pattern(5000));
  EXPECT_EQ(text_of(h.flush()).size(), 1000U) << "half of the largest window ever and more";
  Segment ack = h.peer();
  ack.window = 400;
  (void)h.input(ack);
  EXPECT_TRUE(h.flush().empty()) << "400 of 1000 is silly";
  const auto later = h.pass(1100ms);
  EXPECT_EQ(text_of(later).substr(0, 400).size(), 400U) << "the timer overrides";
  Segment more = h.peer();
  more.window = 600;
  (void)h.input(more);
  EXPECT_EQ(text_of(h.flush()).size(), 600U);
}

TEST(SillyWindow, ReceiverOpensByASegmentOrNotAtAll) {  // RFC 9293 §3.8.6.2.2
  TcpConfig config;
  config.receive_buffer = 8000;
  Host h(config);
  HostSetup s;
  s.rcv_wnd = 8000;
  h.establish(s);
  h.reads = false;
  (void)h.input(h.peer(pattern(1460)));
  (void)h.input(h.peer(pattern(1460)));
  (void)h.input(h.peer(pattern(1460)));
  (void)h.input(h.peer(pattern(1460)));
  (void)h.input(h.peer(pattern(1460)));
  (void)h.input(h.peer(pattern(700)));
  EXPECT_EQ(h.flush().back().window, 0);
  EXPECT_EQ(h.counters.TCPToZeroWindowAdv, 1U);
  take(h.c, 1000, h.context());
  EXPECT_TRUE(h.flush().empty()) << "1000 bytes are not worth telling";
  Segment probe = h.peer("p");
  EXPECT_EQ(h.input(probe), Drop::tcp_window_closed);
  EXPECT_EQ(h.flush().at(0).window, 0) << "nor are they told when asked";
  take(h.c, 500, h.context());
  const auto update = h.flush();
  ASSERT_EQ(update.size(), 1U) << "a segment's worth is";
  EXPECT_EQ(update[0].window, 1500);
  EXPECT_EQ(h.counters.TCPFromZeroWindowAdv, 1U);
}

TEST(Window, RightEdgeNeverGoesBackOnTheWire) {  // invariant 2, RFC 7323 §2.4
  TcpConfig config;
  config.receive_buffer = 262'144;
  for (std::size_t length = 1; length < 40; ++length) {
    Host h(config);
    HostSetup s;
    s.window_scaling = true;
    h.establish(s);
    h.reads = false;
    Seq edge = h.c.rcv_adv;
    for (int i = 0; i < 60; ++i) {
      (void)h.input(h.peer(pattern(length * 7)));
      (void)h.input(h.peer(pattern(length)));
      for (const Segment& out : h.pass(50ms)) {
        const Seq now_edge = out.ack + (std::uint32_t{out.window} << 3);
        EXPECT_TRUE(at_or_after(now_edge, edge));
        edge = now_edge;
      }
    }
    EXPECT_LE(unread_bytes(h.c, h.context()) + h.c.rcv_wnd(), config.receive_buffer + 8);
  }
}

TEST(Window, ScaleFitsTheBuffer) {  // RFC 7323 §2.3
  EXPECT_EQ(scale_for(65'535), 0);
  EXPECT_EQ(scale_for(65'536), 1);
  EXPECT_EQ(scale_for(262'144), 3);
  EXPECT_EQ(scale_for(1U << 30), 14);
  EXPECT_EQ(scale_for(0xffff'ffff), 14);
  EXPECT_EQ(scale_for(1), 0);
}

TEST(DelayedAck, WaitsFortyMilliseconds) {  // RFC 9293 §3.8.6.3
  Host h = established();
  (void)h.input(h.peer("x"));
  EXPECT_TRUE(h.flush().empty());
  h.now += 39ms;
  h.fire_due();
  EXPECT_TRUE(h.flush().empty());
  h.now += 2ms;
  h.fire_due();
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].ack, Seq(5002));
  EXPECT_EQ(h.counters.DelayedACKs, 1U);
}

TEST(DelayedAck, RidesOnData) {
  Host h = established();
  (void)h.input(h.peer("request"));
  (void)h.write("response");
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].ack, Seq(5008));
  EXPECT_TRUE(h.pass(100ms).empty());
}

TEST(DelayedAck, EverySecondFullSegmentAtOnce) {  // RFC 5681 §4.2
  Host h = established();
  for (int i = 0; i < 10; ++i) {
    (void)h.input(h.peer(pattern(1460)));
    EXPECT_EQ(h.flush().size(), i % 2 == 1 ? 1U : 0U);
  }
}

TEST(DelayedAck, SmallSegmentsWaitTogether) {
  Host h = established();
  for (int i = 0; i < 5; ++i) {
    (void)h.input(h.peer(pattern(64)));
    EXPECT_TRUE(h.flush().empty());
  }
  EXPECT_EQ(h.pass(45ms).size(), 1U) << "forty milliseconds after the first of them";
}

// SHLD-19: twice our MSS is not left waiting, however few segments a receiving NIC made of it, and
// however many a peer's small writes.
TEST(DelayedAck, TwiceAFullSegmentAtOnce) {
  Host one = established();
  (void)one.input(one.peer(pattern(2919)));
  EXPECT_TRUE(one.flush().empty());
  Host joined = established();
  (void)joined.input(joined.peer(pattern(2920)));
  EXPECT_EQ(joined.flush().size(), 1U);
  Host small = established();
  for (int i = 0; i < 29; ++i) (void)small.input(small.peer(pattern(100)));
  EXPECT_TRUE(small.flush().empty());
  (void)small.input(small.peer(pattern(100)));
  EXPECT_EQ(small.flush().size(), 1U);
}

TEST(DelayedAck, OfABurstIsOneForTwoSegments) {
  for (const bool coalesce : {false, true}) {
    TcpConfig config;
    config.coalesce_acks = coalesce;
    Host h = established(config);
    for (int i = 0; i < 10; ++i) (void)h.input(h.peer(pattern(1460)));
    const auto sent = h.flush();
    if (coalesce) {
      ASSERT_EQ(sent.size(), 1U);
      EXPECT_EQ(sent[0].ack, h.c.rcv_nxt);
      continue;
    }
    ASSERT_EQ(sent.size(), 5U);
    for (std::uint32_t i = 0; i < 5; ++i) {
      EXPECT_EQ(sent[i].ack, Seq(5001 + (i + 1) * 2920));
      EXPECT_TRUE(at_or_after(sent[i].ack + sent[i].window, sent[0].ack + sent[0].window));
    }
  }
}

TEST(DelayedAck, CanBeSwitchedOff) {
  TcpConfig config;
  config.delayed_ack = 0s;
  Host h = established(config);
  (void)h.input(h.peer("x"));
  EXPECT_EQ(h.flush().size(), 1U);
}

TEST(Acks, OneForEachSegmentOutOfOrder) {  // RFC 5681 §4.2
  Host h = established();
  for (std::uint32_t i = 1; i <= 5; ++i) {
    Segment s = h.peer(pattern(100));
    s.seq += i * 100;
    (void)h.input(s);
  }
  (void)h.write("data go last");
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 6U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(sent[i].ack, Seq(5001));
    EXPECT_EQ(sent[i].data, "");
    EXPECT_EQ(sent[i].window, sent[0].window) << "else it is no duplicate";
  }
  EXPECT_EQ(sent[5].data, "data go last");
}

TEST(Acks, OfDuplicatesGoBeforeData) {
  Host h = established();
  Segment s = h.peer("hello");
  (void)h.input(s);
  (void)h.pass(50ms);
  (void)h.input(s);
  (void)h.input(s);
  (void)h.write("data");
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].data, "");
  EXPECT_EQ(sent[1].data, "data") << "which carries the last of them";
}

TEST(Acks, OfAFilledHoleIsOneAndAtOnce) {  // RFC 5681 §4.2; no false partial ACKs (RFC 6582)
  Host h = established();
  for (std::uint32_t i = 1; i <= 20; ++i) {
    Segment s = h.peer(pattern(1460));
    s.seq += i * 1460;
    (void)h.input(s);
  }
  (void)h.flush();
  (void)h.input(h.peer(pattern(1460)));
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].ack, Seq(5001 + 21 * 1460));
}

TEST(Acks, DuplicatesAreAnsweredAtOnce) {
  Host h = established();
  Segment s = h.peer("hello");
  (void)h.input(s);
  (void)h.pass(50ms);
  EXPECT_EQ(h.input(s), Drop::tcp_duplicate);
  EXPECT_EQ(h.flush().size(), 1U);
  EXPECT_EQ(h.counters.DelayedACKLost, 1U);
}

TEST(ZeroWindow, IsProbedWithBackoffAndWithoutEndWhileAnswered) {  // §3.8.6.1, MUST-35 to 37
  TcpConfig config;
  config.min_rto = 200ms;
  Host h = established(config, 0);
  (void)h.write("abc");
  EXPECT_TRUE(h.flush().empty());
  std::vector<Instant> at;
  const Instant start = h.now;
  while (h.now < start + 1200s) {
    ASSERT_FALSE(h.closed);
    for (const Segment& probe : h.pass(10ms)) {
      EXPECT_EQ(probe.data, "a") << "one octet of new data";
      EXPECT_EQ(probe.seq, Seq(1001));
      at.push_back(h.now);
      Segment answer = h.peer();
      answer.ack = Seq(1001);
      answer.window = 0;
      EXPECT_EQ(h.input(answer), Drop::none);
    }
  }
  ASSERT_GE(at.size(), 12U);
  EXPECT_NEAR(std::chrono::duration<double>(at[0] - start).count(), 1.0, 0.05) << "after one RTO";
  EXPECT_NEAR(std::chrono::duration<double>(at[2] - at[1]).count(), 4.0, 0.05);
  EXPECT_NEAR(std::chrono::duration<double>(at.back() - at[at.size() - 2]).count(), 60.0, 0.1);
  EXPECT_EQ(h.counters.TCPWinProbe, at.size());
  EXPECT_EQ(h.counters.RetransSegs, 0U);
}

TEST(ZeroWindow, UnansweredProbesEnd) {
  Host h = established({}, 0);
  (void)h.write("abc");
  (void)h.pass(700s);
  EXPECT_TRUE(h.closed);
  EXPECT_EQ(h.reason, CloseReason::timeout);
}

TEST(ZeroWindow, RefusedOctetIsSentAgainWithTheRest) {
  Host h = established({}, 0);
  (void)h.write("abcdef");
  const auto probe = h.pass(1100ms);
  ASSERT_EQ(probe.size(), 1U);
  Segment open = h.peer();
  open.ack = Seq(1001);
  open.window = 1000;
  EXPECT_EQ(h.input(open), Drop::none);
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].data, "abcdef");
  EXPECT_EQ(sent[0].seq, Seq(1001));
  EXPECT_EQ(h.input(h.peer()), Drop::none);
  EXPECT_TRUE(h.cold_is_empty());
  EXPECT_EQ(h.c.congestion.cwnd, 14'600U) << "no sign of congestion";
}

TEST(ZeroWindow, TakenOctetIsNotSentAgain) {
  Host h = established({}, 0);
  (void)h.write("abcdef");
  (void)h.pass(1100ms);
  Segment open = h.peer();
  open.window = 1000;
  EXPECT_EQ(h.input(open), Drop::none);
  EXPECT_EQ(text_of(h.flush()), "bcdef");
}

TEST(ZeroWindow, LostWindowUpdateDoesNotHang) {
  TcpConfig config;
  config.receive_buffer = 6000;
  Pair p(TcpConfig{}, config);
  p.establish();
  p.b.reads = false;
  const std::string text = pattern(30'000);
  (void)p.a.write(text);
  p.run_for(2s);
  EXPECT_LT(unread_bytes(p.b.c, p.b.context()), 6100U);
  EXPECT_EQ(p.b.c.rcv_wnd(), 0U);
  int lost = 0;
  p.fate = [&](bool from_a, int, Segment&) {
    if (!from_a && lost == 0) {
      ++lost;
      return std::vector<Duration>{};
    }
    return std::vector<Duration>{Duration::zero()};
  };
  p.b.reads = true;
  p.b.read_all();  // the update that this owes is lost
  EXPECT_TRUE(p.run([&] { return p.b.received.size() == text.size(); }, 30s));
  EXPECT_EQ(lost, 1);
  EXPECT_TRUE(p.b.received == text);
}

TEST(ZeroWindow, OverDataInFlightTurnsIntoProbes) {  // RFC 9293 §3.8.6, MUST-34
  Host h = established();
  (void)h.write(pattern(5000));
  (void)h.flush();
  Segment shrink = h.peer();
  shrink.ack = Seq(1001);
  shrink.window = 0;
  (void)h.input(shrink);
  const auto sent = h.pass(1100ms);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].data.size(), 1U);
  EXPECT_EQ(sent[0].seq, Seq(1001));
  Segment open = shrink;
  open.window = 60'000;
  (void)h.input(open);
  EXPECT_TRUE(text_of(h.flush()) == pattern(5000));
}

TEST(ZeroWindow, ItsBackoffIsNotThatOfRetransmission) {
  Host h = established({}, 0);
  (void)h.write("abc");
  (void)h.pass(20s);
  EXPECT_GE(h.c.backoff, 3U);
  Segment open = h.peer();
  open.ack = Seq(1001);
  open.window = 1000;
  (void)h.input(open);
  EXPECT_EQ(h.flush().size(), 1U);
  EXPECT_EQ(h.c.send_timer, SendTimer::retransmit);
  EXPECT_EQ(h.c.backoff, 0U);
}

TEST(ZeroWindow, FinNeedsAnOctetOfTheWindow) {
  Host h = established({}, 5);
  (void)h.write("12345");
  h.shut_down();
  auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_FALSE(sent[0].has(kF));
  Segment open = h.peer();
  open.window = 1;
  (void)h.input(open);
  sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_TRUE(sent[0].has(kF));
}

TEST(ZeroWindow, BlocksTheFinToo) {
  Host h = established({}, 0);
  h.shut_down();
  EXPECT_TRUE(h.flush().empty());
  const auto probe = h.pass(1100ms);
  ASSERT_EQ(probe.size(), 1U);
  EXPECT_TRUE(probe[0].has(kF)) << "its octet is the FIN";
  EXPECT_EQ(h.input(h.peer()), Drop::none);
  EXPECT_EQ(h.c.state, State::fin_wait_2);
}

TEST(ZeroWindow, ResetAfterAProbeIsBelieved) {  // RFC 9293 §3.10.7.4, second check; RFC 5961 §3.2
  TcpConfig small;
  small.receive_buffer = 4'000;
  Pair p({}, small);
  p.establish();
  p.b.reads = false;
  EXPECT_EQ(p.a.write(pattern(8'000)), 8'000U);
  p.run_for(5s);
  ASSERT_GT(p.a.counters.TCPWinProbe, 0U);
  ASSERT_TRUE(after(p.a.c.snd_nxt, p.b.c.rcv_adv)) << "the probe put SND.NXT beyond the window";
  p.a.abort();
  p.run_for(1s);
  EXPECT_TRUE(p.b.closed);
  EXPECT_EQ(p.b.reason, CloseReason::reset);
  EXPECT_EQ(p.b.counters.TCPChallengeACK, 0U);
}

TEST(ZeroWindow, ResetInAnswerToAProbeIsBelieved) {
  Host h = established({}, 0);
  h.write("abc");
  EXPECT_TRUE(h.flush().empty());
  const auto probe = h.pass(1100ms);
  ASSERT_EQ(probe.size(), 1U);
  Segment reset;
  reset.seq = probe[0].ack;  // RFC 9293 §3.10.7.1: SEQ=SEG.ACK
  reset.flags = kR;
  EXPECT_EQ(h.input(reset), Drop::tcp_reset);
  EXPECT_TRUE(h.closed);
  EXPECT_EQ(h.reason, CloseReason::reset);
}

TEST(Keepalive, IsOffByDefault) {  // RFC 9293 §3.8.4, MUST-25
  Host h = established();
  EXPECT_FALSE(earliest_deadline(h.c).has_value());
}

TEST(Keepalive, ProbesThenGivesUp) {
  TcpConfig config;
  config.keepalive = true;
  config.keepalive_idle = 10s;
  config.keepalive_interval = 2s;
  config.keepalive_probes = 3;
  Host h = established(config);
  EXPECT_TRUE(h.pass(9900ms).empty());
  const auto probe = h.pass(200ms);
  ASSERT_EQ(probe.size(), 1U);
  EXPECT_EQ(probe[0].seq, h.c.snd_nxt - 1);
  EXPECT_EQ(probe[0].data, "");
  EXPECT_EQ(h.input(h.peer()), Drop::none);  // the peer lives
  EXPECT_TRUE(h.pass(9900ms).empty());
  EXPECT_EQ(h.pass(4200ms).size(), 3U);
  EXPECT_FALSE(h.closed);
  const auto last = h.pass(2s);
  EXPECT_TRUE(h.closed);
  EXPECT_EQ(h.reason, CloseReason::keepalive);
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].flags, kR);
  EXPECT_EQ(h.counters.TCPKeepAlive, 4U);
}

TEST(Keepalive, IsAnsweredByAnyPeer) {
  TcpConfig config;
  config.keepalive = true;
  config.keepalive_idle = 10s;
  Pair p(config);
  p.establish();
  p.run_for(95s);
  EXPECT_FALSE(p.a.closed);
  EXPECT_NEAR(p.sent_by_a, 9, 1);
  EXPECT_EQ(p.sent_by_b, p.sent_by_a);
}

TEST(Keepalive, StandsBackForData) {
  TcpConfig config;
  config.keepalive = true;
  config.keepalive_idle = 1s;
  Host h = established(config);
  (void)h.write("data");
  (void)h.flush();
  EXPECT_EQ(h.c.send_timer, SendTimer::retransmit);
  EXPECT_EQ(h.input(h.peer()), Drop::none);
  EXPECT_EQ(h.c.send_timer, SendTimer::keepalive);
  EXPECT_EQ(h.pass(1100ms).size(), 1U);
}

}  // namespace
}  // namespace millrace::tcp::test
