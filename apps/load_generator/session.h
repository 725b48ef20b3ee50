// SPDX-License-Identifier: BSD-3-Clause
//
// A run as the operator sees it: start the fleet, one line a second, Ctrl-C, the end, the result.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/load_generator/generator.h"
#include "apps/load_generator/load_options.h"
#include "apps/load_generator/summary.h"
#include "dataplane/fleet.h"

namespace millrace::load {

struct Session {
  Fleet& fleet;
  std::vector<Generator*> generators;  // owned by the fleet; end 0
  const LoadOptions& options;
  bool quiet = false;                  // no lines, as JSON goes to standard output
  std::vector<std::string> remarks{};  // what else to say before the first line
};

/// Runs until every generator is done, or a signal and the drain that follows it. The fleet has
/// stopped when this returns.
[[nodiscard]] Summary watch(Session& session, Setup setup);

/// Prints the table, writes --json, and says what the run was worth: kExitGood, kExitVerdict with
/// the broken rule named (RFC 9411 §7: failed transactions, rate), or kExitInterrupted.
[[nodiscard]] Result<int> conclude(const Session& session, const Summary& summary);

/// Rules that the result breaks, as sentences; empty if it is valid.
[[nodiscard]] std::vector<std::string> broken_rules(const Summary& summary);

}  // namespace millrace::load
