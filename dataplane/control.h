// SPDX-License-Identifier: BSD-3-Clause
//
// Questions from outside: a Unix socket (0600, in a 0700 directory, peer credentials checked) on
// which a running instance answers JSON lines. One request object per line, one reply per line. The
// thread that serves it never touches a worker's data: it reads published statistics, or asks for a
// bounded slice between bursts (Fleet::ask).
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tcp/base/result.h"

namespace millrace {

/// Takes one request line, returns one reply line (both without newline).
using ControlHandler = std::function<std::string(const std::string& request)>;

/// What one client, and all of them together, may cost.
struct ControlLimits {
  std::size_t max_clients = 32;               // more wait to be accepted
  std::size_t max_request_bytes = 64 * 1024;  // a longer line is refused and its sender cut off
  std::chrono::milliseconds idle{30'000};     // without progress; then the client is cut off
};

class ControlServer {
 public:
  /// Listens on `path`, whose directory is made if it is missing, and must belong to this user
  /// alone. A socket that nobody serves any more is replaced. Requests are answered one at a time,
  /// on a thread that takes no signals. Errors: environment (directory not writable or open to
  /// others, socket in use by a live process), usage (a path too long for a socket).
  [[nodiscard]] static Result<std::unique_ptr<ControlServer>> start(
      const std::string& path, ControlHandler handler, const ControlLimits& limits = {});
  virtual ~ControlServer() = default;
};

/// The default path of an instance: $XDG_RUNTIME_DIR if set, else /run/user/UID if there, else
/// /tmp/millrace-UID; then millrace/NAME.sock. The default NAME is the process id.
[[nodiscard]] std::string control_path(const std::string& name);
/// Sockets of running instances of this user: under $XDG_RUNTIME_DIR if it is set, else under both
/// other directories.
[[nodiscard]] std::vector<std::string> control_instances();
/// One request to the instance at `path`, one reply; waits at most 2 s.
[[nodiscard]] Result<std::string> control_ask(const std::string& path, const std::string& request);

}  // namespace millrace
