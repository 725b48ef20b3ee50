// SPDX-License-Identifier: BSD-3-Clause
//
// The Internet checksum (RFC 1071, RFC 1624) and the TCP pseudo-header (RFC 9293 §3.1, RFC 8200
// §8.1). Sums are unfolded 64-bit accumulators, so that pieces can be added in any grouping as long
// as every piece but the last has an even length; add to them only through these functions, which
// carry around.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/base/address.h"
#include "tcp/wire/bytes.h"

namespace millrace::tcp {

inline constexpr std::uint8_t kProtocolTcp = 6;

namespace detail {

/// A word that may lie anywhere, as an operand that the processor reads from memory by itself.
struct [[gnu::packed, gnu::may_alias]] LooseWord {
  std::uint64_t value;
};

[[nodiscard]] inline std::uint64_t add_around(std::uint64_t sum, std::uint64_t word) {
  asm("addq %[word], %[sum]\n\tadcq $0, %[sum]" : [sum] "+r"(sum) : [word] "r"(word) : "cc");
  return sum;
}

// A sanitizer that watches reads does not see those of assembly.
#ifdef __clang__
#if __has_feature(address_sanitizer)
#define MR_READS_ARE_WATCHED true
#else
#define MR_READS_ARE_WATCHED false
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define MR_READS_ARE_WATCHED true
#else
#define MR_READS_ARE_WATCHED false
#endif

/// Thirty-two bytes in one chain of carries, which neither compiler makes of any C++ that says the
/// same. When a carry is left over the sum is at most 2^64 - 2, so adding it cannot carry again.
[[nodiscard]] inline std::uint64_t add_block(std::uint64_t sum, const std::byte* p) {
  if constexpr (MR_READS_ARE_WATCHED) {
    for (std::size_t at = 0; at < 32; at += 8) {
      sum = add_around(sum, load_raw<std::uint64_t>(p + at));
    }
    return sum;
  }
  const auto* const words = reinterpret_cast<const LooseWord*>(p);
  asm("addq %[a], %[sum]\n\tadcq %[b], %[sum]\n\tadcq %[c], %[sum]\n\tadcq %[d], %[sum]\n\t"
      "adcq $0, %[sum]"
      : [sum] "+r"(sum)
      : [a] "m"(words[0]), [b] "m"(words[1]), [c] "m"(words[2]), [d] "m"(words[3])
      : "cc");
  return sum;
}

[[nodiscard, gnu::always_inline]] inline std::uint64_t add_two_blocks(std::uint64_t sum,
                                                                      const std::byte* p) {
  if constexpr (MR_READS_ARE_WATCHED) return add_block(add_block(sum, p), p + 32);
  const auto* const words = reinterpret_cast<const LooseWord*>(p);
  asm("addq %[a], %[sum]\n\tadcq %[b], %[sum]\n\tadcq %[c], %[sum]\n\tadcq %[d], %[sum]\n\t"
      "adcq %[e], %[sum]\n\tadcq %[f], %[sum]\n\tadcq %[g], %[sum]\n\tadcq %[h], %[sum]\n\t"
      "adcq $0, %[sum]"
      : [sum] "+r"(sum)
      : [a] "m"(words[0]), [b] "m"(words[1]), [c] "m"(words[2]), [d] "m"(words[3]),
        [e] "m"(words[4]), [f] "m"(words[5]), [g] "m"(words[6]), [h] "m"(words[7])
      : "cc");
  return sum;
}

/// Thirty-two bytes, moved at once where the processor can.
inline void copy_block(const std::byte* from, std::byte* to) {
  using Block [[gnu::vector_size(32)]] = long long;
  Block block;
  std::memcpy(&block, from, sizeof block);
  std::memcpy(to, &block, sizeof block);
}

/// What is left behind whole blocks: fewer than 32 bytes.
[[nodiscard]] std::uint64_t checksum_add_rest(std::uint64_t sum, const std::byte* p,
                                              std::size_t bytes);
[[nodiscard]] std::uint64_t checksum_copy_rest(std::uint64_t sum, const std::byte* p,
                                               std::size_t bytes, std::byte* to);

}  // namespace detail

/// Adds eight bytes, in memory order.
[[nodiscard]] inline std::uint64_t checksum_add_word(std::uint64_t sum, std::uint64_t word) {
  return detail::add_around(sum, word);
}

/// Adds four times eight bytes, in memory order, in one chain of carries.
[[nodiscard]] inline std::uint64_t checksum_add_words(std::uint64_t sum, std::uint64_t a,
                                                      std::uint64_t b, std::uint64_t c,
                                                      std::uint64_t d) {
  asm("addq %[a], %[sum]\n\tadcq %[b], %[sum]\n\tadcq %[c], %[sum]\n\tadcq %[d], %[sum]\n\t"
      "adcq $0, %[sum]"
      : [sum] "+r"(sum)
      : [a] "r"(a), [b] "r"(b), [c] "r"(c), [d] "r"(d)
      : "cc");
  return sum;
}

/// Adds the 16-bit words of `bytes` (in memory order) to `sum`; an odd last byte is padded with
/// zero.
[[nodiscard, gnu::always_inline]] inline std::uint64_t checksum_add(
    std::uint64_t sum, std::span<const std::byte> bytes) {
  const std::byte* p = bytes.data();
  const std::size_t size = bytes.size();
  for (const std::byte* const end = p + (size & ~std::size_t{63}); p != end; p += 64) {
    sum = detail::add_two_blocks(sum, p);
  }
  if ((size & 32) != 0) {
    sum = detail::add_block(sum, p);
    p += 32;
  }
  const std::size_t rest = size & 31;
  return rest == 0 ? sum : detail::checksum_add_rest(sum, p, rest);
}

/// Copies and adds in one pass.
[[nodiscard, gnu::always_inline]] inline std::uint64_t checksum_copy(
    std::uint64_t sum, std::span<const std::byte> from, std::byte* to) {
  const std::byte* p = from.data();
  const std::size_t size = from.size();
  for (const std::byte* const end = p + (size & ~std::size_t{63}); p != end; p += 64, to += 64) {
    sum = detail::add_two_blocks(sum, p);
    detail::copy_block(p, to);
    detail::copy_block(p + 32, to + 32);
  }
  if ((size & 32) != 0) {
    sum = detail::add_block(sum, p);
    detail::copy_block(p, to);
    p += 32;
    to += 32;
  }
  const std::size_t rest = size & 31;
  return rest == 0 ? sum : detail::checksum_copy_rest(sum, p, rest, to);
}

namespace detail {
/// Both numbers as 32-bit fields in network order.
[[nodiscard]] inline std::uint64_t pseudo_tail(std::uint8_t protocol, std::uint32_t length) {
  return std::uint64_t{__builtin_bswap32(length)} + __builtin_bswap32(std::uint32_t{protocol});
}
}  // namespace detail

/// Sum of the pseudo-header; `length` is that of the upper layer in bytes, IPv4 addresses are in
/// network order.
[[nodiscard]] inline std::uint64_t pseudo_header_sum_v4(std::uint32_t source,
                                                        std::uint32_t destination,
                                                        std::uint8_t protocol,
                                                        std::uint32_t length) {
  return std::uint64_t{source} + destination + detail::pseudo_tail(protocol, length);
}
[[nodiscard]] inline std::uint64_t pseudo_header_sum_v6(const Address& source,
                                                        const Address& destination,
                                                        std::uint8_t protocol,
                                                        std::uint32_t length) {
  const AddressWords s = source.words();
  const AddressWords d = destination.words();
  return checksum_add_words(detail::pseudo_tail(protocol, length), s.high, s.low, d.high, d.low);
}
[[nodiscard]] inline std::uint64_t pseudo_header_sum(const Address& source,
                                                     const Address& destination,
                                                     std::uint8_t protocol, std::uint32_t length) {
  return source.is_v4()
             ? pseudo_header_sum_v4(source.to_v4_raw(), destination.to_v4_raw(), protocol, length)
             : pseudo_header_sum_v6(source, destination, protocol, length);
}

/// One's complement sum folded to 16 bits, in memory order: store it as it is. Not complemented.
[[nodiscard, gnu::always_inline]] inline std::uint16_t checksum_fold(std::uint64_t sum) {
  // A word plus itself with its halves exchanged: the upper half of that is the sum of both halves
  // and of the carry out of the lower one, which is the same sum's.
  sum += std::rotl(sum, 32);
  auto half = static_cast<std::uint32_t>(sum >> 32);
  half += std::rotl(half, 16);
  return static_cast<std::uint16_t>(half >> 16);
}

/// Adds `sum`, that of bytes which begin `before` bytes into what is summed: from an odd place on,
/// the words lie the other way round (RFC 1071 §2 B).
[[nodiscard]] inline std::uint64_t checksum_combine(std::uint64_t total, std::uint64_t sum,
                                                    std::size_t before) {
  const std::uint64_t part = before % 2 == 0 ? sum : __builtin_bswap16(checksum_fold(sum));
  total += part;
  return total < part ? total + 1 : total;
}

/// The value for the checksum field: the complement of the folded sum.
[[nodiscard]] inline std::uint16_t checksum_finish(std::uint64_t sum) {
  return static_cast<std::uint16_t>(~checksum_fold(sum));
}

/// True if bytes that include their checksum field, summed with their pseudo-header, are valid.
[[nodiscard, gnu::always_inline]] inline bool checksum_valid(std::uint64_t sum) {
  return checksum_fold(sum) == 0xffff;
}

}  // namespace millrace::tcp
