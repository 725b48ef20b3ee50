// SPDX-License-Identifier: BSD-3-Clause
//
// Files of lines.
#include "apps/load_generator/line_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "apps/config/parse_value.h"

namespace millrace::load {

Result<std::vector<Line>> read_lines(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return Error{ErrorKind::environment,
                 fmt::format("{} cannot be read: {}", path, std::strerror(errno)),
                 fmt::format("look with: ls -l {}", path)};
  }
  std::vector<Line> lines;
  std::string text;
  for (std::size_t number = 1; std::getline(file, text); ++number) {
    text.resize(std::min(text.find('#'), text.size()));
    const std::size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string::npos) continue;
    const std::size_t last = text.find_last_not_of(" \t\r");
    lines.push_back({number, text.substr(first, last - first + 1)});
  }
  return lines;
}

Error line_error(const std::string& path, const Line& line, const std::string& sentence,
                 std::string hint) {
  return {ErrorKind::usage, fmt::format("{}:{}: {}", path, line.number, sentence), std::move(hint)};
}

Result<Duration> parse_offset(std::string_view word) {
  const bool bare = word.find_first_not_of("0123456789.") == std::string_view::npos;
  // Recorders print more digits than there are nanoseconds in a second; what is beyond is cut.
  const std::size_t dot = word.find('.');
  if (bare && dot != std::string_view::npos) word = word.substr(0, dot + 10);
  return parse_duration(bare ? fmt::format("{}s", word) : std::string(word));
}

}  // namespace millrace::load
