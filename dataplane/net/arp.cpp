// SPDX-License-Identifier: BSD-3-Clause
//
// ARP for Ethernet and IPv4 (RFC 826): requests answered and learned from, answers believed while
// we ask, conflicts defended (RFC 5227 §2.4 b). Gratuitous ARP of others is theirs to send and ours
// to ignore, except that it makes us ask a neighbour that seems to have moved.
#include <cstring>

#include "dataplane/net/host.h"

namespace millrace::net {
namespace {

constexpr std::uint16_t kRequest = 1;
constexpr std::uint16_t kReply = 2;
constexpr Duration kDefendInterval = 10s;  // RFC 5227 §1.1
constexpr MacAddress kBroadcastMac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

[[nodiscard]] MacAddress load_mac(const std::byte* p) {
  MacAddress mac{};
  std::memcpy(mac.data(), p, mac.size());
  return mac;
}

}  // namespace

Drop Host::on_arp(const Packet& packet, Mode mode, Instant now, FrameSink& sink) {
  const std::byte* const p = packet.l4.data();
  const std::uint16_t operation = load_be16(p + 6);
  const MacAddress sender_mac = load_mac(p + 8);
  const Address& sender = packet.source;
  if ((sender_mac[0] & 1) != 0 || sender_mac == MacAddress{}) return Drop::arp_malformed;
  if (sender_mac == config_.mac) return Drop::ip_bad_source;
  if (local_.contains(sender)) {
    ++stats_.address_conflicts;
    defend(sender, mode, now, sink);
    return Drop::ip_bad_source;
  }
  const bool nobody = sender.to_v4() == 0;  // RFC 5227 §1.1: a probe, before the address is taken
  if (!nobody && local_.bad_source_v4(sender.to_v4())) return Drop::ip_bad_source;

  if (operation == kReply) {
    const bool for_us = !packet.group && local_.contains(packet.destination);
    if (learn_from_answer(sender, sender_mac, for_us, now, sink)) return Drop::none;
    return for_us ? Drop::arp_unsolicited : Drop::arp_not_for_us;
  }
  if (!local_.contains(packet.destination)) {
    // Between others, or gratuitous; it may be just what we are waiting for (RFC 826's merge flag).
    const bool learned = learn_from_answer(sender, sender_mac, false, now, sink);
    return learned ? Drop::none : Drop::arp_not_for_us;
  }
  Drop drop = Drop::none;
  if (!nobody && routes_.on_link(sender) != nullptr) {
    drop = learn_from_question(sender, sender_mac, now, sink);
  }
  if (mode == Mode::answer &&
      send_arp(kReply, sender_mac, packet.destination, sender_mac, sender, sink)) {
    ++stats_.answers_sent;
  }
  return drop;
}

void Host::defend(const Address& address, Mode mode, Instant now, FrameSink& sink) {
  if (mode != Mode::answer || now < defend_at_) return;
  defend_at_ = now + kDefendInterval;
  if (send_arp(kRequest, kBroadcastMac, address, MacAddress{}, address, sink)) {
    ++stats_.announcements_sent;
  }
}

bool Host::send_arp(std::uint16_t operation, const MacAddress& to, const Address& sender,
                    const MacAddress& target_mac, const Address& target, FrameSink& sink) {
  Draft draft;
  if (!begin(kArpBytes, to, kEtherArp, draft, sink)) return false;
  std::byte* const p = draft.l3;
  store_be32(p, 0x0001'0800);  // Ethernet, IPv4
  store_be16(p + 4, 0x0604);   // lengths of their addresses
  store_be16(p + 6, operation);
  std::memcpy(p + 8, config_.mac.data(), kMacBytes);
  store_raw(p + 14, sender.to_v4_raw());
  std::memcpy(p + 18, target_mac.data(), kMacBytes);
  store_raw(p + 24, target.to_v4_raw());
  sink.send(draft.frame);
  return true;
}

}  // namespace millrace::net
