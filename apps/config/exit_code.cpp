// SPDX-License-Identifier: BSD-3-Clause
//
// Errors as the operator sees them: one line on stderr.
#include "apps/config/exit_code.h"

#include <cstdio>

namespace millrace {

int exit_code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return kExitUsage;
    case ErrorKind::environment:
      return kExitEnvironment;
    case ErrorKind::failed:
      return kExitFailed;
  }
  return kExitFailed;
}

std::string to_line(const Error& error) {
  if (error.hint.empty()) return error.sentence;
  // One line, so one sentence: a full stop between the two would make it two.
  const std::size_t end = error.sentence.find_last_not_of('.') + 1;
  return error.sentence.substr(0, end) + "; " + error.hint;
}

int report_error(const Error& error) {
  std::fflush(stdout);
  std::fprintf(stderr, "millrace: %s\n", to_line(error).c_str());
  return exit_code_of(error.kind);
}

}  // namespace millrace
