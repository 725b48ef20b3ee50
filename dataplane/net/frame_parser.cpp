// SPDX-License-Identifier: BSD-3-Clause
//
// Link header, ARP, IPv4, and what both IP versions share: RFC 826, RFC 791 §3.1, RFC 792,
// RFC 1122 §3.2.1, RFC 8200 §3, RFC 4443 §2.3. Extension headers are in ipv6_extensions.cpp.
#include "dataplane/net/frame_parser.h"

#include <algorithm>

#include "tcp/wire/bytes.h"
#include "tcp/wire/checksum.h"

namespace millrace::net {
namespace {

constexpr std::uint16_t kNoTag = 0xffff;
constexpr std::uint64_t kMacMask = 0x0000'ffff'ffff'ffff;
constexpr std::size_t kMinTcpBytes = 20;
constexpr std::size_t kMinIcmpBytes = 8;

[[nodiscard]] std::uint64_t word_of(const MacAddress& mac) {
  std::uint64_t word = 0;
  std::memcpy(&word, mac.data(), mac.size());
  return word;
}

[[nodiscard]] bool is_tag(std::uint16_t ethertype) {
  return ethertype == kEtherVlan || ethertype == kEtherQinQ;
}

[[nodiscard]] std::size_t total_bytes(std::span<const Frame> pieces) {
  std::size_t bytes = 0;
  for (const Frame& piece : pieces) bytes += piece.length;
  return bytes;
}

/// Sums the upper layer over all pieces.
[[nodiscard]] std::uint64_t sum_l4(std::span<const Frame> pieces, const Packet& packet) {
  std::uint64_t sum = tcp::checksum_add(0, packet.l4);
  std::size_t done = packet.l4.size();
  for (const Frame& piece : pieces.subspan(1)) {
    const std::size_t bytes = std::min<std::size_t>(piece.length, packet.l4_bytes - done);
    sum = tcp::checksum_combine(sum, tcp::checksum_add(0, {piece.data, bytes}), done);
    done += bytes;
  }
  return sum;
}

[[nodiscard]] bool l4_valid(std::span<const Frame> pieces, const Packet& packet,
                            std::uint8_t protocol) {
  const std::uint64_t pseudo =
      tcp::pseudo_header_sum(packet.source, packet.destination, protocol, packet.l4_bytes);
  if (pieces.size() == 1) return tcp::checksum_valid(tcp::checksum_add(pseudo, packet.l4));
  return tcp::checksum_valid(pseudo + tcp::checksum_fold(sum_l4(pieces, packet)));
}

/// The device's verdict where there is one, else ours.
[[nodiscard]] Drop check_tcp(std::span<const Frame> pieces, Packet& out) {
  if (out.l4.size() < kMinTcpBytes) return Drop::tcp_truncated;
  const Frame& frame = pieces.front();
  if (frame.has(Frame::kL4ChecksumBad)) return Drop::tcp_bad_checksum;
  out.kind = PacketKind::tcp;
  if (frame.has(Frame::kL4ChecksumGood)) return Drop::none;
  return l4_valid(pieces, out, tcp::kProtocolTcp) ? Drop::none : Drop::tcp_bad_checksum;
}

[[nodiscard]] Drop check_icmpv4(std::span<const Frame> pieces, Packet& out) {
  if (out.l4.size() < kMinIcmpBytes) return Drop::icmp_malformed;
  if (!tcp::checksum_valid(sum_l4(pieces, out))) return Drop::icmp_malformed;
  switch (load_u8(out.l4.data())) {
    case 3:   // destination unreachable
    case 4:   // source quench
    case 5:   // redirect
    case 11:  // time exceeded
    case 12:  // parameter problem
      out.kind = PacketKind::icmp_error;
      return Drop::none;
    default:
      out.kind = PacketKind::icmp_query;
      return Drop::none;
  }
}

[[nodiscard]] Drop check_icmpv6(std::span<const Frame> pieces, Packet& out) {
  if (out.l4.size() < kMinIcmpBytes) return Drop::icmp_malformed;
  if (!l4_valid(pieces, out, kProtocolIcmpv6)) return Drop::icmp_malformed;
  const std::uint8_t type = load_u8(out.l4.data());
  const std::uint8_t code = load_u8(out.l4.data() + 1);
  if (type >= 133 && type <= 137) {  // RFC 4861 §4
    out.kind = PacketKind::ndp;
    const bool whole = out.l4.size() == out.l4_bytes;
    return out.hop_limit == 255 && code == 0 && whole ? Drop::none : Drop::ndp_malformed;
  }
  out.kind = type < 128 ? PacketKind::icmp_error : PacketKind::icmp_query;
  return Drop::none;
}

/// RFC 791 §3.1: the options of an IPv4 header. We act on none; source routes are refused.
[[nodiscard]] Drop check_ipv4_options(std::span<const std::byte> options) {
  constexpr std::uint8_t kEnd = 0, kNop = 1, kLooseRoute = 131, kStrictRoute = 137;
  std::size_t at = 0;
  while (at < options.size()) {
    const std::uint8_t kind = load_u8(&options[at]);
    if (kind == kEnd) break;
    if (kind == kLooseRoute || kind == kStrictRoute) return Drop::ip_source_route;
    if (kind == kNop) {
      ++at;
      continue;
    }
    if (at + 1 == options.size()) return Drop::ip_bad_options;
    const std::uint8_t length = load_u8(&options[at + 1]);
    if (length < 2 || at + length > options.size()) return Drop::ip_bad_options;
    at += length;
  }
  return Drop::none;
}

/// RFC 4861 and RFC 4862 send to all nodes and to solicited-node groups.
[[nodiscard]] bool is_our_group(const Address& a) {
  const auto& b = a.bytes();
  static constexpr std::array<std::uint8_t, 11> kGroup{0xff, 0x02};
  if (std::memcmp(b.data(), kGroup.data(), kGroup.size()) != 0) return false;
  return (b[11] == 1 && b[12] == 0xff) || (b[11] | b[12] | b[13] | b[14] | (b[15] ^ 1)) == 0;
}

}  // namespace

FrameParser::FrameParser(const InterfaceConfig& config, const LocalAddresses& local)
    : local_(local),
      mac_word_(word_of(config.mac)),
      vlan_(config.vlan.value_or(kNoTag)),
      outer_vlan_(config.outer_vlan.value_or(kNoTag)),
      tagged_(config.vlan.has_value() || config.outer_vlan.has_value()),
      usual_(config.mac, tagged_) {}

Drop FrameParser::parse_thoroughly(std::span<const Frame> pieces, Packet& out) const {
  out.problem = Packet::Problem::none;
  const Frame& frame = pieces.front();
  if (frame.length < kEthernetBytes) return Drop::frame_too_short;
  const std::uint64_t destination = load_raw<std::uint64_t>(frame.data) & kMacMask;
  out.link = frame.data;
  out.group = (destination & 1) != 0;
  if (destination != mac_word_ && !out.group) return Drop::not_for_us_l2;

  std::size_t l2_bytes = kEthernetBytes;
  std::uint16_t ethertype = load_be16(frame.data + 12);
  if (tagged_ || is_tag(ethertype)) [[unlikely]] {
    const Drop drop = strip_tags(frame, l2_bytes, ethertype);
    if (drop != Drop::none) return drop;
  }
  const Network network{frame.data + l2_bytes, frame.length - l2_bytes, pieces};
  if (ethertype == kEtherIpv4) return parse_ipv4(network, out);
  if (ethertype == kEtherIpv6) return parse_ipv6(network, out);
  if (ethertype == kEtherArp) return parse_arp(network, out);
  return Drop::ethertype_unknown;
}

/// IEEE 802.1Q §9: exactly our tags, outer first. Where we have none, one priority tag (VLAN 0) is
/// as good as none.
Drop FrameParser::strip_tags(const Frame& frame, std::size_t& l2_bytes,
                             std::uint16_t& ethertype) const {
  const auto take = [&](std::uint16_t expected) {
    if (!is_tag(ethertype)) return Drop::vlan_unknown;
    if (frame.length < l2_bytes + kTagBytes) return Drop::frame_too_short;
    const std::uint16_t id = load_be16(frame.data + l2_bytes) & 0x0fffU;
    ethertype = load_be16(frame.data + l2_bytes + 2);
    l2_bytes += kTagBytes;
    return id == expected ? Drop::none : Drop::vlan_unknown;
  };
  Drop drop = Drop::none;
  if (outer_vlan_ != kNoTag) drop = take(outer_vlan_);
  if (drop == Drop::none && vlan_ != kNoTag) drop = take(vlan_);
  if (!tagged_) drop = take(0);
  if (drop != Drop::none) return drop;
  return is_tag(ethertype) ? Drop::vlan_unknown : Drop::none;
}

Drop FrameParser::parse_arp(const Network& network, Packet& out) const {
  constexpr std::uint64_t kEthernetIpv4 = 0x0001'0800'0604;  // types and lengths of both addresses
  const std::byte* const p = network.data;
  if (network.bytes < kArpBytes) return Drop::arp_malformed;
  const std::uint64_t kind = (std::uint64_t{load_be32(p)} << 16) | load_be16(p + 4);
  const std::uint16_t operation = load_be16(p + 6);
  if (kind != kEthernetIpv4 || (operation != 1 && operation != 2)) return Drop::arp_malformed;
  out.kind = PacketKind::arp;
  out.source = Address::v4_raw(load_raw<std::uint32_t>(p + 14));
  out.destination = Address::v4_raw(load_raw<std::uint32_t>(p + 24));
  out.l4 = {p, kArpBytes};
  out.l4_bytes = kArpBytes;
  return Drop::none;
}

Drop FrameParser::parse_ipv4(const Network& network, Packet& out) const {
  const std::byte* const p = network.data;
  if (network.bytes < kIpv4Bytes) return Drop::ip_truncated;
  const std::uint8_t first = load_u8(p);
  if (first >> 4 != 4) return Drop::ip_bad_version;
  const std::size_t header = std::size_t{first & 0x0fU} * 4;
  if (header < kIpv4Bytes || header > network.bytes) return Drop::ip_bad_header_length;

  const std::size_t total = load_be16(p + 2);
  std::size_t available = network.bytes;
  if (network.pieces.size() > 1) available += total_bytes(network.pieces.subspan(1));
  if (total < header || total > available) return Drop::ip_bad_total_length;

  const Frame& frame = network.pieces.front();
  if (frame.has(Frame::kIpChecksumBad)) return Drop::ip_bad_checksum;
  if (!frame.has(Frame::kIpChecksumGood) &&
      !tcp::checksum_valid(tcp::checksum_add(0, {p, header}))) {
    return Drop::ip_bad_checksum;
  }
  if ((load_be16(p + 6) & 0x3fffU) != 0) return Drop::ip_fragment;
  if (header > kIpv4Bytes) [[unlikely]] {
    const Drop drop = check_ipv4_options({p + kIpv4Bytes, header - kIpv4Bytes});
    if (drop != Drop::none) return drop;
  }
  out.source = Address::v4_raw(load_raw<std::uint32_t>(p + 12));
  out.destination = Address::v4_raw(load_raw<std::uint32_t>(p + 16));
  if (local_.bad_source_v4(load_be32(p + 12))) return Drop::ip_bad_source;
  if (!local_.contains_v4(load_be32(p + 16))) return Drop::ip_not_for_us;
  if (out.group) return Drop::not_for_us_l2;
  usual_.remember_v4(p + 12);

  out.ecn = load_u8(p + 1) & 3U;
  out.hop_limit = load_u8(p + 8);
  out.l4_bytes = static_cast<std::uint32_t>(total - header);
  out.l4 = {p + header, std::min<std::size_t>(out.l4_bytes, network.bytes - header)};
  const std::uint8_t protocol = load_u8(p + 9);
  if (protocol == tcp::kProtocolTcp) return check_tcp(network.pieces, out);
  if (protocol == kProtocolIcmp) return check_icmpv4(network.pieces, out);
  out.problem = protocol == kProtocolUdp ? Packet::Problem::port : Packet::Problem::protocol;
  out.l4 = {p, std::min(total, network.bytes)};
  return Drop::ip_protocol_unknown;
}

Drop FrameParser::parse_ipv6(const Network& network, Packet& out) const {
  const std::byte* const p = network.data;
  if (network.bytes < kIpv6Bytes) return Drop::ip_truncated;
  if (load_u8(p) >> 4 != 6) return Drop::ip_bad_version;
  const std::size_t total = kIpv6Bytes + load_be16(p + 4);
  std::size_t available = network.bytes;
  if (network.pieces.size() > 1) available += total_bytes(network.pieces.subspan(1));
  if (total > available) return Drop::ip_bad_total_length;

  out.source = Address::from_words(load_raw<AddressWords>(p + 8));
  out.destination = Address::from_words(load_raw<AddressWords>(p + 24));
  const bool ours = local_.contains_v6(out.destination);
  if (!ours && !is_our_group(out.destination)) return Drop::ip_not_for_us;
  if (ours && out.group) return Drop::not_for_us_l2;

  Chain chain{load_u8(p + 6), kIpv6Bytes};
  const std::size_t in_first = std::min(total, network.bytes);
  if (chain.protocol != tcp::kProtocolTcp && chain.protocol != kProtocolIcmpv6) [[unlikely]] {
    const Drop drop = walk_extensions({p, in_first}, out, chain);
    if (drop != Drop::none) return drop;
  }
  out.ecn = (load_u8(p + 1) >> 4) & 3U;
  out.hop_limit = load_u8(p + 7);
  out.l4_bytes = static_cast<std::uint32_t>(total - chain.offset);
  out.l4 = {p + chain.offset, in_first - chain.offset};

  // A neighbour solicitation may come from nowhere (duplicate detection), and neighbour discovery
  // from our own address when somebody else has it too (RFC 4862 §5.4).
  const bool bad = LocalAddresses::bad_source_v6(out.source);
  if (chain.protocol == tcp::kProtocolTcp) {
    if (bad || local_.contains_v6(out.source)) return Drop::ip_bad_source;
    if (!ours) return Drop::ip_not_for_us;
    usual_.remember_v6(p + 8);
    return check_tcp(network.pieces, out);
  }
  if (bad && !out.source.is_unspecified()) return Drop::ip_bad_source;
  const Drop drop = check_icmpv6(network.pieces, out);
  if (drop != Drop::none || out.kind == PacketKind::ndp) return drop;
  return bad || local_.contains_v6(out.source) ? Drop::ip_bad_source : Drop::none;
}

}  // namespace millrace::net
