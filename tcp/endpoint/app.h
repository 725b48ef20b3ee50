// SPDX-License-Identifier: BSD-3-Clause
//
// What an application sees of the endpoint: events in, calls out (RFC 9293 §3.9.1). This header and
// endpoint.h are the public face; ARCHITECTURE.md has a page that explains them with apps/echo.
//
// The application is called once per iteration of its core with all events since the last call,
// also with none: there is no re-entrancy, and `now` paces whoever needs pacing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/base/pool.h"
#include "tcp/base/state.h"
#include "tcp/base/time.h"

namespace millrace::tcp {

/// Names one connection of one endpoint. Stale ids resolve to nothing: calls on them do nothing.
struct ConnectionId {
  std::uint32_t index = kNil;
  std::uint32_t generation = 0;
  friend constexpr bool operator==(ConnectionId, ConnectionId) = default;
};

struct ListenerId {
  std::uint16_t index = 0;
};

enum class EventKind : std::uint8_t {
  accepted,     // passive open completed on `listener`
  connected,    // active open completed
  data,         // `bytes` are readable: call consume() for what was taken
  peer_closed,  // the peer sent FIN and everything before it has been read: end of stream
  writable,     // send() was short before and there is room again
  closed,       // over, for `reason`; the last event of its connection, always exactly one
};

struct Event {
  ConnectionId connection;
  std::uint32_t user = 0;  // the word given to connect() or set_user()
  EventKind kind = EventKind::closed;
  CloseReason reason = CloseReason::none;  // closed
  ListenerId listener;                     // accepted
  /// data: the next bytes of the stream, in order and behind those of earlier data events. Lent for
  /// this call of on_events alone, consumed or not; what is not consumed stays readable, and is
  /// shown again by readable() or with the next data event. Whoever reads ahead with readable()
  /// finds the events that follow shrunk by what was consumed.
  std::span<const std::byte> bytes;
};

class Endpoint;

class App {
 public:
  virtual ~App() = default;
  /// `events` in order of happening. Calls on `endpoint` take effect at the flush that follows.
  virtual void on_events(Endpoint& endpoint, std::span<const Event> events, Instant now) = 0;
};

}  // namespace millrace::tcp
