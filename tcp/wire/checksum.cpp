// SPDX-License-Identifier: BSD-3-Clause
//
// One's complement sums in 64-bit words (RFC 1071 §2: the sum may be taken in wider words and
// folded at the end, whatever the byte order). Every addition carries around its end, so a sum that
// is not zero never becomes zero again; the difference between 0x0000 and 0xffff survives folding.
#include "tcp/wire/checksum.h"

#include "tcp/wire/bytes.h"

namespace millrace::tcp {
namespace {

using Word = std::uint64_t;

[[nodiscard]] inline Word add_around(Word sum, Word word) {
  asm("addq %[word], %[sum]\n\tadcq $0, %[sum]" : [sum] "+r"(sum) : [word] "r"(word) : "cc");
  return sum;
}

/// Four words in one chain of carries, which neither compiler makes of any C++ that says the same.
/// When a carry is left over the sum is at most 2^64 - 2, so adding it cannot carry again.
[[nodiscard]] inline Word add_block(Word sum, Word a, Word b, Word c, Word d) {
  asm("addq %[a], %[sum]\n\tadcq %[b], %[sum]\n\tadcq %[c], %[sum]\n\tadcq %[d], %[sum]\n\t"
      "adcq $0, %[sum]"
      : [sum] "+r"(sum)
      : [a] "r"(a), [b] "r"(b), [c] "r"(c), [d] "r"(d)
      : "cc");
  return sum;
}

/// The last one to seven bytes as a word, zero-padded; reads nothing past them.
[[nodiscard]] inline Word load_tail(const std::byte* p, std::size_t bytes) {
  Word word = 0;
  std::size_t at = 0;
  if ((bytes & 4) != 0) {
    word = load_raw<std::uint32_t>(p);
    at = 4;
  }
  if ((bytes & 2) != 0) {
    word |= Word{load_raw<std::uint16_t>(p + at)} << (8 * at);
    at += 2;
  }
  if ((bytes & 1) != 0) word |= Word{load_u8(p + at)} << (8 * at);
  return word;
}

inline void store_tail(std::byte* p, Word word, std::size_t bytes) {
  if ((bytes & 4) != 0) {
    store_raw(p, static_cast<std::uint32_t>(word));
    p += 4;
    word >>= 32;
  }
  if ((bytes & 2) != 0) {
    store_raw(p, static_cast<std::uint16_t>(word));
    p += 2;
    word >>= 16;
  }
  if ((bytes & 1) != 0) store_u8(p, static_cast<std::uint8_t>(word));
}

}  // namespace

std::uint64_t checksum_add(std::uint64_t sum, std::span<const std::byte> bytes) {
  const std::byte* p = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 32; left -= 32, p += 32) {
    sum = add_block(sum, load_raw<Word>(p), load_raw<Word>(p + 8), load_raw<Word>(p + 16),
                    load_raw<Word>(p + 24));
  }
  for (; left >= 8; left -= 8, p += 8) sum = add_around(sum, load_raw<Word>(p));
  return left == 0 ? sum : add_around(sum, load_tail(p, left));
}

std::uint64_t checksum_copy(std::uint64_t sum, std::span<const std::byte> from, std::byte* to) {
  const std::byte* p = from.data();
  std::size_t left = from.size();
  for (; left >= 32; left -= 32, p += 32, to += 32) {
    const auto a = load_raw<Word>(p);
    const auto b = load_raw<Word>(p + 8);
    const auto c = load_raw<Word>(p + 16);
    const auto d = load_raw<Word>(p + 24);
    store_raw(to, a);
    store_raw(to + 8, b);
    store_raw(to + 16, c);
    store_raw(to + 24, d);
    sum = add_block(sum, a, b, c, d);
  }
  for (; left >= 8; left -= 8, p += 8, to += 8) {
    const auto word = load_raw<Word>(p);
    store_raw(to, word);
    sum = add_around(sum, word);
  }
  if (left == 0) return sum;
  const Word tail = load_tail(p, left);
  store_tail(to, tail, left);
  return add_around(sum, tail);
}

}  // namespace millrace::tcp
