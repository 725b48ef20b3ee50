// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 9293 §3.4: order of sequence numbers around the wrap.
#include "tcp/base/seq.h"

#include <gtest/gtest.h>

#include "tests/support/random.h"

namespace millrace::tcp {
namespace {

constexpr std::uint32_t kPlaces[] = {0,           1,           0x7fff'ffff, 0x8000'0000,
                                     0x8000'0001, 0xffff'fffe, 0xffff'ffff};

TEST(Seq, OrderIsModular) {
  for (const std::uint32_t place : kPlaces) {
    const Seq s(place);
    EXPECT_TRUE(before(s, s + 1));
    EXPECT_TRUE(before(s, s + 0x7fff'ffff));
    EXPECT_FALSE(before(s, s));
    EXPECT_TRUE(at_or_before(s, s));
    EXPECT_TRUE(at_or_after(s, s));
    EXPECT_TRUE(after(s + 1, s));
    EXPECT_FALSE(before(s + 1, s));
    EXPECT_EQ(distance(s, s + 5), 5);
    EXPECT_EQ(distance(s + 5, s), -5);
    EXPECT_EQ(bytes_between(s, s + 70'000), 70'000U);
    EXPECT_EQ(later_of(s, s + 9), s + 9);
    EXPECT_EQ(earlier_of(s + 9, s), s);
  }
}

TEST(Seq, Windows) {
  for (const std::uint32_t place : kPlaces) {
    const Seq left(place);
    EXPECT_FALSE(in_window(left, left, 0));
    EXPECT_TRUE(in_window(left, left, 1));
    EXPECT_TRUE(in_window(left + 9, left, 10));
    EXPECT_FALSE(in_window(left + 10, left, 10));
    EXPECT_FALSE(in_window(left - 1, left, 10));
    EXPECT_TRUE(in_window(left - 1, left, 0xffff'ffff) == false);
  }
}

TEST(Seq, ArithmeticComesBack) {
  test::Random random(1);
  for (int i = 0; i < 10'000; ++i) {
    const Seq s(static_cast<std::uint32_t>(random.next()));
    const auto n = static_cast<std::uint32_t>(random.next());
    Seq moved = s;
    moved += n;
    EXPECT_EQ(moved, s + n);
    EXPECT_EQ(bytes_between(s, moved), n);
    moved -= n;
    EXPECT_EQ(moved, s);
  }
}

}  // namespace
}  // namespace millrace::tcp
