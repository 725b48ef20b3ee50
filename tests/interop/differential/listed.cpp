// SPDX-License-Identifier: BSD-3-Clause
//
// Sections begin with "## "; their scripts stand between backticks in lines that begin with "- ".
#include "tests/interop/differential/listed.h"

#include <sstream>

namespace millrace::differential {

Listed read_list(const std::string& text) {
  Listed listed;
  std::istringstream in(text);
  std::string section;
  bool has_place = true;
  const auto end_section = [&] {
    if (!has_place && section != "Left out")
      listed.faults.push_back("'" + section + "' names no section of an RFC");
  };
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) {
      end_section();
      section = line.substr(3);
      has_place = false;
    }
    has_place |= line.find("§") != std::string::npos;
    if (!line.starts_with("- ")) continue;
    for (std::size_t at = line.find('`'); at != std::string::npos; at = line.find('`', at)) {
      const std::size_t end = line.find('`', at + 1);
      if (end == std::string::npos) break;
      const std::string name = line.substr(at + 1, end - at - 1);
      if (section == "Left out") {
        listed.left_out.insert(name);
      } else if (!listed.section_of.emplace(name, section).second) {
        listed.faults.push_back(name + " is listed twice");
      }
      at = end + 1;
    }
  }
  end_section();
  return listed;
}

}  // namespace millrace::differential
