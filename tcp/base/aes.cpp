// SPDX-License-Identifier: BSD-3-Clause
//
// Key expansion and portable rounds of AES-128 (FIPS 197 §5.1, §5.2).
#include "tcp/base/aes.h"

#include <cstring>

namespace millrace::detail {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

constexpr std::uint8_t rotate_left(std::uint8_t x, int by) {
  return static_cast<std::uint8_t>((x << by) | (x >> (8 - by)));
}
/// Times x in the field of §4.2.
constexpr std::uint8_t twice(std::uint8_t x) {
  return static_cast<std::uint8_t>((x << 1) ^ ((x & 0x80) != 0 ? 0x1b : 0));
}

/// §5.1.1, walking through the field by a generator and its inverse side by side.
constexpr std::array<std::uint8_t, 256> make_s_box() {
  std::array<std::uint8_t, 256> box{};
  std::uint8_t p = 1, q = 1;
  do {
    p = static_cast<std::uint8_t>(p ^ twice(p));  // times three
    q = static_cast<std::uint8_t>(q ^ (q << 1));  // divided by three
    q = static_cast<std::uint8_t>(q ^ (q << 2));
    q = static_cast<std::uint8_t>(q ^ (q << 4));
    if ((q & 0x80) != 0) q = static_cast<std::uint8_t>(q ^ 0x09);
    box[p] = static_cast<std::uint8_t>(q ^ rotate_left(q, 1) ^ rotate_left(q, 2) ^
                                       rotate_left(q, 3) ^ rotate_left(q, 4) ^ 0x63);
  } while (p != 1);
  box[0] = 0x63;
  return box;
}
constexpr std::array<std::uint8_t, 256> kSBox = make_s_box();

Bytes bytes_of(AesBlock block) {
  Bytes bytes;
  std::memcpy(bytes.data(), &block, bytes.size());
  return bytes;
}
AesBlock block_of(const Bytes& bytes) {
  AesBlock block;
  std::memcpy(&block, bytes.data(), bytes.size());
  return block;
}

/// SubBytes and ShiftRows: bytes lie column by column.
Bytes substitute_and_shift(const Bytes& from) {
  Bytes to;
  for (std::size_t i = 0; i < 16; ++i) to[i] = kSBox[from[(i * 5) % 16]];
  return to;
}

Bytes mix_columns(const Bytes& from) {
  Bytes to;
  for (std::size_t i = 0; i < 16; ++i) {
    const std::size_t column = i & ~std::size_t{3};
    const auto at = [&](std::size_t row) { return from[column + (i + row) % 4]; };
    to[i] = static_cast<std::uint8_t>(twice(at(0)) ^ twice(at(1)) ^ at(1) ^ at(2) ^ at(3));
  }
  return to;
}

}  // namespace

void expand_aes_key(SipKey secret, AesBlock* keys, int count) {
  keys[0] = aes_block(secret.k0, secret.k1);
  std::uint8_t constant = 1;
  for (int round = 1; round < count; ++round) {
    Bytes key = bytes_of(keys[round - 1]);
    const Bytes before = key;
    for (std::size_t i = 0; i < 4; ++i) {
      key[i] = static_cast<std::uint8_t>(key[i] ^ kSBox[before[12 + (i + 1) % 4]]);
    }
    key[0] = static_cast<std::uint8_t>(key[0] ^ constant);
    for (std::size_t i = 4; i < 16; ++i) {
      key[i] = static_cast<std::uint8_t>(key[i] ^ key[i - 4]);
    }
    keys[round] = block_of(key);
    constant = twice(constant);
  }
}

AesBlock portable_aes(AesBlock block, const AesBlock* keys, int rounds) {
  block = _mm_xor_si128(block, keys[0]);
  for (int round = 1; round <= rounds; ++round) {
    Bytes bytes = substitute_and_shift(bytes_of(block));
    if (round < kAesRounds) bytes = mix_columns(bytes);
    block = _mm_xor_si128(block_of(bytes), keys[round]);
  }
  return block;
}

}  // namespace millrace::detail
