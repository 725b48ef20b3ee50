// SPDX-License-Identifier: BSD-3-Clause
//
// The sums against RFC 1071 done two bytes at a time, at every length and alignment, and catalogue
// A5: of all 65,536 values of the field exactly the arithmetically valid ones pass.
#include "tcp/wire/checksum.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "tests/support/random.h"

namespace millrace::tcp {
namespace {

using Bytes = std::vector<std::byte>;

/// RFC 1071 §1, big-endian words, not complemented.
std::uint32_t slow_sum(std::span<const std::byte> bytes, std::uint32_t start) {
  std::uint64_t sum = start;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto value = std::to_integer<std::uint64_t>(bytes[i]);
    sum += i % 2 == 0 ? value << 8 : value;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint32_t>(sum);
}

std::uint32_t big_endian(std::uint16_t memory_order) { return __builtin_bswap16(memory_order); }

Bytes random_bytes(test::Random& random, std::size_t size) {
  Bytes b(size);
  for (std::byte& value : b) value = static_cast<std::byte>(random.next());
  return b;
}

TEST(Checksum, EveryLengthAndAlignment) {
  test::Random random(1);
  for (std::size_t size = 0; size <= 300; ++size) {
    for (std::size_t shift = 0; shift < 8; ++shift) {
      const Bytes bytes = random_bytes(random, size);
      // Shifted in memory of exactly this size, so that reads past either end are seen.
      const std::unique_ptr<std::byte[]> from(new std::byte[shift + size]);
      const std::unique_ptr<std::byte[]> to(new std::byte[shift + size]);
      if (size > 0) std::memcpy(from.get() + shift, bytes.data(), size);
      const std::span<const std::byte> place(from.get() + shift, size);
      const std::uint32_t expected = slow_sum(bytes, 0);
      ASSERT_EQ(big_endian(checksum_fold(checksum_add(0, place))), expected) << size;
      ASSERT_EQ(big_endian(checksum_fold(checksum_copy(0, place, to.get() + shift))), expected);
      ASSERT_EQ(Bytes(to.get() + shift, to.get() + shift + size), bytes);
    }
  }
}

// Every carry there is: all ones, on top of every start that is about to overflow.
TEST(Checksum, CarriesGoAround) {
  const Bytes ones(64, std::byte{0xff});
  for (std::size_t size = 0; size <= ones.size(); ++size) {
    for (const std::uint64_t start : {std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{1},
                                      std::uint64_t{1} << 63, std::uint64_t{0xffff'ffff}}) {
      const std::span<const std::byte> part(ones.data(), size);
      const std::uint32_t expected = slow_sum(part, big_endian(checksum_fold(start)));
      ASSERT_EQ(big_endian(checksum_fold(checksum_add(start, part))), expected) << size;
    }
  }
}

TEST(Checksum, PiecesAddUpAtAnyCut) {
  test::Random random(2);
  const Bytes bytes = random_bytes(random, 97);
  const std::span<const std::byte> all(bytes);
  const std::uint16_t expected = checksum_fold(checksum_add(0, all));
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const std::uint64_t first = checksum_add(0, all.first(cut));
    const std::uint64_t second = checksum_add(0, all.subspan(cut));
    EXPECT_EQ(checksum_fold(checksum_combine(first, second, cut)), expected) << cut;
    if (cut % 2 == 0) {
      EXPECT_EQ(checksum_fold(checksum_add(first, all.subspan(cut))), expected) << cut;
    }
  }
}

TEST(Checksum, CombiningCarriesAround) {
  EXPECT_EQ(checksum_fold(checksum_combine(~std::uint64_t{0}, 1, 0)), 1);
  EXPECT_EQ(checksum_fold(checksum_combine(~std::uint64_t{0}, ~std::uint64_t{0}, 0)), 0xffff);
  EXPECT_EQ(checksum_fold(checksum_combine(~std::uint64_t{0}, 0x0100, 1)), 1);
}

// RFC 1071 §3 has this example.
TEST(Checksum, TheExampleOfRfc1071) {
  const Bytes bytes{std::byte{0x00}, std::byte{0x01}, std::byte{0xf2}, std::byte{0x03},
                    std::byte{0xf4}, std::byte{0xf5}, std::byte{0xf6}, std::byte{0xf7}};
  EXPECT_EQ(big_endian(checksum_fold(checksum_add(0, bytes))), 0xddf2U);
  EXPECT_EQ(big_endian(checksum_finish(checksum_add(0, bytes))), 0x220dU);
}

TEST(Checksum, PseudoHeaders) {
  const Address a4 = Address::v4(0xc0a80102);
  const Address b4 = Address::v4(0xffffffff);
  Bytes pseudo;
  for (const unsigned v : {0xc0, 0xa8, 1, 2, 0xff, 0xff, 0xff, 0xff, 0, 6, 0xff, 0xfe}) {
    pseudo.push_back(static_cast<std::byte>(v));
  }
  EXPECT_EQ(big_endian(checksum_fold(pseudo_header_sum(a4, b4, 6, 0xfffe))), slow_sum(pseudo, 0));

  std::array<std::uint8_t, 16> a{};
  std::array<std::uint8_t, 16> b{};
  test::Random random(3);
  for (int round = 0; round < 1000; ++round) {
    for (auto& octet : a) octet = static_cast<std::uint8_t>(random.next() | (round == 0 ? 255 : 0));
    for (auto& octet : b) octet = static_cast<std::uint8_t>(random.next() | (round == 0 ? 255 : 0));
    const auto length = static_cast<std::uint32_t>(random.below(1U << 20));
    Bytes bytes;
    for (const auto octet : a) bytes.push_back(std::byte{octet});
    for (const auto octet : b) bytes.push_back(std::byte{octet});
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<std::byte>(length >> shift));
    }
    for (const unsigned v : {0, 0, 0, 58}) bytes.push_back(static_cast<std::byte>(v));
    const auto sum = pseudo_header_sum(Address::v6(a), Address::v6(b), 58, length);
    ASSERT_EQ(big_endian(checksum_fold(sum)), slow_sum(bytes, 0));
  }
}

// Catalogue A5. Two representations of zero make two valid values, 0x0000 and 0xffff, when the
// other bytes sum to zero's negative; RFC 9293 does not tell them apart.
TEST(CatalogueA5, OfAllValuesTheValidOnesPass) {
  for (const std::size_t size : {20U, 21U, 52U, 53U}) {
    test::Random random(size);
    Bytes bytes = random_bytes(random, size);
    int valid = 0;
    for (std::uint32_t value = 0; value <= 0xffff; ++value) {
      bytes[16] = static_cast<std::byte>(value >> 8);
      bytes[17] = static_cast<std::byte>(value);
      const bool passes = checksum_valid(checksum_add(0, bytes));
      ASSERT_EQ(passes, slow_sum(bytes, 0) == 0xffff) << value;
      valid += passes ? 1 : 0;
    }
    EXPECT_EQ(valid, 1);
  }
}

TEST(CatalogueA5, BothZeroesPassWhereTheRestIsNegativeZero) {
  Bytes bytes(20, std::byte{0});
  bytes[0] = bytes[1] = std::byte{0xff};
  EXPECT_TRUE(checksum_valid(checksum_add(0, bytes)));
  bytes[16] = bytes[17] = std::byte{0xff};
  EXPECT_TRUE(checksum_valid(checksum_add(0, bytes)));
  // All zero is not negative zero.
  EXPECT_FALSE(checksum_valid(checksum_add(0, Bytes(20, std::byte{0}))));
}

}  // namespace
}  // namespace millrace::tcp
