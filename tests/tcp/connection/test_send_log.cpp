// SPDX-License-Identifier: BSD-3-Clause
//
// When the bytes in flight were first sent.
#include <vector>

#include "tcp/connection/send_log.h"
#include "tcp/connection/send_queue.h"
#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {
namespace {

class Log : public ::testing::Test {
 protected:
  Log() {
    host_.establish();
    host_.c.srtt_us = 32'000;  // a run lasts 1 ms at most
    EXPECT_GT(host_.write("x"), 0U);
  }
  void send(std::uint32_t bytes) {
    log_sent(host_.c, host_.send(), host_.context());
    host_.c.snd_nxt += bytes;
  }
  void acknowledge(std::uint32_t bytes) {
    host_.c.snd_una += bytes;
    if (host_.send().log != kNil) forget_log(log(), host_.c.snd_una);
  }
  SendLog& log() { return host_.stores.logs[host_.send().log]; }
  [[nodiscard]] Stamp time_of(std::uint32_t offset) {
    return run_of(host_.c, host_.send(), host_.stores, Seq(1001) + offset).ended;
  }
  [[nodiscard]] std::uint32_t until(Instant limit) {
    return bytes_between(Seq(1001),
                         sent_until(host_.c, host_.send(), host_.stores, stamp_of(host_.now),
                                    stamp_of(host_.now) - stamp_of(limit)));
  }

  Host host_;
};

TEST_F(Log, OneFlushNeedsNone) {
  for (int i = 0; i < 10; ++i) send(1000);
  EXPECT_EQ(host_.send().log, kNil);
  EXPECT_EQ(time_of(9999), stamp_of(host_.now));
  host_.now += 1ms / 2;
  send(1000);
  EXPECT_EQ(host_.send().log, kNil) << "near enough";
}

TEST_F(Log, TellsTimesOfRuns) {
  const Instant start = host_.now;
  for (int i = 0; i < 20; ++i) {
    send(1000);
    host_.now += 10ms;
  }
  for (std::uint32_t i = 0; i < 20; ++i) {
    EXPECT_EQ(time_of(1000 * i), stamp_of(start + 10ms * i));
    EXPECT_EQ(time_of(1000 * i + 999), stamp_of(start + 10ms * i));
    EXPECT_EQ(until(start + 10ms * i), 1000 * (i + 1));
  }
  EXPECT_EQ(until(start - 1ms), 0U);
  acknowledge(5500);
  EXPECT_EQ(time_of(5500), stamp_of(start + 50ms));
  EXPECT_EQ(log().count, 14U);
  EXPECT_EQ(run_of(host_.c, host_.send(), host_.stores, Seq(1001) + 5500).began,
            stamp_of(start + 50ms));
}

TEST_F(Log, IsBoundedAndErrsOnTheLateSide) {
  std::vector<Stamp> truth;
  for (int i = 0; i < 1000; ++i) {
    send(10);
    truth.push_back(stamp_of(host_.now));
    host_.now += 3ms;
    ASSERT_TRUE(host_.send().log == kNil || log().count <= kLoggedRuns);
  }
  Stamp last = 0;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const Stamp told = time_of(10 * i);
    EXPECT_GE(told, truth[i]);
    EXPECT_LE(run_of(host_.c, host_.send(), host_.stores, Seq(1001) + 10 * i).began, truth[i]);
    EXPECT_GE(told, last) << "times ascend";
    last = told;
  }
  EXPECT_LT(time_of(0), stamp_of(host_.now) - us_to_stamps(250'000)) << "and are no constant";
}

TEST_F(Log, WithoutMemoryAllIsAsLateAsTheLast) {
  while (host_.stores.logs.live() != host_.stores.logs.capacity()) {
    (void)host_.stores.logs.create();
  }
  for (int i = 0; i < 5; ++i) {
    send(1000);
    host_.now += 10ms;
  }
  EXPECT_EQ(time_of(0), stamp_of(host_.now - 10ms));
}

// 2 GB later what was noted at the beginning must not lie ahead: short segments would wait for
// ever, and losses pass for old ones (RFC 9293 §3.7.4, RFC 6582 §3.2).
TEST_F(Log, OldMarksStayBehind) {
  SendState& st = host_.send();
  st.short_end = st.recover = st.ecn_recover = host_.c.snd_una - 1;
  for (int i = 0; i < 5; ++i) {
    for (int piece = 0; piece < 2; ++piece) {
      send(0x1000'0000);
      host_.now += 2ms;
    }
    acknowledge(0x1fff'0000);
    host_.now += 2ms;
    send(0xffff);
    EXPECT_FALSE(after(st.short_end, host_.c.snd_una)) << i;
    EXPECT_TRUE(after(host_.c.snd_una, st.recover)) << i;
    EXPECT_TRUE(after(host_.c.snd_una, st.ecn_recover)) << i;
  }
}

TEST_F(Log, GoesWithTheLastByte) {
  for (int i = 0; i < 5; ++i) {
    send(1000);
    host_.now += 10ms;
  }
  ASSERT_NE(host_.send().log, kNil);
  acknowledge(5000);
  EXPECT_EQ(log().count, 0U);
  send(1000);
  EXPECT_EQ(time_of(5000), stamp_of(host_.now));
  release_send_state(host_.c, host_.context());
  EXPECT_EQ(host_.stores.logs.live(), 0U);
}

}  // namespace
}  // namespace millrace::tcp::test
