// SPDX-License-Identifier: BSD-3-Clause
//
// Text files of one entry a line: recorded arrivals, rates over time. A # begins a comment, and
// empty lines count for nothing but numbers in errors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tcp/base/result.h"
#include "tcp/base/time.h"

namespace millrace::load {

struct Line {
  std::size_t number = 0;  // from 1
  std::string text;        // without comment and surrounding spaces, not empty
};

/// Errors: environment, if it cannot be read.
[[nodiscard]] Result<std::vector<Line>> read_lines(const std::string& path);

/// Usage, "PATH:LINE: SENTENCE".
[[nodiscard]] Error line_error(const std::string& path, const Line& line,
                               const std::string& sentence, std::string hint = "");

/// A time since the start: a number of seconds, as 0.000125, or with its unit, as 125us or
/// 125000ns.
[[nodiscard]] Result<Duration> parse_offset(std::string_view word);

}  // namespace millrace::load
