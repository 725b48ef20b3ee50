// SPDX-License-Identifier: BSD-3-Clause
//
// Everything an endpoint owns, and the small questions that all its files ask. What the parts mean
// to each other:
//
//   segment -> index -> connection | half-open | TIME_WAIT   (segment_arrives.h, listen.h,
//           -> listener -> reply for a closed port            time_wait_rules.h, replies.h)
//   Outcome of a connection's functions -> events, stores    (lifecycle.h, lending.h)
//   dirty list -> segments out, timers filed                 (flush.cpp)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "tcp/base/counters.h"
#include "tcp/base/pool.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/endpoint/dirty_list.h"
#include "tcp/endpoint/endpoint.h"
#include "tcp/endpoint/event_list.h"
#include "tcp/endpoint/fast_open_pending.h"
#include "tcp/endpoint/half_open.h"
#include "tcp/endpoint/index.h"
#include "tcp/endpoint/isn.h"
#include "tcp/endpoint/lingering.h"
#include "tcp/endpoint/listeners.h"
#include "tcp/endpoint/lowered_paths.h"
#include "tcp/endpoint/own_ports.h"
#include "tcp/endpoint/ports.h"
#include "tcp/endpoint/replies.h"
#include "tcp/endpoint/reply_limit.h"
#include "tcp/endpoint/shedding.h"
#include "tcp/endpoint/syn_cookie.h"
#include "tcp/endpoint/time_wait.h"
#include "tcp/endpoint/timer_wheel.h"
#include "tcp/endpoint/tuple_hash.h"

namespace millrace::tcp {

struct ConnectionTimers {
  Pool<Connection>* connections;
  [[nodiscard]] WheelNode& node(std::uint32_t index) const { return (*connections)[index].timer; }
  void fetch(std::uint32_t index) const { connections->prefetch(index); }
};
using Wheel = TimerWheel<ConnectionTimers>;

/// What still holds the object of a connection that is over (state CLOSED, or TIME-WAIT where the
/// store was full). Kept in Connection::ack_deadline, which no longer has another use.
enum class Ending : std::uint32_t {
  reading,    // ended gracefully with bytes that the application has not read
  announced,  // its closed event waits to be shown
  shown,      // id and events are history; the last segment or 2MSL keeps the object
};

struct EndpointImpl {
  explicit EndpointImpl(const EndpointConfig& c);

  EndpointConfig config;
  const TcpConfig* profiles;   // those of `config`, and what add_profile() put behind them
  std::size_t given_profiles;  // how many `config` had
  Instant now{};               // of the latest call that named a time: calls like send() do not
  Instant wheel_time{};        // when the wheel last was sure of the time
  Instant wheel_limit = Instant::min();  // up to which it needs no reassurance
  bool clock_started = false;
  TupleHasher hasher;
  Counters counters;
  StateCounts states;

  Stores stores;
  Pool<Connection> connections;
  ReservedPages generation_pages;
  std::uint16_t* generations;  // of each slot: how often it was used; never 0 in a live connection
  Index index;
  HalfOpen half_open;
  SynCookies cookies;
  FastOpenPending fast_open_pending;
  TimeWait time_wait;
  EphemeralPorts ports;
  std::unique_ptr<const OwnPorts> own_ports;  // null where every segment arrives here
  Wheel wheel;
  Listeners listeners;
  Replies replies;
  ReplyLimit reply_limit;
  DirtyList dirty;
  Lingering lingering;
  LoweredPaths lowered;
  Shedding shedding;

  // The hash of the connection that input() is at work on: what it closes need not hash again.
  std::uint32_t hashed_index = kNil;
  std::uint64_t hashed = 0;

  EventList events;
  std::size_t shown = 0;          // events that the application was given
  std::size_t data_cursor = 0;    // no event before it has bytes that are not consumed
  std::size_t closed_events = 0;  // in `events`
  std::uint64_t data_filter = 0;  // bit (index mod 64) is set if a connection has a data event
  std::array<std::size_t, 64>
      last_data{};  // where the latest of these is: meaningful where the bit is set
  std::uint32_t iteration = 0;

  std::array<TimeWaitGone, 256> gone;  // scratch of advance()
  std::array<HalfOpen::Due, 64> due;

  [[nodiscard]] const TcpConfig& profile(std::uint8_t number) const { return profiles[number]; }
  [[nodiscard]] Context context_of(const Connection& c) {
    return {profile(c.profile), stores, counters, now};
  }
  [[nodiscard]] ConnectionId id_of(std::uint32_t i, const Connection& c) const {
    return {i, c.generation};
  }
  /// The connection that `id` names, nullptr for a stale id.
  [[nodiscard]] Connection* resolve(ConnectionId id) {
    if (id.index >= connections.touched() || id.generation == 0) return nullptr;
    Connection& c = connections[id.index];
    return c.generation == id.generation ? &c : nullptr;
  }
  [[nodiscard]] const Connection* resolve(ConnectionId id) const {
    return const_cast<EndpointImpl*>(this)->resolve(id);
  }
  [[nodiscard]] FourTuple tuple_of(const Connection& c) const {
    return c.has(Connection::kIpv6) ? unpack_v6(c.tuple, stores.pairs[c.tuple.local])
                                    : unpack_v4(c.tuple);
  }
  /// The same, in its place.
  [[gnu::always_inline]] void write_tuple(const Connection& c, FourTuple& out) const {
    if (c.has(Connection::kIpv6)) {
      const AddressPair6& pair = stores.pairs[c.tuple.local];
      out.local = pair.local;
      out.remote = pair.remote;
    } else {
      out.local = Address::v4(c.tuple.local);
      out.remote = Address::v4(c.tuple.remote);
    }
    out.local_port = c.tuple.local_port;
    out.remote_port = c.tuple.remote_port;
  }
  [[nodiscard]] std::uint64_t hash_of(std::uint32_t i, const Connection& c) const {
    if (i == hashed_index) return hashed;
    return c.has(Connection::kIpv6) ? hasher(tuple_of(c)) : hasher.v4(c.tuple);
  }
  void observe(Instant at) {
    now = at;
    if (at > wheel_limit) [[unlikely]]
      set_clock();
  }
  void set_clock();
};

/// True once the connection has left the network and only its object remains.
[[nodiscard]] inline bool is_over(const Connection& c) {
  return c.state == State::closed || c.state == State::time_wait;
}
[[nodiscard]] inline Ending ending_of(const Connection& c) {
  return static_cast<Ending>(c.ack_deadline);
}
inline void set_ending(Connection& c, Ending e) { c.ack_deadline = static_cast<Tick>(e); }

inline void mark_dirty(EndpointImpl& e, std::uint32_t index, Connection& c) {
  if (c.has(Connection::kDirty)) return;
  c.set(Connection::kDirty);
  e.dirty.push(index);
}

}  // namespace millrace::tcp
