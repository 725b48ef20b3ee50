// SPDX-License-Identifier: BSD-3-Clause
//
// Faults that long simulated runs found first, each in the smallest form that shows it.
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

}  // namespace
}  // namespace millrace::tcp::test
