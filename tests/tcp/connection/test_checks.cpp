// SPDX-License-Identifier: BSD-3-Clause
//
// The checks of RFC 9293 §3.10.7.4 one by one, with RFC 5961 and RFC 7323: what is accepted, what
// is answered, and that a refused segment changes nothing else.
#include <tuple>

#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {
namespace {

// What a refused segment must leave alone.
auto protocol_state(const Host& h) {
  const Connection& c = h.c;
  return std::tuple(State{c.state}, c.snd_una.raw(), c.snd_nxt.raw(), c.snd_wnd, c.snd_wl1.raw(),
                    c.rcv_nxt.raw(), c.rcv_adv.raw(), c.ts_recent, c.congestion.cwnd, c.max_snd_wnd,
                    h.received.size());
}

Host established(bool timestamps = false, bool ipv6 = false) {
  Host h;
  HostSetup s;
  s.timestamps = timestamps;
  s.ts_recent = 7000;
  s.ipv6 = ipv6;
  h.establish(s);
  return h;
}

// Brings an established connection to each synchronized state, by segments and calls.
void bring_to(Host& h, State state) {
  h.establish();
  if (state == State::close_wait || state == State::last_ack) (void)h.input(h.peer("", kA | kF));
  if (state == State::fin_wait_1 || state == State::fin_wait_2 || state == State::closing) {
    h.shut_down();
  }
  if (state == State::last_ack) h.shut_down();
  (void)h.flush();
  if (state == State::fin_wait_2) (void)h.input(h.peer());
  if (state == State::closing) {
    Segment fin = h.peer("", kA | kF);
    fin.ack = h.c.snd_una;
    (void)h.input(fin);
    (void)h.flush();
  }
  ASSERT_EQ(h.c.state, state);
}

constexpr State kSynchronized[] = {State::established, State::fin_wait_1, State::fin_wait_2,
                                   State::close_wait,  State::closing,    State::last_ack};

TEST(FirstCheck, AcceptsByTableSix) {  // RFC 9293 §3.10.7.4, table 6
  struct Row {
    std::int32_t offset;  // of SEG.SEQ from RCV.NXT
    std::uint32_t length;
    std::uint32_t window;
    bool acceptable;
  };
  constexpr Row kRows[] = {
      {0, 0, 0, true},         {-1, 0, 0, false},      {1, 0, 0, false},
      {0, 0, 1000, true},      {999, 0, 1000, true},   {1000, 0, 1000, true},
      {1001, 0, 1000, false},  {-1, 0, 1000, false},   {0, 10, 1000, true},
      {999, 10, 1000, true},   {1000, 1, 1000, false}, {1000, 10, 1000, false},
      {-9, 10, 1000, true},    {-10, 10, 1000, false}, {-100, 50, 1000, false},
      {-5, 2000, 1000, false},
  };
  for (const Row& row : kRows) {
    SCOPED_TRACE(testing::Message() << row.offset << " " << row.length << " " << row.window);
    Host h;
    h.config.receive_buffer = 1000;
    HostSetup s;
    s.rcv_wnd = row.window;
    h.establish(s);
    Segment in = h.peer(pattern(row.length));
    in.seq += static_cast<std::uint32_t>(row.offset);
    const auto before_it = protocol_state(h);
    const Drop drop = h.input(in);
    const bool refused = drop == Drop::tcp_out_of_window || drop == Drop::tcp_duplicate;
    EXPECT_EQ(refused, !row.acceptable) << name_of(drop);
    if (refused) {
      EXPECT_EQ(protocol_state(h), before_it);
      const auto sent = h.flush();
      ASSERT_EQ(sent.size(), 1U);  // "send an acknowledgment"
      EXPECT_EQ(sent[0].ack, h.c.rcv_nxt);
      EXPECT_EQ(sent[0].seq, h.c.snd_nxt);
    }
  }
}

TEST(FirstCheck, AnAckAloneIsTakenAtTheRightEdge) {  // from there speaks who has filled the window
  for (const State state : {State::syn_received, State::established, State::last_ack}) {
    SCOPED_TRACE(name_of(state));
    Host h;
    h.config.receive_buffer = 1000;
    HostSetup s;
    s.rcv_wnd = 1000;
    h.establish(s);
    h.c.state = state;
    Segment in = h.peer();
    in.seq += 1000;
    const Drop drop = h.input(in);
    EXPECT_EQ(drop != Drop::tcp_out_of_window, state != State::syn_received) << name_of(drop);
    for (const std::uint8_t other : {Flags::kFin, Flags::kRst}) {
      Segment more = in;
      more.flags |= other;
      EXPECT_EQ(h.input(more), Drop::tcp_out_of_window) << int{other};
    }
  }
}

TEST(FirstCheck, ClosedWindowStillTakesAcksAndResets) {  // RFC 9293 §3.10.7.4, MUST-66
  Host h;
  h.config.receive_buffer = 10;
  HostSetup s;
  s.rcv_wnd = 10;
  h.establish(s);
  h.reads = false;
  EXPECT_EQ(h.input(h.peer(pattern(10))), Drop::none);
  (void)h.write("x");
  EXPECT_EQ(h.flush().at(0).window, 0);
  Segment probe = h.peer("y");
  EXPECT_EQ(h.input(probe), Drop::tcp_window_closed);
  EXPECT_EQ(h.c.snd_una, h.c.snd_nxt) << "its ACK counts";
  EXPECT_EQ(h.received, "");
  EXPECT_EQ(h.flush().size(), 1U) << "a probe is answered";
  EXPECT_EQ(h.input(h.peer("", kR)), Drop::tcp_reset);
  EXPECT_TRUE(h.closed);
}

TEST(SecondCheck, ResetOnlyAtRcvNxt) {  // RFC 5961 §3.2, catalogue B1
  for (const State state : kSynchronized) {
    for (const std::int64_t offset :
         {-70'000L, -2L, -1L, 0L, 1L, 2L, 1000L, 65'534L, 65'535L, 65'536L, 1'000'000L}) {
      SCOPED_TRACE(testing::Message() << name_of(state) << " " << offset);
      Host h;
      bring_to(h, state);
      Segment rst = h.peer("", kR);
      rst.seq += static_cast<std::uint32_t>(offset);
      const std::uint32_t window = h.c.rcv_wnd();
      const auto before_it = protocol_state(h);
      const Drop drop = h.input(rst);
      if (offset == 0) {
        EXPECT_EQ(drop, Drop::tcp_reset);
        EXPECT_TRUE(h.closed);
        EXPECT_EQ(h.reason, CloseReason::reset);
        EXPECT_TRUE(h.cold_is_empty());
        EXPECT_TRUE(h.flush().empty()) << "a RST is not answered";
        continue;
      }
      const bool in_window = offset > 0 && offset < std::int64_t{window};
      EXPECT_EQ(drop, in_window ? Drop::tcp_rst_challenged : Drop::tcp_out_of_window);
      EXPECT_EQ(protocol_state(h), before_it);
      EXPECT_EQ(h.flush().size(), in_window ? 1U : 0U);
    }
  }
}

// Acceptable by table 6, for its text reaches into the window; but the reset began before it, and
// is dropped without a word (RFC 5961 §3.2, 1).
TEST(SecondCheck, ResetThatBeganBeforeTheWindowIsDroppedSilently) {
  for (const State state : kSynchronized) {
    SCOPED_TRACE(name_of(state));
    Host h;
    bring_to(h, state);
    Segment rst = h.peer("four", kR);
    rst.seq -= 1;
    EXPECT_EQ(h.input(rst), Drop::tcp_out_of_window);
    EXPECT_TRUE(h.flush().empty());
    EXPECT_FALSE(h.closed);
  }
}

TEST(SecondCheck, ResetWithoutTimestampIsStillAReset) {  // RFC 7323 §3.2
  Host h = established(true);
  Segment rst = h.peer("", kR);
  rst.options = Options{};
  EXPECT_EQ(h.input(rst), Drop::tcp_reset);
}

TEST(FourthCheck, AnySynIsChallenged) {  // RFC 5961 §4.2, catalogue B2
  for (const State state : kSynchronized) {
    for (const std::int64_t offset : {-70'000L, -1L, 0L, 1L, 65'535L, 1'000'000L}) {
      for (const std::uint8_t flags :
           {kS, static_cast<std::uint8_t>(kS | kA), static_cast<std::uint8_t>(kS | kF)}) {
        Host h;
        bring_to(h, state);
        Segment syn = h.peer("", flags);
        syn.seq += static_cast<std::uint32_t>(offset);
        const auto before_it = protocol_state(h);
        EXPECT_EQ(h.input(syn), Drop::tcp_syn_challenged);
        EXPECT_EQ(protocol_state(h), before_it);
        const auto sent = h.flush();
        ASSERT_EQ(sent.size(), 1U);
        EXPECT_EQ(sent[0].flags & (kS | kR), 0);
        EXPECT_EQ(h.counters.TCPSYNChallenge, 1U);
      }
    }
  }
}

TEST(FifthCheck, AckIsBelievedWithinTheLargestWindowEver) {  // RFC 5961 §5.2, B3 and B17
  for (const auto& [offset, good] : {std::pair{0L, true},
                                     {1L, false},
                                     {2L, false},
                                     {1'000'000L, false},
                                     {-1L, true},
                                     {-65'535L, true},
                                     {-65'536L, false},
                                     {-1'000'000L, false}}) {
    Host h = established();
    (void)h.write(pattern(5000));
    (void)h.flush();
    (void)h.input(h.peer());
    Segment in = h.peer("data");
    in.ack += static_cast<std::uint32_t>(offset);
    const auto before_it = protocol_state(h);
    const Drop drop = h.input(in);
    EXPECT_EQ(drop, good ? Drop::none : Drop::tcp_bad_ack) << offset;
    EXPECT_EQ(h.received, good ? "data" : "");
    if (!good) {
      EXPECT_EQ(protocol_state(h), before_it);
      EXPECT_EQ(h.flush().size(), 1U);
    }
  }
}

TEST(FifthCheck, LargestWindowGrowsWithTheWindow) {  // RFC 5961 §5.2: MAX.SND.WND
  Host h;
  HostSetup s;
  s.snd_wnd = 1000;
  h.establish(s);
  Segment wider = h.peer();
  wider.window = 5000;
  EXPECT_EQ(h.input(wider), Drop::none);
  Segment narrow = h.peer();
  narrow.window = 100;
  EXPECT_EQ(h.input(narrow), Drop::none);
  Segment old = h.peer("x");
  old.ack = h.c.snd_una - 5000;
  EXPECT_EQ(h.input(old), Drop::none);
  old = h.peer("y");
  old.ack = h.c.snd_una - 5001;
  EXPECT_EQ(h.input(old), Drop::tcp_bad_ack);
}

TEST(FifthCheck, WindowComesFromTheLatestSegment) {  // RFC 9293 §3.10.7.4: SND.WL1, SND.WL2
  Host h = established();
  Segment early = h.peer("early");
  early.window = 1000;
  Segment late = h.peer("late");
  late.seq += 5;
  late.window = 2000;
  EXPECT_EQ(h.input(late), Drop::none);
  EXPECT_EQ(h.c.snd_wnd, 2000U);
  EXPECT_EQ(h.input(early), Drop::none);
  EXPECT_EQ(h.received, "earlylate");
  EXPECT_EQ(h.c.snd_wnd, 2000U) << "an older segment does not take it back";
  (void)h.write("data");
  (void)h.flush();
  (void)h.input(h.peer());
  Segment old_ack = h.peer();
  old_ack.ack -= 4;
  old_ack.window = 7;
  (void)h.input(old_ack);
  EXPECT_EQ(h.c.snd_wnd, 65'535U) << "nor does an older ACK";
}

TEST(FifthCheck, NoAckBitIsDroppedSilently) {  // RFC 9293 §3.10.7.4
  Host h = established();
  EXPECT_EQ(h.input(h.peer("data", kP)), Drop::tcp_no_ack);
  EXPECT_EQ(h.received, "");
  EXPECT_TRUE(h.flush().empty());
}

TEST(FifthCheck, OptimisticAcksNeverCount) {  // catalogue D2
  Host h = established();
  (void)h.write(pattern(100'000));
  (void)h.flush();
  const std::uint32_t cwnd = h.c.congestion.cwnd;
  for (std::uint32_t i = 1; i < 100; ++i) {
    Segment in = h.peer();
    in.ack += i * 1460;
    EXPECT_EQ(h.input(in), Drop::tcp_bad_ack);
  }
  EXPECT_EQ(h.c.congestion.cwnd, cwnd);
  EXPECT_EQ(h.c.snd_una, Seq(1001));
}

TEST(Challenge, IsLimitedPerConnectionAlone) {  // RFC 5961 §7, catalogue B4
  Host a = established();
  Host other = established();
  const auto probe = [](Host& h) {
    (void)h.input(h.peer("", kS));
    return h.flush().size();
  };
  EXPECT_EQ(probe(a), 1U);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(probe(a), 0U);
  EXPECT_EQ(probe(other), 1U) << "another connection knows nothing of it";
  a.now += 499ms;
  EXPECT_EQ(probe(a), 0U);
  a.now += 35ms;
  EXPECT_EQ(probe(a), 1U);
  EXPECT_EQ(a.counters.TCPChallengeACK, 2U);
}

TEST(Challenge, NoIntervalMeansNoLimit) {
  Host h = established();
  h.config.challenge_ack_interval = 0s;
  for (int i = 0; i < 5; ++i) {
    (void)h.input(h.peer("", kS));
    EXPECT_EQ(h.flush().size(), 1U);
  }
}

TEST(Challenge, TwoEndsOutOfStepDoNotStorm) {  // catalogue B16
  Host a = established();
  Host b = established();
  b.c.rcv_nxt += 1'000'000;  // b believes other numbers than a
  b.c.rcv_adv += 1'000'000;
  b.c.last_ack_sent = b.c.rcv_nxt;
  b.c.snd_una = b.c.snd_nxt = b.c.snd_una + 3'000'000;
  int acks = 0;
  Segment first = a.peer();
  first.seq += 500'000;
  (void)a.input(first);
  for (int ms = 0; ms < 10'000; ++ms) {
    for (const Segment& s : a.flush()) {
      ++acks;
      (void)b.input(s);
    }
    for (const Segment& s : b.flush()) {
      ++acks;
      (void)a.input(s);
    }
    a.now += 1ms;
    b.now += 1ms;
  }
  EXPECT_GT(acks, 0);
  EXPECT_LE(acks, 2 * 2 * 10);
}

TEST(Paws, OldTimestampIsRefusedAndAnswered) {  // RFC 7323 §5.3
  Host h = established(true);
  Segment in = h.peer("data");
  in.options.tsval = 6999;
  EXPECT_EQ(h.input(in), Drop::tcp_paws);
  EXPECT_EQ(h.received, "");
  EXPECT_EQ(h.c.ts_recent, 7000U);
  EXPECT_EQ(h.counters.PAWSEstab, 1U);
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].options.tsecr, 7000U);
  in.options.tsval = 7000;
  EXPECT_EQ(h.input(in), Drop::none);
  EXPECT_EQ(h.received, "data");
}

TEST(Paws, MissingTimestampIsDroppedSilently) {  // RFC 7323 §3.2
  Host h = established(true);
  Segment in = h.peer("data");
  in.options = Options{};
  EXPECT_EQ(h.input(in), Drop::tcp_missing_timestamp);
  EXPECT_TRUE(h.flush().empty());
  EXPECT_EQ(h.received, "");
}

TEST(Paws, OnlySegmentsInWindowMoveTsRecent) {  // RFC 7323 §4.3, catalogue B15 (CVE-2005-0356)
  struct Row {
    std::int32_t seq_offset;
    std::int32_t ack_offset;
    std::uint32_t length;
  };
  for (const Row row : {Row{1'000'000, 0, 4}, Row{-10, 0, 4}, Row{65'535, 0, 0}, Row{0, 500, 4},
                        Row{0, -200'000, 0}, Row{1, 0, 4}}) {
    Host h = established(true);
    Segment in = h.peer(pattern(row.length));
    in.seq += static_cast<std::uint32_t>(row.seq_offset);
    in.ack += static_cast<std::uint32_t>(row.ack_offset);
    in.options.tsval += 1U << 30;
    (void)h.input(in);
    EXPECT_EQ(h.c.ts_recent, 7000U) << row.seq_offset;
    EXPECT_EQ(h.input(h.peer("good")), Drop::none);
  }
}

TEST(Paws, LastAckSentHoldsTheEchoBack) {  // RFC 7323 §4.3: the earliest unacknowledged is echoed
  Host h = established(true);
  Segment one = h.peer("a");
  one.options.tsval = 7010;
  EXPECT_EQ(h.input(one), Drop::none);
  Segment two = h.peer("b");
  two.options.tsval = 7020;
  EXPECT_EQ(h.input(two), Drop::none);
  EXPECT_EQ(h.c.ts_recent, 7010U);
  const auto sent = h.pass(50ms);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].options.tsecr, 7010U);
  Segment three = h.peer("c");
  three.options.tsval = 7030;
  EXPECT_EQ(h.input(three), Drop::none);
  EXPECT_EQ(h.c.ts_recent, 7030U);
}

TEST(Paws, TimestampsWrap) {  // catalogue D6
  for (const std::uint32_t start : {0x7fff'ff00U, 0xffff'ff00U}) {
    Host h;
    HostSetup s;
    s.timestamps = true;
    s.ts_recent = start;
    h.establish(s);
    for (std::uint32_t i = 1; i <= 40; ++i) {
      Segment in = h.peer("x");
      in.options.tsval = start + i * 16;
      EXPECT_EQ(h.input(in), Drop::none);
      (void)h.flush();
      (void)h.pass(50ms);
      Segment old = h.peer("y");
      old.options.tsval = start + i * 16 - 1;
      EXPECT_EQ(h.input(old), Drop::tcp_paws);
    }
    EXPECT_EQ(h.received.size(), 40U);
  }
}

TEST(Paws, ExpiresAfterTwentyFourDays) {  // RFC 7323 §5.5, catalogue D6
  for (const auto& [days, expired] : {std::pair{20, false}, {23, false}, {25, true}, {300, true}}) {
    for (const auto phase : {0s, 5000s, 17'000s}) {
      Host h;
      h.now += phase;
      HostSetup s;
      s.timestamps = true;
      s.ts_recent = 0x7000'0000;
      h.establish(s);
      h.now += std::chrono::hours(24) * days;
      Segment in = h.peer("late");
      in.options.tsval = 0x7000'0000U - 5;  // the peer's clock went all the way round
      EXPECT_EQ(h.input(in), expired ? Drop::none : Drop::tcp_paws) << days;
      if (expired) {
        EXPECT_EQ(h.c.ts_recent, 0x7000'0000U - 5);
      }
    }
  }
}

TEST(SixthCheck, UrgentBytesStayInLine) {  // RFC 9293 §3.8.5, RFC 6093, catalogue A12
  for (const State state : {State::established, State::fin_wait_1, State::fin_wait_2}) {
    for (const int urgent : {0, 1, 9, 10, 11, 65'535}) {
      Host h;
      bring_to(h, state);
      Segment in = h.peer(pattern(10), kA | kU);
      in.urgent = static_cast<std::uint16_t>(urgent);
      EXPECT_EQ(h.input(in), Drop::none);
      EXPECT_EQ(h.received, pattern(10));
      Segment ahead = h.peer("", kA | kU);
      ahead.urgent = static_cast<std::uint16_t>(urgent);
      EXPECT_EQ(h.input(ahead), Drop::none);
      EXPECT_EQ(h.received, pattern(10));
    }
  }
}

TEST(SeventhCheck, TextAfterTheFinIsIgnored) {  // RFC 9293 §3.10.7.4
  for (const State state : {State::close_wait, State::closing, State::last_ack}) {
    Host h;
    bring_to(h, state);
    Segment in = h.peer("more");
    in.ack = h.c.snd_una;
    EXPECT_EQ(h.input(in), Drop::tcp_data_after_fin);
    EXPECT_EQ(h.received, "");
    EXPECT_EQ(h.c.state, state);
  }
}

TEST(SeventhCheck, TextBeyondTheWindowIsCut) {
  Host h;
  h.config.receive_buffer = 100;
  HostSetup s;
  s.rcv_wnd = 100;
  h.establish(s);
  h.reads = false;
  const std::string text = pattern(150);
  EXPECT_EQ(h.input(h.peer(text, kA | kF)), Drop::none);
  h.read_all();
  EXPECT_EQ(h.received, text.substr(0, 100));
  EXPECT_EQ(h.ends_of_stream, 0) << "the FIN lies beyond the window";
}

TEST(SeventhCheck, TextBeyondTheWindowIsCutWhoeverReads) {
  Host h;
  h.config.receive_buffer = 100;
  HostSetup s;
  s.rcv_wnd = 100;
  h.establish(s);
  EXPECT_EQ(h.input(h.peer(pattern(150))), Drop::none);
  EXPECT_EQ(h.received, pattern(100));
}

TEST(SeventhCheck, SequenceNumbersWrap) {  // catalogue D5
  for (const std::uint32_t k : {0U, 1U, 2U, 535U, 1459U, 1460U, 1461U, 2920U, 4380U, 65'535U}) {
    for (const std::uint32_t base : {0U, 0x8000'0000U}) {
      for (const bool ipv6 : {false, true}) {
        Host h;
        HostSetup s;
        s.irs = Seq(base - k);
        s.iss = Seq(base - k - 1);
        s.ipv6 = ipv6;
        h.establish(s);
        std::string sent_text;
        for (int i = 0; i < 60; ++i) {
          const std::string text = pattern(1460, static_cast<std::size_t>(i) * 1460);
          EXPECT_EQ(h.input(h.peer(text)), Drop::none);
          sent_text += text;
          (void)h.write(text);
          (void)h.flush();
        }
        EXPECT_EQ(h.received, sent_text);
        EXPECT_EQ(h.input(h.peer()), Drop::none);
        EXPECT_EQ(h.c.snd_una, h.c.snd_nxt);
      }
    }
  }
}

}  // namespace
}  // namespace millrace::tcp::test
