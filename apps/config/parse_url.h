// SPDX-License-Identifier: BSD-3-Clause
//
// http://HOST[:PORT][/PATH], HOST an IPv4 address or an IPv6 address in brackets (RFC 3986 §3.2.2).
// Refuses https, names, user information and fragments, each with a sentence.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tcp/base/address.h"
#include "tcp/base/result.h"

namespace millrace {

struct Url {
  Address address;
  std::uint16_t port = 80;
  std::string path = "/";  // with the query; what goes into the request line

  /// As in a Host header: the port only if it is not 80.
  [[nodiscard]] std::string host_header() const;
  [[nodiscard]] std::string text() const;
};

[[nodiscard]] Result<Url> parse_url(std::string_view word);

}  // namespace millrace
