// SPDX-License-Identifier: BSD-3-Clause
//
// Every way in which a connection ends (RFC 9293 §3.6, §3.10.4, §3.10.5), and that each way ends:
// in bounded time with a silent peer (catalogue C7), with EOF once and at the right byte (B12).
#include "tcp/connection/closing.h"
#include "tests/tcp/connection/pair.h"

namespace millrace::tcp::test {
namespace {

// The deadline of a delayed ACK, the edge of DCTCP's marks and the FIN's time share a place.
TEST(Closing, TheTimeOfTheFinOutlivesEdgesOfMarksAndDelayedAcks) {
  for (const bool marked : {false, true}) {
    TcpConfig config;
    config.congestion = CongestionAlgorithm::dctcp;
    Host h(config);
    HostSetup setup;
    setup.ecn = true;
    h.establish(setup);
    Segment text = h.peer("text");
    text.ecn = marked ? 3 : 2;
    EXPECT_EQ(h.input(text), Drop::none);  // its ACK waits
    Segment fin = h.peer("more", kF | kA);
    fin.ecn = 2;
    EXPECT_EQ(h.input(fin), Drop::none);
    EXPECT_EQ(h.c.edge_owed, marked ? 1U : 0U);
    EXPECT_EQ(h.flush().size(), marked ? 2U : 1U);
    ASSERT_EQ(h.c.state, State::close_wait);
    EXPECT_FALSE(earliest_deadline(h.c).has_value());
    EXPECT_TRUE(h.pass(70s).empty());
    const Duration age = time_since_fin(h.c, h.now);
    EXPECT_GE(age, 69'900ms);
    EXPECT_LE(age, 70'100ms);
  }
}

Host established() {
  Host h;
  h.establish();
  return h;
}

TEST(Close, HalfCloseKeepsTheOtherDirection) {  // RFC 9293 §3.6
  Host h = established();
  h.shut_down();
  EXPECT_EQ(h.c.state, State::fin_wait_1);
  EXPECT_TRUE(h.flush().at(0).has(kF | kA));
  EXPECT_EQ(h.write("too late"), 0U);
  EXPECT_EQ(h.input(h.peer("one")), Drop::none);
  EXPECT_EQ(h.c.state, State::fin_wait_2);
  EXPECT_EQ(h.input(h.peer("two")), Drop::none);
  EXPECT_EQ(h.received, "onetwo");
  EXPECT_EQ(h.input(h.peer("three", kA | kF)), Drop::none);
  EXPECT_EQ(h.received, "onetwothree");
  EXPECT_TRUE(h.time_wait);
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].ack, Seq(5001 + 11 + 1));
  EXPECT_TRUE(h.flush().empty());
}

TEST(Close, CloseWaitStillSends) {  // RFC 9293 §3.6, half-close by the peer
  Host h = established();
  EXPECT_EQ(h.input(h.peer("request", kA | kF)), Drop::none);
  EXPECT_EQ(h.c.state, State::close_wait);
  EXPECT_EQ(h.ends_of_stream, 1);
  EXPECT_EQ(h.write(pattern(5000)), 5000U);
  h.close();
  EXPECT_EQ(h.c.state, State::last_ack);
  std::string text;
  for (const Segment& s : h.flush()) {
    text += s.data;
    EXPECT_EQ(s.has(kF), text.size() == 5000);
  }
  EXPECT_EQ(text, pattern(5000));
  EXPECT_EQ(h.input(h.peer()), Drop::none);
  EXPECT_TRUE(h.closed);
  EXPECT_EQ(h.reason, CloseReason::graceful);
  EXPECT_TRUE(h.cold_is_empty());
  EXPECT_FALSE(earliest_deadline(h.c).has_value());
}

TEST(Close, FinWaitsForQueuedData) {
  Host h = established();
  HostSetup s;
  s.snd_wnd = 1000;
  h.establish(s);
  (void)h.write(pattern(2500));
  h.shut_down();
  std::string text;
  bool fin = false;
  for (int i = 0; i < 5 && !fin; ++i) {
    for (const Segment& out : h.flush()) {
      text += out.data;
      fin |= out.has(kF);
      EXPECT_LE(bytes_between(h.c.snd_una, out.seq) + out.length(), 1000U);
    }
    Segment ack = h.peer();
    ack.window = 1000;
    (void)h.input(ack);
  }
  EXPECT_TRUE(fin);
  EXPECT_EQ(text, pattern(2500));
  EXPECT_EQ(h.c.state, State::fin_wait_2);
}

TEST(Close, SimultaneousClose) {  // RFC 9293 §3.6, figure 13
  Pair p;
  p.establish();
  p.a.close();
  p.b.close();
  p.run_for(1s);
  EXPECT_TRUE(p.a.time_wait && p.b.time_wait);
  EXPECT_EQ(p.a.ends_of_stream, 1);
  EXPECT_EQ(p.b.ends_of_stream, 1);
  EXPECT_EQ(p.sent_by_a, 2);
  EXPECT_EQ(p.sent_by_b, 2);
}

TEST(Close, FinAndAckOfOursInOneSegment) {
  Host h = established();
  h.close();
  (void)h.flush();
  EXPECT_EQ(h.input(h.peer("", kA | kF)), Drop::none);
  EXPECT_TRUE(h.time_wait) << "FIN-WAIT-1 passes through FIN-WAIT-2";
}

TEST(Close, ClosingWaitsForTheAckOfOurFin) {
  Host h = established();
  h.close();
  (void)h.flush();
  Segment fin = h.peer("", kA | kF);
  fin.ack = h.c.snd_una;
  EXPECT_EQ(h.input(fin), Drop::none);
  EXPECT_EQ(h.c.state, State::closing);
  EXPECT_EQ(h.flush().size(), 1U);
  EXPECT_EQ(h.input(fin), Drop::tcp_duplicate);
  EXPECT_EQ(h.c.state, State::closing);
  EXPECT_EQ(h.flush().size(), 1U) << "a FIN sent again is acknowledged again";
  EXPECT_EQ(h.input(h.peer()), Drop::none);
  EXPECT_TRUE(h.time_wait);
}

TEST(Close, FinIsRetransmittedWithItsData) {  // RFC 9293 §3.8.1
  Host h = established();
  (void)h.write("last words");
  h.close();
  EXPECT_EQ(h.flush().size(), 1U);
  const auto again = h.pass(1100ms);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].data, "last words");
  EXPECT_TRUE(again[0].has(kF | kA));
  EXPECT_EQ(again[0].seq, Seq(1001));
}

TEST(Close, FinAloneIsRetransmitted) {
  Host h = established();
  (void)h.write("words");
  (void)h.flush();
  h.close();
  (void)h.flush();
  Segment ack = h.peer();
  ack.ack = Seq(1006);
  EXPECT_EQ(h.input(ack), Drop::none);
  EXPECT_EQ(h.c.state, State::fin_wait_1);
  const auto again = h.pass(300ms);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].data, "");
  EXPECT_TRUE(again[0].has(kF | kA));
  EXPECT_EQ(again[0].seq, Seq(1006));
}

TEST(Close, DataAfterCloseAreAnsweredWithReset) {  // RFC 9293 §3.6.1
  for (const bool acked : {false, true}) {
    Host h = established();
    h.close();
    (void)h.flush();
    if (acked) (void)h.input(h.peer());
    EXPECT_EQ(h.c.state, acked ? State::fin_wait_2 : State::fin_wait_1);
    EXPECT_EQ(h.input(h.peer("data")), Drop::tcp_data_after_close);
    EXPECT_TRUE(h.closed);
    EXPECT_EQ(h.reason, CloseReason::unread_data);
    const auto sent = h.flush();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].flags, kR);
    EXPECT_EQ(sent[0].seq, h.c.snd_nxt);
    EXPECT_TRUE(h.flush().empty());
    EXPECT_TRUE(h.cold_is_empty());
    EXPECT_EQ(h.counters.TCPAbortOnData, 1U);
  }
}

TEST(Close, WithUnreadDataIsAReset) {  // RFC 9293 §3.6.1, RFC 2525 §2.17
  Host h = established();
  h.reads = false;
  (void)h.input(h.peer("nobody reads this"));
  h.close();
  EXPECT_TRUE(h.closed);
  EXPECT_EQ(h.reason, CloseReason::unread_data);
  EXPECT_EQ(h.flush().at(0).flags, kR);
  EXPECT_EQ(h.counters.TCPAbortOnClose, 1U);
  EXPECT_TRUE(h.cold_is_empty());
}

TEST(Abort, SendsResetWhereThePeerMustKnow) {  // RFC 9293 §3.10.5
  Host open = established();
  (void)open.write("discarded");
  open.abort();
  EXPECT_TRUE(open.closed);
  EXPECT_EQ(open.reason, CloseReason::aborted);
  ASSERT_EQ(open.flush().size(), 1U);
  EXPECT_TRUE(open.cold_is_empty());
  EXPECT_EQ(open.counters.EstabResets, 1U);

  Host last = established();
  (void)last.input(last.peer("", kA | kF));
  last.close();
  (void)last.flush();
  last.abort();
  EXPECT_TRUE(last.flush().empty()) << "LAST-ACK has said and heard all";
}

TEST(Eof, ComesOnceAndAtTheRightByte) {  // catalogue B12
  Host h = established();
  Segment fin = h.peer("abc", kA | kF);
  Segment late = fin;
  fin.seq += 3;  // the second half first
  fin.data = "def";
  EXPECT_EQ(h.input(fin), Drop::none);
  EXPECT_EQ(h.ends_of_stream, 0);
  Segment other_fin = fin;  // a second FIN elsewhere
  other_fin.seq += 3;
  other_fin.data = "xyz";
  EXPECT_EQ(h.input(other_fin), Drop::tcp_data_after_fin);
  late.flags = kA;
  EXPECT_EQ(h.input(late), Drop::none);
  EXPECT_EQ(h.received, "abcdef");
  EXPECT_EQ(h.ends_of_stream, 1);
  EXPECT_EQ(h.c.state, State::close_wait);
  EXPECT_EQ(h.c.rcv_nxt, Seq(5001 + 7));
  EXPECT_TRUE(h.cold_is_empty());
}

TEST(Eof, FinAloneOutOfOrderIsRemembered) {
  Host h = established();
  Segment fin = h.peer("", kA | kF);
  fin.seq += 4;
  EXPECT_EQ(h.input(fin), Drop::none);
  EXPECT_EQ(h.flush().size(), 1U) << "out of order: acknowledged at once";
  EXPECT_EQ(h.c.state, State::established);
  EXPECT_EQ(h.input(h.peer("data")), Drop::none);
  EXPECT_EQ(h.received, "data");
  EXPECT_EQ(h.c.state, State::close_wait);
  EXPECT_EQ(h.ends_of_stream, 1);
  EXPECT_TRUE(h.cold_is_empty());
}

TEST(Eof, FirstFinOutOfOrderStays) {
  Host h = established();
  Segment fin = h.peer("", kA | kF);
  fin.seq += 8;
  (void)h.input(fin);
  Segment earlier = fin;
  earlier.seq -= 4;
  (void)h.input(earlier);
  EXPECT_EQ(h.input(h.peer("12345678")), Drop::none);
  EXPECT_EQ(h.received, "12345678");
  EXPECT_EQ(h.ends_of_stream, 1);
}

TEST(Eof, FinBeforeAcceptedBytesIsALie) {
  Host h = established();
  Segment ahead = h.peer("world");
  ahead.seq += 5;
  (void)h.input(ahead);
  Segment fin = h.peer("", kA | kF);
  fin.seq += 7;
  (void)h.input(fin);
  EXPECT_EQ(h.input(h.peer("hello")), Drop::none);
  EXPECT_EQ(h.received, "helloworld");
  EXPECT_EQ(h.ends_of_stream, 0);
}

TEST(Eof, AfterCloseOutOfOrder) {  // catalogue B12: TLDK crashed here
  Host h = established();
  h.close();
  (void)h.flush();
  Segment fin = h.peer("", kA | kF);
  fin.seq += 1;
  (void)h.input(fin);
  EXPECT_EQ(h.c.state, State::fin_wait_2);
  EXPECT_EQ(h.input(h.peer("x")), Drop::tcp_data_after_close);
  EXPECT_TRUE(h.cold_is_empty());
}

// Catalogue C7: a peer that falls silent in each closing state. Invariant 9.
TEST(SilentPeer, EveryClosingStateEnds) {
  struct Row {
    State state;
    Duration at_most;
    CloseReason reason;
  };
  for (const Row row : {Row{State::fin_wait_1, 700s, CloseReason::timeout},
                        Row{State::closing, 700s, CloseReason::timeout},
                        Row{State::last_ack, 700s, CloseReason::timeout},
                        Row{State::fin_wait_2, 61s, CloseReason::timeout}}) {
    SCOPED_TRACE(name_of(row.state));
    Host h = established();
    if (row.state == State::last_ack) (void)h.input(h.peer("", kA | kF));
    (void)h.write("data");
    h.close();
    (void)h.flush();
    if (row.state == State::fin_wait_2) (void)h.input(h.peer());
    if (row.state == State::closing) {
      Segment fin = h.peer("", kA | kF);
      fin.ack = h.c.snd_una;
      (void)h.input(fin);
    }
    ASSERT_EQ(h.c.state, row.state);
    (void)h.flush();
    ASSERT_TRUE(earliest_deadline(h.c).has_value());
    (void)h.pass(row.at_most);
    EXPECT_TRUE(h.closed);
    EXPECT_EQ(h.reason, row.reason);
    EXPECT_TRUE(h.cold_is_empty());
    EXPECT_FALSE(earliest_deadline(h.c).has_value());
  }
}

TEST(SilentPeer, FinWait2WithAnOwnerStays) {
  Host h = established();
  h.shut_down();
  (void)h.flush();
  (void)h.input(h.peer());
  (void)h.pass(600s);
  EXPECT_EQ(h.c.state, State::fin_wait_2);
  EXPECT_EQ(h.input(h.peer("still here")), Drop::none);
  EXPECT_EQ(h.received, "still here");
  h.close();  // now nobody owns it
  (void)h.pass(61s);
  EXPECT_TRUE(h.closed);
}

TEST(SilentPeer, NothingProlongsFinWait2) {
  Host h = established();
  h.close();
  (void)h.flush();
  (void)h.input(h.peer());
  for (int i = 0; i < 61 && !h.closed; ++i) {
    (void)h.pass(1s);
    if (h.closed) break;
    (void)h.input(h.peer());
    h.close();
  }
  EXPECT_TRUE(h.closed);
}

TEST(SilentPeer, ClosedWindowHoldsAnOwnerlessConnectionOnlySoLong) {  // catalogue C6
  Host h = established();
  HostSetup s;
  s.snd_wnd = 0;
  h.establish(s);
  (void)h.write("data");
  h.close();
  const Instant start = h.now;
  while (!h.closed && h.now < start + 3600s) {
    for (const Segment& probe : h.pass(1s)) {
      (void)probe;
      Segment ack = h.peer();
      ack.ack = h.c.snd_una;
      ack.window = 0;
      (void)h.input(ack);
    }
  }
  EXPECT_TRUE(h.closed);
  EXPECT_EQ(h.reason, CloseReason::timeout);
}

TEST(Time, WaitTakesNothingAlong) {
  Host h = established();
  h.reads = false;
  (void)h.input(h.peer("unread"));
  h.shut_down();
  (void)h.flush();
  (void)h.input(h.peer("", kA | kF));
  EXPECT_TRUE(h.time_wait);
  EXPECT_EQ(h.c.state, State::time_wait);
  EXPECT_FALSE(earliest_deadline(h.c).has_value());
  EXPECT_EQ(h.flush().size(), 1U);
  h.read_all();
  EXPECT_EQ(h.received, "unread") << "what came before the FIN stays readable";
  EXPECT_TRUE(h.cold_is_empty());
}

}  // namespace
}  // namespace millrace::tcp::test
