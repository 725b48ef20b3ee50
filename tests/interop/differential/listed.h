// SPDX-License-Identifier: BSD-3-Clause
//
// The list of known differences, tests/interop/differential/differences.md: sections that say what
// differs and why, each with the scripts that show it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace millrace::differential {

struct Listed {
  /// The section that names a script, "fin/active_close" or, for one family alone,
  /// "fin/active_close v6".
  std::map<std::string, std::string> section_of;
  std::set<std::string> left_out;   // by the section "Left out": nobody plays them
  std::vector<std::string> faults;  // sections without a place in an RFC, scripts named twice
};

[[nodiscard]] Listed read_list(const std::string& text);

}  // namespace millrace::differential
