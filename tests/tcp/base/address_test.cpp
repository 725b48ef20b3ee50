// SPDX-License-Identifier: BSD-3-Clause
//
// One type for two families, and the tuples made of it.
#include "tcp/base/address.h"

#include <gtest/gtest.h>

#include "tcp/base/packed_tuple.h"
#include "tests/support/random.h"

namespace millrace {
namespace {

constexpr Address kDocumentation =
    Address::v6({0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});

TEST(Address, Ipv4IsMapped) {
  constexpr Address a = Address::v4(0xc6120001);
  const std::array<std::uint8_t, 16> expected{0, 0, 0,    0,    0,    0,    0, 0,
                                              0, 0, 0xff, 0xff, 0xc6, 0x12, 0, 1};
  EXPECT_EQ(a.bytes(), expected);
  static_assert(a.is_v4() && a.to_v4() == 0xc6120001);
  EXPECT_EQ(Address::v4_raw(a.to_v4_raw()), a);
  EXPECT_EQ(a.to_v4_raw(), 0x010012c6U);
  EXPECT_EQ(Address::v6(expected), a);
}

TEST(Address, NoIpv6AddressIsTakenForIpv4) {
  EXPECT_FALSE(kDocumentation.is_v4());
  EXPECT_FALSE(Address{}.is_v4());
  // One wrong byte anywhere in the prefix is enough.
  for (std::size_t i = 0; i < 12; ++i) {
    auto bytes = Address::v4(0x01020304).bytes();
    bytes[i] ^= 1;
    EXPECT_FALSE(Address::v6(bytes).is_v4()) << i;
  }
}

TEST(Address, Unspecified) {
  EXPECT_TRUE(Address{}.is_unspecified());
  EXPECT_TRUE(Address::v4(0).is_unspecified());
  EXPECT_FALSE(Address::v4(1).is_unspecified());
  EXPECT_FALSE(kDocumentation.is_unspecified());
  for (std::size_t i = 0; i < 16; ++i) {
    std::array<std::uint8_t, 16> bytes{};
    bytes[i] = 0x80;
    EXPECT_FALSE(Address::v6(bytes).is_unspecified()) << i;
  }
}

TEST(Address, EqualityLooksAtEveryByte) {
  for (std::size_t i = 0; i < 16; ++i) {
    auto bytes = kDocumentation.bytes();
    EXPECT_EQ(Address::v6(bytes), kDocumentation);
    bytes[i] ^= 0x10;
    EXPECT_NE(Address::v6(bytes), kDocumentation) << i;
  }
}

TEST(Address, WordsAreItsBytes) {
  const AddressWords w = kDocumentation.words();
  EXPECT_EQ(w.high, 0x00000000b80d0120U);
  EXPECT_EQ(w.low, 0x0100000000000000U);
  EXPECT_EQ(Address::from_words(w), kDocumentation);
}

TEST(PackedTuple, ComesBackWhole) {
  test::Random random(1);
  for (int i = 0; i < 1000; ++i) {
    const auto word = [&] { return static_cast<std::uint32_t>(random.next()); };
    const auto port = [&] { return static_cast<std::uint16_t>(random.next()); };
    const FourTuple t{Address::v4(word()), Address::v4(word()), port(), port()};
    EXPECT_EQ(unpack_v4(pack_v4(t)), t);
  }
  const FourTuple t{kDocumentation, Address::v6({1}), 7, 9};
  EXPECT_EQ(unpack_v6({3, 0, 7, 9}, {t.local, t.remote}), t);
}

}  // namespace
}  // namespace millrace
