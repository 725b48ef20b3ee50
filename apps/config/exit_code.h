// SPDX-License-Identifier: BSD-3-Clause
//
// What the process says to its caller when it ends. Scripts branch on these numbers; they are part
// of the interface and do not change.
#pragma once

#include <string>

#include "tcp/base/result.h"

namespace millrace {

enum ExitCode : int {
  kExitGood = 0,
  kExitFailed = 1,         // went wrong while running
  kExitUsage = 2,          // command line or configuration
  kExitEnvironment = 3,    // device, memory or permission
  kExitVerdict = 4,        // ran, but a threshold or a validity rule was missed
  kExitInterrupted = 130,  // Ctrl-C: results so far were written
};

[[nodiscard]] int exit_code_of(ErrorKind kind);

/// Sentence and hint in one line, without newline.
[[nodiscard]] std::string to_line(const Error& error);
/// Prints "millrace: ..." on stderr and returns the exit code that belongs to the error.
int report_error(const Error& error);

}  // namespace millrace
