// SPDX-License-Identifier: BSD-3-Clause
//
// Construction, the way in for control packets, and the start of every control frame of ours.
#include "dataplane/net/host.h"

#include <algorithm>

namespace millrace::net {
namespace {

/// The addresses of the configuration and, if one of them is IPv6, the link-local one that the
/// neighbours expect us to have (RFC 4291 §2.8).
[[nodiscard]] std::vector<InterfaceAddress> own_addresses(const InterfaceConfig& config) {
  std::vector<InterfaceAddress> own = config.addresses;
  const bool v6 = std::any_of(own.begin(), own.end(),
                              [](const InterfaceAddress& a) { return !a.address.is_v4(); });
  if (v6) own.push_back({link_local_of(config.mac), 64, 1});
  return own;
}

}  // namespace

Host::Host(const InterfaceConfig& config, bool announces)
    : config_(config),
      own_(own_addresses(config)),
      local_(own_),
      parser_(config_, local_),
      routes_(own_, config.routes),
      neighbours_(config),
      link_bytes_(make_link_header(config, MacAddress{}, kEtherIpv4).length),
      parked_(kMaxParked),
      announces_(announces) {
  for (std::uint32_t i = kMaxParked; i-- > 0;) {
    parked_[i].next = parked_free_;
    parked_free_ = i;
  }
}

ControlResult Host::input(const Packet& packet, Mode mode, Instant now, FrameSink& sink) {
  MacAddress from{};
  std::memcpy(from.data(), packet.source_mac(), from.size());
  // Nobody sends from a group address, and what comes from our own is an echo of ours.
  if ((from[0] & 1) != 0 || from == config_.mac) return {Drop::ip_bad_source, {}};
  switch (packet.kind) {
    case PacketKind::tcp:
      return {};
    case PacketKind::arp:
      return {on_arp(packet, mode, now, sink), {}};
    case PacketKind::ndp:
      return {on_ndp(packet, mode, now, sink), {}};
    case PacketKind::icmp_error:
      return on_error(packet);
    case PacketKind::icmp_query:
      return {on_query(packet, mode, now, sink), {}};
  }
  return {};
}

bool Host::begin(std::size_t l3_bytes, const MacAddress& to, std::uint16_t ethertype, Draft& draft,
                 FrameSink& sink) const {
  if (!sink.allocate(draft.frame)) return false;
  // write_link_header() may write two bytes more than it says; every packet is longer than that.
  if (draft.frame.capacity < link_bytes_ + l3_bytes) {
    sink.release(draft.frame);
    return false;
  }
  draft.l3 = draft.frame.data +
             write_link_header(make_link_header(config_, to, ethertype), draft.frame.data);
  draft.frame.length = static_cast<std::uint32_t>(link_bytes_ + l3_bytes);
  draft.frame.flags = 0;
  return true;
}

}  // namespace millrace::net
