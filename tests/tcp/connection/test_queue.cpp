// SPDX-License-Identifier: BSD-3-Clause
//
// SEND and RECEIVE (RFC 9293 §3.10.2, §3.10.3) and what they cost: cold objects come and go with
// the data, bounds hold, a writer that was stopped is called again.
#include <random>

#include "tests/tcp/connection/pair.h"

namespace millrace::tcp::test {
namespace {

Host established(const TcpConfig& config = TcpConfig{}, Host::Sizes sizes = {4, 4, 4096, 1024}) {
  Host h(config, sizes);
  h.establish();
  return h;
}

TEST(Send, SmallWritesShareABlock) {
  Host h = established();
  h.c.snd_wnd = 0;
  std::string all;
  for (std::size_t i = 0; i < 100; ++i) {
    const std::string text = pattern(64, i * 64);
    EXPECT_EQ(h.write(text), 64U);
    all += text;
  }
  EXPECT_EQ(h.stores.blocks.live(), 4U);  // 6400 bytes
  EXPECT_EQ(h.stores.chunks.live(), 3U);  // the first lies in the SendState
  h.c.snd_wnd = 65'535;
  std::string sent;
  for (const Segment& s : h.flush()) sent += s.data;
  EXPECT_TRUE(sent == all);
}

// Enough for all that a test writes.
TcpConfig large_queue() {
  TcpConfig config;
  config.send_buffer = 262'144;
  return config;
}

TEST(Send, LastingMemoryIsReferredTo) {
  Host h = established(large_queue());
  static const std::string kPage = pattern(100'000);
  EXPECT_EQ(h.write(kPage, false), 100'000U);
  EXPECT_EQ(h.stores.blocks.live(), 0U);
  EXPECT_EQ(h.stores.chunks.live(), 0U);
  SegmentOut out;
  ASSERT_TRUE(next_segment(h.c, h.context(), out));
  EXPECT_EQ(out.pieces[0].data(), as_bytes(kPage).data());
}

TEST(Send, MixesBothInOrder) {
  Pair p(large_queue());
  p.establish();
  static const std::string kLasting = pattern(3000);
  std::string all;
  for (std::size_t i = 0; i < 40; ++i) {
    const std::string small = pattern(10 + i, i);
    EXPECT_EQ(p.a.write(small), small.size());
    EXPECT_EQ(p.a.write(kLasting, false), 3000U);
    all += small + kLasting;
  }
  EXPECT_TRUE(p.run([&] { return p.b.received.size() == all.size(); }, 60s));
  EXPECT_TRUE(p.b.received == all);
  EXPECT_TRUE(p.run([&] { return p.a.cold_is_empty(); }, 1s));
}

TEST(Send, ManyTinyPiecesStillMakeSegments) {
  Host h = established();
  h.c.snd_wnd = 0;
  static const std::string kLasting = pattern(300);
  std::string all;
  for (int i = 0; i < 100; ++i) {
    (void)h.write(kLasting, false);
    all += kLasting;
  }
  h.c.snd_wnd = 65'535;
  std::string sent;
  for (int round = 0; round < 10; ++round) {
    for (const Segment& s : h.flush()) sent += s.data;
    (void)h.input(h.peer());
  }
  EXPECT_TRUE(sent == all);
}

TEST(Send, StopsAtTheBufferAndCallsBack) {
  TcpConfig config;
  config.send_buffer = 30'000;
  Host h = established(config);
  EXPECT_EQ(h.write(pattern(50'000)), 30'000U);
  EXPECT_EQ(h.write("more"), 0U);
  EXPECT_EQ(send_space(h.c, h.context()), 0U);
  EXPECT_EQ(h.writable, 0);
  int before_it = 0;
  while (h.writable == 0 && before_it < 100) {
    (void)h.flush();
    (void)h.input(h.peer());
    ++before_it;
  }
  EXPECT_EQ(h.writable, 1);
  EXPECT_GE(send_space(h.c, h.context()), 10'000U);
  (void)h.flush();
  (void)h.input(h.peer());
  EXPECT_EQ(h.writable, 1) << "once";
}

TEST(Send, EmptyPoolStopsItAndATimerCallsBack) {
  for (const Host::Sizes sizes : {Host::Sizes{0, 4, 8, 8}, Host::Sizes{1, 4, 8, 0}}) {
    Host h = established({}, sizes);
    EXPECT_EQ(h.write("x"), 0U);
    EXPECT_TRUE(h.c.has(Connection::kWriteBlocked));
    EXPECT_TRUE(h.cold_is_empty());
    EXPECT_TRUE(h.flush().empty());
    (void)h.pass(100ms);
    EXPECT_EQ(h.writable, 0);
  }
  Host h = established({}, {1, 1, 2, 1});
  const std::uint32_t taken = h.stores.blocks.create();
  EXPECT_EQ(h.write("x"), 0U);
  (void)h.pass(50ms);
  EXPECT_EQ(h.writable, 0);
  h.stores.blocks.free(taken);
  (void)h.pass(50ms);
  EXPECT_EQ(h.writable, 1);
  EXPECT_EQ(h.write("x"), 1U);
  EXPECT_EQ(h.flush().size(), 1U);
  EXPECT_EQ(h.c.send_timer, SendTimer::retransmit);
}

TEST(Send, WithoutChunksOneBlockIsTaken) {
  Host h = established({}, {1, 4, 0, 8});
  EXPECT_EQ(h.write(pattern(3'000)), kBlockBytes) << "the chunk in the SendState needs no pool";
  EXPECT_TRUE(h.c.has(Connection::kWriteBlocked));
  EXPECT_EQ(h.stores.blocks.live(), 1U) << "a block without a chunk would be lost";
  EXPECT_EQ(h.flush().size(), 1U + (kBlockBytes - 1) / h.c.mss);
}

TEST(Send, TimerAsksWhenTheLastAckFreedNoBlock) {
  for (const bool keepalive : {false, true}) {
    TcpConfig config;
    config.keepalive = keepalive;
    Host h = established(config, {1, 1, 4, 1});
    static const std::string kLasting = pattern(1000);
    const std::uint32_t taken = h.stores.blocks.create();
    EXPECT_EQ(h.write(kLasting, false), 1000U);
    EXPECT_EQ(h.write("x"), 0U);
    (void)h.flush();
    (void)h.input(h.peer());
    EXPECT_EQ(h.writable, 0);
    EXPECT_EQ(h.c.send_timer, SendTimer::memory);
    (void)h.pass(50ms);
    EXPECT_EQ(h.writable, 0);
    h.stores.blocks.free(taken);
    (void)h.pass(50ms);
    EXPECT_EQ(h.writable, 1);
    EXPECT_EQ(h.c.send_timer, keepalive ? SendTimer::keepalive : SendTimer::none);
  }
}

TEST(Send, NoStateForAFinIsAnAbort) {
  Host h = established({}, {0, 1, 1, 1});
  h.close();
  EXPECT_TRUE(h.closed);
  EXPECT_EQ(h.reason, CloseReason::no_memory);
  EXPECT_EQ(h.flush().at(0).flags, kR);
}

TEST(Send, NothingIsHeldWhenAllIsAcknowledged) {
  Host h = established();
  for (int i = 0; i < 100; ++i) {
    (void)h.write(pattern(64));
    (void)h.flush();
    EXPECT_EQ(h.stores.send.live(), 1U);
    (void)h.input(h.peer());
    EXPECT_TRUE(h.cold_is_empty());
    EXPECT_EQ(h.c.send_timer, SendTimer::none);
  }
}

TEST(Send, PartialAcksWithinChunks) {
  Host h = established();
  const std::string text = pattern(9000);
  (void)h.write(text);
  (void)h.flush();
  for (std::uint32_t i = 1; i < 9000; i += 7) {
    Segment s = h.peer();
    s.ack = Seq(1001 + i);
    ASSERT_EQ(h.input(s), Drop::none);
  }
  const auto again = h.pass(1100ms);  // what is left comes whole
  ASSERT_GE(again.size(), 1U);
  const std::uint32_t from = bytes_between(Seq(1001), again[0].seq);
  EXPECT_TRUE(again[0].data == text.substr(from, again[0].data.size()));
}

TEST(Receive, LentBytesThatWereNotTakenComeFirst) {
  Host h = established();
  Outcome one, two;
  const std::string a = "first ", b = "second ";
  (void)on_segment(h.c, h.peer(a).view(), h.context(), one);
  Segment next = h.peer(b);
  (void)on_segment(h.c, next.view(), h.context(), two);
  EXPECT_EQ(two.lent.size(), b.size());
  // A hole is filled in the same iteration: its bytes go to the queue behind.
  Segment ahead = h.peer("fourth");
  ahead.seq += 6;
  Outcome three, four;
  (void)on_segment(h.c, ahead.view(), h.context(), three);
  (void)on_segment(h.c, h.peer("third ").view(), h.context(), four);
  EXPECT_TRUE(four.readable);
  EXPECT_TRUE(four.lent.empty());
  ASSERT_TRUE(park(h.c, as_bytes(b), h.context()));  // the last piece first
  ASSERT_TRUE(park(h.c, as_bytes(std::string_view(a).substr(2)), h.context()));
  h.read_all();
  EXPECT_EQ(h.received, "rst second third fourth");
  EXPECT_TRUE(h.cold_is_empty());
}

TEST(Receive, NothingIsLentWhileBytesAreUnread) {
  Host h = established();
  h.reads = false;
  (void)h.input(h.peer("one"));
  Outcome o;
  const Segment s = h.peer("two");
  (void)on_segment(h.c, s.view(), h.context(), o);
  EXPECT_TRUE(o.lent.empty());
  EXPECT_TRUE(o.readable);
  EXPECT_EQ(unread_bytes(h.c, h.context()), 6U);
  EXPECT_EQ(h.stores.blocks.live(), 1U);
  take(h.c, 4, h.context());
  EXPECT_EQ(front(h.c, h.context()).size(), 2U);
  h.read_all();
  EXPECT_EQ(h.received, "wo");
}

TEST(Receive, ParkWithoutMemorySaysSo) {
  Host h = established({}, {1, 1, 2, 2});
  EXPECT_FALSE(park(h.c, as_bytes(pattern(5000)), h.context()));
  EXPECT_TRUE(h.cold_is_empty());
  Host none = established({}, {1, 0, 2, 2});
  EXPECT_FALSE(park(none.c, as_bytes("x"), none.context()));
}

TEST(Receive, SlowReaderGetsEveryByte) {
  TcpConfig config;
  config.receive_buffer = 20'000;
  Pair p(TcpConfig{}, config);
  p.establish();
  p.b.reads = false;
  p.fate = chaos(5, 0.03, 0.2, 0.1);
  const std::string text = pattern(200'000);
  std::size_t given = 0;
  std::mt19937 random(9);
  for (int turn = 0; turn < 20'000 && p.b.received.size() != text.size(); ++turn) {
    given += p.a.write(std::string_view(text).substr(given));
    p.run_for(5ms);
    const auto bytes = front(p.b.c, p.b.context());
    const std::size_t n = std::min<std::size_t>(bytes.size(), random() % 500);
    p.b.received.append(reinterpret_cast<const char*>(bytes.data()), n);
    take(p.b.c, n, p.b.context());
  }
  EXPECT_TRUE(p.b.received == text);
}

}  // namespace
}  // namespace millrace::tcp::test
