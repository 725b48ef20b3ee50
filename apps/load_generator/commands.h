// SPDX-License-Identifier: BSD-3-Clause
//
// The commands of this room, for apps/millrace.cpp.
#pragma once

#include "apps/config/options.h"
#include "dataplane/fleet.h"

namespace millrace::load {

/// `millrace load URL`: offers load to a server on the network.
[[nodiscard]] Command load_command();

/// `millrace loopback`: generator and server in one process, joined by the in-memory cable. The
/// server's application is made by `make_server`, for at most `max_connections` at once: this room
/// does not know it.
using ServerFactory = std::function<std::unique_ptr<tcp::App>(tcp::Endpoint& endpoint,
                                                              std::uint32_t max_connections)>;
[[nodiscard]] Command loopback_command(ServerFactory make_server);

}  // namespace millrace::load
