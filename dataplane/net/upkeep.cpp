// SPDX-License-Identifier: BSD-3-Clause
//
// What time brings: neighbours age and are asked for (RFC 4861 §7.2.2, §7.3.3; RFC 1122 §2.3.2.1),
// our addresses are announced (RFC 5227 §2.3) or checked for duplicates (RFC 4862 §5.4). A call
// looks at no more than 256 neighbours and sends no more than 16 announcements.
#include <algorithm>

#include "dataplane/net/host.h"

namespace millrace::net {
namespace {

constexpr std::uint32_t kNeighboursPerCall = 256;
constexpr Duration kAgeInterval = 10ms;  // between the beginnings of two passes
constexpr int kAnnouncementsPerCall = 16;
constexpr Duration kAnnouncePause = 1ms;     // between two calls' announcements
constexpr Duration kAnnounceRetry = 10ms;    // when there was no frame
constexpr Duration kAnnounceInterval = 2s;   // RFC 5227 §1.1
constexpr std::uint8_t kAnnounceRounds = 2;  // RFC 5227 §1.1
constexpr MacAddress kBroadcastMac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/// RFC 2464 §7
[[nodiscard]] MacAddress multicast_mac(const Address& group) {
  const auto& b = group.bytes();
  return {0x33, 0x33, b[12], b[13], b[14], b[15]};
}

}  // namespace

void Host::be_due(Instant at) {
  age_next_ = std::min(age_next_, at);
  due_ = std::min(due_, std::max(at, age_from_));
}

void Host::advance_slowly(Instant now, FrameSink& sink) {
  if (now >= announce_at_) announce(now, sink);
  age_neighbours(now, sink);
}

void Host::age_neighbours(Instant now, FrameSink& sink) {
  if (age_cursor_ == 0) {
    if (now < std::max(age_from_, age_next_)) {
      due_ = std::min(announce_at_, std::max(age_from_, age_next_));
      return;
    }
    age_next_ = Instant::max();
    age_from_ = now + kAgeInterval;
  }
  const std::uint32_t end = std::min(neighbours_.capacity(), age_cursor_ + kNeighboursPerCall);
  for (; age_cursor_ != end; ++age_cursor_) {
    const Neighbour& n = neighbours_.at(age_cursor_);
    if (n.state == NeighbourState::vacant) continue;
    if (n.deadline <= now) step_neighbour(age_cursor_, now, sink);
    if (n.state != NeighbourState::vacant) age_next_ = std::min(age_next_, n.deadline);
  }
  if (age_cursor_ == neighbours_.capacity()) {
    age_cursor_ = 0;
    due_ = std::min(announce_at_, std::max(age_from_, age_next_));
  } else {
    due_ = now;
  }
}

void Host::step_neighbour(std::uint32_t index, Instant now, FrameSink& sink) {
  Neighbour& n = neighbours_.at(index);
  switch (neighbours_.step(index, now)) {
    case NeighbourTable::Action::none:
      forget_cached(n);  // stale now: the next use is to be noticed
      break;
    case NeighbourTable::Action::ask_all:
      ask(n, true, now, sink);
      break;
    case NeighbourTable::Action::ask_it:
      ask(n, false, now, sink);
      break;
    case NeighbourTable::Action::expired:
      forget_neighbour(index, sink);
      return;
  }
  be_due(n.deadline);
}

void Host::ask(const Neighbour& n, bool everyone, Instant now, FrameSink& sink) {
  const RouteEntry* route = routes_.on_link(n.address);
  if (route == nullptr) return;
  MacAddress mac{};
  std::memcpy(mac.data(), n.link.bytes.data(), mac.size());
  bool sent = false;
  if (n.address.is_v4()) {
    sent =
        send_arp(1, everyone ? kBroadcastMac : mac, route->source, MacAddress{}, n.address, sink);
  } else {
    const Address group = everyone ? solicited_node_of(n.address) : n.address;
    // While our address may be a duplicate, it must not displace another's (RFC 4429 §3.2).
    sent = send_solicitation(everyone ? multicast_mac(group) : mac, route->source, group, n.address,
                             !in_duplicate_detection(now), sink);
  }
  stats_.questions_sent += sent ? 1 : 0;
}

void Host::restart_announcements(Instant now) {
  announce_round_ = 0;
  announce_range_ = 0;
  announce_offset_ = 0;
  announced_ = 0;
  announce_at_ = now;
  due_ = std::min(due_, now);
}

void Host::announce(Instant now, FrameSink& sink) {
  for (int sent = 0; sent < kAnnouncementsPerCall;) {
    const bool more = announces_ && announce_range_ < own_.size() && announced_ < kMaxAnnounced;
    if (!more) {
      end_announce_round(now);
      return;
    }
    const InterfaceAddress& range = own_[announce_range_];
    const Address address = address_after(range.address, announce_offset_);
    // Duplicate detection asks once, ARP announcements are repeated.
    const bool wanted = local_.contains(address) && (address.is_v4() || announce_round_ == 0);
    if (wanted && !announce_one(address, sink)) {
      announce_at_ = now + kAnnounceRetry;
      return;
    }
    sent += wanted ? 1 : 0;
    ++announced_;
    if (++announce_offset_ >= range.count) {
      announce_offset_ = 0;
      ++announce_range_;
    }
  }
  announce_at_ = now + kAnnouncePause;
}

bool Host::announce_one(const Address& address, FrameSink& sink) {
  bool sent = false;
  if (address.is_v4()) {
    sent = send_arp(1, kBroadcastMac, address, MacAddress{}, address, sink);
  } else {
    const Address group = solicited_node_of(address);
    sent = send_solicitation(multicast_mac(group), Address{}, group, address, false, sink);
  }
  stats_.announcements_sent += sent ? 1 : 0;
  return sent;
}

void Host::end_announce_round(Instant now) {
  if (announce_round_ == 0) detection_until_ = now + config_.duplicate_detection;
  ++announce_round_;
  announce_range_ = 0;
  announce_offset_ = 0;
  announced_ = 0;
  const bool again = announces_ && announce_round_ < kAnnounceRounds;
  announce_at_ = again ? now + kAnnounceInterval : Instant::max();
}

void Host::give_up_address(const Address& address) {
  if (!local_.remove(address)) return;
  ++stats_.addresses_given_up;
  parser_.forget();
}

}  // namespace millrace::net
