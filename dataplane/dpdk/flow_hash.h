// SPDX-License-Identifier: BSD-3-Clause
//
// Which bytes of a frame receive side scaling hashes: addresses and ports of unfragmented TCP,
// addresses alone of other IPv4 and IPv6, nothing of the rest; what of it is done is chosen by
// HashTypes. For the cable and for software steering, so that both agree with NICs. Any bytes are
// safe; lengths are checked, nothing else is judged here. Behind IPv6 extension headers it looks
// where it is told to; else they make a packet one of the "other". The addresses of mobile nodes
// (RFC 6275), which some devices would hash instead, are not looked for: we take no such packets.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/backend.h"
#include "tcp/base/flow_steering.h"

namespace millrace::dpdk {

struct FlowHash {
  std::uint32_t value = 0;
  bool hashed = false;
};

/// Where the TCP header of an IPv6 packet with extension headers is, from the IPv6 header on; 0 if
/// there is none, or a fragment header before it.
[[nodiscard]] std::size_t tcp_behind_extensions(const std::uint8_t* ip, std::size_t length);

/// What of a frame can be hashed, and where it lies.
struct FlowFields {
  enum class Kind : std::uint8_t { none, addresses, tcp };
  Kind kind = Kind::none;
  bool v4 = false;
  bool extended = false;  // TCP behind extension headers
  const std::uint8_t* addresses = nullptr;
  const std::uint8_t* ports = nullptr;
};

[[nodiscard]] inline FlowFields flow_fields(const std::uint8_t* frame, std::size_t length) {
  constexpr std::uint8_t kTcp = 6;
  FlowFields f;
  std::size_t at = 12;
  const auto type = [&] { return static_cast<unsigned>(frame[at]) << 8 | frame[at + 1]; };
  if (length < 14) return f;
  for (int tags = 0; tags < 2 && (type() == 0x8100 || type() == 0x88a8); ++tags) {
    if (length < at + 6) return f;
    at += 4;
  }
  const std::uint8_t* const ip = frame + at + 2;
  const std::size_t left = length - at - 2;
  if (type() == 0x0800 && left >= 20) {
    const std::size_t header = std::size_t{ip[0] & 0x0fU} * 4;
    const bool fragment = ((ip[6] & 0x3fU) | ip[7]) != 0;
    const bool tcp = ip[9] == kTcp && !fragment && header >= 20 && left >= header + 4;
    f = {tcp ? FlowFields::Kind::tcp : FlowFields::Kind::addresses, true, false, ip + 12,
         ip + header};
  } else if (type() == 0x86dd && left >= 40) {
    f = {FlowFields::Kind::addresses, false, false, ip + 8, nullptr};
    const bool plain = ip[6] == kTcp;
    const std::size_t tcp = plain ? 40 : tcp_behind_extensions(ip, left);
    if (tcp != 0 && left >= tcp + 4) {
      f.kind = FlowFields::Kind::tcp;
      f.ports = ip + tcp;
      f.extended = !plain;
    }
  }
  return f;
}

[[nodiscard]] inline FlowHash flow_hash(const FlowSteering& steering, const HashTypes& types,
                                        const std::uint8_t* frame, std::size_t length) {
  const FlowFields f = flow_fields(frame, length);
  if (f.kind == FlowFields::Kind::none) return {};
  const std::size_t size = f.v4 ? 8 : 32;
  const bool tcp = f.v4 ? types.tcp_ipv4 : f.extended ? types.tcp_ipv6_ex : types.tcp_ipv6;
  if (f.kind == FlowFields::Kind::tcp && tcp) {
    return {steering.part(0, f.addresses, size) ^ steering.part(size, f.ports, 4), true};
  }
  if (!(f.v4 ? types.ipv4 : types.ipv6)) return {};
  return {steering.part(0, f.addresses, size), true};
}

}  // namespace millrace::dpdk
