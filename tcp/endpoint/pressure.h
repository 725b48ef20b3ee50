// SPDX-License-Identifier: BSD-3-Clause
//
// What goes when the budget of an endpoint runs out, so that connections that get on need not wait
// for those that do not (CVE-2008-4609; RFC 6429 §3 allows to end who holds a window closed). The
// budget is the blocks of payload, the send states and the receive states. From nine tenths of any
// of them down to three quarters:
//
//   1. Connections that stand still, those that stand longest first and none that has moved within
//      seconds: text that the peer does not take (a closed window, silence) or that the application
//      leaves unread. They end with a reset and `no_memory`. Orphans as well while they crowd the
//      pool of connections: FIN-WAIT-2 waits for nobody's sake.
//   2. Data out of order, where nobody stands still; and before anybody is ended where they alone
//      are what is too much. SACK was advice (RFC 2018 §8): they come again.
//
// A hand goes round the connections, so many a call; a round that gained nothing is followed by a
// rest. While any of the three is wholly used up, SYNs are dropped and opens refused.
//
// Refuses: to end what moves, however slowly; then writes are cut short, out-of-order data dropped
// and opens refused, each with its counter. What ended well and waits to be read is left to its
// application.
#pragma once

#include <cstdint>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/endpoint/shedding.h"

namespace millrace::tcp {

struct EndpointImpl;

inline constexpr Duration kStandsStill = 4s;  // that long without progress, at least

/// From here on a pool is pressed: nine tenths of it, of a tiny one all.
[[nodiscard]] constexpr std::uint32_t pressed_from(std::uint32_t capacity) {
  return capacity - capacity / 10;
}
/// With so many in use it is relieved.
[[nodiscard]] constexpr std::uint32_t relieved_at(std::uint32_t capacity) {
  return capacity - (capacity + 3) / 4;
}
[[nodiscard]] Watermarks high_marks_of(const Stores& stores, const Pool<Connection>& connections);

/// Asked once an iteration. The pool of connections may be full without any trouble.
[[nodiscard]] inline bool has_to_shed(const Shedding& s, const Stores& stores,
                                      const Pool<Connection>& connections) {
  return stores.blocks.live() >= s.watch.blocks || stores.send.live() >= s.watch.send ||
         stores.receive.live() >= s.watch.receive || connections.live() >= s.watch.connections;
}
/// One bounded piece of that work.
void shed_some(EndpointImpl& e);

}  // namespace millrace::tcp
