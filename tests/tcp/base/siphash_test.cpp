// SPDX-License-Identifier: BSD-3-Clause
//
// SipHash-2-4 against libsodium; every other number of rounds against a second SipHash, written
// from the paper byte by byte and itself held to libsodium's.
#include "tcp/base/siphash.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <array>
#include <vector>

#include "tests/support/random.h"

namespace millrace {
namespace {

using Bytes = std::vector<unsigned char>;

/// Aumasson and Bernstein, section 2.
std::uint64_t reference(int c, int d, SipKey key, const Bytes& message) {
  std::array<std::uint64_t, 4> v{key.k0 ^ 0x736f6d6570736575U, key.k1 ^ 0x646f72616e646f6dU,
                                 key.k0 ^ 0x6c7967656e657261U, key.k1 ^ 0x7465646279746573U};
  const auto left = [](std::uint64_t x, unsigned n) { return x << n | x >> (64 - n); };
  const auto half = [&](std::size_t a, std::size_t b, unsigned n) {
    v[a] += v[b];
    v[b] = left(v[b], n) ^ v[a];
  };
  const auto round = [&] {
    half(0, 1, 13);
    half(2, 3, 16);
    v[0] = left(v[0], 32);
    half(2, 1, 17);
    half(0, 3, 21);
    v[2] = left(v[2], 32);
  };
  Bytes padded = message;
  while (padded.size() % 8 != 7) padded.push_back(0);
  padded.push_back(static_cast<unsigned char>(message.size()));
  for (std::size_t i = 0; i < padded.size(); i += 8) {
    std::uint64_t word = 0;
    for (unsigned j = 0; j < 8; ++j) word |= std::uint64_t{padded[i + j]} << (8 * j);
    v[3] ^= word;
    for (int r = 0; r < c; ++r) round();
    v[0] ^= word;
  }
  v[2] ^= 0xff;
  for (int r = 0; r < d; ++r) round();
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

std::uint64_t sodium(SipKey key, const Bytes& message) {
  static_assert(crypto_shorthash_BYTES == 8 && crypto_shorthash_KEYBYTES == 16);
  std::uint64_t hash = 0;
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash), message.data(), message.size(),
                   reinterpret_cast<const unsigned char*>(&key));
  return hash;
}

Bytes random_message(test::Random& random, std::size_t size) {
  Bytes m(size);
  for (auto& byte : m) byte = static_cast<unsigned char>(random.next());
  return m;
}

TEST(SipHash, TheExampleOfThePaper) {
  Bytes message;
  for (unsigned char i = 0; i < 15; ++i) message.push_back(i);
  const SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  EXPECT_EQ((siphash<2, 4>(key, message.data(), message.size())), 0xa129ca6149be45e5U);
}

TEST(SipHash, AgreesWithLibsodiumAtEveryLength) {
  test::Random random(1);
  for (std::size_t size = 0; size <= 300; ++size) {
    const SipKey key{random.next(), random.next()};
    const Bytes m = random_message(random, size);
    EXPECT_EQ((siphash<2, 4>(key, m.data(), m.size())), sodium(key, m)) << size;
    EXPECT_EQ(reference(2, 4, key, m), sodium(key, m)) << size;
  }
}

TEST(SipHash, OtherRoundsAgreeWithTheReference) {
  test::Random random(2);
  for (std::size_t size = 0; size <= 100; ++size) {
    const SipKey key{random.next(), random.next()};
    const Bytes m = random_message(random, size);
    EXPECT_EQ((siphash<1, 3>(key, m.data(), m.size())), reference(1, 3, key, m)) << size;
    EXPECT_EQ((siphash<4, 8>(key, m.data(), m.size())), reference(4, 8, key, m)) << size;
  }
}

TEST(SipHash, WordsAreTheirBytes) {
  test::Random random(3);
  for (int i = 0; i < 100; ++i) {
    const SipKey key{random.next(), random.next()};
    const std::uint64_t words[5] = {random.next(), random.next(), random.next(), random.next(),
                                    random.next()};
    EXPECT_EQ((siphash_words<1, 3>(key, words)), (siphash<1, 3>(key, words, sizeof words)));
    EXPECT_EQ((siphash_words<2, 4>(key, words)), (siphash<2, 4>(key, words, sizeof words)));
  }
}

}  // namespace
}  // namespace millrace
