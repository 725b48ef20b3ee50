// SPDX-License-Identifier: BSD-3-Clause
//
// `millrace check FILE`: what is wrong with a configuration, with file, line and column, and what
// it would need against what is there. Starts nothing.
#pragma once

#include <functional>
#include <vector>

#include "apps/config/options.h"

namespace millrace {

/// `others`: makes the commands that a file may be for.
[[nodiscard]] Command check_command(std::function<std::vector<Command>()> others);

}  // namespace millrace
