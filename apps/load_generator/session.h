// SPDX-License-Identifier: BSD-3-Clause
//
// A run as the operator sees it: start the fleet, one line a second, Ctrl-C, the end, the result.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/load_generator/generator.h"
#include "apps/load_generator/load_options.h"
#include "apps/load_generator/streams.h"
#include "apps/load_generator/summary.h"
#include "dataplane/fleet.h"

namespace millrace::load {

struct Session {
  Fleet& fleet;
  std::vector<Generator*> generators;  // owned by the fleet; end 0
  const LoadOptions& options;
  Streams& streams;
  bool quiet = false;                  // no lines for people: standard output is a result
  std::vector<std::string> remarks{};  // what else to say before the first line
};

/// Runs until every generator is done, or a signal and the drain that follows it; prints the lines
/// and the table, writes --json and the streams, stops the fleet. What the run was worth:
/// kExitGood, kExitVerdict with the broken rule or the
/// missed threshold named, or kExitInterrupted.
/// `jobs`: one without a name, or several.
[[nodiscard]] Result<int> run_session(Session& session, std::vector<JobSummary> jobs);

}  // namespace millrace::load
