// SPDX-License-Identifier: BSD-3-Clause
//
// Where a packet goes next: connected prefixes, static routes and gateways, the longest prefix
// first (RFC 1122 §3.3.1; a host forwards nothing). Asked once per destination, then remembered by
// the host's cache, so a list in order of length is enough.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/net/interface.h"
#include "dataplane/net/local_addresses.h"

namespace millrace::net {

struct RouteEntry {
  Wide prefix = 0;  // IPv4 as ::ffff:a.b.c.d
  Wide mask = 0;
  Address via;     // unspecified: the destination is on the link
  Address source;  // which of our addresses asks for its link address
  std::uint8_t bits = 0;
};

class Routes {
 public:
  Routes(std::span<const InterfaceAddress> own, std::span<const Route> routes);

  /// Null if there is no way to `destination`.
  [[nodiscard]] const RouteEntry* find(const Address& destination) const {
    return longest(destination, false);
  }
  /// The route that makes `address` a neighbour; null if none does.
  [[nodiscard]] const RouteEntry* on_link(const Address& address) const {
    return longest(address, true);
  }

 private:
  using List = std::vector<RouteEntry>;

  void add(const Address& prefix, std::uint8_t length, const Address& via, const Address& source);
  [[nodiscard]] const RouteEntry* longest(const Address& destination, bool only_on_link) const;

  List v4_;  // longest prefix first
  List v6_;
};

}  // namespace millrace::net
