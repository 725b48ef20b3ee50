// SPDX-License-Identifier: BSD-3-Clause
//
// A connection from its first segment to its last, against segments written by hand.
#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {
namespace {

TEST(Smoke, ActiveOpenDataClose) {
  Host h;
  ASSERT_TRUE(h.open(Seq(100)));
  auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].flags, kS);
  EXPECT_EQ(sent[0].seq, Seq(100));
  EXPECT_TRUE(sent[0].options.has_mss());
  EXPECT_EQ(sent[0].options.mss, 1460);
  EXPECT_TRUE(sent[0].options.has_timestamps());
  Segment syn_ack{Seq(500), Seq(101), kS | kA, 65535, "", sent[0].options, 0};
  h.now += 10ms;
  EXPECT_EQ(h.input(syn_ack), Drop::none);
  EXPECT_TRUE(h.connected);
  EXPECT_EQ(h.c.state, State::established);
  EXPECT_EQ(h.c.srtt_us, 10'000U);
  sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].flags, kA);
  EXPECT_EQ(sent[0].ack, Seq(501));
  EXPECT_EQ(h.write("hello"), 5U);
  sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].data, "hello");
  EXPECT_EQ(sent[0].flags, kA | kP);
  Segment answer = h.peer("world");
  EXPECT_EQ(h.input(answer), Drop::none);
  EXPECT_EQ(h.received, "world");
  EXPECT_TRUE(h.flush().empty());
  EXPECT_TRUE(h.cold_is_empty());
  h.close();
  sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].flags, kA | kF);
  EXPECT_EQ(h.c.state, State::fin_wait_1);
  EXPECT_EQ(h.input(h.peer("", kA)), Drop::none);
  EXPECT_EQ(h.c.state, State::fin_wait_2);
  EXPECT_EQ(h.input(h.peer("", kA | kF)), Drop::none);
  EXPECT_TRUE(h.time_wait);
  sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].ack, Seq(500 + 1 + 5 + 1));
  EXPECT_TRUE(h.cold_is_empty());
}

}  // namespace
}  // namespace millrace::tcp::test
