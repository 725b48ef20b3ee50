// SPDX-License-Identifier: BSD-3-Clause
//
// One port's place in its networks: our addresses, VLAN, routes and neighbours, and the protocols
// that keep them: ARP (RFC 826, RFC 5227), NDP (RFC 4861, RFC 4862 §5.4), ICMP (RFC 792, RFC 1122
// §3.2.2) and ICMPv6 (RFC 4443). Frames in, decisions and replies out; no driver, no clock.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/port.h"
#include "tcp/base/address.h"
#include "tcp/base/siphash.h"
#include "tcp/base/time.h"

namespace millrace::net {

struct InterfaceAddress {
  Address address;
  std::uint8_t prefix_length = 32;  // of the family: 0..32 or 0..128
  std::uint32_t count = 1;          // `address` and the count - 1 that follow it
};

struct Route {
  Address prefix;
  std::uint8_t prefix_length = 0;
  std::optional<Address> via;  // nothing: on the link
};

struct InterfaceConfig {
  MacAddress mac{};
  std::uint16_t mtu = 1500;
  std::optional<std::uint16_t> vlan;        // 802.1Q tag of everything we send and accept
  std::optional<std::uint16_t> outer_vlan;  // 802.1ad (QinQ)
  std::vector<InterfaceAddress> addresses;
  std::vector<Route> routes;  // besides those that the prefixes imply
  SipKey neighbour_key;
  std::uint32_t max_neighbours = 1024;
  std::uint32_t icmp_replies_per_second = 1000;
  // How long an IPv6 address is tentative after we asked for it (RFC 4862 §5.4, RetransTimer).
  Duration duplicate_detection = 1s;
  // RFC 4861 §10 and RFC 1122 §2.3.2.1.
  Duration neighbour_reachable = 30s;
  Duration neighbour_probe_interval = 1s;
  std::uint8_t neighbour_probes = 3;
};

}  // namespace millrace::net
