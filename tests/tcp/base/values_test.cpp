// SPDX-License-Identifier: BSD-3-Clause
//
// Ticks, drop reasons, counters, results and checks.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tcp/base/check.h"
#include "tcp/base/counters.h"
#include "tcp/base/drop.h"
#include "tcp/base/result.h"
#include "tcp/base/state.h"
#include "tcp/base/time.h"

namespace millrace {
namespace {

TEST(Time, NothingFiresEarly) {
  for (const std::int64_t start : {0LL, 1LL, 65'535LL, 65'536LL, 65'537LL, 1'000'000'007LL}) {
    for (const std::int64_t wait : {0LL, 1LL, 65'535LL, 65'536LL, 65'537LL, 40'000'000LL}) {
      const Instant due = Instant{} + Duration{start + wait};
      const Tick tick = deadline_after(Instant{Duration{start}}, Duration{wait});
      // The first moment of that tick is not before, and less than a tick after, what was asked.
      const Duration fires = ticks_to_duration(tick);
      EXPECT_GE(fires, due.time_since_epoch());
      EXPECT_LT(fires, due.time_since_epoch() + kTick);
    }
  }
}

TEST(Time, TicksWrap) {
  EXPECT_TRUE(tick_before(0xffff'ffff, 0));
  EXPECT_FALSE(tick_before(0, 0xffff'ffff));
  EXPECT_FALSE(tick_before(5, 5));
  // Beyond the wrap, after 78 hours.
  const Instant late = Instant{} + 100h;
  EXPECT_TRUE(tick_before(tick_of(late), deadline_after(late, kMaxTimeout)));
  EXPECT_EQ(ticks_for(Duration{0}), 0U);
  EXPECT_EQ(ticks_for(Duration{1}), 1U);
  EXPECT_EQ(ticks_for(kTick), 1U);
  EXPECT_EQ(ticks_for(kTick + Duration{1}), 2U);
}

TEST(Time, Units) {
  EXPECT_EQ(to_us(Duration{1'999}), 1U);
  EXPECT_EQ(timestamp_clock(Instant{} + 1'234'567us), 1234U);
}

TEST(Drop, EveryReasonHasANameAndAText) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < kDropCount; ++i) {
    EXPECT_FALSE(kDropNames[i].empty());
    EXPECT_FALSE(kDropTexts[i].empty());
    EXPECT_TRUE(names.insert(std::string(kDropNames[i])).second) << kDropNames[i];
    EXPECT_EQ(name_of(static_cast<Drop>(i)), kDropNames[i]);
  }
  EXPECT_EQ(name_of(Drop::none), "none");
  EXPECT_EQ(name_of(Drop::tcp_bad_options), "tcp_bad_options");
}

TEST(Drop, OneCounterEach) {
  DropCounters counters;
  for (std::size_t i = 0; i < kDropCount; ++i) {
    for (std::size_t n = 0; n <= i; ++n) counters.add(static_cast<Drop>(i));
  }
  for (std::size_t i = 0; i < kDropCount; ++i) {
    EXPECT_EQ(counters.of(static_cast<Drop>(i)), i + 1);
  }
}

TEST(Counters, NamesLieInTheOrderOfTheFields) {
  tcp::Counters counters;
  counters.ActiveOpens = 1;
  counters.TCPOrigDataSent = 2;
  const auto* words = reinterpret_cast<const std::uint64_t*>(&counters);
  EXPECT_EQ(tcp::kCounterNames.front(), "ActiveOpens");
  EXPECT_EQ(words[0], 1U);
  for (std::size_t i = 0; i < tcp::kCounterNames.size(); ++i) {
    EXPECT_EQ(words[i] == 2U, tcp::kCounterNames[i] == "TCPOrigDataSent");
  }
}

TEST(State, NamesAreThoseOfSs) {
  EXPECT_EQ(tcp::name_of(tcp::State::established), "ESTAB");
  EXPECT_EQ(tcp::name_of(tcp::State::time_wait), "TIME-WAIT");
  EXPECT_EQ(tcp::name_of(tcp::CloseReason::no_memory), "no_memory");
  EXPECT_EQ(tcp::name_of(tcp::CloseReason::none), "none");
}

TEST(Result, HoldsAValueOrASentence) {
  Result<std::string> good(std::string("yes"));
  ASSERT_TRUE(good);
  EXPECT_EQ(good.value(), "yes");
  EXPECT_EQ(std::move(good).value(), "yes");
  const Result<std::string> bad(Error{ErrorKind::environment, "no memory", "add some"});
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().kind, ErrorKind::environment);
  EXPECT_EQ(bad.error().sentence, "no memory");
  EXPECT_EQ(bad.error().hint, "add some");
}

TEST(CheckDeathTest, ABrokenInvariantEndsTheProcess) {
  const int one = 1;
  MR_CHECK(one == 1);
  EXPECT_DEATH(MR_CHECK(one == 2), "broken invariant: one == 2");
}

}  // namespace
}  // namespace millrace
