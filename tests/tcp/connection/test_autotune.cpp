// SPDX-License-Identifier: BSD-3-Clause
//
// Buffers that follow the transfer: what they grow by, what they do not believe, and what becomes
// of them while memory is short.
#include <algorithm>
#include <vector>

#include "tcp/connection/autotune.h"
#include "tcp/connection/receive_window.h"
#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {
namespace {

constexpr auto kRoundTrip = 100ms;

TcpConfig tuned(std::uint32_t initial = 16'384, std::uint32_t most = 6'291'456) {
  TcpConfig config;
  config.receive_buffer_initial = initial;
  config.receive_buffer_max = most;
  config.delayed_ack = Duration::zero();
  return config;
}

HostSetup usual(bool timestamps = false) {
  HostSetup setup;
  setup.window_scaling = true;
  setup.timestamps = timestamps;
  setup.rcv_wnd = 16'384;
  setup.rtt_us = to_us(kRoundTrip);
  return setup;
}

/// A flight of segments in one instant, as many bytes as that or as the window takes; each is
/// acknowledged. Returns the bytes.
std::uint32_t flight(Host& h, std::uint32_t bytes, std::uint32_t echo_ms = 100) {
  std::uint32_t sent = 0;
  const std::uint32_t window = h.c.rcv_wnd();
  while (sent < std::min(bytes, window)) {
    const std::uint32_t n = std::min(1400U, std::min(bytes, window) - sent);
    Segment s = h.peer(std::string(n, 'x'));
    if (h.c.has(Connection::kTimestamps)) {
      s.options.tsecr = timestamp_clock(h.now) + h.c.ts_offset - echo_ms;
    }
    EXPECT_EQ(h.input(s), Drop::none);
    (void)h.flush();
    sent += n;
  }
  return sent;
}

std::uint32_t buffer_of(const Host& h) { return receive_buffer_of(h.c, h.stores); }

TEST(ReceiveBuffer, FollowsSlowStartOfTheSender) {
  Host h(tuned(65'536));
  HostSetup setup = usual();
  setup.rcv_wnd = 65'535;
  h.establish(setup);
  for (std::uint32_t cwnd = 14'000; cwnd < 2'000'000; cwnd *= 2) {
    EXPECT_EQ(flight(h, cwnd), cwnd) << "the window held the sender back";
    h.now += kRoundTrip;
  }
  (void)flight(h, 1400);
  EXPECT_GE(buffer_of(h), 3'000'000U);
  EXPECT_FALSE(h.c.has_receive_state()) << "nothing cold is held";
  EXPECT_EQ(h.stores.receive.created(), 0U);
}

TEST(ReceiveBuffer, StaysBelowItsLargest) {
  Host h(tuned(16'384, 200'000));
  h.establish(usual());
  for (int i = 0; i < 20; ++i, h.now += kRoundTrip) (void)flight(h, 10'000'000);
  EXPECT_EQ(buffer_of(h), 200'000U);
  EXPECT_LE(h.c.rcv_wnd(), 200'000U);
}

TEST(ReceiveBuffer, DoesNotGrowForASteadySlowStream) {
  Host h(tuned(65'536));
  h.establish(usual());
  for (int i = 0; i < 100; ++i, h.now += kRoundTrip) (void)flight(h, 10'000);
  EXPECT_EQ(buffer_of(h), 65'536U);
}

TEST(ReceiveBuffer, GrowsWhereTheWindowIsLessThanTheFirstFlight) {
  Host h(tuned(4096));
  HostSetup setup = usual();
  setup.rcv_wnd = 4096;
  h.establish(setup);
  for (int i = 0; i < 6; ++i, h.now += kRoundTrip) (void)flight(h, 10'000'000);
  EXPECT_GE(buffer_of(h), 100'000U);
}

TEST(ReceiveBuffer, IsKeptBesideWhatIsUnread) {
  Host h(tuned());
  h.establish(usual());
  for (int i = 0; i < 4; ++i, h.now += kRoundTrip) (void)flight(h, 10'000'000);
  const std::uint32_t grown = buffer_of(h);
  EXPECT_GT(grown, 100'000U);
  h.reads = false;
  (void)flight(h, 50'000);
  ASSERT_TRUE(h.c.has_receive_state());
  EXPECT_EQ(buffer_of(h), grown);
  EXPECT_LE(h.c.rcv_wnd() + 50'000, grown + 128);
  EXPECT_GE(h.c.rcv_wnd() + 50'000, grown - 1400);
  h.read_all();
  EXPECT_FALSE(h.c.has_receive_state());
  EXPECT_EQ(buffer_of(h), grown);
}

TEST(ReceiveBuffer, AFixedOneIsLeftAlone) {
  TcpConfig config = tuned();
  config.receive_buffer = 16'384;
  Host h(config);
  h.establish(usual());
  for (int i = 0; i < 10; ++i, h.now += kRoundTrip) (void)flight(h, 10'000'000);
  EXPECT_EQ(buffer_of(h), 16'384U);
}

TEST(ReceiveBuffer, AProfileFixesAndFreesIt) {
  Host h(tuned());
  h.establish(usual());
  for (int i = 0; i < 4; ++i, h.now += kRoundTrip) (void)flight(h, 10'000'000);
  const Seq edge = h.c.rcv_adv;
  const auto change = [&](std::uint32_t fixed) {
    const TcpConfig before = h.config;
    h.config.receive_buffer = fixed;
    Outcome outcome;
    on_profile_changed(h.c, before, h.context(), outcome);
  };
  change(30'000);
  EXPECT_EQ(buffer_of(h), 30'000U);
  (void)flight(h, 1400);
  EXPECT_EQ(h.c.rcv_adv, edge) << "what was promised stays";
  change(0);
  EXPECT_EQ(buffer_of(h), 16'384U);
  for (int i = 0; i < 4; ++i, h.now += kRoundTrip) (void)flight(h, 10'000'000);
  EXPECT_GT(buffer_of(h), 100'000U) << "it is measured anew";
}

// A peer that echoes what it likes can make a round trip look long or short. Long, the buffer grows
// to its largest, for text that the application did take; short, it harms itself.
TEST(ReceiveBuffer, LyingEchoesStayWithinTheBounds) {
  for (const std::uint32_t echo : {0U, 1U, 59'999U, 60'001U, 0x7fff'ffffU, 0x8000'0000U}) {
    SCOPED_TRACE(echo);
    Host h(tuned(16'384, 300'000));
    h.establish(usual(true));
    for (int i = 0; i < 50; ++i, h.now += kRoundTrip) (void)flight(h, 60'000, echo);
    EXPECT_LE(buffer_of(h), 300'000U);
    EXPECT_GE(buffer_of(h), 16'384U);
  }
}

TEST(ReceiveBuffer, APauseIsNoRoundTrip) {
  Host h(tuned(65'536));
  HostSetup setup = usual(true);
  setup.rcv_wnd = 65'535;
  h.establish(setup);
  (void)flight(h, 14'000);
  for (int i = 0; i < 20; ++i) {
    // The first segment after the pause echoes what came before it, the others the new ACKs.
    h.now += 5s;
    (void)flight(h, 1400, 5000);
    for (int k = 0; k < 20; ++k, h.now += kRoundTrip) (void)flight(h, 14'000, 100);
  }
  EXPECT_LT(buffer_of(h), 80'000U) << "ten flights in five seconds would make it 300,000";
}

TEST(ReceiveBuffer, TheLargestWindowDoesNotOverflow) {
  TcpConfig config = tuned(1U << 29, 1U << 30);
  Host h(config);
  HostSetup setup = usual();
  setup.rcv_wnd = 65'535;
  h.establish(setup);
  EXPECT_EQ(h.c.our_scale(), 14);
  for (int i = 0; i < 4; ++i, h.now += kRoundTrip) (void)flight(h, 1400);
  EXPECT_EQ(buffer_of(h), 1U << 29);
  set_receive_buffer(h.c, h.stores, 1U << 30);
  EXPECT_EQ(buffer_of(h), 1U << 30);
  EXPECT_FALSE(h.c.has_receive_state());
  (void)flight(h, 1400);
  EXPECT_EQ(h.c.rcv_wnd(), 0xffffU << 14);
  h.reads = false;
  (void)flight(h, 2800);
  EXPECT_EQ(buffer_of(h), 1U << 30);
  h.read_all();
  EXPECT_EQ(buffer_of(h), 1U << 30);
}

// Two connections may have one place in the table, and the second goes without while the first is
// active.
TEST(ReceiveBuffer, PlacesAreNotStolen) {
  ReceiveRounds rounds(4);
  Connection a;
  Connection b;
  a.ts_offset = 8;
  b.ts_offset = 12;
  a.generation = 1;
  b.generation = 1;
  const Stamp now = 5'000'000;
  ReceiveRound* const first = rounds.claim(a, now);
  ASSERT_NE(first, nullptr);
  first->began_at = now;
  EXPECT_EQ(rounds.find(a), first);
  EXPECT_EQ(rounds.claim(b, now + 900'000), nullptr);
  EXPECT_EQ(rounds.find(b), nullptr);
  EXPECT_EQ(rounds.claim(b, now + 1'100'000), first) << "it fell silent";
  EXPECT_EQ(rounds.find(a), nullptr);
  b.generation = 2;
  EXPECT_EQ(rounds.find(b), nullptr) << "another connection with the same numbers";
}

// ---- while memory is short

/// Takes blocks until `free` are left.
std::vector<std::uint32_t> take_blocks(Host& h, std::uint32_t free) {
  std::vector<std::uint32_t> taken;
  while (h.stores.blocks.capacity() - h.stores.blocks.live() > free) {
    taken.push_back(h.stores.blocks.create());
  }
  return taken;
}
void give_back(Host& h, const std::vector<std::uint32_t>& blocks) {
  for (const std::uint32_t b : blocks) h.stores.blocks.free(b);
}

TEST(ShortMemory, ReceiveBuffersStopAndBecomeSmallAndGrowAgain) {
  Host h(tuned());
  h.establish(usual());
  for (int i = 0; i < 4; ++i, h.now += kRoundTrip) (void)flight(h, 10'000'000);
  const std::uint32_t grown = buffer_of(h);
  ASSERT_GT(grown, 100'000U);
  const auto blocks = take_blocks(h, 200);  // of 1024
  const Seq edge = h.c.rcv_adv;
  (void)flight(h, 1400);
  (void)flight(h, 1400);
  EXPECT_EQ(buffer_of(h), 16'384U);
  EXPECT_EQ(h.counters.TCPRcvBufferCut, 1U);
  EXPECT_TRUE(at_or_after(h.c.rcv_adv, edge)) << "the right edge does not go back";
  EXPECT_LE(bytes_between(edge, h.c.rcv_adv), 128U) << "nor on, but by the rest of a unit";
  while (h.c.rcv_wnd() > 16'384) (void)flight(h, 14'000);
  for (int i = 0; i < 10; ++i, h.now += kRoundTrip) (void)flight(h, 10'000'000);
  EXPECT_EQ(buffer_of(h), 16'384U);
  EXPECT_GT(h.counters.TCPRcvBufferHeld, 0U);
  EXPECT_LE(h.c.rcv_wnd(), 16'384U);
  give_back(h, blocks);
  for (int i = 0; i < 6; ++i, h.now += kRoundTrip) (void)flight(h, 10'000'000);
  EXPECT_GE(buffer_of(h), grown);
}

TEST(SendBuffer, IsTwiceTheWindowWithinItsBounds) {
  TcpConfig config;
  config.send_buffer_initial = 30'000;
  config.send_buffer_max = 100'000;
  Host h(config);
  h.establish(usual());
  EXPECT_EQ(send_space(h.c, h.context()), 30'000U) << "ten segments are less than half of it";
  h.c.congestion.cwnd = 40'000;
  EXPECT_EQ(send_space(h.c, h.context()), 80'000U);
  EXPECT_EQ(h.write(pattern(90'000), false), 80'000U);
  h.c.congestion.cwnd = 0xffff'ffff;
  EXPECT_EQ(h.write(pattern(90'000), false), 20'000U);
  h.c.congestion.cwnd = 1400;
  EXPECT_EQ(send_space(h.c, h.context()), 0U) << "less than what is queued";
  h.config.send_buffer = 200'000;
  EXPECT_EQ(send_space(h.c, h.context()), 100'000U) << "fixed by the profile";
}

TEST(ShortMemory, CopiesForTheSendBufferStopAtItsInitialSize) {
  TcpConfig config;
  config.send_buffer_initial = 30'000;
  Host h(config);
  h.establish(usual());
  h.c.congestion.cwnd = 100'000;
  const auto blocks = take_blocks(h, 200);
  EXPECT_EQ(h.write(pattern(90'000), true), 30'000U);
  EXPECT_EQ(h.counters.TCPSndBufferHeld, 1U);
  static const std::string kLasting = pattern(90'000);
  EXPECT_EQ(h.write(kLasting, false), 90'000U) << "what is only referred to takes no block";
  give_back(h, blocks);
}

}  // namespace
}  // namespace millrace::tcp::test
