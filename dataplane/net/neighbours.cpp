// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 4861 §7.3 for both families; RFC 1122 §2.3.2.1 asks as much of ARP. Where we differ: a
// neighbour that was in use when its reachable time ended is asked at once, without a pause in
// DELAY, because we are not told of TCP's progress; and answers are believed as neighbours.h says.
#include "dataplane/net/neighbours.h"

#include <algorithm>

#include "dataplane/net/frame_parser.h"
#include "tcp/base/check.h"

namespace millrace::net {
namespace {

constexpr Duration kDelayFirstProbe = 5s;    // RFC 4861 §10
constexpr Duration kStaleLifetime = 60s;     // an entry that nobody uses is forgotten
constexpr Duration kDistrustInterval = 1s;   // between questions that strangers can provoke
constexpr std::uint32_t kMostLookedAt = 64;  // entries, in search of a victim

[[nodiscard]] std::uint32_t heads_for(std::uint32_t entries) {
  std::uint32_t heads = 16;
  while (heads < 2 * entries) heads *= 2;
  return heads;
}

}  // namespace

NeighbourTable::NeighbourTable(const InterfaceConfig& config)
    : entries_(std::max<std::uint32_t>(config.max_neighbours, 1)),
      heads_(heads_for(capacity()), kNil),
      template_v4_(make_link_header(config, MacAddress{}, kEtherIpv4)),
      template_v6_(make_link_header(config, MacAddress{}, kEtherIpv6)),
      key_(config.neighbour_key),
      reachable_(config.neighbour_reachable),
      interval_(config.neighbour_probe_interval),
      jitter_(siphash_words<1, 3>(config.neighbour_key, {0})),
      max_incomplete_(std::max<std::uint32_t>(capacity() / 2, 1)),
      max_probes_(config.neighbour_probes) {
  for (std::uint32_t i = capacity(); i-- > 0;) {
    entries_[i].next = free_head_;
    free_head_ = i;
  }
}

std::uint64_t NeighbourTable::hash(const Address& address) const {
  const AddressWords w = address.words();
  return siphash_words<1, 3>(key_, {w.high, w.low});
}

std::uint32_t& NeighbourTable::head_of(const Address& address) {
  return heads_[hash(address) & (heads_.size() - 1)];
}

std::uint32_t NeighbourTable::find(const Address& address) const {
  std::uint32_t i = heads_[hash(address) & (heads_.size() - 1)];
  while (i != kNil && entries_[i].address != address) i = entries_[i].next;
  return i;
}

std::uint32_t NeighbourTable::insert(const Address& address, Instant now) {
  MR_CHECK(free_head_ != kNil);
  const std::uint32_t index = free_head_;
  Neighbour& n = entries_[index];
  free_head_ = n.next;
  n = Neighbour{};
  n.address = address;
  n.link = address.is_v4() ? template_v4_ : template_v6_;
  n.state = NeighbourState::incomplete;
  n.deadline = now;
  n.changed = now;
  std::uint32_t& head = head_of(address);
  n.next = head;
  head = index;
  ++live_;
  ++incomplete_;
  return index;
}

void NeighbourTable::remove(std::uint32_t index) {
  Neighbour& n = entries_[index];
  std::uint32_t* link = &head_of(n.address);
  while (*link != index) link = &entries_[*link].next;
  *link = n.next;
  if (n.state == NeighbourState::incomplete) --incomplete_;
  n.state = NeighbourState::vacant;
  n.next = free_head_;
  free_head_ = index;
  --live_;
}

bool NeighbourTable::may_yield(const Neighbour& n, Wish wish) const {
  switch (n.state) {
    case NeighbourState::vacant:
      return false;
    case NeighbourState::stale:
      return wish == Wish::ours || !n.proven;
    case NeighbourState::delay:
    case NeighbourState::probe:
      return wish == Wish::ours && !n.proven;
    case NeighbourState::incomplete:
      return wish == Wish::ours && n.probes > 1;
    case NeighbourState::reachable:
      return false;
  }
  return false;
}

std::uint32_t NeighbourTable::victim(Wish wish) {
  std::uint32_t second_best = kNil;
  const std::uint32_t looks = std::min(kMostLookedAt, capacity());
  for (std::uint32_t i = 0; i < looks; ++i) {
    const std::uint32_t index = hand_;
    hand_ = hand_ + 1 == capacity() ? 0 : hand_ + 1;
    const Neighbour& n = entries_[index];
    if (!may_yield(n, wish)) continue;
    if (!n.proven) return index;
    second_best = index;
  }
  return second_best;
}

void NeighbourTable::enter(Neighbour& n, NeighbourState state, Duration timeout, Instant now) {
  if (n.state == NeighbourState::incomplete && state != n.state) --incomplete_;
  n.state = state;
  n.probes = 0;
  n.used = false;
  n.deadline = now + timeout;
  n.changed = now;
}

void NeighbourTable::set_mac(Neighbour& n, const MacAddress& mac) {
  std::memcpy(n.link.bytes.data(), mac.data(), mac.size());
}

MacAddress NeighbourTable::mac_of(std::uint32_t index) const {
  MacAddress mac{};
  std::memcpy(mac.data(), entries_[index].link.bytes.data(), mac.size());
  return mac;
}

/// RFC 4861 §6.3.2: between half and three halves of the configured time.
Duration NeighbourTable::reachable_time() {
  jitter_ = jitter_ * 6364136223846793005ULL + 1442695040888963407ULL;
  const auto thousandths = static_cast<std::int64_t>(500 + (jitter_ >> 32) % 1001);
  return reachable_ / 1000 * thousandths;
}

NeighbourTable::Answer NeighbourTable::on_answer(std::uint32_t index, const MacAddress& mac,
                                                 bool solicited, Instant now) {
  Neighbour& n = entries_[index];
  const bool same = mac == mac_of(index);
  const bool asking =
      n.state == NeighbourState::incomplete || (n.state == NeighbourState::probe && same);
  if (asking && (solicited || n.state == NeighbourState::incomplete)) {
    set_mac(n, mac);
    n.proven = n.proven || solicited;
    if (solicited) {
      enter(n, NeighbourState::reachable, reachable_time(), now);
    } else {
      enter(n, NeighbourState::stale, kStaleLifetime, now);
    }
    return Answer::confirmed;
  }
  const bool at_rest = n.state != NeighbourState::probe && n.state != NeighbourState::incomplete;
  if (!same && at_rest && now - n.changed >= kDistrustInterval) {
    // Somebody says that the neighbour has moved: ask where we knew it to be. If it is not there
    // any more, the entry ends and everyone is asked.
    enter(n, NeighbourState::probe, Duration::zero(), now);
  }
  return Answer::ignored;
}

bool NeighbourTable::on_question(std::uint32_t index, const MacAddress& mac, Instant now) {
  Neighbour& n = entries_[index];
  const bool same = mac == mac_of(index);
  const bool doubtful = n.state == NeighbourState::stale || !n.proven;
  if (n.state == NeighbourState::incomplete || (!same && doubtful)) {
    set_mac(n, mac);
    n.proven = false;
    enter(n, NeighbourState::stale, kStaleLifetime, now);
    return true;
  }
  if (!same) (void)on_answer(index, mac, false, now);
  return false;
}

void NeighbourTable::on_use(std::uint32_t index, Instant now) {
  Neighbour& n = entries_[index];
  if (n.state == NeighbourState::stale) enter(n, NeighbourState::delay, kDelayFirstProbe, now);
  n.used = true;
}

NeighbourTable::Action NeighbourTable::step(std::uint32_t index, Instant now) {
  Neighbour& n = entries_[index];
  switch (n.state) {
    case NeighbourState::vacant:
      return Action::none;
    case NeighbourState::stale:
      return Action::expired;
    case NeighbourState::reachable:
      if (!n.used) {
        enter(n, NeighbourState::stale, kStaleLifetime, now);
        return Action::none;
      }
      enter(n, NeighbourState::probe, interval_, now);
      n.probes = 1;
      return Action::ask_it;
    case NeighbourState::delay:
      enter(n, NeighbourState::probe, interval_, now);
      n.probes = 1;
      return Action::ask_it;
    case NeighbourState::incomplete:
    case NeighbourState::probe:
      if (n.probes >= max_probes_) return Action::expired;
      ++n.probes;
      n.deadline = now + interval_;
      return n.state == NeighbourState::probe ? Action::ask_it : Action::ask_all;
  }
  return Action::none;
}

}  // namespace millrace::net
