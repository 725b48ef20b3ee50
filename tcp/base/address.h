// SPDX-License-Identifier: BSD-3-Clause
//
// One address type for IPv4 and IPv6: sixteen bytes in network order, IPv4 as ::ffff:a.b.c.d
// (RFC 4291 §2.5.5.2). Entries of the connection stores do not keep this form: they pack IPv4 into
// four bytes. Text forms live in dataplane/net/address_text.h.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace millrace {

/// An address as two machine words, its bytes as they lie in memory: for hashing, comparing and
/// summing without a loop.
struct AddressWords {
  std::uint64_t high, low;
};

class Address {
 public:
  constexpr Address() = default;

  /// From four bytes in host order: 0xC6120001 is 198.18.0.1.
  static constexpr Address v4(std::uint32_t host_order) {
    return v4_raw(__builtin_bswap32(host_order));
  }
  /// From four bytes in network order, as they are loaded from a header.
  [[gnu::always_inline]] static constexpr Address v4_raw(std::uint32_t network_order) {
    return from_words({0, kV4Prefix | (std::uint64_t{network_order} << 32)});
  }
  static constexpr Address v6(const std::array<std::uint8_t, 16>& network_order) {
    Address a;
    a.bytes_ = network_order;
    return a;
  }
  static constexpr Address from_words(AddressWords words) {
    Address a;
    a.bytes_ = std::bit_cast<std::array<std::uint8_t, 16>>(words);
    return a;
  }

  [[nodiscard]] constexpr bool is_v4() const {
    const AddressWords w = words();
    return w.high == 0 && (w.low & kV4Mask) == kV4Prefix;
  }
  /// The IPv4 address in host order; meaningless unless is_v4().
  [[nodiscard]] constexpr std::uint32_t to_v4() const { return __builtin_bswap32(to_v4_raw()); }
  /// The same in network order.
  [[nodiscard]] constexpr std::uint32_t to_v4_raw() const {
    if (std::is_constant_evaluated()) return static_cast<std::uint32_t>(words().low >> 32);
    std::uint32_t raw = 0;  // its four bytes alone: all sixteen would go through a vector register
    std::memcpy(&raw, bytes_.data() + 12, sizeof raw);
    return raw;
  }
  [[nodiscard]] constexpr bool is_unspecified() const {
    const AddressWords w = words();
    return (w.high | w.low) == 0 || (is_v4() && to_v4() == 0);
  }
  /// Sixteen bytes in network order; an IPv4 address is in the last four.
  [[nodiscard]] constexpr const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }

  [[nodiscard]] constexpr AddressWords words() const { return std::bit_cast<AddressWords>(bytes_); }

  friend constexpr bool operator==(const Address& a, const Address& b) {
    const AddressWords x = a.words();
    const AddressWords y = b.words();
    return ((x.high ^ y.high) | (x.low ^ y.low)) == 0;
  }

 private:
  static_assert(std::endian::native == std::endian::little,
                "Millrace targets little-endian x86-64");
  static constexpr std::uint64_t kV4Mask = 0x0000'0000'ffff'ffff;
  static constexpr std::uint64_t kV4Prefix = 0x0000'0000'ffff'0000;  // bytes 00 00 ff ff

  std::array<std::uint8_t, 16> bytes_{};
};
static_assert(sizeof(Address) == 16);

}  // namespace millrace
