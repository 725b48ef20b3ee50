// SPDX-License-Identifier: BSD-3-Clause
//
// Frame to Packet: Ethernet II, 802.1Q and 802.1ad tags, ARP, IPv4 (RFC 791, RFC 1122 §3.2.1), IPv6
// with its extension headers (RFC 8200 §4) and the checksums of IPv4, TCP, ICMP and ICMPv6. Any
// bytes give a Packet or exactly one drop reason; nothing is remembered between frames.
//
// It refuses: fragments (atomic ones too), source routes, more than eight extension headers, more
// tags than ours, and every length that disagrees with another.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/net/interface.h"
#include "dataplane/net/local_addresses.h"
#include "dataplane/net/packet.h"
#include "dataplane/net/usual_way.h"
#include "dataplane/port.h"
#include "tcp/base/drop.h"

namespace millrace::net {

inline constexpr std::size_t kMacBytes = 6;
inline constexpr std::size_t kEthernetBytes = 14;
inline constexpr std::size_t kTagBytes = 4;
inline constexpr std::size_t kIpv4Bytes = 20;
inline constexpr std::size_t kIpv6Bytes = 40;
inline constexpr std::size_t kArpBytes = 28;

inline constexpr std::uint16_t kEtherIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherArp = 0x0806;
inline constexpr std::uint16_t kEtherVlan = 0x8100;
inline constexpr std::uint16_t kEtherIpv6 = 0x86dd;
inline constexpr std::uint16_t kEtherQinQ = 0x88a8;

inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIcmpv6 = 58;

class FrameParser {
 public:
  /// `local` outlives the parser.
  FrameParser(const InterfaceConfig& config, const LocalAddresses& local);

  /// `pieces` are the Frames of one packet; all headers must lie in the first. On a drop nothing
  /// but `out.problem` and what it explains is to be read.
  [[nodiscard]] Drop parse(std::span<const Frame> pieces, Packet& out) const {
    out.problem = Packet::Problem::none;
    if (pieces.size() == 1 && parse_usual(pieces.front(), out)) return Drop::none;
    return parse_thoroughly(pieces, out);
  }
  /// Its two halves: the first is in line, and false says nothing but that the second must look.
  [[nodiscard, gnu::always_inline]] bool parse_usual(const Frame& frame, Packet& out) const {
    return usual_.parse(frame, out);
  }
  [[nodiscard, gnu::noinline]] Drop parse_thoroughly(std::span<const Frame> pieces,
                                                     Packet& out) const;
  /// To be called when an address is removed from `local`.
  void forget() { usual_.forget(); }

 private:
  /// What lies behind the link header.
  struct Network {
    const std::byte* data;
    std::size_t bytes;  // in the first piece
    std::span<const Frame> pieces;
  };
  /// An IPv6 header chain walked to its end.
  struct Chain {
    std::uint8_t protocol = 0;
    std::size_t offset = 0;  // of the upper layer, from the IPv6 header on
  };

  [[nodiscard]] Drop strip_tags(const Frame& frame, std::size_t& l2_bytes,
                                std::uint16_t& ethertype) const;
  [[nodiscard]] Drop parse_arp(const Network& network, Packet& out) const;
  [[nodiscard]] Drop parse_ipv4(const Network& network, Packet& out) const;
  [[nodiscard]] Drop parse_ipv6(const Network& network, Packet& out) const;
  [[nodiscard]] static Drop walk_extensions(std::span<const std::byte> packet, Packet& out,
                                            Chain& chain);

  const LocalAddresses& local_;
  std::uint64_t mac_word_;  // our MAC address in the lower six bytes, as it lies in a frame
  std::uint16_t vlan_;      // kNoTag: none
  std::uint16_t outer_vlan_;
  bool tagged_;
  mutable UsualWay usual_;  // a memo
};

}  // namespace millrace::net
