// SPDX-License-Identifier: BSD-3-Clause
//
// `millrace ss`: the connections of a running instance, in the manner of ss(8). Half-open and
// TIME_WAIT entries are counted (-s), not listed.
#pragma once

#include <string>

#include "apps/config/options.h"

namespace millrace::inspect {

[[nodiscard]] Command ss_command();

/// The control socket of the instance called `name`, or of the only one that runs if `name` is
/// empty.
[[nodiscard]] Result<std::string> find_instance(const std::string& name);
/// A summary reply as `ss -s` prints it.
[[nodiscard]] std::string summary_text(const std::string& reply);
/// A slice of connections, one line each; `state` empty: all. `details` adds a second line each.
[[nodiscard]] std::string connections_text(const std::string& reply, const std::string& state,
                                           bool details);
[[nodiscard]] std::string connections_header();

}  // namespace millrace::inspect
