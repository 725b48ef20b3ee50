// SPDX-License-Identifier: BSD-3-Clause
//
// A connection's object from its making to its freeing: what an Outcome means for stores, counts
// and events. Each connection that the application has seen gets one closed event, its last; the
// object stays until that was shown and nothing is left to be sent.
#pragma once

#include <cstdint>

#include "tcp/base/four_tuple.h"
#include "tcp/connection/timers.h"
#include "tcp/endpoint/impl.h"

namespace millrace::tcp {

/// An object for `tuple`, in no table yet; kNil if a pool is empty.
[[nodiscard]] inline std::uint32_t create_connection(EndpointImpl& e, const FourTuple& tuple,
                                                     std::uint8_t profile, std::uint32_t user) {
  const std::uint32_t index = e.connections.create();
  if (index == kNil) return kNil;
  Connection& c = e.connections[index];
  if (tuple.local.is_v4()) [[likely]] {
    c.tuple = pack_v4(tuple);
  } else {
    const std::uint32_t pair = e.stores.pairs.create();
    if (pair == kNil) {
      e.connections.free(index);
      return kNil;
    }
    e.stores.pairs[pair] = {tuple.local, tuple.remote};
    c.tuple = {pair, 0, tuple.local_port, tuple.remote_port};
    c.set(Connection::kIpv6);
  }
  std::uint16_t& generation = e.generations[index];
  if (++generation == 0) generation = 1;
  c.generation = generation;
  c.profile = profile;
  c.user = user;
  return index;
}
/// Takes back what create_connection() made, before anyone has seen it.
void discard_connection(EndpointImpl& e, std::uint32_t index);

/// Everything that follows from what a segment, deadline or call did; `before` is the state that
/// the connection was in. It may be gone from the network afterwards, but its object is still
/// there.
void apply(EndpointImpl& e, std::uint32_t index, Connection& c, State before,
           const Outcome& outcome);

/// The connection has become CLOSED or TIME-WAIT and is counted in no state: off the network.
void to_closed(EndpointImpl& e, std::uint32_t index, Connection& c, CloseReason reason);
void to_time_wait(EndpointImpl& e, std::uint32_t index, Connection& c);

/// Abort on our own account.
void abort_by_endpoint(EndpointImpl& e, std::uint32_t index, Connection& c, CloseReason reason);

/// The application has consumed everything before the peer's FIN.
void end_of_stream(EndpointImpl& e, std::uint32_t index, Connection& c);
/// Records the closed event of a connection that has left the network.
void announce(EndpointImpl& e, std::uint32_t index, Connection& c, CloseReason reason);
/// The closed event was shown: the id no longer resolves.
void forget(EndpointImpl& e, ConnectionId id);
void free_if_done(EndpointImpl& e, std::uint32_t index, Connection& c);

/// Out of the index and the wheel.
void leave_network(EndpointImpl& e, std::uint32_t index, Connection& c);

/// Sees to it that the connection is looked at by its earliest deadline.
inline void file_timer(EndpointImpl& e, std::uint32_t index, Connection& c) {
  if (const std::optional<Tick> at = earliest_deadline(c)) e.wheel.arm(index, c.timer, *at);
}

}  // namespace millrace::tcp
