// SPDX-License-Identifier: BSD-3-Clause
//
// The headers in front of what we send: a prebuilt link header, and the IPv4 or IPv6 header of a
// TCP segment (RFC 791, RFC 6864 §4.1: DF set, identification zero; RFC 8200 §3: flow label zero).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/net/interface.h"
#include "tcp/wire/bytes.h"
#include "tcp/wire/checksum.h"
#include "tcp/wire/segment.h"

namespace millrace::net {

/// Both MAC addresses, the tags and the ethertype: 14, 18 or 22 bytes.
struct LinkHeader {
  std::array<std::byte, 24> bytes{};
  std::uint8_t length = 0;
  bool ipv6 = false;  // what comes behind it
};

/// From us to `to`, with our tags.
[[nodiscard]] LinkHeader make_link_header(const InterfaceConfig& config, const MacAddress& to,
                                          std::uint16_t ethertype);

/// What an IP header says besides its addresses.
struct IpFields {
  std::uint8_t protocol = tcp::kProtocolTcp;
  std::uint8_t traffic_class = 0;  // DSCP and ECN
  std::uint8_t hop_limit = 64;
  std::uint32_t l4_bytes = 0;  // bytes behind the header
  bool checksum = true;        // IPv4: fill the header checksum in; else left zero for the device
};

/// Writes `header` in front. Up to 24 bytes from `out` on are overwritten: write it before the IP
/// header.
inline std::size_t write_link_header(const LinkHeader& header, std::byte* out) {
  std::memcpy(out, header.bytes.data(), 16);
  if (header.length > 16) std::memcpy(out + 16, header.bytes.data() + 16, 8);
  return header.length;
}

/// Addresses in network order.
inline std::size_t write_ipv4_header(std::uint32_t source, std::uint32_t destination,
                                     const IpFields& fields, std::byte* out) {
  // Two words of eight bytes and one of four, as they lie in memory; identification zero.
  constexpr std::uint64_t kVersionLengthAndDontFragment = 0x0040'0000'0000'0045;
  const std::uint32_t total = __builtin_bswap32(20 + fields.l4_bytes);  // in its upper half
  const std::uint64_t first =
      kVersionLengthAndDontFragment | total | (std::uint64_t{fields.traffic_class} << 8);
  const std::uint64_t second =
      fields.hop_limit | (std::uint64_t{fields.protocol} << 8) | (std::uint64_t{source} << 32);
  std::uint64_t sum = 0;
  if (fields.checksum) {
    sum = tcp::checksum_finish(
        tcp::checksum_add_word(tcp::checksum_add_word(first, second), destination));
  }
  store_raw(out, first);
  store_raw(out + 8, second | (sum << 16));
  store_raw(out + 16, destination);
  return 20;
}

inline std::size_t write_ipv6_header(const Address& source, const Address& destination,
                                     const IpFields& fields, std::byte* out) {
  store_be32(out, 0x6000'0000 | (std::uint32_t{fields.traffic_class} << 20));
  store_be16(out + 4, static_cast<std::uint16_t>(fields.l4_bytes));
  store_u8(out + 6, fields.protocol);
  store_u8(out + 7, fields.hop_limit);
  store_raw(out + 8, source.words());
  store_raw(out + 24, destination.words());
  return 40;
}

/// The IP header of either family; returns its length.
inline std::size_t write_ip_header(const Address& source, const Address& destination,
                                   const IpFields& fields, std::byte* out) {
  return source.is_v4()
             ? write_ipv4_header(source.to_v4_raw(), destination.to_v4_raw(), fields, out)
             : write_ipv6_header(source, destination, fields, out);
}

/// For a segment whose TCP header and payload are `l4_bytes` long.
[[nodiscard]] inline IpFields ip_fields(const tcp::SegmentOut& segment, std::uint32_t l4_bytes) {
  IpFields fields;
  fields.traffic_class = static_cast<std::uint8_t>((segment.dscp << 2) | segment.ecn);
  fields.hop_limit = segment.ttl;
  fields.l4_bytes = l4_bytes;
  return fields;
}
inline std::size_t write_ip_header(const tcp::SegmentOut& segment, std::uint32_t l4_bytes,
                                   bool checksum, std::byte* out) {
  IpFields fields = ip_fields(segment, l4_bytes);
  fields.checksum = checksum;
  return write_ip_header(segment.tuple.local, segment.tuple.remote, fields, out);
}

}  // namespace millrace::net
