// SPDX-License-Identifier: BSD-3-Clause
//
// What a load would need against what is there, before anything starts: ports by the arithmetic of
// TIME_WAIT, memory, cores, packet buffers.
#pragma once

#include <vector>

#include "apps/config/options.h"
#include "apps/config/shared_options.h"
#include "apps/load_generator/jobs.h"

namespace millrace::load {

/// Tuples of one job that are taken at once: open connections, and those that were closed within
/// the last 2MSL where we close first. 0: nobody can say, as of a closed loop.
[[nodiscard]] double tuples_of(const LoadOptions& load, Duration two_msl);

/// A line for each need. `plans` are those of `jobs`, with their addresses.
[[nodiscard]] std::vector<CheckLine> needs_of(const std::vector<const Job*>& jobs,
                                              const std::vector<Plan>& plans, const TcpOptions& tcp,
                                              const FleetConfig& fleet);

}  // namespace millrace::load
