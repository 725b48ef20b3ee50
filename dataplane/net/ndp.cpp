// SPDX-License-Identifier: BSD-3-Clause
//
// Neighbour discovery for IPv6 (RFC 4861 §7.1, §7.2) and duplicate address detection (RFC 4862
// §5.4). Solicitations and advertisements only: routers are configured, so router messages and
// redirects are ignored. Hop limit, code and checksum were judged when the frame was parsed.
#include <cstring>

#include "dataplane/net/host.h"

namespace millrace::net {
namespace {

constexpr std::uint8_t kSolicitation = 135;
constexpr std::uint8_t kAdvertisement = 136;
constexpr std::uint8_t kSourceLinkAddress = 1;
constexpr std::uint8_t kTargetLinkAddress = 2;
constexpr std::size_t kMessageBytes = 24;  // up to the options
constexpr std::size_t kOptionBytes = 8;    // a link address option on Ethernet
constexpr std::uint32_t kSolicited = 0x4000'0000;
constexpr std::uint32_t kOverride = 0x2000'0000;
constexpr std::uint8_t kHopLimit = 255;

[[nodiscard]] Address target_of(std::span<const std::byte> message) {
  return Address::from_words(load_raw<AddressWords>(message.data() + 8));
}

/// RFC 4861 §4.6: walks the options; the link address of the wanted type, if there is one, goes to
/// `mac`. False if an option has length zero, is cut off, or holds no Ethernet address of a host.
[[nodiscard]] bool read_options(std::span<const std::byte> options, std::uint8_t wanted,
                                std::optional<MacAddress>& mac) {
  while (!options.empty()) {
    if (options.size() < kOptionBytes) return false;
    const std::size_t bytes = std::size_t{load_u8(&options[1])} * 8;
    if (bytes == 0 || bytes > options.size()) return false;
    if (load_u8(options.data()) == wanted) {
      if (bytes != kOptionBytes) return false;
      MacAddress found{};
      std::memcpy(found.data(), &options[2], found.size());
      if ((found[0] & 1) != 0) return false;
      mac = found;
    }
    options = options.subspan(bytes);
  }
  return true;
}

void put_link_address(std::byte* p, std::uint8_t type, const MacAddress& mac) {
  store_u8(p, type);
  store_u8(p + 1, 1);
  std::memcpy(p + 2, mac.data(), mac.size());
}

/// IPv6 header in front of `l4`, and the checksum into it.
void seal(const Address& source, const Address& destination, std::size_t l4_bytes, std::byte* l3) {
  IpFields fields;
  fields.protocol = kProtocolIcmpv6;
  fields.hop_limit = kHopLimit;
  fields.l4_bytes = static_cast<std::uint32_t>(l4_bytes);
  write_ipv6_header(source, destination, fields, l3);
  const std::uint64_t sum =
      tcp::pseudo_header_sum(source, destination, kProtocolIcmpv6, fields.l4_bytes);
  std::byte* const l4 = l3 + kIpv6Bytes;
  store_raw(l4 + 2, tcp::checksum_finish(tcp::checksum_add(sum, {l4, l4_bytes})));
}

}  // namespace

Drop Host::on_ndp(const Packet& packet, Mode mode, Instant now, FrameSink& sink) {
  const std::uint8_t type = load_u8(packet.l4.data());
  if (type != kSolicitation && type != kAdvertisement) return Drop::ndp_ignored;
  if (packet.l4.size() < kMessageBytes) return Drop::ndp_malformed;
  const Address target = target_of(packet.l4);
  if (is_multicast_v6(target)) return Drop::ndp_malformed;
  return type == kSolicitation ? on_solicitation(packet, mode, now, sink)
                               : on_advertisement(packet, now, sink);
}

Drop Host::on_solicitation(const Packet& packet, Mode mode, Instant now, FrameSink& sink) {
  std::optional<MacAddress> mac;
  if (!read_options(packet.l4.subspan(kMessageBytes), kSourceLinkAddress, mac)) {
    return Drop::ndp_malformed;
  }
  const Address target = target_of(packet.l4);
  const bool nobody = packet.source.is_unspecified();
  // RFC 4861 §7.1.1: from nowhere only to the solicited-node group, and without a link address.
  if (nobody && (mac || packet.destination != solicited_node_of(target))) {
    return Drop::ndp_malformed;
  }
  if (local_.contains(packet.source)) {
    ++stats_.address_conflicts;
    return Drop::ip_bad_source;
  }
  if (!local_.contains(target)) return Drop::ip_not_for_us;
  if (nobody && in_duplicate_detection(now)) {
    // RFC 4862 §5.4.3: somebody else is about to take what we are about to take.
    ++stats_.address_conflicts;
    give_up_address(target);
    return Drop::none;
  }
  Drop drop = Drop::none;
  if (mac && *mac != config_.mac && routes_.on_link(packet.source) != nullptr) {
    drop = learn_from_question(packet.source, *mac, now, sink);
  }
  if (mode == Mode::answer) send_advertisement(packet, target, now, sink);
  return drop;
}

Drop Host::on_advertisement(const Packet& packet, Instant now, FrameSink& sink) {
  std::optional<MacAddress> mac;
  if (!read_options(packet.l4.subspan(kMessageBytes), kTargetLinkAddress, mac)) {
    return Drop::ndp_malformed;
  }
  const Address target = target_of(packet.l4);
  const bool solicited = (load_be32(packet.l4.data() + 4) & kSolicited) != 0;
  const bool to_all = is_multicast_v6(packet.destination);
  if ((solicited && to_all) || packet.source.is_unspecified()) return Drop::ndp_malformed;
  if (local_.contains(target)) {
    // RFC 4862 §5.4.4: it is another's. After detection we keep it, and the operator sees the
    // count.
    ++stats_.address_conflicts;
    if (in_duplicate_detection(now)) give_up_address(target);
    return Drop::none;
  }
  if (local_.contains(packet.source)) return Drop::ip_bad_source;
  const std::uint32_t index = neighbours_.find(target);
  if (index == kNil) return Drop::ndp_ignored;
  // A neighbour that answers a question sent to it alone may leave its link address out.
  const bool incomplete = neighbours_.at(index).state == NeighbourState::incomplete;
  if (!mac && incomplete) return Drop::ndp_ignored;
  const MacAddress said = mac.value_or(neighbours_.mac_of(index));
  return learn_from_answer(target, said, solicited, now, sink) ? Drop::none : Drop::ndp_ignored;
}

void Host::send_advertisement(const Packet& question, const Address& target, Instant now,
                              FrameSink& sink) {
  constexpr std::size_t kBytes = kMessageBytes + kOptionBytes;
  const bool nobody = question.source.is_unspecified();
  // RFC 4861 §7.2.4: to all nodes if the question came from nowhere. Else straight back to where
  // the frame came from, which needs no neighbour entry.
  const Address to = nobody ? all_nodes() : question.source;
  MacAddress to_mac{0x33, 0x33, 0, 0, 0, 1};
  if (!nobody) std::memcpy(to_mac.data(), question.source_mac(), to_mac.size());
  Draft draft;
  if (!begin(kIpv6Bytes + kBytes, to_mac, kEtherIpv6, draft, sink)) return;
  std::byte* const l4 = draft.l3 + kIpv6Bytes;
  store_be32(l4, std::uint32_t{kAdvertisement} << 24);
  store_be32(l4 + 4, (nobody ? 0 : kSolicited) | (in_duplicate_detection(now) ? 0 : kOverride));
  store_raw(l4 + 8, target.words());
  put_link_address(l4 + kMessageBytes, kTargetLinkAddress, config_.mac);
  seal(target, to, kBytes, draft.l3);
  sink.send(draft.frame);
  ++stats_.answers_sent;
}

bool Host::send_solicitation(const MacAddress& to, const Address& source,
                             const Address& destination, const Address& target, bool tell_mac,
                             FrameSink& sink) {
  const std::size_t bytes = kMessageBytes + (tell_mac ? kOptionBytes : 0);
  Draft draft;
  if (!begin(kIpv6Bytes + bytes, to, kEtherIpv6, draft, sink)) return false;
  std::byte* const l4 = draft.l3 + kIpv6Bytes;
  store_be32(l4, std::uint32_t{kSolicitation} << 24);
  store_be32(l4 + 4, 0);
  store_raw(l4 + 8, target.words());
  if (tell_mac) put_link_address(l4 + kMessageBytes, kSourceLinkAddress, config_.mac);
  seal(source, destination, bytes, draft.l3);
  sink.send(draft.frame);
  return true;
}

}  // namespace millrace::net
