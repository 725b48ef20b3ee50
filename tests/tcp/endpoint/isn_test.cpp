// SPDX-License-Identifier: BSD-3-Clause
//
// Initial sequence numbers: their clock, and that one tuple's number says nothing about another's.
#include "tcp/endpoint/isn.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>

namespace millrace::tcp {
namespace {

constexpr SipKey kKey{1, 2};

FourTuple tuple(std::uint16_t local_port, std::uint16_t remote_port = 80) {
  return {Address::v4(0xC6120002), Address::v4(0xC6120001), local_port, remote_port};
}
FourTuple tuple6(std::uint16_t local_port) {
  return {Address::v6({0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}),
          Address::v6({0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), local_port, 80};
}

Seq isn(SipKey key, const FourTuple& t, Instant now) { return flow_numbers(key, t, now).isn; }
Seq isn_beyond(SipKey key, const FourTuple& t, Instant now, Seq old_snd_nxt) {
  return flow_numbers_beyond(key, t, now, old_snd_nxt).isn;
}

TEST(Isn, GoesUpByOneEveryFourMicroseconds) {
  for (const FourTuple& t : {tuple(1024), tuple6(1024)}) {
    const Instant start{1h};
    const Seq first = isn(kKey, t, start);
    EXPECT_EQ(bytes_between(first, isn(kKey, t, start + 4us)), 1U);
    EXPECT_EQ(bytes_between(first, isn(kKey, t, start + 1s)), 250'000U);
    // 2^32 x 4 us: the clock wraps with the sequence space, without a jump.
    const Duration round = std::chrono::microseconds{std::int64_t{4} << 32};
    EXPECT_EQ(first, isn(kKey, t, start + round));
  }
}

TEST(Isn, EveryPartOfTheTupleAndTheKeyCounts) {
  std::set<std::uint32_t> seen;
  const Instant now{1s};
  seen.insert(isn(kKey, tuple(1024), now).raw());
  seen.insert(isn(kKey, tuple(1025), now).raw());
  seen.insert(isn(kKey, tuple(1024, 81), now).raw());
  seen.insert(isn(kKey, tuple6(1024), now).raw());
  seen.insert(isn({1, 3}, tuple(1024), now).raw());
  seen.insert(isn({2, 2}, tuple(1024), now).raw());
  FourTuple swapped = tuple(1024);
  std::swap(swapped.local, swapped.remote);
  seen.insert(isn(kKey, swapped, now).raw());
  FourTuple other = tuple(1024);
  other.remote = Address::v4(0xC6120003);
  seen.insert(isn(kKey, other, now).raw());
  EXPECT_EQ(seen.size(), 8U);
}

TEST(Isn, DifferencesBetweenNeighboursLookRandom) {
  // An attacker who may connect sees the numbers of its own tuples. If neighbours were related by a
  // constant, some difference would come again, and some bit would be biased.
  constexpr int kCount = 60'000;
  std::set<std::uint32_t> differences;
  std::array<int, 32> ones{};
  for (int port = 1024; port < 1024 + kCount; ++port) {
    const Seq a = isn(kKey, tuple(static_cast<std::uint16_t>(port)), Instant{1s});
    const Seq b = isn(kKey, tuple(static_cast<std::uint16_t>(port + 1)), Instant{1s});
    const std::uint32_t difference = bytes_between(a, b);
    differences.insert(difference);
    for (std::size_t bit = 0; bit < 32; ++bit) ones[bit] += static_cast<int>(difference >> bit & 1);
  }
  // By chance about n^2 / 2^33 = 0.4 coincide.
  EXPECT_GE(differences.size(), kCount - 8U);
  for (const int n : ones) EXPECT_NEAR(n, kCount / 2, 6 * 123);  // six standard deviations
}

TEST(Isn, IsNoLinearFunctionOfTheTuple) {
  // Of a CRC or a Toeplitz hash the sum of any four tuples that cancel out is always zero: whoever
  // knows three numbers has the fourth. By chance that happens once in 2^32.
  int zeros = 0;
  for (unsigned i = 0; i < 200'000; ++i) {
    const auto a = static_cast<std::uint16_t>(i * 40'503U);
    const auto b = static_cast<std::uint16_t>(i >> 3);
    const auto c = static_cast<std::uint16_t>(i * 7919U + 5);
    const auto number = [](int port) {
      return isn(kKey, tuple(static_cast<std::uint16_t>(port)), Instant{}).raw();
    };
    if (a == b || b == c || a == c) continue;  // they cancel out for any function
    zeros += (number(a) ^ number(b) ^ number(c) ^ number(a ^ b ^ c)) == 0 ? 1 : 0;
  }
  EXPECT_EQ(zeros, 0);
}

TEST(Isn, AvalanchesFromEachBitOfThePort) {
  double flipped = 0;
  int count = 0;
  for (unsigned port = 2048; port < 4096; ++port) {
    for (unsigned bit = 0; bit < 11; ++bit) {
      const auto a = isn(kKey, tuple(static_cast<std::uint16_t>(port)), Instant{}).raw();
      const auto b =
          isn(kKey, tuple(static_cast<std::uint16_t>(port ^ (1U << bit))), Instant{}).raw();
      flipped += std::popcount(a ^ b);
      ++count;
    }
  }
  EXPECT_NEAR(flipped / count, 16.0, 0.1);
}

TEST(Isn, BeyondTheOldIncarnation) {
  const Instant now{1s};
  const Seq usual = isn(kKey, tuple(1024), now);
  // The old one stopped far behind: the usual number is beyond it already.
  EXPECT_EQ(isn_beyond(kKey, tuple(1024), now, usual - 1'000'000), usual);
  // The old one is ahead of the clock, or close behind: beyond it and its window.
  for (const std::uint32_t ahead : {0U, 1U, 1'000'000U, 0x7fff'0000U - 65'537U}) {
    const Seq fresh = isn_beyond(kKey, tuple(1024), now, usual + ahead);
    EXPECT_TRUE(after(fresh, usual + ahead + 65'535));
    EXPECT_TRUE(before(fresh, usual + ahead + 70'000));
  }
}

TEST(TimestampOffset, IsTheSameByBothDoors) {
  for (const FourTuple& t : {tuple(1024), tuple6(1024)}) {
    EXPECT_EQ(flow_numbers(kKey, t, Instant{1h}).ts_offset, timestamp_offset(kKey, t));
    EXPECT_EQ(flow_numbers_beyond(kKey, t, Instant{2h}, Seq(7)).ts_offset,
              timestamp_offset(kKey, t));
  }
}

TEST(TimestampOffset, SaysNothingAboutTheIsn) {
  // Both are halves of one hash, and the offset is easy to learn: neither may follow the other.
  int equal_bits = 0;
  for (std::uint16_t port = 1024; port < 11'024; ++port) {
    const FlowNumbers n = flow_numbers(kKey, tuple(port), Instant{});
    equal_bits += 32 - std::popcount(n.isn.raw() ^ n.ts_offset);
  }
  EXPECT_NEAR(equal_bits, 160'000, 6 * 283);  // six standard deviations
}

TEST(TimestampOffset, IsConstantPerTupleAndDiffers) {
  std::set<std::uint32_t> seen;
  for (std::uint16_t port = 1024; port < 11'024; ++port) {
    seen.insert(timestamp_offset(kKey, tuple(port)));
    seen.insert(timestamp_offset(kKey, tuple6(port)));
  }
  EXPECT_GE(seen.size(), 20'000U - 3U);
  EXPECT_EQ(timestamp_offset(kKey, tuple(1024)), timestamp_offset(kKey, tuple(1024)));
  EXPECT_NE(timestamp_offset(kKey, tuple(1024)), timestamp_offset({2, 1}, tuple(1024)));
}

}  // namespace
}  // namespace millrace::tcp
