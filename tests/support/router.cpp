// SPDX-License-Identifier: BSD-3-Clause
//
// Errors quote the packet's IP header and the first bytes of its segment. They come from an address
// of the router's own, in the ends' network.
#include "tests/support/router.h"

#include <algorithm>
#include <cstring>

#include "dataplane/net/headers.h"
#include "tcp/wire/checksum.h"

namespace millrace::sim {
namespace {

constexpr std::size_t kEthernetBytes = 14, kIpv4Bytes = 20, kIpv6Bytes = 40, kIcmpBytes = 8;
constexpr std::uint8_t kIcmp = 1, kIcmpv6 = 58;

std::size_t at(std::span<const std::byte> frame, std::size_t i) {
  return i < frame.size() ? std::to_integer<std::size_t>(frame[i]) : 0;
}
bool is_ipv4(std::span<const std::byte> frame) {
  return at(frame, 12) == 0x08 && at(frame, 13) == 0;
}
bool is_ipv6(std::span<const std::byte> frame) {
  return at(frame, 12) == 0x86 && at(frame, 13) == 0xdd;
}

Address sender_of(std::span<const std::byte> frame, bool v4) {
  return v4 ? Address::v4_raw(load_raw<std::uint32_t>(&frame[26]))
            : Address::from_words(load_raw<AddressWords>(&frame[22]));
}

}  // namespace

std::optional<std::uint16_t> too_big_for(const Router& router, std::span<const std::byte> frame) {
  const std::uint16_t mtu = is_ipv4(frame) ? router.mtu4 : is_ipv6(frame) ? router.mtu6 : 0;
  if (mtu == 0 || frame.size() - kEthernetBytes <= mtu) return std::nullopt;
  return mtu;
}

std::vector<std::byte> packet_too_big(const Router& router, std::span<const std::byte> frame,
                                      std::uint16_t mtu) {
  const bool v4 = is_ipv4(frame);
  const std::size_t header = v4 ? kIpv4Bytes : kIpv6Bytes;
  const auto quoted = frame.subspan(
      kEthernetBytes, std::min(header + router.quotes, frame.size() - kEthernetBytes));
  const auto bytes = static_cast<std::uint32_t>(kIcmpBytes + quoted.size());
  std::vector<std::byte> out(kEthernetBytes + header + bytes);
  std::memcpy(out.data(), &frame[6], 6);
  std::memcpy(&out[6], frame.data(), 6);
  std::memcpy(&out[12], &frame[12], 2);
  const Address sender = sender_of(frame, v4);
  const Address own = v4 ? Address::v4(0xC61200FE)
                         : Address::v6({0x20, 0x01, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe});
  net::IpFields fields;
  fields.protocol = v4 ? kIcmp : kIcmpv6;
  fields.l4_bytes = bytes;
  net::write_ip_header(own, sender, fields, &out[kEthernetBytes]);
  std::byte* const icmp = &out[kEthernetBytes + header];
  store_be32(icmp, v4 ? 3U << 24 | 4U << 16 : 2U << 24);
  store_be32(icmp + 4, v4 && !router.names_mtu ? 0U : mtu);
  std::memcpy(icmp + kIcmpBytes, quoted.data(), quoted.size());
  const std::uint64_t pseudo = v4 ? 0 : tcp::pseudo_header_sum(own, sender, kIcmpv6, bytes);
  store_raw(icmp + 2, tcp::checksum_finish(tcp::checksum_add(pseudo, {icmp, bytes})));
  return out;
}

std::optional<std::uint16_t> told_mtu(std::span<const std::byte> frame) {
  const bool v4 =
      is_ipv4(frame) && at(frame, 23) == kIcmp && at(frame, 34) == 3 && at(frame, 35) == 4;
  const bool v6 = is_ipv6(frame) && at(frame, 20) == kIcmpv6 && at(frame, 54) == 2;
  if (!v4 && !v6) return std::nullopt;
  const std::size_t field = v4 ? 40 : 60;
  return static_cast<std::uint16_t>(at(frame, field) << 8 | at(frame, field + 1));
}

}  // namespace millrace::sim
