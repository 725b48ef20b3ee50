// SPDX-License-Identifier: BSD-3-Clause
//
// A listener under a flood of SYNs that nobody will complete (catalogue C1, RFC 4987): whoever is
// honest gets in, and the flood leaves nothing behind.
#include <gtest/gtest.h>

#include "tcp/endpoint/inspect.h"
#include "tests/tcp/endpoint/harness.h"
#include "tests/tcp/endpoint/random.h"

namespace millrace::tcp::test {
namespace {

constexpr Seq kIsn{1000};

class SynFlood : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] FourTuple stranger() {
    FourTuple t = solo.tuple(static_cast<std::uint16_t>(1 + random() % 65'000));
    t.remote = address_of(GetParam(), static_cast<unsigned>(100 + random() % 60'000));
    return t;
  }
  [[nodiscard]] SegmentIn syn() {
    SegmentIn s = with_timestamps(segment(kSyn, kIsn), random());
    s.options.has |= Options::kMss | Options::kWindowScale | Options::kSackPermitted;
    s.options.mss = 1400;
    s.options.window_scale = 7;
    return s;
  }
  void flood(int syns) {
    for (int i = 0; i < syns; ++i) {
      (void)solo.in(stranger(), syn());
      solo.pass(200ns);  // five million a second
      if (i % 32 == 31) (void)solo.out();
    }
    (void)solo.out();
  }
  /// A handshake whose third segment comes after `syns` more of the flood.
  [[nodiscard]] bool honest(std::uint16_t port, int syns) {
    const FourTuple t = solo.tuple(port);
    (void)solo.in(t, syn());
    const auto answers = solo.out();
    if (answers.size() != 1 || !answers[0].is(kSyn | kAck)) return false;
    flood(syns);
    const Sent& answer = answers[0];
    const SegmentIn ack = with_timestamps(segment(kAck, kIsn + 1, answer.segment.seq + 1), 1,
                                          answer.segment.options.tsval);
    if (solo.in(t, ack) != Drop::none) return false;
    for (const Record& record : solo.events()) {
      if (record.kind != EventKind::accepted) continue;
      solo->abort(record.id);
      (void)solo.out();
      (void)solo.events();
      return true;
    }
    return false;
  }

  Solo solo{GetParam(), small_config()};
  Random random{11};
};
INSTANTIATE_TEST_SUITE_P(Families, SynFlood, testing::Values(false, true), family_name);

TEST_P(SynFlood, TheHonestGetIn) {
  ASSERT_TRUE(solo->listen({.local = {}, .port = kPort}).ok());
  flood(20'000);
  constexpr int kHonest = 1000;
  int completed = 0;
  for (int i = 0; i < kHonest; ++i) completed += honest(static_cast<std::uint16_t>(i + 1), 100);
  EXPECT_EQ(completed, kHonest);
  EXPECT_GT(solo->counters().SyncookiesSent, 100'000U);
}

TEST_P(SynFlood, LeavesNothingBehind) {
  ASSERT_TRUE(solo->listen({.local = {}, .port = kPort}).ok());
  flood(2'000);
  ASSERT_EQ(inspect(*solo).half_open.size(), small_config().max_half_open);
  const std::uint64_t before = solo->memory().touched_bytes;
  flood(200'000);
  EXPECT_EQ(solo->memory().touched_bytes, before);
  EXPECT_EQ(inspect(*solo).half_open.size(), small_config().max_half_open);
  EXPECT_EQ(live_connections(*solo), small_config().max_half_open);
  for (int i = 0; i < 200; ++i) {  // SYN-ACKs of those that were kept are given up
    solo.pass(1s);
    (void)solo.events();
    (void)solo.out();
  }
  EXPECT_EQ(live_connections(*solo), 0U);
}

TEST_P(SynFlood, IsAnsweredWithNoMoreThanItSends) {  // one segment for one
  ASSERT_TRUE(solo->listen({.local = {}, .port = kPort}).ok());
  flood(2'000);
  std::size_t answers = 0;
  for (int i = 0; i < 10'000; ++i) {
    (void)solo.in(stranger(), syn());
    answers += solo.out().size();
  }
  EXPECT_EQ(answers, 10'000U);
}

}  // namespace
}  // namespace millrace::tcp::test
