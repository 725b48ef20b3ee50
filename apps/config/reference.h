// SPDX-License-Identifier: BSD-3-Clause
//
// The configuration reference: every key of every command, made from the declarations that the
// parser itself reads. CONFIGURATION.md holds it, and a test holds that file to it.
#pragma once

#include <span>
#include <string>

#include "apps/config/options.h"

namespace millrace {

/// Markdown: one table for each heading, with the commands that know a key.
[[nodiscard]] std::string reference_text(std::span<const Command> commands);

}  // namespace millrace
