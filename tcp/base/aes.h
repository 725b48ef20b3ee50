// SPDX-License-Identifier: BSD-3-Clause
//
// Keyed mixing of 16-byte blocks by rounds of AES-128 (FIPS 197). Four rounds are what an almost
// universal hash needs: no difference of two blocks that an attacker may choose comes out as any
// other with a probability above 2^-110 (Keliher and Sui, 2007). All ten are AES itself; they are
// here so that tests can hold the rounds against the standard's own examples. A round is one
// instruction of the processor. One without it gets the same results from portable code, whose
// look-ups take a time that depends on the block.
//
// Refuses to decrypt, and to be a mode of operation: who has several blocks chains them.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "tcp/base/siphash.h"

namespace millrace {

using AesBlock = __m128i;

[[nodiscard, gnu::always_inline]] inline AesBlock aes_block(std::uint64_t low, std::uint64_t high) {
  return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}
[[nodiscard, gnu::always_inline]] inline std::uint64_t low_word(AesBlock block) {
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(block));
}

namespace detail {

/// One round as the processor does it: named to the assembler, because a build for all x86-64 may
/// not name it to the compiler.
[[nodiscard, gnu::always_inline]] inline AesBlock aes_round(AesBlock block, const AesBlock& key) {
#ifdef __AVX__
  asm("vaesenc %[key], %[block], %[block]" : [block] "+x"(block) : [key] "m"(key));
#else
  asm("aesenc %[key], %[block]" : [block] "+x"(block) : [key] "m"(key));
#endif
  return block;
}
[[nodiscard, gnu::always_inline]] inline AesBlock aes_last_round(AesBlock block,
                                                                 const AesBlock& key) {
#ifdef __AVX__
  asm("vaesenclast %[key], %[block], %[block]" : [block] "+x"(block) : [key] "m"(key));
#else
  asm("aesenclast %[key], %[block]" : [block] "+x"(block) : [key] "m"(key));
#endif
  return block;
}

inline constexpr int kAesRounds = 10;

/// The first count of the eleven round keys (FIPS 197 §5.2).
void expand_aes_key(SipKey secret, AesBlock* keys, int count);
/// The same rounds in portable code; the tenth is the last.
[[nodiscard]] AesBlock portable_aes(AesBlock block, const AesBlock* keys, int rounds);

}  // namespace detail

/// The first `Rounds` rounds of AES-128 under one key.
template <int Rounds>
class Aes {
 public:
  explicit Aes(SipKey secret) { detail::expand_aes_key(secret, keys_, Rounds + 1); }

  [[nodiscard, gnu::always_inline]] AesBlock operator()(AesBlock block) const {
    if (!__builtin_cpu_supports("aes")) [[unlikely]]
      return detail::portable_aes(block, keys_, Rounds);
    return rounds<1>(_mm_xor_si128(block, keys_[0]));
  }

 private:
  /// Unrolled: the compiler does not do it for assembly.
  template <int Round>
  [[nodiscard, gnu::always_inline]] AesBlock rounds(AesBlock block) const {
    if constexpr (Round == detail::kAesRounds) return detail::aes_last_round(block, keys_[Round]);
    block = detail::aes_round(block, keys_[Round]);
    if constexpr (Round < Rounds) block = rounds<Round + 1>(block);
    return block;
  }

  AesBlock keys_[Rounds + 1];  // never printed, logged or exported
};

}  // namespace millrace
