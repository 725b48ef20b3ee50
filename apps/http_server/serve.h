// SPDX-License-Identifier: BSD-3-Clause
//
// `millrace serve`, and the server's application for whoever else runs it (loopback).
#pragma once

#include <memory>

#include "apps/config/options.h"
#include "apps/http_server/server.h"
#include "dataplane/fleet.h"

namespace millrace::http {

[[nodiscard]] Command serve_command();

/// Connections that may have a request or an answer under way at once, of an endpoint for
/// `max_connections`.
[[nodiscard]] ServerConfig server_config(std::uint32_t max_connections);

}  // namespace millrace::http
