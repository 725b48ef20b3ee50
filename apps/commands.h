// SPDX-License-Identifier: BSD-3-Clause
//
// Everything that `millrace` can do. A new command is one line in commands.cpp.
#pragma once

#include <string>
#include <vector>

#include "apps/config/options.h"

namespace millrace {

/// In the order of the help.
[[nodiscard]] std::vector<Command> all_commands();
/// Version, compiler, dataplane and features, a line each.
[[nodiscard]] std::string version_text();

}  // namespace millrace
