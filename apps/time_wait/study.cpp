// SPDX-License-Identifier: BSD-3-Clause
//
// A study as text and as JSON.
#include "apps/time_wait/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

namespace millrace::time_wait {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 4> kUnits{"count", "s", "ns", "bytes"};

std::vector<std::size_t> widths_of(const Table& table) {
  std::vector<std::size_t> widths;
  for (const std::string& word : table.head) widths.push_back(word.size());
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  return widths;
}

std::string row_text(const std::vector<std::string>& row, const std::vector<std::size_t>& widths) {
  std::string text = " ";
  for (std::size_t i = 0; i < row.size(); ++i) {
    text += i == 0 ? fmt::format(" {:<{}}", row[i], widths[i])
                   : fmt::format("  {:>{}}", row[i], widths[i]);
  }
  return text + "\n";
}

json plot_json(const Plot& plot) {
  json curves = json::array();
  for (const Curve& curve : plot.curves) {
    json y = json::array();
    for (const double value : curve.y) y.push_back(std::isnan(value) ? json() : json(value));
    curves.push_back({{"name", curve.name}, {"theory", curve.theory}, {"y", std::move(y)}});
  }
  return {{"title", plot.title},
          {"x_name", plot.x_name},
          {"x_unit", kUnits[static_cast<std::size_t>(plot.x_unit)]},
          {"y_unit", kUnits[static_cast<std::size_t>(plot.y_unit)]},
          {"x_decades", plot.x_decades},
          {"y_decades", plot.y_decades},
          {"x", plot.x},
          {"cases", plot.cases},
          {"curves", std::move(curves)}};
}

}  // namespace

bool Study::held() const {
  return std::all_of(checks.begin(), checks.end(), [](const Check& c) { return c.held; });
}

std::string to_text(const Study& study) {
  std::string text;
  for (const Table& table : study.tables) {
    const std::vector<std::size_t> widths = widths_of(table);
    text += "\n" + row_text(table.head, widths);
    for (const auto& row : table.rows) text += row_text(row, widths);
  }
  text += "\n";
  for (const Check& check : study.checks) {
    text += fmt::format("  {:<8}{}: {}, found {}\n", check.held ? "holds" : "DIFFERS", check.claim,
                        check.predicted, check.found);
  }
  return text;
}

json to_json(const Study& study, std::string_view command) {
  json out = {{"schema_version", 1},
              {"experiment", study.name},
              {"command", command},
              {"predictions", study.predictions},
              {"held", study.held()}};
  out["tables"] = json::array();
  for (const Table& table : study.tables) {
    out["tables"].push_back({{"head", table.head}, {"rows", table.rows}});
  }
  out["plots"] = json::array();
  for (const Plot& plot : study.plots) out["plots"].push_back(plot_json(plot));
  out["checks"] = json::array();
  for (const Check& check : study.checks) {
    out["checks"].push_back({{"claim", check.claim},
                             {"predicted", check.predicted},
                             {"found", check.found},
                             {"held", check.held}});
  }
  return out;
}

}  // namespace millrace::time_wait
