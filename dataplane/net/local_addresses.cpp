// SPDX-License-Identifier: BSD-3-Clause
//
// Sets of our addresses, built from the configuration.
#include "dataplane/net/local_addresses.h"

namespace millrace::net {
namespace {

/// `first` and the count - 1 numbers after it, stopping at the highest there is.
template <typename T>
[[nodiscard]] T last_of(T first, std::uint32_t count) {
  const T room = ~first;
  const T more = count == 0 ? 0 : count - 1;
  return first + (more < room ? more : room);
}

}  // namespace

Address link_local_of(const MacAddress& mac) {
  return Address::v6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(mac[0] ^ 2U), mac[1],
                      mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]});
}

Address solicited_node_of(const Address& target) {
  const auto& b = target.bytes();
  return Address::v6({0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, b[13], b[14], b[15]});
}

Address all_nodes() { return Address::v6({0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}); }

LocalAddresses::LocalAddresses(std::span<const InterfaceAddress> own) {
  for (const InterfaceAddress& a : own) {
    if (!a.address.is_v4()) {
      const Wide first = wide_of(a.address);
      v6_.add(first, last_of(first, a.count));
      continue;
    }
    const std::uint32_t first = a.address.to_v4();
    const std::uint32_t last = last_of(first, a.count);
    v4_.add(first, last);
    not_a_source_v4_.add(first, last);
    // With 31 bits both addresses are hosts (RFC 3021).
    if (a.prefix_length == 0 || a.prefix_length > 30) continue;
    const std::uint32_t hosts = 0xffff'ffffU >> a.prefix_length;
    not_a_source_v4_.add(first & ~hosts, first & ~hosts);
    not_a_source_v4_.add(first | hosts, first | hosts);
  }
}

bool LocalAddresses::remove(const Address& a) {
  if (!a.is_v4()) return v6_.remove(wide_of(a));
  return v4_.remove(a.to_v4());
}

}  // namespace millrace::net
