// SPDX-License-Identifier: BSD-3-Clause
//
// Which addresses are ours, and which can never be the source of a packet to us (RFC 1122 §3.2.1.3,
// RFC 4291 §2.5.2, §2.5.3, §2.7; our own addresses as source are the LAND attack).
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/net/interface.h"
#include "dataplane/net/range_set.h"
#include "tcp/base/address.h"

namespace millrace::net {

/// An IPv6 address as a number; its upper 64 bits are the network's.
using Wide = unsigned __int128;

[[nodiscard]] constexpr Wide wide_of(const Address& a) {
  const AddressWords w = a.words();
  return (Wide{__builtin_bswap64(w.high)} << 64) | __builtin_bswap64(w.low);
}
[[nodiscard]] constexpr Address address_of(Wide value) {
  return Address::from_words({__builtin_bswap64(static_cast<std::uint64_t>(value >> 64)),
                              __builtin_bswap64(static_cast<std::uint64_t>(value))});
}
/// The address `offset` after `first`, in its family.
[[nodiscard]] constexpr Address address_after(const Address& first, std::uint32_t offset) {
  return first.is_v4() ? Address::v4(first.to_v4() + offset) : address_of(wide_of(first) + offset);
}

[[nodiscard]] constexpr bool is_multicast_v6(const Address& a) { return a.bytes()[0] == 0xff; }
[[nodiscard]] constexpr bool is_link_local_v6(const Address& a) {
  return a.bytes()[0] == 0xfe && (a.bytes()[1] & 0xc0) == 0x80;
}
/// fe80::/64 and the EUI-64 of `mac` (RFC 4291 §2.5.6, appendix A).
[[nodiscard]] Address link_local_of(const MacAddress& mac);
/// ff02::1:ffXX:XXXX (RFC 4291 §2.7.1).
[[nodiscard]] Address solicited_node_of(const Address& target);
/// ff02::1
[[nodiscard]] Address all_nodes();

class LocalAddresses {
 public:
  explicit LocalAddresses(std::span<const InterfaceAddress> own);

  [[nodiscard]] bool contains(const Address& a) const {
    return a.is_v4() ? contains_v4(a.to_v4()) : contains_v6(a);
  }
  [[nodiscard]] bool contains_v4(std::uint32_t host_order) const {
    return v4_.contains(host_order);
  }
  [[nodiscard]] bool contains_v6(const Address& a) const { return v6_.contains(wide_of(a)); }

  /// Networks 0, 127 and 224 upwards, broadcasts of our prefixes, and our own addresses.
  [[nodiscard]] bool bad_source_v4(std::uint32_t host_order) const {
    const std::uint32_t network = host_order >> 24;
    return network - 1 >= 223 || network == 127 || not_a_source_v4_.contains(host_order);
  }
  /// Multicast, and ::/96 with what lies in it or is spelled like IPv4: unspecified, loopback,
  /// compatible and mapped addresses. Our own are asked for apart: ICMPv6 has a use for them.
  [[nodiscard]] static bool bad_source_v6(const Address& a) {
    const AddressWords w = a.words();
    const auto group = static_cast<std::uint32_t>(w.low);  // bytes 8 to 11 as they lie
    return is_multicast_v6(a) || (w.high == 0 && (group == 0 || group == 0xffff'0000));
  }

  /// Someone else has it: no longer ours. True if it was.
  bool remove(const Address& a);

 private:
  RangeSet<std::uint32_t> v4_;
  RangeSet<std::uint32_t> not_a_source_v4_;
  RangeSet<Wide> v6_;
};

}  // namespace millrace::net
