// SPDX-License-Identifier: BSD-3-Clause
//
// SYN-SENT and SYN-RECEIVED of an active open: RFC 9293 §3.10.7.3, §3.5 (simultaneous open), §3.7.1
// (MSS), RFC 7323 §1.3, RFC 6298 §5.7, RFC 5961 §3.2.
#include "tests/tcp/connection/pair.h"

namespace millrace::tcp::test {
namespace {

Host opening(const TcpConfig& config = TcpConfig{}, bool ipv6 = false) {
  Host h(config);
  EXPECT_TRUE(h.open(Seq(100), ipv6));
  EXPECT_EQ(h.flush().size(), 1U);
  return h;
}

Segment syn_ack(std::uint32_t ack = 101) {
  Segment s{Seq(500), Seq(ack), kS | kA, 8000, "", {}, 0};
  return s;
}

TEST(SynSent, FiveChecksInOrder) {
  struct Row {
    std::uint8_t flags;
    std::uint32_t ack;
    Drop drop;
    State state;
    bool reset_reply;
    CloseReason reason;
  };
  constexpr std::uint8_t kSA = kS | kA, kRA = kR | kA, kFA = kF | kA;
  const Row rows[] = {
      // first, ACK: not acceptable -> RST unless RST
      {kSA, 100, Drop::tcp_syn_sent_bad_ack, State::syn_sent, true, CloseReason::none},
      {kSA, 102, Drop::tcp_syn_sent_bad_ack, State::syn_sent, true, CloseReason::none},
      {kA, 100, Drop::tcp_syn_sent_bad_ack, State::syn_sent, true, CloseReason::none},
      {kRA, 100, Drop::tcp_syn_sent_bad_ack, State::syn_sent, false, CloseReason::none},
      {kRA, 102, Drop::tcp_syn_sent_bad_ack, State::syn_sent, false, CloseReason::none},
      // second, RST
      {kRA, 101, Drop::tcp_reset, State::closed, false, CloseReason::refused},
      {kR, 0, Drop::tcp_syn_sent_bad_ack, State::syn_sent, false, CloseReason::none},
      {kS | kR | kA, 101, Drop::tcp_reset, State::closed, false, CloseReason::refused},
      // fourth, SYN
      {kSA, 101, Drop::none, State::established, false, CloseReason::none},
      {kS, 0, Drop::none, State::syn_received, false, CloseReason::none},
      // fifth, neither SYN nor RST
      {kA, 101, Drop::tcp_syn_sent_no_syn, State::syn_sent, false, CloseReason::none},
      {kFA, 101, Drop::tcp_syn_sent_no_syn, State::syn_sent, false, CloseReason::none},
      {kF, 0, Drop::tcp_syn_sent_no_syn, State::syn_sent, false, CloseReason::none},
      {0, 0, Drop::tcp_syn_sent_no_syn, State::syn_sent, false, CloseReason::none},
  };
  for (const bool ipv6 : {false, true}) {
    for (const Row& row : rows) {
      SCOPED_TRACE(testing::Message() << int{row.flags} << " " << row.ack);
      Host h = opening({}, ipv6);
      Segment in = syn_ack(row.ack);
      in.flags = row.flags;
      EXPECT_EQ(h.input(in), row.drop);
      EXPECT_EQ(h.c.state, row.state);
      EXPECT_EQ(h.reason, row.reason);
      EXPECT_EQ(h.reset_replies.size(), row.reset_reply ? 1U : 0U);
      if (row.reset_reply) {
        EXPECT_EQ(h.reset_replies[0], Seq(row.ack));
      }
      EXPECT_EQ(h.connected, row.state == State::established);
    }
  }
}

TEST(SynSent, BeforeTheFirstFlushNothingCanBeAcknowledged) {
  Host h;
  ASSERT_TRUE(h.open(Seq(100)));
  EXPECT_EQ(h.input(syn_ack()), Drop::tcp_syn_sent_bad_ack);
  EXPECT_EQ(h.c.state, State::syn_sent);
}

TEST(SynSent, OptionsAgreeOnlyWhereBothOffer) {  // RFC 9293 §3.7.1, RFC 7323 §1.3, RFC 2018 §2
  for (int bits = 0; bits < 32; ++bits) {
    TcpConfig config;
    config.timestamps = (bits & 1) != 0;
    config.sack = (bits & 2) != 0;
    config.window_scaling = (bits & 4) != 0;
    const bool peer_offers = (bits & 8) != 0;
    const bool ipv6 = (bits & 16) != 0;
    Host h(config);
    ASSERT_TRUE(h.open(Seq(100), ipv6));
    const Segment syn = h.flush().at(0);
    EXPECT_EQ(syn.options.has_timestamps(), config.timestamps);
    EXPECT_EQ(syn.options.has_sack_permitted(), config.sack);
    EXPECT_EQ(syn.options.has_window_scale(), config.window_scaling);
    EXPECT_EQ(syn.options.mss, ipv6 ? 1440 : 1460);
    EXPECT_EQ(syn.window, 65'535);
    Segment answer = syn_ack();
    if (peer_offers) {
      answer.options.has = Options::kTimestamps | Options::kSackPermitted | Options::kWindowScale;
      answer.options.window_scale = 7;
      answer.options.tsval = 42;
    }
    EXPECT_EQ(h.input(answer), Drop::none);
    EXPECT_EQ(h.c.has(Connection::kTimestamps), config.timestamps && peer_offers);
    EXPECT_EQ(h.c.has(Connection::kSack), config.sack && peer_offers);
    EXPECT_EQ(h.c.peer_scale(), config.window_scaling && peer_offers ? 7 : 0);
    EXPECT_EQ(h.c.our_scale(), config.window_scaling && peer_offers ? 7 : 0) << "for 6 MiB";
    EXPECT_EQ(h.c.snd_wnd, 8000U) << "the window of a SYN is not scaled";
    const int assumed = ipv6 ? 1220 : 536;  // MUST-15: the option is absent
    EXPECT_EQ(h.c.mss, assumed - (h.c.has(Connection::kTimestamps) ? 12 : 0));
    const auto ack = h.flush();
    ASSERT_EQ(ack.size(), 1U);
    EXPECT_EQ(ack[0].options.has_timestamps(), h.c.has(Connection::kTimestamps));
    if (ack[0].options.has_timestamps()) {
      EXPECT_EQ(ack[0].options.tsecr, 42U);
    }
  }
}

TEST(SynSent, TinyMssIsRaisedToTheFloor) {  // catalogue C5 (CVE-2019-11479)
  for (const int told : {0, 1, 47, 48, 215, 216, 217, 1460, 9000, 65'535}) {
    Host h = opening();
    Segment answer = syn_ack();
    answer.options.has = Options::kMss;
    answer.options.mss = static_cast<std::uint16_t>(told);
    EXPECT_EQ(h.input(answer), Drop::none);
    EXPECT_EQ(h.c.mss, std::clamp(told, 216, 1460));
    (void)h.flush();
    (void)h.write(pattern(1024));
    EXPECT_LE(h.flush().size(), 5U) << "packets per KiB";
  }
}

TEST(SynSent, RetransmitsWithBackoffThenGivesUp) {  // RFC 6298 §5.5, RFC 9293 §3.8.3
  Host h;
  ASSERT_TRUE(h.open(Seq(100)));
  const Instant start = h.now;
  std::vector<Instant> at;
  while (!h.closed && h.now < start + 300s) {
    for (const Segment& s : h.flush()) {
      EXPECT_EQ(s.flags, kS);
      EXPECT_EQ(s.seq, Seq(100));
      at.push_back(h.now);
    }
    h.now += 1ms;
    if (const auto due = earliest_deadline(h.c); due && !tick_before(tick_of(h.now), *due)) {
      h.fire_due();
    }
  }
  ASSERT_EQ(at.size(), 6U);  // 1 + syn_retries
  Duration expected = 1s;
  for (std::size_t i = 1; i < at.size(); ++i, expected *= 2) {
    EXPECT_GE(at[i] - at[i - 1], expected);
    EXPECT_LE(at[i] - at[i - 1], expected + 3ms);
  }
  EXPECT_EQ(h.reason, CloseReason::timeout);
  EXPECT_TRUE(h.cold_is_empty());
  EXPECT_EQ(h.counters.TCPSynRetrans, 5U);
  EXPECT_EQ(h.counters.AttemptFails, 1U);
}

TEST(SynSent, LostSynMakesACautiousStart) {  // RFC 5681 §3.1, RFC 6298 §5.7
  Host h = opening();
  (void)h.pass(1100ms);
  EXPECT_EQ(h.input(syn_ack()), Drop::none);
  EXPECT_EQ(h.c.congestion.cwnd, h.c.mss);
  EXPECT_EQ(retransmission_timeout(h.c, h.config), 3s);
  Host quick = opening();
  quick.now += 30ms;
  EXPECT_EQ(quick.input(syn_ack()), Drop::none);
  EXPECT_EQ(quick.c.congestion.cwnd, 10U * quick.c.mss);
  EXPECT_EQ(quick.c.srtt_us, 30'000U);
}

TEST(SynSent, TextAndFinOfTheSynAckCount) {  // RFC 9293 §3.10.7.3, catalogue B11
  Host h = opening();
  Segment answer = syn_ack();
  answer.data = "early";
  answer.flags = kS | kA | kF;
  EXPECT_EQ(h.input(answer), Drop::none);
  EXPECT_EQ(h.received, "early");
  EXPECT_EQ(h.c.state, State::close_wait);
  EXPECT_EQ(h.ends_of_stream, 1);
  EXPECT_EQ(h.c.rcv_nxt, Seq(500 + 1 + 5 + 1));
}

TEST(SynSent, QueuedDataRideOnTheThirdSegment) {
  Host h;
  ASSERT_TRUE(h.open(Seq(100)));
  EXPECT_EQ(h.write("request"), 7U);
  const auto syn = h.flush();
  ASSERT_EQ(syn.size(), 1U);
  EXPECT_EQ(syn[0].data, "");
  EXPECT_EQ(h.input(syn_ack()), Drop::none);
  const auto third = h.flush();
  ASSERT_EQ(third.size(), 1U);
  EXPECT_EQ(third[0].data, "request");
  EXPECT_EQ(third[0].seq, Seq(101));
  EXPECT_EQ(third[0].ack, Seq(501));
}

TEST(SynSent, ShutDownWhileOpeningSendsFinAfterwards) {
  Host h = opening();
  (void)h.write("bye");
  h.shut_down();
  EXPECT_EQ(h.c.state, State::syn_sent);
  EXPECT_EQ(h.input(syn_ack()), Drop::none);
  EXPECT_EQ(h.c.state, State::fin_wait_1);
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].data, "bye");
  EXPECT_TRUE(sent[0].has(kF | kA));
}

TEST(SynSent, CloseDeletesTheConnection) {  // RFC 9293 §3.10.4
  Host h = opening();
  (void)h.write("never sent");
  h.close();
  EXPECT_TRUE(h.closed);
  EXPECT_TRUE(h.flush().empty());
  EXPECT_TRUE(h.cold_is_empty());
}

TEST(SynSent, NoMemoryIsSaidAtOnce) {
  Host h(TcpConfig{}, {0, 0, 0, 0});
  EXPECT_FALSE(h.open(Seq(100)));
}

TEST(SimultaneousOpen, MeetsInTheMiddle) {  // RFC 9293 §3.5, figure 8; catalogue B9
  for (const bool ipv6 : {false, true}) {
    Pair p;
    ASSERT_TRUE(p.a.open(Seq(100), ipv6));
    ASSERT_TRUE(p.b.open(Seq(300), ipv6));
    (void)p.a.write("from a");
    (void)p.b.write("from b");
    EXPECT_TRUE(p.run([&] { return p.a.received == "from b" && p.b.received == "from a"; }, 5s));
    EXPECT_EQ(p.a.c.state, State::established);
    EXPECT_EQ(p.b.c.state, State::established);
    EXPECT_TRUE(p.a.connected && p.b.connected);
    EXPECT_TRUE(p.a.c.has(Connection::kTimestamps) && p.b.c.has(Connection::kTimestamps));
    EXPECT_EQ(p.a.c.snd_nxt, Seq(107));
    EXPECT_EQ(p.b.c.rcv_nxt, Seq(107));
    EXPECT_EQ(p.a.counters.RetransSegs, 0U);
  }
}

TEST(SimultaneousOpen, SurvivesLoss) {
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    Pair p;
    ASSERT_TRUE(p.a.open(Seq(100)));
    ASSERT_TRUE(p.b.open(Seq(300)));
    p.fate = chaos(seed, 0.3, 0.3, 0.2);
    (void)p.a.write("from a");
    (void)p.b.write("from b");
    EXPECT_TRUE(p.run([&] { return p.a.received == "from b" && p.b.received == "from a"; }))
        << seed;
  }
}

TEST(SynReceived, ByRfc) {  // RFC 9293 §3.10.7.4 for SYN-RECEIVED
  const auto make = [] {
    Host h = opening();
    Segment syn{Seq(500), Seq(), kS, 8000, "", {}, 0};
    EXPECT_EQ(h.input(syn), Drop::none);
    EXPECT_EQ(h.c.state, State::syn_received);
    const auto sent = h.flush();
    EXPECT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].flags, kS | kA);
    EXPECT_EQ(sent[0].seq, Seq(100));
    EXPECT_EQ(sent[0].ack, Seq(501));
    return h;
  };
  Host ack = make();
  EXPECT_EQ(ack.input({Seq(501), Seq(101), kA, 9000, "hi", {}, 0}), Drop::none);
  EXPECT_EQ(ack.c.state, State::established);
  EXPECT_EQ(ack.received, "hi");
  Host bad = make();
  EXPECT_EQ(bad.input({Seq(501), Seq(102), kA, 9000, "", {}, 0}), Drop::tcp_bad_ack);
  ASSERT_EQ(bad.reset_replies.size(), 1U);
  EXPECT_EQ(bad.reset_replies[0], Seq(102));
  EXPECT_EQ(bad.c.state, State::syn_received);
  Host reset = make();
  EXPECT_EQ(reset.input({Seq(501), Seq(), kR, 0, "", {}, 0}), Drop::tcp_reset);
  EXPECT_EQ(reset.reason, CloseReason::refused);
  Host blind = make();
  EXPECT_EQ(blind.input({Seq(502), Seq(), kR, 0, "", {}, 0}), Drop::tcp_rst_challenged);
  Host closing = make();
  closing.close();
  EXPECT_EQ(closing.input({Seq(501), Seq(101), kA, 9000, "", {}, 0}), Drop::none);
  EXPECT_EQ(closing.c.state, State::fin_wait_1);
  EXPECT_TRUE(closing.flush().at(0).has(kF));
  Host silent = make();
  (void)silent.pass(300s);
  EXPECT_EQ(silent.reason, CloseReason::timeout);
}

}  // namespace
}  // namespace millrace::tcp::test
