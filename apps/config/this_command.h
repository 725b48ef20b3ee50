// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of this process, as one would type it again: a result names it.
#pragma once

#include <span>
#include <string>

namespace millrace {

/// Words for a shell, quoted where they have to be.
[[nodiscard]] std::string shell_line(std::span<const std::string> words);

/// The words this process was started with, the program by its last name. Empty if the kernel does
/// not tell.
[[nodiscard]] std::string this_command();

}  // namespace millrace
