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

namespace detail {

std::uint64_t checksum_add_rest(std::uint64_t sum, const std::byte* p, std::size_t bytes) {
  for (; bytes >= 8; bytes -= 8, p += 8) sum = add_around(sum, load_raw<Word>(p));
  return bytes == 0 ? sum : add_around(sum, load_tail(p, bytes));
}

std::uint64_t checksum_copy_rest(std::uint64_t sum, const std::byte* p, std::size_t bytes,
                                 std::byte* to) {
  for (; bytes >= 8; bytes -= 8, p += 8, to += 8) {
    const auto word = load_raw<Word>(p);
    store_raw(to, word);
    sum = add_around(sum, word);
  }
  if (bytes == 0) return sum;
  const Word tail = load_tail(p, bytes);
  store_tail(to, tail, bytes);
  return add_around(sum, tail);
}

}  // namespace detail
}  // namespace millrace::tcp
