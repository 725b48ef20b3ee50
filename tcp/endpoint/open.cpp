// SPDX-License-Identifier: BSD-3-Clause
//
// Active OPEN (RFC 9293 §3.10.1): a port, an object, a place in the index, and a SYN for the next
// flush. Local ports by keyed hash (RFC 6056 §3.3.4), or as asked for; tuples of ours in TIME_WAIT
// are taken under the operator's policy (RFC 6191).
#include "tcp/connection/handshake.h"
#include "tcp/endpoint/impl.h"
#include "tcp/endpoint/lifecycle.h"
#include "tcp/endpoint/segment_arrives.h"
#include "tcp/endpoint/time_wait_rules.h"

namespace millrace::tcp {
namespace {

/// An address that one host can have: not unspecified, multicast, broadcast or reserved.
[[nodiscard]] bool is_unicast_v4(const Address& a) {
  return a.to_v4() - 1 < 0xe000'0000 - 1;  // 224.0.0.0 and above, and 0 by wrapping around
}
[[nodiscard]] bool is_unicast_v6(const Address& a) {
  return !a.is_unspecified() && a.bytes()[0] != 0xff;
}

[[nodiscard]] bool is_good(const OpenRequest& r) {
  if (r.local == r.remote || r.remote_port == 0) return false;
  if (r.local.is_v4()) {
    return r.remote.is_v4() && is_unicast_v4(r.local) && is_unicast_v4(r.remote);
  }
  return !r.remote.is_v4() && is_unicast_v6(r.local) && is_unicast_v6(r.remote);
}

/// What a tuple is to an active open, and its place in the index.
struct Place {
  std::uint64_t hash = 0;
  EntryRef old;  // exists if the tuple is to be taken out of TIME_WAIT
  std::uint16_t local_port = 0;
  PortState state = PortState::free;
};

[[nodiscard]] Place look(const EndpointImpl& e, const FourTuple& tuple) {
  Place p;
  p.hash = e.hasher(tuple);
  p.local_port = tuple.local_port;
  p.old = find_entry(e, p.hash, tuple);
  if (!p.old) return p;
  if (p.old.kind() == EntryKind::time_wait) {
    p.state = may_reuse(e, p.old) ? PortState::reusable : PortState::time_wait;
    return p;
  }
  const bool held = p.old.kind() == EntryKind::connection &&
                    e.connections[p.old.index()].state == State::time_wait;
  p.state = held ? PortState::time_wait : PortState::in_use;
  return p;
}

/// Completes `tuple` with a local port that may be used, and finds its place. Ports whose replies
/// arrive at another core are that core's: in use, as far as this one is concerned.
[[nodiscard]] OpenError choose_port(EndpointImpl& e, std::uint16_t wanted, FourTuple& tuple,
                                    Place& place) {
  if (wanted != 0) {
    if (e.own_ports != nullptr && OwnPorts::Of(*e.own_ports, tuple).next(wanted) != wanted) {
      return OpenError::in_use;
    }
    tuple.local_port = wanted;
    place = look(e, tuple);
    switch (place.state) {
      case PortState::free:
      case PortState::reusable:
        return OpenError::none;
      case PortState::time_wait:
        return OpenError::time_wait;
      case PortState::in_use:
        return OpenError::in_use;
    }
  }
  FourTuple candidate = tuple;
  const auto look_at = [&](std::uint16_t port) {
    candidate.local_port = port;
    place = look(e, candidate);
    return place.state;
  };
  const PortChoice choice = e.own_ports == nullptr
                                ? e.ports.choose(tuple, look_at)
                                : e.ports.choose(tuple, OwnPorts::Of(*e.own_ports, tuple), look_at);
  tuple.local_port = choice.port;
  if (choice.port == 0) return choice.time_wait ? OpenError::time_wait : OpenError::no_free_port;
  if (place.local_port != choice.port) place = look(e, tuple);
  return OpenError::none;
}

/// Puts the new connection into the index, in the place of a TIME_WAIT entry if there is one, and
/// says with which numbers it is to begin. False if the index is full.
[[nodiscard]] bool enter_index(EndpointImpl& e, std::uint32_t index, const FourTuple& tuple,
                               const Place& place, FlowNumbers& numbers) {
  const EntryRef ref{EntryKind::connection, index};
  if (!place.old) {
    numbers = flow_numbers(e.config.secrets.numbers, tuple, e.now);
    return e.index.insert(place.hash, ref);
  }
  const Seq old_snd_nxt = e.time_wait.state(place.old).snd_nxt;
  numbers = e.config.time_wait_reuse == TimeWaitReuse::immediate
                ? flow_numbers(e.config.secrets.numbers, tuple, e.now)
                : flow_numbers_beyond(e.config.secrets.numbers, tuple, e.now, old_snd_nxt);
  const bool replaced = e.index.replace(place.hash, place.old, ref);
  MR_CHECK(replaced);
  e.time_wait.release(place.old);
  --e.states.of(State::time_wait);
  ++e.counters.TWRecycled;
  return true;
}

}  // namespace

OpenResult Endpoint::connect(const OpenRequest& request, Instant now) {
  EndpointImpl& e = impl();
  e.observe(now);
  if (!is_good(request)) return {{}, OpenError::bad_address};
  MR_CHECK(request.profile < e.config.profiles.size());
  // Asked before a port is chosen, so that failing costs nothing and no port is skipped.
  const bool ipv6 = !request.local.is_v4();
  if (e.shedding.refuses) [[unlikely]]
    ++e.counters.TCPMemoryRefused;
  if (e.shedding.refuses || e.connections.live() == e.connections.capacity() ||
      e.stores.send.live() == e.stores.send.capacity() ||
      (ipv6 && e.stores.pairs.live() == e.stores.pairs.capacity())) {
    return {{}, OpenError::no_memory};
  }
  FourTuple tuple{request.local, request.remote, 0, request.remote_port};
  Place place;
  const OpenError error = choose_port(e, request.local_port, tuple, place);
  if (error != OpenError::none) return {{}, error};

  const std::uint32_t index = create_connection(e, tuple, request.profile, request.user);
  MR_CHECK(index != kNil);
  Connection& c = e.connections[index];
  FlowNumbers numbers;
  if (!enter_index(e, index, tuple, place, numbers)) {
    discard_connection(e, index);
    return {{}, OpenError::no_memory};
  }
  const bool opened = open_active(c, numbers.isn, numbers.ts_offset, e.context_of(c));
  MR_CHECK(opened);
  ++e.states.of(State::syn_sent);
  ++e.counters.ActiveOpens;
  mark_dirty(e, index, c);
  return {e.id_of(index, c), OpenError::none};
}

}  // namespace millrace::tcp
