// SPDX-License-Identifier: BSD-3-Clause
//
// The word of --arrivals.
#include "apps/load_generator/arrivals.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/config/parse_value.h"
#include "apps/config/suggest.h"
#include "apps/load_generator/line_file.h"

namespace millrace::load {

Result<ArrivalsChoice> parse_arrivals(std::string_view word) {
  if (word == "constant") return ArrivalsChoice{Arrivals::constant, "constant", {}};
  if (word == "poisson") return ArrivalsChoice{Arrivals::poisson, "poisson", {}};
  const std::string path(word);
  if (word.find_first_of("./") == std::string_view::npos) {
    const std::vector<std::string> names{"constant", "poisson"};
    return bad_word(word, "a kind of arrivals",
                    "constant, poisson, or the file of a trace, as ./arrivals.txt",
                    did_you_mean(word, names));
  }
  const auto lines = read_lines(path);
  if (!lines) return lines.error();
  auto trace = std::make_shared<std::vector<Duration>>();
  for (const Line& line : lines.value()) {
    const auto offset = parse_offset(line.text);
    if (!offset) return line_error(path, line, offset.error().sentence, offset.error().hint);
    if (!trace->empty() && offset.value() < trace->back()) {
      return line_error(path, line, fmt::format("{} is before the line above it", line.text),
                        fmt::format("put them in order: sort -g {}", path));
    }
    trace->push_back(offset.value());
  }
  if (trace->empty()) {
    return Error{ErrorKind::usage, fmt::format("{} has no arrivals", path),
                 "one time since the start a line, as 0.000125"};
  }
  return ArrivalsChoice{Arrivals::trace, path, std::move(trace)};
}

Duration length_of(const std::vector<Duration>& trace) {
  return std::max(Duration{1ms}, trace.back() + Duration{1});
}

}  // namespace millrace::load
