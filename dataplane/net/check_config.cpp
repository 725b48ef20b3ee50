// SPDX-License-Identifier: BSD-3-Clause
//
// What an operator can get wrong about an interface, each in one sentence.
#include <algorithm>

#include "dataplane/net/address_text.h"
#include "dataplane/net/host.h"

namespace millrace::net {
namespace {

[[nodiscard]] Error wrong(std::string sentence, std::string hint = {}) {
  return {ErrorKind::usage, std::move(sentence), std::move(hint)};
}

[[nodiscard]] std::string with_length(const Address& address, unsigned length) {
  return to_text(address) + "/" + std::to_string(length);
}

/// Multicast, loopback, unspecified: what no host has as its own.
[[nodiscard]] bool cannot_be_ours(const Address& a) {
  if (!a.is_v4()) return LocalAddresses::bad_source_v6(a);
  const std::uint32_t network = a.to_v4() >> 24;
  return network == 0 || network == 127 || network >= 224;
}

[[nodiscard]] std::optional<Error> check_address(const InterfaceAddress& a) {
  const unsigned bits = a.address.is_v4() ? 32 : 128;
  const std::string text = with_length(a.address, a.prefix_length);
  if (a.prefix_length > bits) {
    return wrong("The prefix length of " + text + " is above " + std::to_string(bits) + ".");
  }
  if (a.prefix_length == 0) {
    return wrong(
        "The address " + text + " claims the whole Internet for its link.",
        "give the length of its network, as in " + with_length(a.address, bits == 32 ? 24 : 64));
  }
  if (a.count == 0) return wrong("The range that begins at " + text + " is empty.");
  if (cannot_be_ours(a.address)) return wrong("No host can have the address " + text + ".");
  const unsigned host_bits = bits - a.prefix_length;
  const Wide first = wide_of(a.address);
  const Wide last = first + (a.count - 1);
  // A single address may stand alone; a range has to stay in its network.
  if (a.count > 1 && host_bits < 128 && (first >> host_bits) != (last >> host_bits)) {
    return wrong("The " + std::to_string(a.count) + " addresses from " + text +
                 " on do not fit into that network.");
  }
  if (!a.address.is_v4() || host_bits < 2) return std::nullopt;
  const Wide hosts = (Wide{1} << host_bits) - 1;
  if ((first & hosts) == 0 || (last & hosts) == hosts) {
    return wrong("The range from " + text + " on includes the network's own or its broadcast " +
                 "address.");
  }
  return std::nullopt;
}

[[nodiscard]] std::optional<Error> check_route(const Route& r, const Routes& routes) {
  const unsigned bits = r.prefix.is_v4() ? 32 : 128;
  const std::string text = with_length(r.prefix, r.prefix_length);
  if (r.prefix_length > bits) {
    return wrong("The prefix length of the route to " + text + " is above " + std::to_string(bits) +
                 ".");
  }
  if (!r.via) return std::nullopt;
  const std::string via = to_text(*r.via);
  if (r.via->is_v4() != r.prefix.is_v4()) {
    return wrong("The route to " + text + " and its gateway " + via + " are of two families.");
  }
  if (routes.on_link(*r.via) == nullptr) {
    return wrong("The gateway " + via + " of the route to " + text + " is not on the link.",
                 "give an address in its network, or --route " + with_length(*r.via, bits));
  }
  return std::nullopt;
}

}  // namespace

Status check_config(const InterfaceConfig& config) {
  for (const InterfaceAddress& a : config.addresses) {
    if (auto error = check_address(a)) return *error;
  }
  for (const auto& vlan : {config.vlan, config.outer_vlan}) {
    if (vlan && (*vlan == 0 || *vlan > 4094)) {
      return wrong("The VLAN " + std::to_string(*vlan) + " is not between 1 and 4094.");
    }
  }
  const bool v6 = std::any_of(config.addresses.begin(), config.addresses.end(),
                              [](const auto& a) { return !a.address.is_v4(); });
  if (v6 && config.mtu < 1280) {
    return wrong("An MTU of " + std::to_string(config.mtu) + " is below the 1280 that IPv6 needs.");
  }
  if (config.mtu < 576) {
    return wrong("An MTU of " + std::to_string(config.mtu) + " is below the 576 that IPv4 needs.");
  }
  std::vector<InterfaceAddress> own = config.addresses;
  if (v6) own.push_back({link_local_of(config.mac), 64, 1});
  const Routes routes(own, config.routes);
  for (const Route& r : config.routes) {
    if (auto error = check_route(r, routes)) return *error;
  }
  return Ok{};
}

}  // namespace millrace::net
