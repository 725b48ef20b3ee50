// SPDX-License-Identifier: BSD-3-Clause
//
// SipHash (Aumasson and Bernstein, 2012), as one template on its rounds. SipHash-2-4 makes initial
// sequence numbers, ports, timestamp offsets and cookies (RFC 6528 §3); SipHash-1-3 places entries
// in tables, where an attacker must not be able to choose the bucket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace millrace {

/// 128 secret bits. Never printed, logged or exported.
struct SipKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
};

namespace detail {
constexpr std::uint64_t rotl(std::uint64_t x, int b) { return (x << b) | (x >> (64 - b)); }

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  constexpr explicit SipState(SipKey key)
      : v0(key.k0 ^ 0x736f6d6570736575),
        v1(key.k1 ^ 0x646f72616e646f6d),
        v2(key.k0 ^ 0x6c7967656e657261),
        v3(key.k1 ^ 0x7465646279746573) {}

  [[gnu::always_inline]] constexpr void round() {
    v0 += v1, v1 = rotl(v1, 13), v1 ^= v0, v0 = rotl(v0, 32);
    v2 += v3, v3 = rotl(v3, 16), v3 ^= v2;
    v0 += v3, v3 = rotl(v3, 21), v3 ^= v0;
    v2 += v1, v1 = rotl(v1, 17), v1 ^= v2, v2 = rotl(v2, 32);
  }
  /// Unrolled: a loop of so few turns may stay one. All in line: a state in registers is the point.
  template <int Rounds>
  [[gnu::always_inline]] constexpr void rounds() {
    round();
    if constexpr (Rounds > 1) rounds<Rounds - 1>();
  }
  template <int Rounds>
  [[gnu::always_inline]] constexpr void absorb(std::uint64_t word) {
    v3 ^= word;
    rounds<Rounds>();
    v0 ^= word;
  }
  template <int Rounds>
  [[gnu::always_inline]] constexpr std::uint64_t finish() {
    v2 ^= 0xff;
    rounds<Rounds>();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};
}  // namespace detail

/// SipHash-C-D of `size` bytes. Output is that of the reference on a little-endian machine.
template <int C, int D>
inline std::uint64_t siphash(SipKey key, const void* data, std::size_t size) {
  detail::SipState s(key);
  const auto* p = static_cast<const unsigned char*>(data);
  std::size_t left = size;
  for (; left >= 8; left -= 8, p += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, 8);
    s.template absorb<C>(word);
  }
  std::uint64_t last = static_cast<std::uint64_t>(size & 0xff) << 56;
  for (std::size_t i = 0; i < left; ++i) last |= std::uint64_t{p[i]} << (8 * i);
  s.template absorb<C>(last);
  return s.template finish<D>();
}

/// For keys made of whole words: the same as hashing their 8 x N bytes.
template <int C, int D, std::size_t N>
constexpr std::uint64_t siphash_words(SipKey key, const std::uint64_t (&words)[N]) {
  detail::SipState s(key);
  for (const std::uint64_t w : words) s.template absorb<C>(w);
  s.template absorb<C>(static_cast<std::uint64_t>((N * 8) & 0xff) << 56);
  return s.template finish<D>();
}

}  // namespace millrace
