// SPDX-License-Identifier: BSD-3-Clause
//
// Addresses, ranges of addresses and routes as an operator writes them, and addresses back into
// text. Names are not resolved.
#pragma once

#include <string>
#include <string_view>

#include "dataplane/net/interface.h"
#include "tcp/base/address.h"
#include "tcp/base/result.h"

namespace millrace {

/// "198.18.0.2" or "2001:2::2".
[[nodiscard]] Result<Address> parse_address(std::string_view word);

/// "A", "A/LENGTH" or "A-B/LENGTH": addresses of our own. A and B lie in one network of that
/// length; without a length each is alone in its network. Refuses what cannot be an endpoint:
/// multicast, loopback, the network's own address and its broadcast address.
[[nodiscard]] Result<net::InterfaceAddress> parse_address_range(std::string_view word);

/// "PREFIX/LENGTH" (on the link) or "PREFIX/LENGTH,via ADDRESS".
[[nodiscard]] Result<net::Route> parse_route(std::string_view word);

/// The route of everything else: "ADDRESS".
[[nodiscard]] Result<net::Route> parse_gateway(std::string_view word);

/// RFC 5952 for IPv6.
[[nodiscard]] std::string address_text(const Address& address);
/// "198.18.0.2:80" or "[2001:2::2]:80".
[[nodiscard]] std::string endpoint_text(const Address& address, std::uint16_t port);
/// "198.18.0.16-198.18.0.31/24".
[[nodiscard]] std::string range_text(const net::InterfaceAddress& range);

/// `address` + `offset`, within its family.
[[nodiscard]] Address address_plus(const Address& address, std::uint64_t offset);
/// True if `address` lies in prefix/length.
[[nodiscard]] bool in_prefix(const Address& address, const Address& prefix, unsigned length);

/// True for private (RFC 1918, RFC 4193), link-local, loopback, benchmarking (RFC 2544, RFC 5180)
/// and documentation (RFC 5737, RFC 3849, RFC 9637) addresses: those that are nobody else's.
[[nodiscard]] bool is_nobody_elses(const Address& address);
/// The load generator's promise: without `own_network` it sends only to and from such addresses.
[[nodiscard]] Status check_own_network(const Address& target,
                                       const std::vector<net::InterfaceAddress>& sources,
                                       bool own_network);

}  // namespace millrace
