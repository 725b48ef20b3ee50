// SPDX-License-Identifier: BSD-3-Clause
//
// Between the addresses of socket calls and ours. An IPv4 address in a sockaddr_in6 is written as
// IPv6 writes it (RFC 4291 §2.5.5.2), which is also how Address holds it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tcp/base/address.h"

namespace millrace::agent {

struct SocketAddress {
  Address address;  // unspecified of IPv6 for "any"
  std::uint16_t port = 0;
};

/// 0, or the errno: EINVAL for one that is too short, EAFNOSUPPORT for another family.
[[nodiscard]] int read_address(int family, std::span<const std::byte> bytes, SocketAddress& out);
/// AF_UNSPEC or another family; -1 if it is too short to say.
[[nodiscard]] int family_of(std::span<const std::byte> bytes);
[[nodiscard]] std::vector<std::byte> write_address(int family, const SocketAddress& address);

}  // namespace millrace::agent
