// SPDX-License-Identifier: BSD-3-Clause
//
// Events in, calls out. Nothing here sends: what the calls queue leaves at the flush that follows.
#include "apps/echo/echo.h"

namespace millrace::echo {
namespace {

// Sends back what is readable, as far as the send queue takes it. False if some of it has to wait.
bool send_back(tcp::Endpoint& endpoint, tcp::ConnectionId id, std::span<const std::byte> bytes) {
  const std::size_t sent = endpoint.send(id, bytes, tcp::Lifetime::copied);
  endpoint.consume(id, sent);  // only now does the peer's window open again
  return sent == bytes.size();
}

}  // namespace

void Echo::on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant) {
  for (const tcp::Event& event : events) {
    switch (event.kind) {
      case tcp::EventKind::data:
        // What is not sent stays where it is; a writable event will follow.
        (void)send_back(endpoint, event.connection, event.bytes);
        break;
      case tcp::EventKind::writable:
        // There is room again: go on with what was left, piece by piece.
        for (auto bytes = endpoint.readable(event.connection); !bytes.empty();
             bytes = endpoint.readable(event.connection)) {
          if (!send_back(endpoint, event.connection, bytes)) break;
        }
        break;
      case tcp::EventKind::peer_closed:
        // All was read, and so all was sent or queued: our FIN goes behind it.
        endpoint.close(event.connection);
        break;
      case tcp::EventKind::accepted:
      case tcp::EventKind::connected:
      case tcp::EventKind::closed:
        break;  // nothing is kept per connection, so there is nothing to begin or to end
    }
  }
}

}  // namespace millrace::echo
