// SPDX-License-Identifier: BSD-3-Clause
//
// Results of several machines, or of several processes, as one: what they counted is added, and
// their histograms are merged bin by bin, so the outcome is what one run would have counted. Rates
// are the sums over the longest run phase. Refuses what did something else, or at another time.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "apps/config/options.h"
#include "apps/report/verdict.h"

namespace millrace::report {

/// `names` are the files' names, for sentences. Thresholds are those given, or where none is, those
/// that the first result was judged by.
[[nodiscard]] Result<nlohmann::json> merge(const std::vector<nlohmann::json>& results,
                                           std::span<const std::string> names,
                                           std::vector<Threshold> thresholds = {});

/// Reads result files side by side.
[[nodiscard]] Result<std::vector<nlohmann::json>> read_results(std::span<const std::string> paths);

/// `millrace merge RESULT... -o FILE`.
[[nodiscard]] Command merge_command();

}  // namespace millrace::report
