// SPDX-License-Identifier: BSD-3-Clause
//
// The smallest application on the App interface: it sends back what it receives (RFC 862). Read
// this and echo.cpp to write the next one; ARCHITECTURE.md explains each call. It keeps nothing per
// connection: what cannot be sent yet stays in the connection's receive queue, and the window
// closes.
#pragma once

#include "tcp/endpoint/endpoint.h"

namespace millrace::echo {

class Echo final : public tcp::App {
 public:
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant now) override;
};

}  // namespace millrace::echo
