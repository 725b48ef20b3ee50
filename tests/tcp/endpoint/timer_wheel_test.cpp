// SPDX-License-Identifier: BSD-3-Clause
//
// The wheel against a multimap, over the wrap of the tick, in storms and in empty time.
#include "tcp/endpoint/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "tests/tcp/endpoint/random.h"

namespace millrace::tcp {
namespace {

struct Nodes {
  std::vector<WheelNode>* nodes;
  WheelNode& node(std::uint32_t index) { return (*nodes)[index]; }
  const WheelNode& node(std::uint32_t index) const { return (*nodes)[index]; }
  std::set<std::uint32_t>* fetched = nullptr;
  void fetch(std::uint32_t index) const {
    ASSERT_LT(index, nodes->size());
    if (fetched != nullptr) fetched->insert(index);
  }
};
using Wheel = TimerWheel<Nodes>;
constexpr std::uint32_t kUnbounded = 0xffff'ffff;

struct Bench {
  std::vector<WheelNode> nodes;
  Wheel wheel;
  std::vector<std::pair<std::uint32_t, Tick>> fired;  // node and the `now` of the call

  Bench(std::size_t count, Tick start)
      : nodes(count), wheel(Nodes{.nodes = &nodes}, static_cast<std::uint32_t>(count), start) {}
  Wheel::Progress advance(Tick now, std::uint32_t budget = kUnbounded) {
    return wheel.advance(now, budget, [&](std::uint32_t i) { fired.emplace_back(i, now); });
  }
};

TEST(TimerWheel, FiresEachAtItsTickFromEveryStart) {
  const Tick starts[] = {0,          1,          255,        256,        257,
                         65'535,     65'536,     0x00ffffff, 0x01000000, 0x7fffff00,
                         0x80000000, 0xfffffeff, 0xffffff00, 0xffffffff};
  const Tick delays[] = {0,          1,          2,          254,        255,
                         256,        257,        511,        512,        65'279,
                         65'535,     65'536,     65'537,     131'072,    0x00fffffe,
                         0x00ffffff, 0x01000000, 0x01000001, 0x12345678, 0x7fffffff};
  for (const Tick start : starts) {
    for (const Tick delay : delays) {
      Bench b(1, start);
      const Tick at = start + delay;
      b.wheel.arm(0, at);
      EXPECT_EQ(b.wheel.armed(), 1U);
      if (delay > 0) {
        b.advance(at - 1);
        ASSERT_TRUE(b.fired.empty()) << start << '+' << delay;
      }
      ASSERT_FALSE(tick_before(at, *b.wheel.next_tick()));
      b.advance(at);
      ASSERT_EQ(b.fired.size(), 1U) << start << '+' << delay;
      EXPECT_EQ(b.wheel.armed(), 0U);
      EXPECT_FALSE(b.wheel.next_tick());
    }
  }
}

TEST(TimerWheel, ArmingLaterLeavesTheNodeAndEarlierMovesIt) {
  Bench b(1, 1000);
  b.wheel.arm(0, 5000);
  b.wheel.arm(0, 9000);
  EXPECT_EQ(b.nodes[0].filed, 5000U);
  b.wheel.arm(0, 2000);
  EXPECT_EQ(b.nodes[0].filed, 2000U);
  EXPECT_EQ(b.wheel.armed(), 1U);
  b.advance(1999);
  EXPECT_TRUE(b.fired.empty());
  b.advance(2000);
  EXPECT_EQ(b.fired.size(), 1U);
}

TEST(TimerWheel, ATickThatHasPassedFiresAtTheNextCall) {
  Bench b(2, 1000);
  b.advance(1500);
  b.wheel.arm(0, 1200);
  b.wheel.arm(1, 1500);
  b.advance(1500);
  EXPECT_TRUE(b.fired.empty()) << "the tick 1500 is over";
  b.advance(1501);
  EXPECT_EQ(b.fired.size(), 2U);
}

TEST(TimerWheel, ANodeMayArmItselfWhileItFires) {
  std::vector<WheelNode> nodes(1);
  Wheel wheel(Nodes{.nodes = &nodes}, static_cast<std::uint32_t>(nodes.size()), 0);
  wheel.arm(0, 10);
  int count = 0;
  const auto again = [&](std::uint32_t i) {
    ++count;
    wheel.arm(i, 5);  // in the past: may not fire again at the same tick
  };
  for (Tick now = 0; now < 10 + 600; ++now) (void)wheel.advance(now, kUnbounded, again);
  EXPECT_EQ(count, 600);
  // A call that catches up over many ticks fires it once for each.
  (void)wheel.advance(609 + 1000, kUnbounded, again);
  EXPECT_EQ(count, 1600);
}

TEST(TimerWheel, DisarmsFromWithin) {
  std::vector<WheelNode> nodes(100);
  Wheel wheel(Nodes{.nodes = &nodes}, static_cast<std::uint32_t>(nodes.size()), 0);
  for (std::uint32_t i = 0; i < 100; ++i) wheel.arm(i, 50);
  std::set<std::uint32_t> fired;
  (void)wheel.advance(50, kUnbounded, [&](std::uint32_t i) {
    fired.insert(i);
    for (std::uint32_t other = 0; other < 100; ++other) {
      if (other % 2 != i % 2) wheel.disarm(other);
    }
  });
  EXPECT_EQ(fired.size(), 50U);
  EXPECT_EQ(wheel.armed(), 0U);
}

TEST(TimerWheel, FetchesEachNodeBeforeItsTurn) {
  std::vector<WheelNode> nodes(100);
  std::set<std::uint32_t> fetched;
  Wheel wheel(Nodes{.nodes = &nodes, .fetched = &fetched}, 100, 0);
  for (std::uint32_t i = 0; i < 100; ++i) wheel.arm(i, 50);
  std::size_t fired = 0;
  for (const std::uint32_t budget : {1U, 20U, 79U}) {
    (void)wheel.advance(50, budget, [&](std::uint32_t i) {
      EXPECT_TRUE(fetched.contains(i));
      EXPECT_GE(fetched.size(), std::min<std::size_t>(++fired + 8, 100)) << "not far ahead";
    });
  }
  EXPECT_EQ(fired, 100U);
}

/// Everything at random against the obvious implementation.
void compare_with_model(std::uint32_t seed, Tick start, std::uint32_t budget) {
  Random random(seed);
  constexpr std::uint32_t kNodes = 400;
  Bench b(kNodes, start);
  std::map<std::uint32_t, Tick> model;  // index -> filed
  Tick now = start;
  const int kShifts[] = {3, 8, 9, 12, 16, 17, 20, 24, 26};
  const auto some_delay = [&] {
    return static_cast<Tick>(random() & ((1U << kShifts[random.below(9)]) - 1));
  };
  bool behind = false;
  for (int step = 0; step < 4000; ++step) {
    const std::uint32_t index = random.below(kNodes);
    switch (random.below(4)) {
      case 0:
      case 1: {
        Tick at = now + some_delay();
        if (random.one_in(10)) at -= some_delay() / 2;
        const Tick not_before = b.wheel.base();
        const auto it = model.find(index);
        b.wheel.arm(index, at);
        if (tick_before(at, not_before)) at = not_before;
        if (it == model.end() || tick_before(at, it->second)) model[index] = at;
        break;
      }
      case 2:
        b.wheel.disarm(index);
        model.erase(index);
        break;
      default: {
        if (!behind) now += random.one_in(3) ? some_delay() : random.below(4);
        b.fired.clear();
        const Wheel::Progress done = b.advance(now, budget);
        ASSERT_LE(done.steps, budget);
        ASSERT_EQ(done.fired, b.fired.size());
        behind = done.more;
        Tick last = start;
        for (std::size_t i = 0; i < b.fired.size(); ++i) {
          const auto it = model.find(b.fired[i].first);
          ASSERT_NE(it, model.end());
          ASSERT_FALSE(tick_before(now, it->second)) << "early";
          if (i > 0) {
            ASSERT_FALSE(tick_before(it->second, last)) << "out of order";
          }
          last = it->second;
          model.erase(it);
        }
        if (behind) break;
        for (const auto& [i, at] : model) {
          ASSERT_TRUE(tick_before(now, at)) << "late by " << now - at;
        }
      }
    }
    ASSERT_EQ(b.wheel.armed(), model.size());
    const std::optional<Tick> next = b.wheel.next_tick();
    ASSERT_EQ(next.has_value(), !model.empty());
    for (const auto& [i, at] : model) {
      ASSERT_FALSE(tick_before(at, *next));
    }
  }
}

TEST(TimerWheel, AgreesWithAModel) {
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    compare_with_model(seed, seed * 0x1234567, kUnbounded);
    compare_with_model(seed, 0xffff'ffff - (1U << (seed * 2)), kUnbounded);
    compare_with_model(seed, 0x00ff'fff0, 7);
    compare_with_model(seed, 0xffff'fff0, 1);
  }
}

TEST(TimerWheel, AStormTakesBoundedWorkPerCall) {
  constexpr std::uint32_t kCount = 1'000'000;
  constexpr std::uint32_t kBudget = 256;
  Bench b(kCount, 0);
  for (std::uint32_t i = 0; i < kCount; ++i) b.wheel.arm(i, 70'000);
  std::uint32_t fired = 0, calls = 0, steps = 0;
  for (Tick now = 65'000; fired < kCount && calls < 20'000; ++now, ++calls) {
    const auto done = b.wheel.advance(now, kBudget, [&](std::uint32_t) {
      EXPECT_FALSE(tick_before(now, 70'000));
      ++fired;
    });
    EXPECT_LE(done.steps, kBudget);
    steps += done.steps;
  }
  EXPECT_EQ(fired, kCount);
  // Once at level 2, once at level 1, once fired: no node is touched more than that.
  EXPECT_LE(steps, 3 * kCount);
}

TEST(TimerWheel, EmptyTimeCostsNothing) {
  Bench b(2, 0);
  b.wheel.arm(0, 0x7000'0000);
  const Wheel::Progress none = b.advance(0x6fff'ffff);
  EXPECT_EQ(none.fired, 0U);
  EXPECT_LE(none.steps, 3U);
  EXPECT_EQ(b.advance(0x7000'0000).fired, 1U);
  // With nothing armed, a jump of any length below half the circle is one step.
  b.advance(0xe000'0000);
  EXPECT_EQ(b.wheel.base(), 0xe000'0001U);
}

TEST(TimerWheel, QuietTimeHidesNothing) {
  // While nothing is due base() lags; what is armed meanwhile must fire on time all the same, and
  // whoever sleeps until next_tick() must find work there.
  Bench b(3, 0);
  b.wheel.arm(0, 1'000'000);
  b.advance(0);
  for (Tick now = 1; now < 900'000; now += 577) {
    b.advance(now);
    now += 400;
    b.advance(now);  // base() stays where it was
    const Tick at = now + 1 + now % 300;
    b.wheel.arm(1, at);
    ASSERT_FALSE(tick_before(at, *b.wheel.next_tick()));
    ASSERT_TRUE(tick_before(now, *b.wheel.next_tick()));
    b.fired.clear();
    b.advance(at - 1);
    ASSERT_TRUE(b.fired.empty());
    b.advance(at);
    ASSERT_EQ(b.fired.size(), 1U);
  }
}

TEST(TimerWheel, TheFarthestTimeoutAfterALongSilence) {
  Bench b(2, 0);
  const Tick day = ticks_for(kMaxTimeout);
  b.wheel.arm(0, day);
  const Tick later = 1'250'000'000;
  Tick now = 0;
  for (; now < later; now += 4999) b.advance(now);
  b.wheel.arm(1, later + day);
  for (; now < day; now += 4999) b.advance(now);
  EXPECT_TRUE(b.fired.empty());
  b.advance(day);
  ASSERT_EQ(b.fired.size(), 1U);
  EXPECT_EQ(b.fired[0].first, 0U);
  for (; now < later + day; now += 4999) b.advance(now);
  EXPECT_EQ(b.fired.size(), 1U);
  b.advance(later + day);
  EXPECT_EQ(b.fired.size(), 2U);
}

TEST(TimerWheel, NextTickLeadsToTheNodeInFewSteps) {
  // A simulator that sleeps until next_tick() gets there in at most one wake-up for each level.
  for (const Tick at : {Tick{3}, Tick{700}, Tick{100'000}, Tick{30'000'000}, Tick{0x5000'0000}}) {
    Bench b(1, 0);
    b.wheel.arm(0, at);
    int wakes = 0;
    while (b.fired.empty() && wakes < 10) {
      const Tick next = *b.wheel.next_tick();
      ASSERT_FALSE(tick_before(at, next));
      b.advance(next);
      ++wakes;
    }
    EXPECT_LE(wakes, 4);
    EXPECT_EQ(b.fired.at(0).second, at);
  }
}

}  // namespace
}  // namespace millrace::tcp
