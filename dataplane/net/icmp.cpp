// SPDX-License-Identifier: BSD-3-Clause
//
// ICMP (RFC 792, RFC 1122 §3.2.2) and ICMPv6 (RFC 4443): echo answered, errors about our TCP
// segments handed on as values, three kinds of error sent: protocol and port unreachable (RFC 792,
// RFC 4443 §3.1) and Parameter Problem (RFC 4443 §3.4). Everything that we send here is
// rate-limited. Source quench, redirects and all else are ignored;
// nothing is kept, so no number of errors costs memory.
#include <algorithm>
#include <array>

#include "dataplane/net/host.h"
#include "tcp/base/check.h"

namespace millrace::net {
namespace {

constexpr std::size_t kIcmpHeadBytes = 8;
constexpr std::size_t kTcpPrefixBytes = 8;  // ports and sequence number: RFC 792 promises these
constexpr std::size_t kMinIpv6Mtu = 1280;
constexpr std::size_t kMostIpv4Error = 576;  // RFC 1812 §4.3.2.3: quote as much as this allows
constexpr Duration kBurst = 100ms;           // what may be saved up of the rate
using Kind = TransportError::Kind;

/// Type and code of an error as far as TCP cares.
struct Meaning {
  Kind kind = Kind::unreachable;
  bool hard = false;
  bool known = false;
};

/// RFC 1122 §4.2.3.9: which are hard; RFC 1812 §5.2.7.1 for the later codes.
[[nodiscard]] Meaning meaning_v4(std::uint8_t type, std::uint8_t code) {
  if (type == 11) return {Kind::time_exceeded, false, true};
  if (type != 3 || code > 15) return {};
  if (code == 4) return {Kind::too_big, false, true};
  const bool hard = code == 2 || code == 3 || code == 9 || code == 10 || code == 13;
  return {Kind::unreachable, hard, true};
}

/// RFC 4443 §3
[[nodiscard]] Meaning meaning_v6(std::uint8_t type, std::uint8_t code) {
  if (type == 1 && code <= 6) {
    const bool hard = code == 1 || code == 4 || code == 5 || code == 6;
    return {Kind::unreachable, hard, true};
  }
  if (type == 2) return {Kind::too_big, false, true};
  if (type == 3) return {Kind::time_exceeded, false, true};
  if (type == 4 && code == 1) return {Kind::unreachable, true, true};  // no TCP over there
  return {};
}

/// The first four bytes of the error that tells of `problem`: type, code, no checksum yet.
[[nodiscard]] std::uint32_t head_of(Packet::Problem problem, bool v4) {
  const auto head = [](std::uint32_t type, std::uint32_t code) { return type << 24 | code << 16; };
  switch (problem) {
    case Packet::Problem::none:
      break;
    case Packet::Problem::header_field:
      return head(4, 0);
    case Packet::Problem::next_header:
      return head(4, 1);
    case Packet::Problem::option:
      return head(4, 2);
    case Packet::Problem::protocol:
      return head(3, 2);  // of IPv4 alone
    case Packet::Problem::port:
      return v4 ? head(3, 3) : head(1, 4);
  }
  MR_CHECK(false);
  return 0;
}

/// Whether the second word of the error is a pointer to the byte that is wrong (RFC 4443 §3.4).
[[nodiscard]] bool points(Packet::Problem problem) {
  return problem != Packet::Problem::protocol && problem != Packet::Problem::port;
}

/// A router older than RFC 1191 does not say its MTU: the next lower of the usual ones (§7.1).
[[nodiscard]] std::uint16_t guess_mtu(std::uint16_t total_bytes) {
  static constexpr std::array<std::uint16_t, 9> kPlateaus{32000, 17914, 8166, 4352, 2002,
                                                          1492,  1006,  508,  296};
  for (const std::uint16_t mtu : kPlateaus) {
    if (mtu < total_bytes) return mtu;
  }
  return 68;
}

/// The datagram of ours that an error quotes: addresses and where its TCP header begins. False if
/// it is cut off or cannot be ours.
struct Quoted {
  Address source;
  Address destination;
  std::span<const std::byte> l4;
};
[[nodiscard]] Drop read_quoted_v4(std::span<const std::byte> ip, Quoted& out) {
  if (ip.size() < kIpv4Bytes) return Drop::icmp_malformed;
  const std::size_t header = std::size_t{load_u8(ip.data()) & 0x0fU} * 4;
  if (load_u8(ip.data()) >> 4 != 4 || header < kIpv4Bytes) return Drop::icmp_malformed;
  if (ip.size() < header + kTcpPrefixBytes) return Drop::icmp_malformed;
  if (load_u8(&ip[9]) != tcp::kProtocolTcp) return Drop::icmp_ignored;
  if ((load_be16(&ip[6]) & 0x1fffU) != 0) return Drop::icmp_ignored;  // not its first fragment
  out.source = Address::v4_raw(load_raw<std::uint32_t>(&ip[12]));
  out.destination = Address::v4_raw(load_raw<std::uint32_t>(&ip[16]));
  out.l4 = ip.subspan(header);
  return Drop::none;
}
[[nodiscard]] Drop read_quoted_v6(std::span<const std::byte> ip, Quoted& out) {
  if (ip.size() < kIpv6Bytes + kTcpPrefixBytes) return Drop::icmp_malformed;
  if (load_u8(ip.data()) >> 4 != 6) return Drop::icmp_malformed;
  if (load_u8(&ip[6]) != tcp::kProtocolTcp) return Drop::icmp_ignored;  // we send no extensions
  out.source = Address::from_words(load_raw<AddressWords>(&ip[8]));
  out.destination = Address::from_words(load_raw<AddressWords>(&ip[24]));
  out.l4 = ip.subspan(kIpv6Bytes);
  return Drop::none;
}

[[nodiscard]] std::uint16_t mtu_of(std::span<const std::byte> message, bool v4) {
  if (!v4) return static_cast<std::uint16_t>(std::min(load_be32(&message[4]), 0xffffU));
  const std::uint16_t mtu = load_be16(&message[6]);
  return mtu != 0 ? mtu : guess_mtu(load_be16(&message[kIcmpHeadBytes + 2]));
}

}  // namespace

ControlResult Host::on_error(const Packet& packet) const {
  const bool v4 = packet.destination.is_v4();
  const std::uint8_t type = load_u8(packet.l4.data());
  const std::uint8_t code = load_u8(&packet.l4[1]);
  const Meaning meaning = v4 ? meaning_v4(type, code) : meaning_v6(type, code);
  if (!meaning.known) return {Drop::icmp_ignored, {}};

  Quoted quoted;
  const auto ip = packet.l4.subspan(kIcmpHeadBytes);
  const Drop drop = v4 ? read_quoted_v4(ip, quoted) : read_quoted_v6(ip, quoted);
  if (drop != Drop::none) return {drop, {}};
  if (quoted.source.is_v4() != v4 || quoted.destination.is_v4() != v4)
    return {Drop::icmp_malformed, {}};
  if (!local_.contains(quoted.source)) return {Drop::icmp_no_connection, {}};

  TransportError error;
  error.kind = meaning.kind;
  error.hard = meaning.hard;
  error.tuple = {quoted.source, quoted.destination, load_be16(quoted.l4.data()),
                 load_be16(&quoted.l4[2])};
  error.seq = tcp::Seq(load_be32(&quoted.l4[4]));
  if (meaning.kind == Kind::too_big) error.mtu = mtu_of(packet.l4, v4);
  return {Drop::none, error};
}

/// Time as credit: a reply costs its share of a second, and what is unused is kept for 100 ms.
bool Host::take_icmp_token(Instant now) {
  if (config_.icmp_replies_per_second == 0) return false;
  const Duration cost = Duration{1s} / config_.icmp_replies_per_second;
  const Duration burst = std::max(kBurst, cost);
  const Instant from = std::max(icmp_spent_until_, now - burst);
  if (from + cost > now) return false;
  icmp_spent_until_ = from + cost;
  return true;
}

Drop Host::on_query(const Packet& packet, Mode mode, Instant now, FrameSink& sink) {
  const bool v4 = packet.destination.is_v4();
  const std::uint8_t request = v4 ? 8 : 128;
  const std::uint8_t reply = v4 ? 0 : 129;
  const bool whole = packet.l4.size() == packet.l4_bytes;
  if (load_u8(packet.l4.data()) != request || load_u8(&packet.l4[1]) != 0 || !whole ||
      !local_.contains(packet.destination)) {
    return Drop::icmp_ignored;
  }
  if (mode != Mode::answer) return Drop::none;
  if (!take_icmp_token(now)) return Drop::icmp_rate_limited;

  MacAddress to{};
  std::memcpy(to.data(), packet.source_mac(), to.size());
  const std::size_t header = v4 ? kIpv4Bytes : kIpv6Bytes;
  Draft draft;
  if (!begin(header + packet.l4.size(), to, v4 ? kEtherIpv4 : kEtherIpv6, draft, sink)) {
    return Drop::icmp_rate_limited;
  }
  IpFields fields;
  fields.protocol = v4 ? kProtocolIcmp : kProtocolIcmpv6;
  fields.l4_bytes = packet.l4_bytes;
  write_ip_header(packet.destination, packet.source, fields, draft.l3);
  std::byte* const l4 = draft.l3 + header;
  store_be32(l4, std::uint32_t{reply} << 24);
  std::uint64_t sum = v4 ? 0
                         : tcp::pseudo_header_sum(packet.destination, packet.source,
                                                  kProtocolIcmpv6, packet.l4_bytes);
  sum = tcp::checksum_copy(sum, packet.l4.subspan(4), l4 + 4);
  store_raw(l4 + 2, tcp::checksum_finish(tcp::checksum_add(sum, {l4, 4})));
  sink.send(draft.frame);
  ++stats_.echo_replies_sent;
  return Drop::none;
}

void Host::report_problem(const Packet& packet, Instant now, FrameSink& sink) {
  if (packet.problem == Packet::Problem::none) return;
  const bool v4 = packet.source.is_v4();
  const std::byte* const mac = packet.source_mac();
  const bool from_one = v4 || !LocalAddresses::bad_source_v6(packet.source);
  const bool answerable = from_one && !local_.contains(packet.source) && (load_u8(mac) & 1) == 0;
  // RFC 4443 §2.4 e: not about what was sent to many, but for an option that asks for it.
  const bool to_us = local_.contains(packet.destination);
  const bool option = packet.problem == Packet::Problem::option;
  const RouteEntry* route = routes_.find(packet.source);
  if (!answerable || (!to_us && !option) || route == nullptr) return;
  if (!take_icmp_token(now)) return;

  const Address source = to_us ? packet.destination : route->source;
  MacAddress to{};
  std::memcpy(to.data(), mac, to.size());
  const std::size_t header = v4 ? kIpv4Bytes : kIpv6Bytes;
  const std::size_t room = (v4 ? kMostIpv4Error : kMinIpv6Mtu) - header - kIcmpHeadBytes;
  const std::size_t quoted = std::min(packet.l4.size(), room);
  Draft draft;
  if (!begin(header + kIcmpHeadBytes + quoted, to, v4 ? kEtherIpv4 : kEtherIpv6, draft, sink)) {
    return;
  }
  IpFields fields;
  fields.protocol = v4 ? kProtocolIcmp : kProtocolIcmpv6;
  fields.l4_bytes = static_cast<std::uint32_t>(kIcmpHeadBytes + quoted);
  write_ip_header(source, packet.source, fields, draft.l3);
  std::byte* const l4 = draft.l3 + header;
  store_be32(l4, head_of(packet.problem, v4));
  store_be32(l4 + 4, points(packet.problem) ? packet.problem_offset : 0);
  std::uint64_t sum =
      v4 ? 0 : tcp::pseudo_header_sum(source, packet.source, kProtocolIcmpv6, fields.l4_bytes);
  sum = tcp::checksum_copy(sum, packet.l4.first(quoted), l4 + kIcmpHeadBytes);
  store_raw(l4 + 2, tcp::checksum_finish(tcp::checksum_add(sum, {l4, kIcmpHeadBytes})));
  sink.send(draft.frame);
  ++stats_.errors_sent;
}

}  // namespace millrace::net
