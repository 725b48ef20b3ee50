// SPDX-License-Identifier: BSD-3-Clause
//
// inet_ntop, which writes as RFC 5952 asks.
#include "dataplane/net/address_text.h"

#include <arpa/inet.h>

#include <cstdio>

namespace millrace::net {

std::string to_text(const Address& address) {
  char text[INET6_ADDRSTRLEN] = {};
  const bool v4 = address.is_v4();
  const auto* bytes = address.bytes().data() + (v4 ? 12 : 0);
  return inet_ntop(v4 ? AF_INET : AF_INET6, bytes, text, sizeof text);
}

std::string to_text(const MacAddress& mac) {
  char text[18] = {};
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return text;
}

}  // namespace millrace::net
