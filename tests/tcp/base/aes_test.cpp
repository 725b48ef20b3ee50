// SPDX-License-Identifier: BSD-3-Clause
//
// AES-128 against the examples of FIPS 197, and the processor's rounds against the portable ones.
#include "tcp/base/aes.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "tests/support/random.h"

namespace millrace {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

constexpr SipKey kExampleKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};  // appendix C.1: 00 01 02 ...

AesBlock block_of(const Bytes& bytes) {
  AesBlock block;
  std::memcpy(&block, bytes.data(), bytes.size());
  return block;
}
Bytes bytes_of(AesBlock block) {
  Bytes bytes;
  std::memcpy(bytes.data(), &block, bytes.size());
  return bytes;
}
Bytes counting(std::uint8_t step) {
  Bytes bytes;
  for (std::size_t i = 0; i < 16; ++i) bytes[i] = static_cast<std::uint8_t>(i * step);
  return bytes;
}

TEST(Aes, EncryptsTheExampleOfTheStandard) {
  const Bytes expected{0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                       0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
  EXPECT_EQ(bytes_of(Aes<10>(kExampleKey)(block_of(counting(0x11)))), expected);
}

TEST(Aes, FourRoundsAreWhatTheStandardShowsBeforeTheFifth) {
  // Appendix C.1, round[5].start.
  const Bytes expected{0x24, 0x72, 0x40, 0x23, 0x69, 0x66, 0xb3, 0xfa,
                       0x6e, 0xd2, 0x75, 0x32, 0x88, 0x42, 0x5b, 0x6c};
  EXPECT_EQ(bytes_of(Aes<4>(kExampleKey)(block_of(counting(0x11)))), expected);
}

TEST(Aes, ExpandsTheKeyOfTheStandard) {
  // Appendix A.1: the last round key of 2b 7e 15 16 ...
  AesBlock keys[11];
  detail::expand_aes_key({0xa6d2ae2816157e2b, 0x3c4fcf098815f7ab}, keys, 11);
  const Bytes expected{0xd0, 0x14, 0xf9, 0xa8, 0xc9, 0xee, 0x25, 0x89,
                       0xe1, 0x3f, 0x0c, 0xc8, 0xb6, 0x63, 0x0c, 0xa6};
  EXPECT_EQ(bytes_of(keys[10]), expected);
}

template <int Rounds>
void compare_with_portable(test::Random& random) {
  for (int i = 0; i < 1000; ++i) {
    const SipKey key{random.next(), random.next()};
    AesBlock keys[Rounds + 1];
    detail::expand_aes_key(key, keys, Rounds + 1);
    const AesBlock block = aes_block(random.next(), random.next());
    EXPECT_EQ(bytes_of(Aes<Rounds>(key)(block)),
              bytes_of(detail::portable_aes(block, keys, Rounds)));
  }
}

TEST(Aes, IsTheSameInPortableCode) {
  test::Random random(1);
  compare_with_portable<1>(random);
  compare_with_portable<4>(random);
  compare_with_portable<10>(random);
}

}  // namespace
}  // namespace millrace
