// SPDX-License-Identifier: BSD-3-Clause
//
// The Internet checksum (RFC 1071, RFC 1624) and the TCP pseudo-header (RFC 9293 §3.1, RFC 8200
// §8.1). Sums are unfolded 64-bit accumulators, so that pieces can be added in any grouping as long
// as every piece but the last has an even length; add to them only through these functions, which
// carry around.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/base/address.h"

namespace millrace::tcp {

inline constexpr std::uint8_t kProtocolTcp = 6;

/// Adds the 16-bit words of `bytes` (in memory order) to `sum`; an odd last byte is padded with
/// zero.
[[nodiscard]] std::uint64_t checksum_add(std::uint64_t sum, std::span<const std::byte> bytes);

/// Copies and adds in one pass.
[[nodiscard]] std::uint64_t checksum_copy(std::uint64_t sum, std::span<const std::byte> from,
                                          std::byte* to);

/// Sum of the pseudo-header; `length` is that of the upper layer in bytes.
[[nodiscard]] inline std::uint64_t pseudo_header_sum(const Address& source,
                                                     const Address& destination,
                                                     std::uint8_t protocol, std::uint32_t length) {
  // Both numbers as 32-bit fields in network order; the halves that are zero add nothing for IPv4.
  const std::uint64_t tail =
      std::uint64_t{__builtin_bswap32(length)} + __builtin_bswap32(std::uint32_t{protocol});
  const AddressWords s = source.words();
  const AddressWords d = destination.words();
  if (source.is_v4()) return (s.low >> 32) + (d.low >> 32) + tail;
  const auto halves = [](std::uint64_t word) { return (word >> 32) + (word & 0xffff'ffff); };
  return halves(s.high) + halves(s.low) + halves(d.high) + halves(d.low) + tail;
}

/// One's complement sum folded to 16 bits, in memory order: store it as it is. Not complemented.
[[nodiscard]] inline std::uint16_t checksum_fold(std::uint64_t sum) {
  // Each fold leaves at most one carry, which the next one takes in.
  sum = (sum & 0xffff'ffff) + (sum >> 32);
  sum = (sum & 0xffff'ffff) + (sum >> 32);
  auto half = static_cast<std::uint32_t>(sum);
  half = (half & 0xffff) + (half >> 16);
  half = (half & 0xffff) + (half >> 16);
  return static_cast<std::uint16_t>(half);
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
[[nodiscard]] inline bool checksum_valid(std::uint64_t sum) { return checksum_fold(sum) == 0xffff; }

}  // namespace millrace::tcp
