// SPDX-License-Identifier: BSD-3-Clause
//
// Whole conversations between two connections: byte-exact streams and an orderly end through loss,
// reordering and copies, also where sequence numbers and timestamps wrap.
#include "tests/tcp/connection/pair.h"

namespace millrace::tcp::test {
namespace {

// Feeds `text` to `from` as its queue takes it, then closes its sending side.
struct Feeder {
  Host& from;
  const std::string& text;
  std::size_t given = 0;
  bool finished = false;

  void turn() {
    while (given < text.size()) {
      const std::size_t n = from.write(std::string_view(text).substr(given));
      if (n == 0) return;
      given += n;
    }
    if (!finished) {
      finished = true;
      from.shut_down();
    }
  }
};

void transfer_both_ways(Pair& p, std::size_t bytes) {
  const std::string from_a = pattern(bytes);
  const std::string from_b = pattern(bytes / 3, 77);
  Feeder fa{p.a, from_a};
  Feeder fb{p.b, from_b};
  p.each_step = [&] {
    fa.turn();
    fb.turn();
  };
  fa.turn();
  fb.turn();
  const bool ended =
      p.run([&] { return (p.a.time_wait || p.a.closed) && (p.b.time_wait || p.b.closed); });
  EXPECT_TRUE(p.b.received == from_a);
  EXPECT_TRUE(p.a.received == from_b);
  EXPECT_EQ(p.a.ends_of_stream, 1);
  EXPECT_EQ(p.b.ends_of_stream, 1);
  // The last ACK may be lost with the end that waits for it in LAST-ACK or CLOSING: then the
  // TIME-WAIT store answers, which is not here.
  if (!ended) {
    EXPECT_TRUE(p.a.time_wait || p.b.time_wait);
  }
  EXPECT_TRUE(p.a.cold_is_empty() || p.a.c.state == State::last_ack ||
              p.a.c.state == State::closing || p.a.c.state == State::closed);
}

TEST(Pair, MovesAMegabyteEachWay) {
  Pair p;
  p.establish();
  transfer_both_ways(p, 3'000'000);
  EXPECT_TRUE(p.a.cold_is_empty());
  EXPECT_TRUE(p.b.cold_is_empty());
  EXPECT_EQ(p.a.counters.RetransSegs, 0U);
  EXPECT_EQ(p.b.counters.RetransSegs, 0U);
  EXPECT_EQ(p.payload_by_a, 3'000'000U);
}

TEST(Pair, SurvivesChaosByteExact) {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    TcpConfig config;
    config.timestamps = seed % 2 == 0;
    config.sack = seed % 3 != 0;
    config.window_scaling = seed % 5 != 0;
    config.receive_buffer = seed % 7 == 0 ? 5'000 : seed % 7 == 1 ? 262'144 : 0;
    if (seed % 11 == 0) config.receive_buffer_initial = 3'000;
    config.mtu = seed % 4 == 0 ? 576 : 1500;
    Pair p(config, config);
    p.establish(Seq(0xffff'f000U + seed * 97), Seq(0x7fff'f000U + seed), seed % 2 == 1);
    p.fate = chaos(seed, 0.02 * (seed % 6), 0.1 * (seed % 4), 0.05 * (seed % 3));
    transfer_both_ways(p, 150'000);
    if (testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace millrace::tcp::test
