// SPDX-License-Identifier: BSD-3-Clause
//
// The intervals of several results on one clock, and sums of JSON's numbers.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace millrace::report {

/// Adds every number of `from` to its namesake in `to`; what `to` lacks it gets.
void add_numbers(nlohmann::json& to, const nlohmann::json& from);

/// The clock is that of the run that began first. The others' seconds are moved to it by whole
/// ones: an interval joins those whose second it shares for the most part, and none is split.
[[nodiscard]] nlohmann::json merge_intervals(const std::vector<nlohmann::json>& results);

}  // namespace millrace::report
