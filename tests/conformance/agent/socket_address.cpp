// SPDX-License-Identifier: BSD-3-Clause
//
// sockaddr_in and sockaddr_in6, field by field.
#include "tests/conformance/agent/socket_address.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace millrace::agent {
namespace {

template <typename T>
[[nodiscard]] std::vector<std::byte> bytes_of(const T& value) {
  std::vector<std::byte> bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

}  // namespace

int family_of(std::span<const std::byte> bytes) {
  sa_family_t family = 0;
  if (bytes.size() < sizeof family) return -1;
  std::memcpy(&family, bytes.data(), sizeof family);
  return family;
}

int read_address(int family, std::span<const std::byte> bytes, SocketAddress& out) {
  if (family == AF_INET) {
    sockaddr_in in{};
    if (bytes.size() < sizeof in) return EINVAL;
    std::memcpy(&in, bytes.data(), sizeof in);
    if (in.sin_family != AF_INET) return EAFNOSUPPORT;
    const bool any = in.sin_addr.s_addr == 0;
    out = {any ? Address{} : Address::v4_raw(in.sin_addr.s_addr), ntohs(in.sin_port)};
    return 0;
  }
  sockaddr_in6 in{};
  constexpr std::size_t kLeast = offsetof(sockaddr_in6, sin6_scope_id);
  if (bytes.size() < kLeast) return EINVAL;
  std::memcpy(&in, bytes.data(), std::min(bytes.size(), sizeof in));
  if (in.sin6_family != AF_INET6) return EAFNOSUPPORT;
  std::array<std::uint8_t, 16> raw{};
  std::memcpy(raw.data(), &in.sin6_addr, raw.size());
  out = {Address::v6(raw), ntohs(in.sin6_port)};
  if (out.address.is_unspecified()) out.address = {};
  return 0;
}

std::vector<std::byte> write_address(int family, const SocketAddress& a) {
  if (family == AF_INET) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(a.port);
    in.sin_addr.s_addr = a.address.is_v4() ? a.address.to_v4_raw() : 0;
    return bytes_of(in);
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(a.port);
  std::memcpy(&in.sin6_addr, a.address.bytes().data(), sizeof in.sin6_addr);
  return bytes_of(in);
}

}  // namespace millrace::agent
