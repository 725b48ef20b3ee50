// SPDX-License-Identifier: BSD-3-Clause
//
// Recovery with SACK where scripts do not reach: without memory, over long flights, and what is
// left afterwards. The rules one by one are in tests/conformance/scripts (sack, rack, congestion).
#include <set>

#include "tcp/connection/loss_recovery.h"
#include "tcp/connection/scoreboard.h"
#include "tests/tcp/connection/pair.h"

namespace millrace::tcp::test {
namespace {

constexpr std::uint32_t kMss = 1000;

Host in_flight(std::uint32_t segments, Host::Sizes sizes = {4, 4, 4096, 1024}) {
  Host h(TcpConfig{}, sizes);
  h.config.mtu = kMss + 40;
  HostSetup s;
  s.rtt_us = 100'000;
  h.establish(s);
  h.c.congestion.cwnd = segments * kMss;
  (void)h.write(pattern(std::size_t{100} * kMss));
  EXPECT_EQ(h.flush().size(), segments);
  h.now += 100ms;
  return h;
}

Segment ack_of(const Host& h, std::uint32_t segments) {
  Segment s = h.peer();
  s.ack = Seq(1001 + segments * kMss);
  return s;
}
Segment sack_of(const Host& h, std::uint32_t acked, std::uint32_t from, std::uint32_t to) {
  Segment s = ack_of(h, acked);
  s.options.sack_count = 1;
  s.options.sack[0] = {Seq(1001 + from * kMss), Seq(1001 + to * kMss)};
  return s;
}

TEST(SackRecovery, SendsOnlyWhatIsMissing) {
  Host h = in_flight(20);
  Segment s = sack_of(h, 2, 3, 10);
  s.options.sack_count = 2;
  s.options.sack[1] = {Seq(1001 + 11 * kMss), Seq(1001 + 20 * kMss)};
  (void)h.input(s);
  std::vector<Segment> sent = h.flush();
  ASSERT_GE(sent.size(), 2U);
  EXPECT_EQ(sent[0].seq, Seq(1001 + 2 * kMss));
  EXPECT_EQ(sent[1].seq, Seq(1001 + 10 * kMss));
  for (std::size_t i = 2; i < sent.size(); ++i) EXPECT_TRUE(at_or_after(sent[i].seq, Seq(21001)));
  EXPECT_EQ(h.counters.TCPSackRecovery, 1U);
  EXPECT_EQ(h.counters.RetransSegs, 2U);
  const LossFigures f = loss_figures(h.c, h.context());
  EXPECT_EQ(f.sacked, 16 * kMss);
  EXPECT_EQ(f.lost, 2 * kMss);
  EXPECT_EQ(f.retransmitted, 2 * kMss);
  EXPECT_EQ(f.pipe, flight_bytes(h.c) - 16 * kMss);
}

TEST(SackRecovery, LeavesNothingBehind) {
  Host h = in_flight(20);
  (void)h.input(sack_of(h, 0, 1, 20));
  (void)h.flush();
  EXPECT_EQ(h.stores.loss.live(), 1U);
  h.now += 100ms;
  const std::uint32_t all = flight_bytes(h.c) / kMss;
  (void)h.input(ack_of(h, all));
  EXPECT_EQ(h.c.congestion.cwnd, h.c.congestion.ssthresh);
  (void)h.flush();
  h.now += 100ms;
  (void)h.input(ack_of(h, flight_bytes(h.c) / kMss + all));
  EXPECT_EQ(h.stores.loss.live(), 0U) << "no DSACK can be on its way any more";
  EXPECT_EQ(h.send().inflation, 0);
  h.abort();
  EXPECT_TRUE(h.cold_is_empty());
}

TEST(SackRecovery, WithoutMemoryItGoesBack) {
  Host h = in_flight(10);
  while (h.stores.loss.live() != h.stores.loss.capacity()) (void)h.stores.loss.create();
  for (std::uint32_t i = 2; i <= 9; ++i) {
    (void)h.input(sack_of(h, 0, 1, i));
    EXPECT_TRUE(h.flush().empty());
  }
  const auto sent = h.pass(400ms);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].seq, Seq(1001));
  EXPECT_TRUE(h.send().resending);
  (void)h.input(ack_of(h, 1));
  const auto next = h.flush();
  ASSERT_FALSE(next.empty());
  EXPECT_EQ(next[0].seq, Seq(2001)) << "what nobody noted as SACKed goes again";
}

TEST(SackRecovery, ASackEndsGoingBack) {
  Host h = in_flight(10);
  while (h.stores.loss.live() != h.stores.loss.capacity()) (void)h.stores.loss.create();
  (void)h.pass(400ms);
  ASSERT_TRUE(h.send().resending);
  h.stores.loss.free(0);
  (void)h.input(sack_of(h, 1, 2, 9));
  EXPECT_FALSE(h.send().resending);
  std::vector<Segment> sent = h.flush();
  (void)h.input(sack_of(h, 2, 2, 9));
  for (const Segment& s : h.flush()) sent.push_back(s);
  for (const Segment& s : sent) {
    EXPECT_FALSE(at_or_after(s.seq, Seq(3001)) && before(s.seq, Seq(10'001))) << s.seq.raw();
  }
  EXPECT_EQ(sent.front().seq, Seq(2001));
}

TEST(SackRecovery, ATimeoutSparesWhatIsSacked) {  // RFC 6675 §5.1
  Host h = in_flight(10);
  (void)h.input(sack_of(h, 0, 1, 2));
  (void)h.flush();
  std::set<std::uint32_t> again;
  for (const Segment& s : h.pass(900ms)) again.insert(s.seq.raw());
  (void)h.input(sack_of(h, 1, 1, 2));
  for (int i = 0; i < 20; ++i) {
    for (const Segment& s : h.flush()) again.insert(s.seq.raw());
    h.now += 50ms;
    (void)h.input(ack_of(h, 2 + static_cast<std::uint32_t>(i) / 2));
  }
  EXPECT_TRUE(again.contains(1001));
  EXPECT_FALSE(again.contains(2001));
  EXPECT_TRUE(again.contains(3001));
}

TEST(SackRecovery, LiesAboutWhatWasNotSentAreIgnored) {
  Host h = in_flight(10);
  Segment s = ack_of(h, 0);
  s.options.sack_count = 4;
  s.options.sack[0] = {Seq(1001 + 9 * kMss), Seq(1001 + 11 * kMss)};  // beyond SND.NXT
  s.options.sack[1] = {Seq(5001), Seq(5001)};                         // empty
  s.options.sack[2] = {Seq(6001), Seq(5001)};                         // backwards
  s.options.sack[3] = {Seq(1), Seq(3001)};                            // from before SND.UNA
  (void)h.input(s);
  EXPECT_EQ(h.stores.loss.live(), 0U);
  EXPECT_TRUE(h.flush().empty());
}

TEST(SackRecovery, FinIsSentAgainWithItsText) {
  Host h = in_flight(3);
  Host tail(h.config);
  HostSetup s;
  s.rtt_us = 100'000;
  tail.establish(s);
  tail.c.congestion.cwnd = 10 * kMss;
  (void)tail.write(pattern(3 * kMss));
  tail.shut_down();
  ASSERT_EQ(tail.flush().size(), 3U);
  const auto probe = tail.pass(250ms);
  ASSERT_EQ(probe.size(), 1U) << "PTO";
  EXPECT_EQ(probe[0].seq, Seq(1001 + 2 * kMss));
  EXPECT_TRUE(probe[0].has(kF));
  EXPECT_EQ(probe[0].data.size(), kMss);
}

TEST(SackRecovery, EveryStreamArrivesWhateverTheWeather) {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    TcpConfig config;
    config.timestamps = seed % 2 == 0;
    config.congestion = seed % 3 == 0 ? CongestionAlgorithm::cubic : CongestionAlgorithm::newreno;
    Pair p(config, config);
    p.fate = chaos(seed, 0.02 * (seed % 8), 0.1 * (seed % 3), 0.02 * (seed % 5));
    p.establish(Seq(0xffff'f000), Seq(1), seed % 2 == 1);
    const std::string text = pattern(200'000);
    std::size_t written = 0;
    const auto write = [&] { written += p.a.write(std::string_view(text).substr(written)); };
    p.each_step = write;
    write();
    ASSERT_TRUE(p.run([&] { return p.b.received.size() == text.size(); })) << "seed " << seed;
    ASSERT_TRUE(p.b.received == text) << "seed " << seed;
    p.a.shut_down();
    ASSERT_TRUE(p.run([&] { return p.a.c.send == kNil; })) << "seed " << seed;
    EXPECT_EQ(p.a.stores.loss.live() + p.a.stores.logs.live(), 0U);
  }
}

}  // namespace
}  // namespace millrace::tcp::test
