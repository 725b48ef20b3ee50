// SPDX-License-Identifier: BSD-3-Clause
//
// Two results beside each other: what differs in how they were made, and what in what they found.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/config/options.h"

namespace millrace::report {

/// One figure of both. `unit` is ns, bytes, 1/s, Mbit/s or nothing.
struct Pair {
  std::string name;
  std::string unit;
  double before = 0;
  double after = 0;
};

struct Comparison {
  /// Why the two may not be compared, a sentence each: made differently, interrupted, not valid.
  std::vector<std::string> warnings;
  std::vector<Pair> figures;
};
[[nodiscard]] Comparison compare(const nlohmann::json& before, const nlohmann::json& after);
[[nodiscard]] std::string to_text(const Comparison& comparison);
[[nodiscard]] nlohmann::json to_json(const Comparison& comparison);

/// `millrace compare BEFORE AFTER`.
[[nodiscard]] Command compare_command();

}  // namespace millrace::report
