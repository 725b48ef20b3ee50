// SPDX-License-Identifier: BSD-3-Clause
//
// What applications elsewhere set as socket options: keepalive, linger, deferred accepts, maximum
// segment, user timeout, Nagle. Part of the TCP group of shared_options.h.
#pragma once

#include <cstdint>
#include <optional>

#include "apps/config/options.h"
#include "tcp/connection/config.h"

namespace millrace {

/// Off unless `on`: after `idle` without a word a probe, and each `interval` one more, until
/// `count` have no answer (RFC 9293 §3.8.4).
struct Keepalive {
  bool on = false;
  Duration idle = 2h;
  Duration interval = 75s;
  std::uint8_t count = 9;
};

/// --keepalive, --linger, --defer-accept, --max-segment, --min-peer-mss, --user-timeout, --nodelay.
struct SocketOptions {
  Keepalive keepalive;
  Duration linger = tcp::kNoLinger;
  Duration defer_accept{0};
  std::uint16_t max_segment = 0;  // 0: as the MTU allows
  std::uint16_t min_peer_mss = 216;
  Duration user_timeout{0};     // 0: by the retries alone
  std::optional<bool> nodelay;  // else as the command likes
};
void add_socket_options(OptionSet& set, SocketOptions& options);
/// Puts them into the settings of connections.
void apply(const SocketOptions& options, tcp::TcpConfig& profile);

}  // namespace millrace
