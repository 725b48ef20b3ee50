// SPDX-License-Identifier: BSD-3-Clause
//
// One binary: finds the command, gives it its options, and turns what it returns into an exit code.
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "apps/config/command_line.h"
#include "apps/config/exit_code.h"

namespace millrace {
namespace {

int run(int argc, char** argv) {
  std::vector<Command> commands = all_commands();
  const std::vector<std::string> args(argv + 1, argv + argc);
  return run_command_line(args, commands, version_text());
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  try {
    return millrace::run(argc, argv);
  } catch (const std::bad_alloc&) {
    return millrace::report_error({millrace::ErrorKind::environment, "there is not enough memory",
                                   "lower --max-connections, or see what uses it: free -m"});
  } catch (const std::exception& error) {
    return millrace::report_error({millrace::ErrorKind::failed, error.what(), ""});
  }
}
