// SPDX-License-Identifier: BSD-3-Clause
//
// What a running instance says of itself over its control socket. One JSON object per question:
//
//   {"ask": "summary"}      totals of all workers: states, counters, drops, frames, memory, and
//                           what lingers in CLOSE_WAIT
//   {"ask": "connections", "end": 0, "worker": 0, "from": 0}
//                           a bounded slice of one worker's connections, and where the next begins
//
// Nothing that is asked stops a worker for longer than the slice takes.
#pragma once

#include <memory>
#include <string>

#include "dataplane/control.h"
#include "dataplane/fleet.h"

namespace millrace::inspect {

/// What does not change while an instance runs.
struct InstanceFacts {
  std::string command;  // serve, load
  std::string name;     // of the socket
  std::string device;
};

/// The reply to one request line. Errors are replies too: {"error": "..."}.
[[nodiscard]] std::string reply_to(const std::string& request, Fleet& fleet,
                                   const InstanceFacts& facts);

/// Answers questions at control_path(facts.name) until the server is destroyed, which must be
/// before the fleet stops.
[[nodiscard]] Result<std::unique_ptr<ControlServer>> answer_questions(Fleet& fleet,
                                                                      const InstanceFacts& facts);
/// The same for a command with --name: without a name the process id is used, and a run whose
/// socket cannot be had goes on without, after a warning.
[[nodiscard]] Result<std::unique_ptr<ControlServer>> answer_questions(Fleet& fleet,
                                                                      const std::string& command,
                                                                      const std::string& name,
                                                                      const std::string& device);

/// Statistics of all workers of all ends in one.
[[nodiscard]] StatsSnapshot total_stats(const Fleet& fleet);
/// A state as RFC 9293 calls it, with underscores: ESTABLISHED, TIME_WAIT.
[[nodiscard]] std::string_view long_name(tcp::State state);

}  // namespace millrace::inspect
