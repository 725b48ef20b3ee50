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
  Wide prefix = 0;  // IPv4 as ::ffff:a.b.c.d, so that one list serves both families
  Wide mask = 0;
  Address via;     // unspecified: the destination is on the link
  Address source;  // which of our addresses asks for its link address
  std::uint8_t bits = 0;
};

class Routes {
 public:
  Routes(std::span<const InterfaceAddress> own, std::span<const Route> routes);

  /// Null if there is no way to `destination`.
  [[nodiscard]] const RouteEntry* find(const Address& destination) const;
  /// True if `address` is a neighbour: a route says that it is on the link.
  [[nodiscard]] bool on_link(const Address& address) const;

  [[nodiscard]] const std::vector<RouteEntry>& entries() const { return entries_; }

 private:
  void add(const Address& prefix, std::uint8_t length, const Address& via, const Address& source);

  std::vector<RouteEntry> entries_;  // longest prefix first
};

}  // namespace millrace::net
