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

namespace millrace {

class Address {
 public:
  constexpr Address() = default;

  /// From four bytes in host order: 0xC6120001 is 198.18.0.1.
  static constexpr Address v4(std::uint32_t host_order) {
    Address a;
    a.bytes_[10] = a.bytes_[11] = 0xff;
    for (int i = 0; i < 4; ++i) {
      a.bytes_[static_cast<std::size_t>(12 + i)] =
          static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
    }
    return a;
  }
  static constexpr Address v6(const std::array<std::uint8_t, 16>& network_order) {
    Address a;
    a.bytes_ = network_order;
    return a;
  }

  [[nodiscard]] constexpr bool is_v4() const {
    const Words w = words();
    return w.high == 0 && (w.low & kV4Mask) == kV4Prefix;
  }
  /// The IPv4 address in host order; meaningless unless is_v4().
  [[nodiscard]] constexpr std::uint32_t to_v4() const {
    return (std::uint32_t{bytes_[12]} << 24) | (std::uint32_t{bytes_[13]} << 16) |
           (std::uint32_t{bytes_[14]} << 8) | std::uint32_t{bytes_[15]};
  }
  [[nodiscard]] constexpr bool is_unspecified() const {
    const Words w = words();
    return (w.high | w.low) == 0 || (is_v4() && to_v4() == 0);
  }
  /// Sixteen bytes in network order; an IPv4 address is in the last four.
  [[nodiscard]] constexpr const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }

  friend constexpr bool operator==(const Address&, const Address&) = default;

 private:
  struct Words {
    std::uint64_t high, low;  // native order of the bytes as they lie
  };
  static_assert(std::endian::native == std::endian::little, "Millrace targets little-endian x86-64");
  static constexpr std::uint64_t kV4Mask = 0x0000'0000'ffff'ffff;
  static constexpr std::uint64_t kV4Prefix = 0x0000'0000'ffff'0000;  // bytes 00 00 ff ff

  [[nodiscard]] constexpr Words words() const { return std::bit_cast<Words>(bytes_); }

  std::array<std::uint8_t, 16> bytes_{};
};
static_assert(sizeof(Address) == 16);

}  // namespace millrace
