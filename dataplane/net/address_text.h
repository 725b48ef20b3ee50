// SPDX-License-Identifier: BSD-3-Clause
//
// Addresses as people write them: dotted quads, RFC 4291 §2.2 in, RFC 5952 out, prefixes, ranges
// and MAC addresses. Not on the packet path.
#pragma once

#include <string>
#include <string_view>

#include "dataplane/net/interface.h"
#include "tcp/base/address.h"
#include "tcp/base/result.h"

namespace millrace::net {

/// 198.18.0.1 or 2001:2::1; no brackets, no zone.
[[nodiscard]] Result<Address> parse_address(std::string_view text);
/// 198.18.0.2/24, 198.18.0.16-198.18.0.31/24, 2001:2::2-2001:2::ff/64; without a length: /32 or
/// /128.
[[nodiscard]] Result<InterfaceAddress> parse_interface_address(std::string_view text);
/// PREFIX/LENGTH, or `default` for both families' /0: then `via` tells which.
/// "10.0.0.0/8,via 198.18.0.1", "10.0.0.0/8", "default,via 198.18.0.1".
[[nodiscard]] Result<Route> parse_route(std::string_view text);
/// 02:00:00:00:00:01
[[nodiscard]] Result<MacAddress> parse_mac(std::string_view text);

[[nodiscard]] std::string to_text(const Address& address);
[[nodiscard]] std::string to_text(const MacAddress& mac);
/// 198.18.0.1:80 or [2001:2::1]:80
[[nodiscard]] std::string to_text(const Address& address, std::uint16_t port);

}  // namespace millrace::net
