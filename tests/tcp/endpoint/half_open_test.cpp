// SPDX-License-Identifier: BSD-3-Clause
//
// The half-open store: what it keeps, when it retransmits and gives up, and its bounds.
#include "tcp/endpoint/half_open.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "tests/tcp/endpoint/random.h"

namespace millrace::tcp {
namespace {

FourTuple tuple_of(std::uint32_t number, bool ipv6) {
  const auto port = static_cast<std::uint16_t>(1024 + number % 60'000);
  if (!ipv6) return {Address::v4(0xC6120001), Address::v4(0xC6130000 + number / 60'000), 80, port};
  return {Address::v6({0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}),
          Address::v6({0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}), 80, port};
}

struct Store {
  std::vector<TcpConfig> profiles{1};
  HalfOpen half_open;
  explicit Store(std::uint32_t capacity, std::vector<TcpConfig> p = {TcpConfig{}})
      : profiles(std::move(p)), half_open(capacity, profiles) {}
};

TEST(HalfOpen, KeepsWhatItIsTold) {
  Store s(10, {TcpConfig{}, TcpConfig{}});
  for (const bool ipv6 : {false, true}) {
    HalfOpenState state;
    state.iss = Seq(1);
    state.irs = Seq(2);
    state.ts_recent = 3;
    state.peer_mss = 1400;
    state.listener = 65'535;
    state.window_scales = 0x97;
    state.profile = 1;
    state.flags = HalfOpenState::kSack | HalfOpenState::kTimestamps;
    state.level = 77;  // not the caller's
    const EntryRef ref = s.half_open.insert(tuple_of(5, ipv6), state, Instant{1s});
    ASSERT_TRUE(ref);
    EXPECT_EQ(ref.kind(), EntryKind::half_open);
    EXPECT_EQ(ref.ipv6(), ipv6);
    EXPECT_EQ(s.half_open.tuple(ref), tuple_of(5, ipv6));
    EXPECT_TRUE(s.half_open.matches(ref, tuple_of(5, ipv6)));
    EXPECT_FALSE(s.half_open.matches(ref, tuple_of(6, ipv6)));
    EXPECT_EQ(s.half_open.matches_v4(ref, pack_v4(tuple_of(5, false))), !ipv6);
    EXPECT_FALSE(s.half_open.matches_v4(ref, pack_v4(tuple_of(6, false))));
    EXPECT_FALSE(s.half_open.matches(ref, tuple_of(5, !ipv6)));
    const HalfOpenState& kept = s.half_open.state(ref);
    EXPECT_EQ(kept.iss, Seq(1));
    EXPECT_EQ(kept.irs, Seq(2));
    EXPECT_EQ(kept.ts_recent, 3U);
    EXPECT_EQ(kept.peer_mss, 1400);
    EXPECT_EQ(kept.listener, 65'535);
    EXPECT_EQ(kept.window_scales, 0x97);
    EXPECT_EQ(kept.profile, 1);
    EXPECT_EQ(kept.flags, state.flags);
    EXPECT_EQ(kept.level, 0);
  }
  EXPECT_EQ(s.half_open.size(), 2U);
  EXPECT_EQ(s.half_open.size_of(65'535), 2U);
  EXPECT_EQ(s.half_open.size_of(0), 0U);
}

TEST(HalfOpen, RetransmitsWithBackoffAndGivesUp) {
  TcpConfig config;
  config.initial_rto = 1s;
  config.max_rto = 6s;
  config.syn_retries = 4;
  for (const bool ipv6 : {false, true}) {
    Store s(10, {config});
    const Instant start{5'000'000'999ns};
    const EntryRef ref = s.half_open.insert(tuple_of(1, ipv6), {}, start);
    std::array<HalfOpen::Due, 4> due;
    Instant at = start;
    for (const Duration wait : {1s, 2s, 4s, 6s}) {
      at += wait;
      EXPECT_EQ(s.half_open.due(at - 1ns, due), 0U);
      EXPECT_GE(*s.half_open.next_due(at - 1s), at - 1us);
      EXPECT_LE(*s.half_open.next_due(at - 1s), at + 2us);
      at += 2us;
      ASSERT_EQ(s.half_open.due(at, due), 1U);
      EXPECT_EQ(due[0].ref, ref);
      EXPECT_FALSE(due[0].expired);
      EXPECT_EQ(s.half_open.due(at, due), 0U);
    }
    at += 6s;
    EXPECT_EQ(s.half_open.due(at - 1ns, due), 0U);
    at += 2us;
    for (int again = 0; again < 2; ++again) {
      ASSERT_EQ(s.half_open.due(at, due), 1U);
      EXPECT_TRUE(due[0].expired);
    }
    s.half_open.release(ref);
    EXPECT_EQ(s.half_open.due(at + 100s, due), 0U);
    EXPECT_FALSE(s.half_open.next_due(at));
    EXPECT_EQ(s.half_open.stats().retransmissions, 4U);
  }
}

TEST(HalfOpen, AShorterTimeoutIsNotKeptWaitingByALongerOne) {
  TcpConfig slow, quick;
  slow.initial_rto = 3s;
  quick.initial_rto = 200ms;
  Store s(10, {slow, quick});
  ASSERT_TRUE(s.half_open.insert(tuple_of(1, false), {}, Instant{1s}));
  HalfOpenState state;
  state.profile = 1;
  const EntryRef second = s.half_open.insert(tuple_of(2, true), state, Instant{1s});
  EXPECT_LE(*s.half_open.next_due(Instant{1s}), Instant{1s} + 201ms);
  std::array<HalfOpen::Due, 4> due;
  ASSERT_EQ(s.half_open.due(Instant{1s} + 201ms, due), 1U);
  EXPECT_EQ(due[0].ref, second);
}

TEST(HalfOpen, TellsTheRoundTripOnlyIfItIsCertain) {
  Store s(10);
  const Instant start{1s};
  const EntryRef a = s.half_open.insert(tuple_of(1, false), {}, start);
  EXPECT_EQ(s.half_open.rtt_us(a, start), 1U);
  EXPECT_EQ(s.half_open.rtt_us(a, start + 250us), 250U);
  s.half_open.resent(a);
  EXPECT_EQ(s.half_open.rtt_us(a, start + 250us), 0U);
  const EntryRef b = s.half_open.insert(tuple_of(2, true), {}, start);
  std::array<HalfOpen::Due, 4> due;
  ASSERT_EQ(s.half_open.due(start + 1001ms, due), 2U);
  EXPECT_EQ(s.half_open.rtt_us(b, start + 1002ms), 0U);
}

TEST(HalfOpen, IsBoundedOverBothFamilies) {
  Store s(100);
  std::vector<EntryRef> refs;
  for (std::uint32_t i = 0; i < 100; ++i) {
    refs.push_back(s.half_open.insert(tuple_of(i, i % 3 == 0), {}, Instant{1s}));
    ASSERT_TRUE(refs.back());
  }
  for (const bool ipv6 : {false, true}) {
    EXPECT_FALSE(s.half_open.insert(tuple_of(100, ipv6), {}, Instant{1s}));
  }
  EXPECT_EQ(s.half_open.stats().refused, 2U);
  s.half_open.release(refs[50]);
  EXPECT_TRUE(s.half_open.insert(tuple_of(100, true), {}, Instant{1s}));
  EXPECT_FALSE(s.half_open.insert(tuple_of(101, true), {}, Instant{1s}));
}

TEST(HalfOpen, ListsTheEntriesOfAListener) {
  Store s(100);
  for (std::uint32_t i = 0; i < 90; ++i) {
    HalfOpenState state;
    state.listener = static_cast<std::uint16_t>(i % 3);
    ASSERT_TRUE(s.half_open.insert(tuple_of(i, i % 2 == 0), state, Instant{1s}));
  }
  EXPECT_EQ(s.half_open.size_of(1), 30U);
  std::array<EntryRef, 8> some;
  std::size_t released = 0;
  for (std::size_t n = s.half_open.list(1, some); n != 0; n = s.half_open.list(1, some)) {
    for (std::size_t i = 0; i < n; ++i) s.half_open.release(some[i]);
    released += n;
  }
  EXPECT_EQ(released, 30U);
  EXPECT_EQ(s.half_open.size_of(1), 0U);
  EXPECT_EQ(s.half_open.size(), 60U);
}

TEST(HalfOpen, AFloodIsWorkedOffInBoundedCalls) {
  constexpr std::uint32_t kCount = 50'000;
  TcpConfig config;
  config.syn_retries = 0;
  Store s(kCount, {config});
  for (std::uint32_t i = 0; i < kCount; ++i) {
    ASSERT_TRUE(s.half_open.insert(tuple_of(i, false), {}, Instant{1s}));
  }
  std::array<HalfOpen::Due, 64> due;
  std::size_t total = 0;
  for (std::size_t n = s.half_open.due(Instant{3s}, due); n != 0;
       n = s.half_open.due(Instant{3s}, due)) {
    for (std::size_t i = 0; i < n; ++i) {
      ASSERT_TRUE(due[i].expired);
      s.half_open.release(due[i].ref);
    }
    total += n;
  }
  EXPECT_EQ(total, kCount);
  EXPECT_EQ(s.half_open.size(), 0U);
}

TEST(HalfOpen, AgreesWithAModel) {
  TcpConfig quick, slow;
  quick.initial_rto = 200ms;
  quick.syn_retries = 3;
  slow.initial_rto = 3s;
  slow.max_rto = 5s;
  slow.syn_retries = 2;
  const std::vector<TcpConfig> profiles{quick, slow};
  Store s(500, profiles);
  struct Expected {
    EntryRef ref;
    Instant deadline;
    unsigned level;
    std::size_t profile;
  };
  std::map<std::uint32_t, Expected> model;
  std::map<std::uint32_t, std::uint32_t> key_of;  // reference -> key
  const auto wait = [&](std::size_t profile, unsigned level) {
    Duration d = profiles[profile].initial_rto;
    for (unsigned i = 0; i < level; ++i) d = std::min(2 * d, profiles[profile].max_rto);
    return d;
  };
  Random random(5);
  // Across the wrap of the 32-bit microseconds.
  Instant now{std::chrono::microseconds{(std::int64_t{1} << 32) - 20'000'000}};
  for (int step = 0; step < 40'000; ++step) {
    const std::uint32_t key = random.below(900);
    const auto it = model.find(key);
    if (it == model.end()) {
      HalfOpenState state;
      state.profile = static_cast<std::uint8_t>(random.below(2));
      const EntryRef ref = s.half_open.insert(tuple_of(key, key % 2 == 0), state, now);
      ASSERT_EQ(ref.exists(), model.size() < 500);
      if (ref) {
        model[key] = {ref, now + wait(state.profile, 0), 0, state.profile};
        key_of[ref.bits()] = key;
      }
    } else if (random.one_in(2)) {
      s.half_open.release(it->second.ref);
      model.erase(it);
    }
    now += std::chrono::microseconds(random.below(2000));
    std::array<HalfOpen::Due, 16> due;
    for (std::size_t n = 16; n == 16;) {
      n = s.half_open.due(now, due);
      for (std::size_t i = 0; i < n; ++i) {
        Expected& e = model.at(key_of.at(due[i].ref.bits()));
        ASSERT_EQ(e.ref, due[i].ref);
        ASSERT_LE(e.deadline, now);
        ASSERT_EQ(due[i].expired, e.level == profiles[e.profile].syn_retries);
        if (due[i].expired) {
          s.half_open.release(e.ref);
          model.erase(key_of.at(due[i].ref.bits()));
        } else {
          e.deadline = now + wait(e.profile, ++e.level);
        }
      }
    }
    ASSERT_EQ(s.half_open.size(), model.size());
    if (!random.one_in(16)) continue;
    for (const auto& [k, e] : model) ASSERT_GT(e.deadline + 2us, now);
  }
  EXPECT_GT(s.half_open.stats().retransmissions, 1000U);
}

}  // namespace
}  // namespace millrace::tcp
