// SPDX-License-Identifier: BSD-3-Clause
//
// Link headers, built once per neighbour.
#include "dataplane/net/headers.h"

#include "dataplane/net/frame_parser.h"

namespace millrace::net {

LinkHeader make_link_header(const InterfaceConfig& config, const MacAddress& to,
                            std::uint16_t ethertype) {
  LinkHeader header;
  std::byte* p = header.bytes.data();
  std::memcpy(p, to.data(), kMacBytes);
  std::memcpy(p + kMacBytes, config.mac.data(), kMacBytes);
  p += 2 * kMacBytes;
  const auto tag = [&p](std::uint16_t protocol, std::uint16_t id) {
    store_be16(p, protocol);
    store_be16(p + 2, id);
    p += kTagBytes;
  };
  if (config.outer_vlan) tag(kEtherQinQ, *config.outer_vlan);
  if (config.vlan) tag(kEtherVlan, *config.vlan);
  store_be16(p, ethertype);
  header.ipv6 = ethertype == kEtherIpv6;
  header.length = static_cast<std::uint8_t>(p + 2 - header.bytes.data());
  return header;
}

}  // namespace millrace::net
