// SPDX-License-Identifier: BSD-3-Clause
//
// The way in: a segment goes to its connection, its half-open entry or its TIME_WAIT entry; else to
// the listener of its port; else it is answered with RST (RFC 9293 §3.10.7.1). ICMP errors go to
// connections alone (RFC 5927 §4): what is half-open times out by itself, and TIME-WAIT is deaf.
#include "tcp/endpoint/segment_arrives.h"

#include "tcp/connection/input.h"
#include "tcp/connection/input_syn_sent.h"
#include "tcp/endpoint/lending.h"
#include "tcp/endpoint/lifecycle.h"
#include "tcp/endpoint/listen.h"
#include "tcp/endpoint/time_wait_rules.h"

namespace millrace::tcp {
namespace {

[[nodiscard]] inline EntryRef find_v4(const EndpointImpl& e, std::uint64_t hash,
                                      const FourTuple& tuple) {
  const PackedTuple packed = pack_v4(tuple);
  return e.index.find(hash, [&](EntryRef ref) {
    switch (ref.kind()) {
      case EntryKind::connection: {
        const Connection& c = e.connections[ref.index()];
        return c.tuple == packed && !c.has(Connection::kIpv6);
      }
      case EntryKind::half_open:
        return e.half_open.matches_v4(ref, packed);
      case EntryKind::time_wait:
        return e.time_wait.matches_v4(ref, packed);
    }
    return false;
  });
}

[[nodiscard]] EntryRef find_v6(const EndpointImpl& e, std::uint64_t hash, const FourTuple& tuple) {
  return e.index.find(hash, [&](EntryRef ref) {
    switch (ref.kind()) {
      case EntryKind::connection: {
        const Connection& c = e.connections[ref.index()];
        return c.has(Connection::kIpv6) && e.tuple_of(c) == tuple;
      }
      case EntryKind::half_open:
        return e.half_open.matches(ref, tuple);
      case EntryKind::time_wait:
        return e.time_wait.matches(ref, tuple);
    }
    return false;
  });
}

Drop on_unowned_segment(EndpointImpl& e, std::uint64_t hash, const FourTuple& tuple,
                        const SegmentIn& segment) {
  // What belongs to another core may well have its connection there: not a word from here.
  const FlowSteering* const steering = e.config.steering.get();
  if (steering != nullptr && steering->worker_of(tuple) != e.config.worker) {
    return Drop::wrong_core;
  }
  const std::uint16_t listener = e.listeners.find(tuple.local, tuple.local_port);
  if (listener != kNoListener) return on_listener_segment(e, listener, hash, tuple, segment);
  if (segment.flags.rst()) return Drop::tcp_no_connection_rst;
  e.replies.push(reset_for(tuple, segment));
  return Drop::tcp_no_connection;
}

/// The usual end of a connection, or a step towards it.
[[gnu::always_inline]] inline Drop deliver_end(EndpointImpl& e, std::uint32_t index, Connection& c,
                                               const SegmentIn& segment, const Context& context) {
  const State before = c.state;
  const bool writable = input_expected_end(c, segment, context);
  if (!c.has(Connection::kOwnerGone)) {
    if (writable) e.events.add(e.id_of(index, c), c.user, EventKind::writable);
    if (segment.flags.fin() && !has_unconsumed(e, index, c)) {
      e.events.add(e.id_of(index, c), c.user, EventKind::peer_closed);
    }
  }
  --e.states.of(before);
  if (c.state == State::time_wait) {
    to_time_wait(e, index, c);
  } else if (c.state == State::closed) {
    to_closed(e, index, c, CloseReason::graceful);
  } else {
    ++e.states.of(c.state);
    mark_dirty(e, index, c);
  }
  return Drop::none;
}

/// Whatever is not expected.
[[gnu::noinline]] Drop deliver_unexpected(EndpointImpl& e, std::uint32_t index, Connection& c,
                                          const SegmentIn& segment) {
  const State before = c.state;
  Outcome outcome;
  const Drop drop = on_segment(c, segment, e.context_of(c), outcome);
  apply(e, index, c, before, outcome);
  return drop;
}

/// The answer to our SYN.
[[gnu::noinline]] Drop deliver_syn_ack(EndpointImpl& e, std::uint32_t index, Connection& c,
                                       const SegmentIn& segment) {
  const bool writable = input_syn_ack(c, segment, e.context_of(c));
  e.events.add(e.id_of(index, c), c.user, EventKind::connected);
  if (writable) e.events.add(e.id_of(index, c), c.user, EventKind::writable);
  --e.states.of(State::syn_sent);
  ++e.states.of(c.state);
  mark_dirty(e, index, c);
  return Drop::none;
}

[[gnu::always_inline]] inline Drop deliver_expected(EndpointImpl& e, std::uint32_t index,
                                                    Connection& c, const SegmentIn& segment,
                                                    const Context& context) {
  const bool writable = input_expected(c, segment, context);
  if (!segment.payload.empty()) lend(e, index, c, segment.payload);
  if (writable) [[unlikely]]
    e.events.add(e.id_of(index, c), c.user, EventKind::writable);
  mark_dirty(e, index, c);
  return Drop::none;
}

[[gnu::always_inline]] inline Drop deliver(EndpointImpl& e, std::uint32_t index, Connection& c,
                                           const SegmentIn& segment) {
  const Context context = e.context_of(c);
  if (is_expected(c, segment, context)) return deliver_expected(e, index, c, segment, context);
  if (is_expected_end(c, segment, context)) return deliver_end(e, index, c, segment, context);
  if (is_syn_ack(c, segment)) return deliver_syn_ack(e, index, c, segment);
  return deliver_unexpected(e, index, c, segment);
}

[[gnu::always_inline]] inline Drop to_connection(EndpointImpl& e, std::uint32_t index,
                                                 std::uint64_t hash, const FourTuple& tuple,
                                                 const SegmentIn& segment) {
  Connection& c = e.connections[index];
  if (c.state == State::time_wait) [[unlikely]]
    return on_held_segment(e, index, c, hash, tuple, segment);
  e.hashed = hash;
  e.hashed_index = index;
  const Drop drop = deliver(e, index, c, segment);
  e.hashed_index = kNil;
  return drop;
}

[[nodiscard, gnu::always_inline]] inline bool matches(const EndpointImpl& e, const Connection& c,
                                                      const FourTuple& tuple) {
  if (tuple.local.is_v4()) return c.tuple == pack_v4(tuple) && !c.has(Connection::kIpv6);
  return c.has(Connection::kIpv6) && e.tuple_of(c) == tuple;
}

[[gnu::noinline]] Drop arrive_otherwise(EndpointImpl& e, std::uint64_t hash, const FourTuple& tuple,
                                        const SegmentIn& segment);

/// In line in both ways in.
[[gnu::always_inline]] inline Drop arrive(EndpointImpl& e, std::uint64_t hash,
                                          const FourTuple& tuple, const SegmentIn& segment) {
  ++e.counters.InSegs;
  if (e.events.full_of_segments()) [[unlikely]]
    return Drop::tcp_no_memory;
  e.events.count_segment();
  // Mostly the first entry whose tag agrees is a connection, and that of the tuple.
  const EntryRef likely = e.index.candidate(hash);
  if (likely.is_connection() && matches(e, e.connections[likely.index()], tuple)) [[likely]] {
    return to_connection(e, likely.index(), hash, tuple, segment);
  }
  return arrive_otherwise(e, hash, tuple, segment);
}

/// In the first place of the index is something else.
Drop arrive_otherwise(EndpointImpl& e, std::uint64_t hash, const FourTuple& tuple,
                      const SegmentIn& segment) {
  const EntryRef ref = find_entry(e, hash, tuple);
  if (!ref) return on_unowned_segment(e, hash, tuple, segment);
  switch (ref.kind()) {
    case EntryKind::connection:
      return to_connection(e, ref.index(), hash, tuple, segment);
    case EntryKind::half_open:
      return on_half_open_segment(e, ref, hash, tuple, segment);
    case EntryKind::time_wait:
      return on_time_wait_segment(e, ref, hash, tuple, segment);
  }
  return Drop::none;
}

/// The lines of a burst's connections, fetched together: their buckets were when it was parsed.
[[gnu::noinline]] void fetch_connections(const EndpointImpl& e, std::span<const Arrival> burst) {
  for (const Arrival& a : burst) {
    const EntryRef likely = e.index.candidate(a.hash);
    if (likely.is_connection()) e.connections.prefetch(likely.index());
  }
}

/// So many lie in the second-level cache: what is there need not be fetched.
constexpr std::uint32_t kFewConnections = 4096;

}  // namespace

EntryRef find_entry(const EndpointImpl& e, std::uint64_t hash, const FourTuple& tuple) {
  return tuple.local.is_v4() ? find_v4(e, hash, tuple) : find_v6(e, hash, tuple);
}

// From the third segment of a handshake: the straight end and the answer to a SYN are not worth
// another copy in line.
Drop on_connection_segment(EndpointImpl& e, std::uint32_t index, Connection& c,
                           const SegmentIn& segment) {
  const Context context = e.context_of(c);
  if (is_expected(c, segment, context)) return deliver_expected(e, index, c, segment, context);
  return deliver_unexpected(e, index, c, segment);
}

std::uint64_t Endpoint::hash(const FourTuple& tuple) const { return impl_->hasher(tuple); }

TupleHasher Endpoint::hasher() const { return impl_->hasher; }

void Endpoint::prefetch(std::uint64_t hash) const { impl_->index.prefetch(hash); }

Drop Endpoint::input(std::uint64_t hash, const FourTuple& tuple, const SegmentIn& segment,
                     Instant now) {
  EndpointImpl& e = impl();
  e.observe(now);
  return arrive(e, hash, tuple, segment);
}

void Endpoint::input(std::span<const Arrival> burst, Instant now, DropCounters& drops) {
  EndpointImpl& e = impl();
  e.observe(now);
  const Arrival* const end = burst.data() + burst.size();
  if (e.connections.touched() > kFewConnections) fetch_connections(e, burst);
  for (const Arrival* a = burst.data(); a != end; ++a) {
    drops.add(arrive(e, a->hash, a->tuple, a->segment));
  }
}

Drop Endpoint::icmp_error(const FourTuple& tuple, const IcmpError& error, Instant now) {
  EndpointImpl& e = impl();
  e.observe(now);
  const EntryRef ref = find_entry(e, hash(tuple), tuple);
  if (!ref || ref.kind() != EntryKind::connection) return Drop::icmp_no_connection;
  Connection& c = e.connections[ref.index()];
  if (is_over(c)) return Drop::icmp_no_connection;
  const State before = c.state;
  Outcome outcome;
  Drop drop = Drop::icmp_no_connection;
  switch (error.kind) {
    case IcmpError::Kind::too_big: {
      const std::uint16_t mss = c.mss;
      drop = on_icmp_too_big(c, error.seq, error.mtu, e.context_of(c));
      if (drop == Drop::none) e.lowered.add(e.id_of(ref.index(), c), mss, e.now);
      break;
    }
    case IcmpError::Kind::unreachable:
      drop =
          on_icmp_error(c, error.seq, SoftError::unreachable, error.hard, e.context_of(c), outcome);
      break;
    case IcmpError::Kind::time_exceeded:
      drop = on_icmp_error(c, error.seq, SoftError::time_exceeded, false, e.context_of(c), outcome);
      break;
  }
  if (drop == Drop::none) apply(e, ref.index(), c, before, outcome);
  return drop;
}

}  // namespace millrace::tcp
