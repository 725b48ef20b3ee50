// SPDX-License-Identifier: BSD-3-Clause
//
// What an experiment comes to: what theory says, what was found, and what a reader has to know to
// judge the one by the other. Text for people, JSON for programs, one HTML page for both.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::time_wait {

/// How the values of an axis read.
enum class Unit : std::uint8_t { count, seconds, nanoseconds, bytes };

struct Curve {
  std::string name;
  std::vector<double> y = {};  // as many as the plot's x; NaN where there is nothing
  bool theory = false;         // drawn dashed
};

struct Plot {
  std::string title;
  std::string x_name = {};
  Unit x_unit = Unit::count;
  Unit y_unit = Unit::count;
  bool x_decades = false;
  bool y_decades = false;
  std::vector<double> x = {};
  std::vector<std::string> cases = {};  // instead of x: drawn as bars, a group for each
  std::vector<Curve> curves = {};
};

struct Table {
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
};

/// One sentence of theory and what became of it.
struct Check {
  std::string claim;
  std::string predicted;
  std::string found;
  bool held = false;
};

struct Study {
  std::string name;
  std::string title;
  std::vector<std::string> predictions;  // sentences, known before the run
  std::vector<Table> tables;
  std::vector<Plot> plots;
  std::vector<Check> checks;
  std::vector<std::string> explanation;  // paragraphs: what the curves show and why

  [[nodiscard]] bool held() const;
};

/// Tables and checks, aligned.
[[nodiscard]] std::string to_text(const Study& study);
/// Everything, with `command` as it was typed. Schema version 1.
[[nodiscard]] nlohmann::json to_json(const Study& study, std::string_view command);
/// A page that needs nothing else, as `millrace report` makes it.
[[nodiscard]] std::string make_page(const Study& study, std::string_view command);

}  // namespace millrace::time_wait
