// SPDX-License-Identifier: BSD-3-Clause
//
// The books of result.json: how much of what was offered came to what.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace millrace::report {

/// Whether the mode's rate is of connections; of transactions otherwise.
[[nodiscard]] inline bool rates_connections(const nlohmann::json& result) {
  const std::string mode = result.at("start").value("mode", "");
  return mode == "cps" || mode == "concurrent";
}

/// The book that the mode's rate is of.
[[nodiscard]] inline const char* book_of_rate(const nlohmann::json& result) {
  return rates_connections(result) ? "connections" : "transactions";
}

/// All causes of a book's "failed" or "not_launched" together.
[[nodiscard]] inline std::uint64_t sum_of(const nlohmann::json& causes) {
  std::uint64_t sum = 0;
  for (const nlohmann::json& count : causes) sum += count.get<std::uint64_t>();
  return sum;
}

}  // namespace millrace::report
