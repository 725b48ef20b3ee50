// SPDX-License-Identifier: BSD-3-Clause
//
// The chain of IPv6 extension headers in front of TCP and ICMPv6 (RFC 8200 §4): at most eight, each
// byte looked at once. Options are judged by the action bits of their type (§4.2); we know none but
// padding. Routing headers are stepped over when they are spent, type 0 never (RFC 5095); fragments
// are refused, atomic ones too.
#include "dataplane/net/frame_parser.h"
#include "tcp/wire/bytes.h"
#include "tcp/wire/checksum.h"

namespace millrace::net {
namespace {

constexpr int kMaxExtensions = 8;
constexpr std::size_t kNextHeaderField = 6;  // of the IPv6 header

enum NextHeader : std::uint8_t {
  kHopByHop = 0,
  kRouting = 43,
  kFragment = 44,
  kNoNext = 59,
  kDestinationOptions = 60,
};

[[nodiscard]] Drop drop_with(Drop drop, Packet::Problem problem, std::size_t offset,
                             std::span<const std::byte> packet, Packet& out) {
  out.problem = problem;
  out.problem_offset = static_cast<std::uint32_t>(offset);
  out.l4 = packet;
  return drop;
}

/// RFC 8200 §4.2: the options between `at` and `end`.
[[nodiscard]] Drop check_options(std::span<const std::byte> packet, std::size_t at, std::size_t end,
                                 Packet& out) {
  constexpr std::uint8_t kPad1 = 0, kPadN = 1;
  while (at < end) {
    const std::uint8_t type = load_u8(&packet[at]);
    if (type == kPad1) {
      ++at;
      continue;
    }
    if (at + 1 == end) return Drop::ip_bad_extension;
    const std::size_t length = std::size_t{2} + load_u8(&packet[at + 1]);
    if (at + length > end) return Drop::ip_bad_extension;
    const int action = type >> 6;
    const bool tell = action == 2 || (action == 3 && !is_multicast_v6(out.destination));
    if (type != kPadN && tell) {
      return drop_with(Drop::ip_bad_extension, Packet::Problem::option, at, packet, out);
    }
    if (type != kPadN && action != 0) return Drop::ip_bad_extension;
    at += length;
  }
  return Drop::none;
}

/// RFC 8200 §4.4, RFC 5095.
[[nodiscard]] Drop check_routing(std::span<const std::byte> packet, std::size_t at, Packet& out) {
  const std::uint8_t type = load_u8(&packet[at + 2]);
  const std::uint8_t segments_left = load_u8(&packet[at + 3]);
  if (type == 0) return Drop::ip_source_route;
  if (segments_left == 0) return Drop::none;
  return drop_with(Drop::ip_bad_extension, Packet::Problem::header_field, at + 2, packet, out);
}

[[nodiscard]] bool is_extension(std::uint8_t protocol) {
  return protocol == kHopByHop || protocol == kRouting || protocol == kDestinationOptions;
}

}  // namespace

Drop FrameParser::walk_extensions(std::span<const std::byte> packet, Packet& out, Chain& chain) {
  std::size_t named_at = kNextHeaderField;
  for (int walked = 0; chain.protocol != tcp::kProtocolTcp && chain.protocol != kProtocolIcmpv6;
       ++walked) {
    if (chain.protocol == kFragment) return Drop::ip_fragment;
    if (!is_extension(chain.protocol)) {
      const auto problem = chain.protocol == kNoNext        ? Packet::Problem::none
                           : chain.protocol == kProtocolUdp ? Packet::Problem::port
                                                            : Packet::Problem::next_header;
      return drop_with(Drop::ip_protocol_unknown, problem, named_at, packet, out);
    }
    if (chain.protocol == kHopByHop && walked != 0) {
      return drop_with(Drop::ip_bad_extension, Packet::Problem::next_header, named_at, packet, out);
    }
    if (walked == kMaxExtensions) return Drop::ip_bad_extension;

    const std::size_t at = chain.offset;
    if (packet.size() - at < 8) return Drop::ip_bad_extension;
    const std::size_t bytes = (std::size_t{load_u8(&packet[at + 1])} + 1) * 8;
    if (packet.size() - at < bytes) return Drop::ip_bad_extension;
    const Drop drop = chain.protocol == kRouting ? check_routing(packet, at, out)
                                                 : check_options(packet, at + 2, at + bytes, out);
    if (drop != Drop::none) return drop;
    chain.protocol = load_u8(&packet[at]);
    named_at = at;
    chain.offset = at + bytes;
  }
  return Drop::none;
}

}  // namespace millrace::net
