// SPDX-License-Identifier: BSD-3-Clause
//
// Destination to link header: the way there, the neighbour on it, and the frames that wait for it
// (RFC 1122 §2.3.2.2: at least one; here up to sixteen for each neighbour).
#include <cstring>

#include "dataplane/net/host.h"

namespace millrace::net {

const LinkHeader* Host::resolve_slowly(const Address& destination, Instant now, FrameSink& sink) {
  // The same addresses that no packet can come from, no packet can be sent to.
  if (destination.is_v4()
          ? local_.bad_source_v4(destination.to_v4())
          : LocalAddresses::bad_source_v6(destination) || local_.contains_v6(destination)) {
    return nullptr;
  }
  const RouteEntry* route = routes_.find(destination);
  if (route == nullptr) return nullptr;
  const Address& hop = route->via.is_unspecified() ? destination : route->via;
  const std::uint32_t index = make_neighbour(hop, NeighbourTable::Wish::ours, now, sink);
  if (index == kNil) return nullptr;
  Neighbour& neighbour = neighbours_.at(index);
  if (neighbour.state == NeighbourState::incomplete) return nullptr;
  neighbours_.on_use(index, now);
  be_due(neighbour.deadline);
  neighbour.cached = true;
  cache_[slot_of(destination)] = {destination, epoch_, &neighbour};
  return &neighbour.link;
}

std::uint32_t Host::make_neighbour(const Address& address, NeighbourTable::Wish wish, Instant now,
                                   FrameSink& sink) {
  std::uint32_t index = neighbours_.find(address);
  if (index != kNil) return index;
  const bool ours = wish == NeighbourTable::Wish::ours;
  if (ours && !neighbours_.may_ask_for_another()) return kNil;
  if (!neighbours_.has_vacancy()) {
    const std::uint32_t victim = neighbours_.victim(wish);
    if (victim == kNil) return kNil;
    forget_neighbour(victim, sink);
    ++stats_.neighbours_evicted;
  }
  index = neighbours_.insert(address, now);
  if (ours) step_neighbour(index, now, sink);
  return index;
}

void Host::forget_neighbour(std::uint32_t index, FrameSink& sink) {
  release_parked_of(neighbours_.at(index), sink);
  forget_cached(neighbours_.at(index));
  neighbours_.remove(index);
}

bool Host::park(const Address& destination, const Frame& frame) {
  const RouteEntry* route = routes_.find(destination);
  if (route == nullptr || parked_free_ == kNil || frame.has(Frame::kContinues)) return false;
  const Address& hop = route->via.is_unspecified() ? destination : route->via;
  const std::uint32_t index = neighbours_.find(hop);
  if (index == kNil) return false;
  Neighbour& n = neighbours_.at(index);
  if (n.state != NeighbourState::incomplete || n.parked_frames == kMaxParkedPerNeighbour) {
    return false;
  }
  std::uint32_t* last = &n.parked_head;
  while (*last != kNil) last = &parked_[*last].next;
  *last = parked_free_;
  ParkedFrame& place = parked_[parked_free_];
  parked_free_ = place.next;
  place = {frame, kNil};
  ++n.parked_frames;
  ++parked_count_;
  return true;
}

void Host::send_parked(Neighbour& n, FrameSink& sink) {
  while (n.parked_head != kNil) {
    const std::uint32_t at = n.parked_head;
    ParkedFrame& place = parked_[at];
    // Exactly the link header: the IP header behind it is already there.
    std::memcpy(place.frame.data, n.link.bytes.data(), n.link.length);
    sink.send(place.frame);
    n.parked_head = place.next;
    place.next = parked_free_;
    parked_free_ = at;
    --parked_count_;
  }
  n.parked_frames = 0;
}

void Host::release_parked_of(Neighbour& n, FrameSink& sink) {
  while (n.parked_head != kNil) {
    const std::uint32_t at = n.parked_head;
    ParkedFrame& place = parked_[at];
    sink.release(place.frame);
    n.parked_head = place.next;
    place.next = parked_free_;
    parked_free_ = at;
    --parked_count_;
    ++stats_.unresolved_drops;
  }
  n.parked_frames = 0;
}

void Host::release_parked(FrameSink& sink) {
  for (std::uint32_t i = 0; i < neighbours_.capacity(); ++i) {
    if (neighbours_.at(i).state != NeighbourState::vacant) {
      release_parked_of(neighbours_.at(i), sink);
    }
  }
}

bool Host::learn_from_answer(const Address& sender, const MacAddress& mac, bool solicited,
                             Instant now, FrameSink& sink) {
  const std::uint32_t index = neighbours_.find(sender);
  if (index == kNil) return false;
  Neighbour& n = neighbours_.at(index);
  const auto answer = neighbours_.on_answer(index, mac, solicited, now);
  be_due(n.deadline);
  if (answer == NeighbourTable::Answer::ignored) return false;
  send_parked(n, sink);
  return true;
}

Drop Host::learn_from_question(const Address& sender, const MacAddress& mac, Instant now,
                               FrameSink& sink) {
  const std::uint32_t index = make_neighbour(sender, NeighbourTable::Wish::theirs, now, sink);
  if (index == kNil) return Drop::neighbour_table_full;
  Neighbour& n = neighbours_.at(index);
  const bool changed = neighbours_.on_question(index, mac, now);
  be_due(n.deadline);
  if (changed) {
    forget_cached(n);  // whoever uses it next puts it to the proof
    send_parked(n, sink);
  }
  return Drop::none;
}

}  // namespace millrace::net
