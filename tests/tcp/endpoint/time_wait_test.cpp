// SPDX-License-Identifier: BSD-3-Clause
//
// The TIME_WAIT store against a map of deadlines: both families, several 2MSL, restarts,
// reopenings, full stores, storms, and what all of it leaves behind.
#include "tcp/endpoint/time_wait.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "tcp/endpoint/tuple_hash.h"
#include "tests/tcp/endpoint/random.h"

namespace millrace::tcp {
namespace {

const TupleHasher kHasher(SipKey{3, 4});

FourTuple tuple_of(std::uint32_t number, bool ipv6) {
  const auto port = static_cast<std::uint16_t>(1024 + number % 60'000);
  const std::uint32_t host = number / 60'000;
  if (!ipv6) return {Address::v4(0xC6120000 + host), Address::v4(0xC6130001), port, 80};
  std::array<std::uint8_t, 16> local{0x20, 1, 0, 2}, remote{0x20, 1, 0, 2};
  local[14] = static_cast<std::uint8_t>(host >> 8);
  local[15] = static_cast<std::uint8_t>(host);
  remote[15] = 0xff;
  return {Address::v6(local), Address::v6(remote), port, 80};
}

TcpConfig with_2msl(Duration two_msl) {
  TcpConfig config;
  config.two_msl = two_msl;
  return config;
}

/// A store with its index, as an endpoint uses them.
struct House {
  std::vector<TcpConfig> profiles;
  Index index;
  TimeWait store;

  explicit House(std::uint32_t capacity, std::vector<TcpConfig> the_profiles = {TcpConfig{}})
      : profiles(std::move(the_profiles)),
        index(capacity + 16),
        store(capacity, profiles, index, kHasher) {}

  static std::uint64_t hash(const FourTuple& t) { return kHasher(t); }
  EntryRef find(const FourTuple& t) const {
    return index.find(hash(t), [&](EntryRef ref) { return store.matches(ref, t); });
  }
  bool add(const FourTuple& t, Instant now, TimeWaitState state = {}) {
    const EntryRef ref = store.insert(t, state, now);
    if (!ref) return false;
    EXPECT_TRUE(index.insert(hash(t), ref));
    return true;
  }
  void drop(const FourTuple& t) {
    const EntryRef ref = find(t);
    ASSERT_TRUE(index.erase(hash(t), ref));
    store.release(ref);
  }
  std::vector<FourTuple> expire(Instant now, std::size_t room = 64) {
    std::vector<FourTuple> result;
    std::vector<TimeWaitGone> gone(room);
    for (bool more = true; more;) {
      const TimeWait::Progress done = store.expire(now, gone);
      EXPECT_LE(done.gone, room);
      EXPECT_LE(done.steps, 4 * room);
      for (std::size_t i = 0; i < done.gone; ++i) result.push_back(gone[i].tuple);
      more = done.more;
    }
    return result;
  }
};

TEST(TimeWait, RemembersWhatItIsTold) {
  House h(100, {TcpConfig{}, with_2msl(5s)});
  for (const bool ipv6 : {false, true}) {
    const FourTuple t = tuple_of(7, ipv6);
    TimeWaitState s;
    s.snd_nxt = Seq(111);
    s.rcv_nxt = Seq(222);
    s.ts_recent = 333;
    s.window = 444;
    s.flags = 0xff;  // the store's own bits are not the caller's to set
    s.profile = 1;
    ASSERT_TRUE(h.add(t, Instant{1s}, s));
    const EntryRef ref = h.find(t);
    ASSERT_TRUE(ref);
    EXPECT_EQ(ref.kind(), EntryKind::time_wait);
    EXPECT_EQ(ref.ipv6(), ipv6);
    EXPECT_EQ(h.store.tuple(ref), t);
    EXPECT_FALSE(h.store.matches(ref, tuple_of(7, !ipv6)));
    EXPECT_EQ(h.store.matches_v4(ref, pack_v4(tuple_of(7, false))), !ipv6);
    EXPECT_FALSE(h.store.matches_v4(ref, pack_v4(tuple_of(8, false))));
    EXPECT_EQ(h.store.state(ref).snd_nxt, Seq(111));
    EXPECT_EQ(h.store.state(ref).rcv_nxt, Seq(222));
    EXPECT_EQ(h.store.state(ref).ts_recent, 333U);
    EXPECT_EQ(h.store.state(ref).window, 444U);
    EXPECT_EQ(h.store.state(ref).flags, TimeWaitState::kForCaller);
    EXPECT_EQ(h.store.expiry(ref), deadline_after(Instant{1s}, 5s));
    h.store.set_ts_recent(ref, 334);
    EXPECT_EQ(h.store.state(ref).ts_recent, 334U);
    EXPECT_FALSE(h.find(tuple_of(8, ipv6)));
  }
  EXPECT_EQ(h.store.size(), 2U);
}

TEST(TimeWait, StaysFor2MslAndNotLonger) {
  for (const bool ipv6 : {false, true}) {
    for (const Duration two_msl : {Duration{0s}, Duration{1ms}, Duration{60s}, Duration{240s}}) {
      House h(100, {with_2msl(two_msl)});
      const Instant start{123'456'789ns};
      ASSERT_TRUE(h.add(tuple_of(1, ipv6), start));
      if (two_msl > 0s) {
        EXPECT_TRUE(h.expire(start + two_msl - 1ns).empty());
      }
      EXPECT_EQ(h.store.size(), 1U);
      EXPECT_EQ(h.expire(start + two_msl + kTick).size(), 1U);
      EXPECT_FALSE(h.find(tuple_of(1, ipv6)));
      EXPECT_EQ(h.index.size(), 0U);
      EXPECT_EQ(h.store.runs(), 0U);
    }
  }
}

TEST(TimeWait, AgeIsNeverOverstated) {
  House h(10);
  for (const Duration begin : {1'000'000'000ns, 1'000'001'234ns, 1'000'065'535ns}) {
    const Instant start{begin};
    ASSERT_TRUE(h.add(tuple_of(1, false), start));
    const EntryRef ref = h.find(tuple_of(1, false));
    for (const Duration passed : {0ns, 1ns, 65'536ns, 1'000'000'000ns, 59'000'000'000ns}) {
      EXPECT_LE(h.store.age(ref, start + passed), passed);
      EXPECT_GE(h.store.age(ref, start + passed), passed - 3 * kTick);
    }
    h.drop(tuple_of(1, false));
  }
}

TEST(TimeWait, ARestartBegins2MslAnew) {
  for (const bool ipv6 : {false, true}) {
    House h(1000);
    for (std::uint32_t i = 0; i < 10; ++i) ASSERT_TRUE(h.add(tuple_of(i, ipv6), Instant{1s}));
    const FourTuple t = tuple_of(3, ipv6);
    const EntryRef moved = h.store.restart(House::hash(t), h.find(t), Instant{31s});
    EXPECT_EQ(h.find(t), moved);
    EXPECT_EQ(h.store.tuple(moved), t);
    EXPECT_EQ(h.store.tombstones(), 1U);
    EXPECT_EQ(h.store.size(), 10U);
    EXPECT_EQ(h.expire(Instant{61s} + kTick).size(), 9U);
    EXPECT_EQ(h.store.tombstones(), 0U);
    EXPECT_TRUE(h.expire(Instant{91s} - 1ns).empty());
    EXPECT_EQ(h.expire(Instant{91s} + kTick).size(), 1U);
    EXPECT_EQ(h.store.runs(), 0U);
  }
}

TEST(TimeWait, TheYoungestRestartsInPlace) {
  House h(1000);
  ASSERT_TRUE(h.add(tuple_of(1, false), Instant{1s}));
  ASSERT_TRUE(h.add(tuple_of(2, false), Instant{2s}));
  const FourTuple t = tuple_of(2, false);
  const EntryRef before = h.find(t);
  EXPECT_EQ(h.store.restart(House::hash(t), before, Instant{3s}), before);
  EXPECT_EQ(h.store.tombstones(), 0U);
  EXPECT_EQ(h.store.expiry(before), deadline_after(Instant{3s}, 60s));
}

TEST(TimeWait, RestartsWithoutEndMakeBoundedTombstones) {
  // A peer that sends its FIN again and again for every entry it has with us.
  constexpr std::uint32_t kCount = 20'000;
  House h(kCount);
  for (std::uint32_t i = 0; i < kCount; ++i) ASSERT_TRUE(h.add(tuple_of(i, false), Instant{0s}));
  std::map<std::uint32_t, Instant> restarted;
  Random random(1);
  for (std::uint32_t n = 0; n < 10 * kCount; ++n) {
    const std::uint32_t i = random.below(kCount);
    const FourTuple t = tuple_of(i, false);
    const Instant now{n * 250us};  // 50 s in all
    (void)h.store.restart(House::hash(t), h.find(t), now);
    restarted[i] = now;
    ASSERT_LE(h.store.tombstones(), kCount / 8 + 256);
  }
  EXPECT_GT(h.store.stats().deferred, 0U);
  EXPECT_EQ(h.store.size(), kCount);
  // None goes before its 2MSL is over, all go within two of them.
  Instant now{50s};
  std::size_t count = 0;
  for (; now < Instant{171s}; now += 100ms) {
    for (const FourTuple& t : h.expire(now)) {
      const std::uint32_t i =
          static_cast<std::uint32_t>(t.local_port - 1024) + (t.local.to_v4() & 0xff) * 60'000;
      const auto it = restarted.find(i);
      if (it != restarted.end()) {
        ASSERT_GE(now, it->second + 60s);
      }
      ++count;
    }
  }
  EXPECT_EQ(count, kCount);
  EXPECT_EQ(h.index.size(), 0U);
  EXPECT_EQ(h.store.tombstones(), 0U);
  EXPECT_EQ(h.store.runs(), 0U);
}

TEST(TimeWait, ARestartAfterADeferredOneIsExact) {
  House h(1000);
  for (std::uint32_t i = 0; i < 400; ++i) ASSERT_TRUE(h.add(tuple_of(i, false), Instant{0s}));
  const auto restart = [&](std::uint32_t i, Instant now) {
    const FourTuple t = tuple_of(i, false);
    (void)h.store.restart(House::hash(t), h.find(t), now);
  };
  // Evenly over the runs, so that none becomes empty or merges.
  for (std::uint32_t i = 0; i < 398; i += 2) restart(i, Instant{1s});
  for (const std::uint32_t first : {1U, 5U}) {
    for (std::uint32_t i = first; i < 398; i += 8) restart(i, Instant{1s});
  }
  ASSERT_GT(h.store.stats().deferred, 0U);
  restart(399, Instant{2s});
  // Expiring some makes room for tombstones again, before the turn of 399 has come: now a restart
  // appends, and 399 expires before what comes after it.
  std::array<TimeWaitGone, 64> some;
  (void)h.store.expire(Instant{60s} + kTick, some);
  ASSERT_LT(h.store.tombstones(), 200U);
  restart(399, Instant{62s});
  ASSERT_TRUE(h.add(tuple_of(500, false), Instant{63s}));
  (void)h.expire(Instant{64s});
  EXPECT_TRUE(h.find(tuple_of(399, false)));
  (void)h.expire(Instant{122s} + kTick);
  EXPECT_FALSE(h.find(tuple_of(399, false)));
  EXPECT_TRUE(h.find(tuple_of(500, false)));
}

TEST(TimeWait, ARestartThatMergesRunsTellsWhereTheEntryIs) {
  House h(1000);
  for (std::uint32_t i = 0; i < 128; ++i) {
    ASSERT_TRUE(h.add(tuple_of(i, false), Instant{i < 20 ? 0s : 10s}));
  }
  for (std::uint32_t i = 70; i < 128; ++i) h.drop(tuple_of(i, false));
  for (std::uint32_t i = 200; i < 210; ++i) ASSERT_TRUE(h.add(tuple_of(i, false), Instant{10s}));
  EXPECT_EQ(h.expire(Instant{61s}).size(), 20U);
  ASSERT_EQ(h.store.runs(), 2U);
  // The restarts make the tombstones that let the two runs become one.
  for (std::uint32_t i = 20; i < 40; ++i) {
    const FourTuple t = tuple_of(i, false);
    const EntryRef moved = h.store.restart(House::hash(t), h.find(t), Instant{62s});
    ASSERT_EQ(h.find(t), moved);
    ASSERT_EQ(h.store.tuple(moved), t);
    ASSERT_EQ(h.store.expiry(moved), deadline_after(Instant{62s}, 60s));
  }
  EXPECT_EQ(h.store.runs(), 1U);
  EXPECT_EQ(h.store.size(), 60U);
  for (std::uint32_t i = 20; i < 70; ++i) EXPECT_TRUE(h.find(tuple_of(i, false)));
}

TEST(TimeWait, ReopeningReusesTheSpaceOfTombstones) {
  // A few tuples that are reopened all the time must not fill the store with what they leave: the
  // memory in use follows the live entries.
  for (const bool ipv6 : {false, true}) {
    constexpr std::uint32_t kLive = 5000;
    House h(100'000);
    Random random(2);
    for (std::uint32_t i = 0; i < kLive; ++i) ASSERT_TRUE(h.add(tuple_of(i, ipv6), Instant{0s}));
    for (std::uint32_t n = 0; n < 200'000; ++n) {
      const FourTuple t = tuple_of(random.below(kLive), ipv6);
      h.drop(t);
      ASSERT_TRUE(h.add(t, Instant{n * 100us}));
      ASSERT_EQ(h.store.size(), kLive);
      ASSERT_LE(h.store.tombstones(), 3 * kLive + 256);
    }
    const std::uint32_t slots = ipv6 ? 64 : 128;
    EXPECT_LE(h.store.runs(), 4 * kLive / slots + 4);
    EXPECT_LE(h.store.stats().moved, 200'000U) << "paid for by the removals";
    for (std::uint32_t i = 0; i < kLive; ++i) ASSERT_TRUE(h.find(tuple_of(i, ipv6)));
    EXPECT_EQ(h.expire(Instant{20s + 60s} + kTick).size(), kLive);
    EXPECT_EQ(h.store.runs(), 0U);
    EXPECT_EQ(h.index.overflow_total(), 0U);
  }
}

TEST(TimeWait, IsFullAtItsCapacityAndRecyclesTheOldest) {
  for (const bool ipv6 : {false, true}) {
    House h(300);
    for (std::uint32_t i = 0; i < 300; ++i) {
      ASSERT_TRUE(h.add(tuple_of(i, ipv6), Instant{i * 1ms}));
    }
    EXPECT_FALSE(h.add(tuple_of(300, ipv6), Instant{1s}));
    for (std::uint32_t i = 0; i < 300; ++i) {
      const auto gone = h.store.recycle_oldest();
      ASSERT_TRUE(gone);
      EXPECT_EQ(gone->tuple, tuple_of(i, ipv6));
      EXPECT_FALSE(h.find(gone->tuple));
      ASSERT_TRUE(h.add(tuple_of(300 + i, ipv6), Instant{1s}));
    }
    EXPECT_EQ(h.store.stats().recycled, 300U);
  }
  House empty(4);
  EXPECT_FALSE(empty.store.recycle_oldest());
  House none(0);
  EXPECT_FALSE(none.add(tuple_of(0, false), Instant{}));
}

TEST(TimeWait, RecyclesTheOneThatExpiresFirstOfAllSequences) {
  House h(10, {with_2msl(60s), with_2msl(10s)});
  TimeWaitState quick;
  quick.profile = 1;
  ASSERT_TRUE(h.add(tuple_of(1, false), Instant{0s}));
  ASSERT_TRUE(h.add(tuple_of(2, true), Instant{1s}, quick));
  ASSERT_TRUE(h.add(tuple_of(3, false), Instant{2s}, quick));
  h.drop(tuple_of(2, true));
  EXPECT_EQ(h.store.recycle_oldest()->tuple, tuple_of(3, false));
  EXPECT_EQ(h.store.recycle_oldest()->tuple, tuple_of(1, false));
  EXPECT_FALSE(h.store.recycle_oldest());
}

TEST(TimeWait, AStormOfExpiriesIsWorkedOffInBoundedCalls) {
  constexpr std::uint32_t kCount = 200'000;
  House h(kCount);
  for (std::uint32_t i = 0; i < kCount; ++i) ASSERT_TRUE(h.add(tuple_of(i, false), Instant{0s}));
  std::array<TimeWaitGone, 32> gone;
  std::uint32_t count = 0, calls = 0;
  for (bool more = true; more; ++calls) {
    const TimeWait::Progress done = h.store.expire(Instant{61s}, gone);
    ASSERT_LE(done.gone, gone.size());
    ASSERT_LE(done.steps, 4 * gone.size());
    for (std::size_t i = 0; i < done.gone; ++i) ASSERT_EQ(gone[i].tuple, tuple_of(count++, false));
    more = done.more;
  }
  EXPECT_EQ(count, kCount);
  EXPECT_GE(calls, kCount / 32);
}

TEST(TimeWait, OneSequenceDoesNotStarveAnother) {
  House h(10'000, {with_2msl(1s), with_2msl(2s)});
  TimeWaitState second;
  second.profile = 1;
  for (std::uint32_t i = 0; i < 4000; ++i) {
    ASSERT_TRUE(h.add(tuple_of(i, false), Instant{0s}));
    ASSERT_TRUE(h.add(tuple_of(i + 4000, true), Instant{0s}, second));
  }
  std::array<TimeWaitGone, 16> gone;
  int of_second = 0;
  for (int call = 0; call < 100; ++call) {
    const TimeWait::Progress done = h.store.expire(Instant{10s}, gone);
    for (std::size_t i = 0; i < done.gone; ++i) of_second += gone[i].profile;
  }
  EXPECT_NEAR(of_second, 800, 100);
}

TEST(TimeWait, NextExpiryIsNeverTooLate) {
  House h(100, {with_2msl(60s), with_2msl(5s)});
  EXPECT_FALSE(h.store.next_expiry());
  ASSERT_TRUE(h.add(tuple_of(1, false), Instant{0s}));
  EXPECT_EQ(h.store.next_expiry(), deadline_after(Instant{0s}, 60s));
  TimeWaitState quick;
  quick.profile = 1;
  ASSERT_TRUE(h.add(tuple_of(2, true), Instant{10s}, quick));
  EXPECT_EQ(h.store.next_expiry(), deadline_after(Instant{10s}, 5s));
  EXPECT_EQ(h.expire(Instant{16s}).size(), 1U);
  EXPECT_EQ(h.store.next_expiry(), deadline_after(Instant{0s}, 60s));
}

/// Everything at random against a map of deadlines, across the wrap of the tick.
void compare_with_model(std::uint32_t seed, Instant start) {
  Random random(seed);
  const std::vector<Duration> durations{60s, 5s, 60s, 20s};
  std::vector<TcpConfig> profiles;
  for (const Duration d : durations) profiles.push_back(with_2msl(d));
  constexpr std::uint32_t kCapacity = 2000;
  House h(kCapacity, profiles);
  struct Expected {
    Instant deadline;
    Seq snd_nxt;
    Duration two_msl;
  };
  std::map<std::uint32_t, Expected> model;
  Instant now = start;
  for (std::uint32_t step = 0; step < 30'000; ++step) {
    const std::uint32_t key = random.below(3000);
    const FourTuple t = tuple_of(key, key % 2 == 1);
    const auto it = model.find(key);
    const EntryRef ref = h.find(t);
    ASSERT_EQ(ref.exists(), it != model.end());
    if (it == model.end()) {
      TimeWaitState s;
      s.profile = static_cast<std::uint8_t>(random.below(4));
      s.snd_nxt = Seq(random());
      ASSERT_EQ(h.add(t, now, s), model.size() < kCapacity);
      if (h.find(t)) model[key] = {now + durations[s.profile], s.snd_nxt, durations[s.profile]};
    } else if (random.one_in(2)) {
      ASSERT_EQ(h.store.state(ref).snd_nxt, it->second.snd_nxt);
      const EntryRef moved = h.store.restart(House::hash(t), ref, now);
      ASSERT_EQ(h.find(t), moved);
      it->second.deadline = now + it->second.two_msl;
    } else if (random.one_in(2)) {
      h.drop(t);
      model.erase(it);
    }
    now += std::chrono::microseconds(random.below(5000));
    if (random.one_in(2000)) now += 10s;
    if (!random.one_in(20)) continue;
    for (const FourTuple& gone : h.expire(now, 1 + random.below(40))) {
      const std::uint32_t gone_key = static_cast<std::uint32_t>(gone.local_port - 1024);
      ASSERT_EQ(model.count(gone_key), 1U);
      ASSERT_LE(model[gone_key].deadline, now);
      model.erase(gone_key);
    }
    ASSERT_EQ(h.store.size(), model.size());
    ASSERT_EQ(h.index.size(), model.size());
    if (!random.one_in(4)) continue;
    for (const auto& [k, expected] : model) {
      const bool deferred_ones = h.store.stats().deferred != 0;
      ASSERT_GT(expected.deadline + 2 * kTick + (deferred_ones ? expected.two_msl : 0s), now);
    }
  }
  EXPECT_GT(h.store.stats().moved, 0U);
  EXPECT_EQ(h.expire(now + 121s).size(), model.size());
  EXPECT_EQ(h.store.runs(), 0U);
  EXPECT_EQ(h.store.tombstones(), 0U);
  EXPECT_EQ(h.index.overflow_total(), 0U);
}

TEST(TimeWait, AgreesWithAModel) {
  compare_with_model(1, Instant{0s});
  compare_with_model(2, Instant{ticks_to_duration(0xffff'ffff) - 30s});
  compare_with_model(3, Instant{ticks_to_duration(0x7fff'ffff) - 70s});
}

TEST(TimeWait, MemoryIsTouchedAsItIsUsed) {
  House h(1'000'000);
  EXPECT_EQ(h.store.touched_bytes(), 0U);
  for (std::uint32_t i = 0; i < 12'800; ++i) ASSERT_TRUE(h.add(tuple_of(i, false), Instant{0s}));
  EXPECT_EQ(h.store.touched_bytes(), 100U * (4096 + 16));
  // Expired runs are used again before fresh ones.
  EXPECT_EQ(h.expire(Instant{61s}).size(), 12'800U);
  for (std::uint32_t i = 0; i < 12'800; ++i) ASSERT_TRUE(h.add(tuple_of(i, false), Instant{62s}));
  EXPECT_EQ(h.store.touched_bytes(), 100U * (4096 + 16));
}

}  // namespace
}  // namespace millrace::tcp
