// SPDX-License-Identifier: BSD-3-Clause
//
// A received frame, understood: whose it is, what it carries and where its payload lies. Nothing is
// copied; the pointers are into the frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/base/address.h"

namespace millrace::net {

enum class PacketKind : std::uint8_t {
  tcp,
  arp,         // concerns every worker of the port
  ndp,         // ICMPv6 133 to 137; concerns every worker
  icmp_error,  // concerns the worker that has the connection, so every worker
  icmp_query,  // echo and the rest: the worker that got it answers
};

struct Packet {
  Address source;       // ARP: the sender's protocol address
  Address destination;  // ARP: the target's
  /// The TCP segment, ICMP message or ARP packet: exactly as long as its headers say (padding of
  /// the link is never in it), or less if the packet has several pieces and goes on in the next.
  std::span<const std::byte> l4;
  std::uint32_t l4_bytes = 0;       // over all pieces
  const std::byte* link = nullptr;  // the frame's first byte
  PacketKind kind = PacketKind::tcp;
  std::uint8_t ecn = 0;  // the two ECN bits
  std::uint8_t hop_limit = 0;
  bool group = false;  // the frame was sent to a broadcast or multicast MAC address

  /// Set together with a drop when its sender is to be told: the three Parameter Problems of
  /// RFC 8200 §4, and what nobody here listens for (RFC 1122 §3.2.2.1, RFC 4443 §3.1). `l4` is then
  /// the whole IP packet, as far as its first piece holds it.
  enum class Problem : std::uint8_t { none, header_field, next_header, option, protocol, port };
  Problem problem = Problem::none;
  std::uint32_t problem_offset = 0;  // of the offending byte, from the IPv6 header on

  [[nodiscard]] const std::byte* source_mac() const { return link + 6; }
  [[nodiscard]] bool concerns_all_workers() const {
    return kind == PacketKind::arp || kind == PacketKind::ndp || kind == PacketKind::icmp_error;
  }
};

}  // namespace millrace::net
