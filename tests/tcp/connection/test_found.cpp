// SPDX-License-Identifier: BSD-3-Clause
//
// Faults that long simulated runs found first, each in the smallest form that shows it.
#include <algorithm>

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

std::uint32_t sent_bytes(const std::vector<Segment>& sent) {
  std::uint32_t n = 0;
  for (const Segment& s : sent) n += static_cast<std::uint32_t>(s.data.size());
  return n;
}

Segment syn_ack(Seq ack) { return {Seq(500), ack, kS | kA, 60'000, "", {}, 0}; }

// A segment that is sent again carries an old sequence number and the newest ACK and window.
// SND.UNA moved with the ACK while SND.WND stayed, and more went out than had ever been offered.
TEST(SendWindow, OfAResentSegmentCountsIfItsAckIsNew) {
  Host h = established({}, 4380);
  (void)h.write(pattern(20'000));
  EXPECT_EQ(sent_bytes(h.flush()), 4380U);
  Segment text = h.peer("12345");  // advances SND.WL1
  text.ack = Seq(1001);
  text.window = 4380;
  EXPECT_EQ(h.input(text), Drop::none);
  (void)h.flush();
  Segment again = text;  // the same text once more, with news
  again.seq = text.seq - 1;
  again.data = "x12345y";
  again.ack = Seq(5381);
  again.window = 100;
  EXPECT_EQ(h.input(again), Drop::none);
  EXPECT_EQ(h.c.snd_una, Seq(5381));
  EXPECT_EQ(h.c.snd_wnd, 100U);
  EXPECT_LE(sent_bytes(h.flush()), 100U);
}

// Without a new ACK the older segment's window is history.
TEST(SendWindow, OfAnOlderSegmentWithTheSameAckIsOld) {
  Host h = established({}, 4000);
  Segment text = h.peer("12345");
  text.window = 3000;
  EXPECT_EQ(h.input(text), Drop::none);
  Segment late = text;
  late.seq = text.seq - 1;
  late.data = "x12345y";
  late.window = 100;
  EXPECT_EQ(h.input(late), Drop::none);
  EXPECT_EQ(h.c.snd_wnd, 3000U);
  EXPECT_EQ(h.c.snd_wl1, text.seq);
}

// Nagle's memory of the last short segment began at whatever SND.UNA had been before the ISS: short
// data written before the handshake was over waited for the persist timer with half of all ISSs.
TEST(Nagle, KnowsNoShortSegmentBeforeTheFirst) {
  for (const std::uint32_t iss : {0U, 100U, 0x4000'0000U, 0x8000'0001U, 0xc000'0000U, ~0U}) {
    Host h;
    ASSERT_TRUE(h.open(Seq(iss)));
    (void)h.write("request");
    EXPECT_EQ(h.flush().size(), 1U);
    EXPECT_EQ(h.input(syn_ack(Seq(iss) + 1)), Drop::none);
    EXPECT_EQ(sent_bytes(h.flush()), 7U) << iss;
  }
}

// A burst that began with the byte of a probe was taken for one that is sent again, and its short
// end forgotten.
TEST(Nagle, RemembersAShortEndBehindAProbedByte) {
  TcpConfig config;
  config.max_segment_burst = 60'000;
  Host h = established(config, 0);
  (void)h.write(pattern(2000));
  EXPECT_EQ(sent_bytes(h.pass(1100ms)), 1U);
  Segment open = h.peer();
  open.ack = Seq(1001);  // the byte was refused
  EXPECT_EQ(h.input(open), Drop::none);
  EXPECT_EQ(sent_bytes(h.flush()), 2000U);
  (void)h.write("more");
  EXPECT_TRUE(h.flush().empty());
  EXPECT_EQ(h.input(h.peer()), Drop::none);
  EXPECT_EQ(sent_bytes(h.flush()), 4U);
}

// The window of a SYN-ACK is not scaled. After an ACK in SYN-RECEIVED had told a scaled one, a
// SYN-ACK sent again carried its lowest 16 bits.
TEST(SimultaneousOpen, WindowOfASynAckSentAgainIsCappedNotCut) {
  TcpConfig config;
  config.receive_buffer = 200'000;
  Host h(config);
  ASSERT_TRUE(h.open(Seq(100)));
  (void)h.flush();
  Segment syn{Seq(500), Seq(), kS, 8000, "", {}, 0};
  syn.options.has = Options::kWindowScale;
  syn.options.window_scale = 3;
  EXPECT_EQ(h.input(syn), Drop::none);
  EXPECT_EQ(h.flush().size(), 1U);
  Segment lost = h.peer("beyond");
  lost.seq = Seq(501 + 100'000);
  EXPECT_EQ(h.input(lost), Drop::tcp_out_of_window);
  const auto told = h.flush();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_FALSE(told[0].has(kS));
  EXPECT_GT(h.c.rcv_wnd(), 0xffffU);
  const auto again = h.pass(1500ms);
  ASSERT_FALSE(again.empty());
  EXPECT_TRUE(again[0].has(kS | kA));
  EXPECT_EQ(again[0].window, 0xffffU);
}

// A burst was cut at the MSS although its header carried SACK blocks: longer than the MTU.
TEST(Bursts, LeaveRoomForSackBlocksInEverySegment) {
  TcpConfig config;
  config.max_segment_burst = 60'000;
  Host h = established(config);
  Segment early = h.peer("early");
  early.seq += 100;
  EXPECT_EQ(h.input(early), Drop::none);
  (void)h.flush();
  (void)h.write(pattern(10'000));
  SegmentOut out;
  std::uint32_t sent = 0;
  while (next_segment(h.c, h.context(), out)) {
    ASSERT_EQ(out.options.sack_count, 1U);
    const std::uint32_t each = out.segment_size != 0 ? out.segment_size : out.payload_bytes;
    EXPECT_LE(each + 12, 1460U);
    sent += out.payload_bytes;
  }
  EXPECT_EQ(sent, 10'000U);
}

// A small MSS of the peer's made bursts of more segments than a worker keeps buffers for.
TEST(Bursts, AreOfABoundedNumberOfSegments) {
  TcpConfig config;
  config.max_segment_burst = 60'000;
  Host h(config);
  HostSetup setup;
  setup.peer_mss = 216;
  h.establish(setup);
  h.c.congestion.cwnd = 60'000;
  (void)h.write(pattern(50'000));
  SegmentOut out;
  ASSERT_TRUE(next_segment(h.c, h.context(), out));
  EXPECT_EQ(out.segment_size, 216U);
  EXPECT_EQ(out.payload_bytes, 216U * kMaxSegmentsPerBurst);
}

// A probe owed from before the window opened went beyond what was being sent again, and left the
// cursor behind it: the next segment carried other bytes.
TEST(ZeroWindow, AProbeThatOvertakesAResendKeepsTheCursor) {
  Host h = established({}, 0);
  const std::string text = pattern(4000);
  (void)h.write(text);
  EXPECT_EQ(sent_bytes(h.pass(1100ms)), 1U);
  h.now += 5s;
  h.fire_due();  // the next probe is due, and not yet sent
  ASSERT_TRUE(h.c.has(Connection::kProbeOwed));
  Segment open = h.peer();
  open.ack = Seq(1001);
  open.window = 10'000;
  EXPECT_EQ(h.input(open), Drop::none);
  std::size_t end = 0;
  for (const Segment& s : h.flush()) {
    const std::size_t at = bytes_between(Seq(1001), s.seq);
    EXPECT_EQ(s.data, text.substr(at, s.data.size())) << at;
    end = std::max(end, at + s.data.size());
  }
  EXPECT_EQ(end, text.size());
}

// A writer that found no memory while its SYN was in flight was never told that there was some.
TEST(SynSent, ABlockedWriterIsToldWhenThereIsMemory) {
  Host h(TcpConfig{}, {4, 4, 16, 1});
  const std::uint32_t taken = h.stores.blocks.create();
  ASSERT_TRUE(h.open(Seq(100)));
  (void)h.flush();
  EXPECT_EQ(h.write("no room"), 0U);
  EXPECT_EQ(h.input(syn_ack(Seq(101))), Drop::none);
  (void)h.flush();
  h.writable = 0;
  h.stores.blocks.free(taken);
  (void)h.pass(2s);
  EXPECT_EQ(h.writable, 1);
}

// The challenge that another rule sends for it completes the open as well, one round trip later.
TEST(SimultaneousOpen, EndsWithThePeersSynAckAlone) {
  Host h;
  ASSERT_TRUE(h.open(Seq(100)));
  (void)h.flush();
  EXPECT_EQ(h.input({Seq(500), Seq(), kS, 8000, "", {}, 0}), Drop::none);
  EXPECT_EQ(h.c.state, State::syn_received);
  (void)h.flush();
  EXPECT_EQ(h.input(syn_ack(Seq(101))), Drop::none);
  EXPECT_EQ(h.c.state, State::established);
  EXPECT_TRUE(h.connected);
}

// The ACK of everything but the FIN ended LAST-ACK in a planted fault, and no test here saw it.
TEST(LastAck, EndsWithTheAckOfTheFinOnly) {
  Host h = established();
  EXPECT_EQ(h.input(h.peer("", kF | kA)), Drop::none);
  (void)h.write("abc");
  h.shut_down();
  (void)h.flush();
  EXPECT_EQ(h.c.state, State::last_ack);
  Segment ack = h.peer();
  ack.seq = h.c.rcv_nxt;
  ack.ack = h.c.snd_nxt - 1;
  EXPECT_EQ(h.input(ack), Drop::none);
  EXPECT_EQ(h.c.state, State::last_ack);
  EXPECT_FALSE(h.closed);
  ack.ack = h.c.snd_nxt;
  EXPECT_EQ(h.input(ack), Drop::none);
  EXPECT_TRUE(h.closed);
  EXPECT_EQ(h.reason, CloseReason::graceful);
}

// Planted faults that no test here saw: text right behind a FIN that waits for its turn, an abort
// in FIN-WAIT-1, and a reset from beyond a closed window.
TEST(Fin, NothingIsKeptRightBehindOne) {
  Host h = established();
  Segment fin = h.peer("early", kF | kA);
  fin.seq += 10;
  EXPECT_EQ(h.input(fin), Drop::none);
  Segment behind = h.peer("behind");
  behind.seq = fin.seq + 5 + 1;
  EXPECT_EQ(h.input(behind), Drop::tcp_data_after_fin);
  Segment at_it = behind;
  at_it.seq = fin.seq + 5;
  EXPECT_EQ(h.input(at_it), Drop::tcp_data_after_fin);
  EXPECT_EQ(h.input(h.peer("0123456789")), Drop::none);
  h.read_all();
  EXPECT_EQ(h.received, "0123456789early");
  EXPECT_EQ(h.ends_of_stream, 1);
}

TEST(Abort, TellsThePeerInEveryStateThatItKnows) {  // RFC 9293 §3.10.5
  for (const bool acknowledged : {false, true}) {
    Host h = established();
    h.shut_down();
    (void)h.flush();
    if (acknowledged) (void)h.input(h.peer());
    EXPECT_EQ(h.c.state, acknowledged ? State::fin_wait_2 : State::fin_wait_1);
    h.abort();
    const auto sent = h.flush();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_TRUE(sent[0].has(kR));
  }
}

TEST(Abort, ResetsFromWithinTheWindow) {
  Host h = established({}, 0);
  (void)h.write("abc");
  EXPECT_EQ(sent_bytes(h.pass(1100ms)), 1U);  // a probe, beyond the window
  EXPECT_EQ(h.c.snd_nxt, Seq(1002));
  h.abort();
  const auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_TRUE(sent[0].has(kR));
  EXPECT_EQ(sent[0].seq, Seq(1001));
}

}  // namespace
}  // namespace millrace::tcp::test
