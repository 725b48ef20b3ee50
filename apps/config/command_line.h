// SPDX-License-Identifier: BSD-3-Clause
//
// From the words of a command line to a command with its options set. Each option is taken from the
// strongest of its sources: flag, environment, the file that --config (or MILLRACE_CONFIG) names,
// its default. An error names the source: "--mtu", "MILLRACE_MTU" or "FILE:LINE:COLUMN: mtu".
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/config/options.h"

namespace millrace {

/// Looks up one environment variable.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
[[nodiscard]] Environment process_environment();

struct CommandLine {
  Command* command = nullptr;  // to be run; null if `text` answers already
  std::string text;            // the help, the version or the reference
};

/// `args` without the program's name. Errors are of kind usage, or environment if the configuration
/// file cannot be read.
[[nodiscard]] Result<CommandLine> parse_command_line(std::span<const std::string> args,
                                                     std::vector<Command>& commands,
                                                     const std::string& version_text,
                                                     const Environment& environment);

/// Parses, watches for signals, runs and reports. Returns the exit code.
[[nodiscard]] int run_command_line(std::span<const std::string> args,
                                   std::vector<Command>& commands, const std::string& version_text);
/// The same for a program with one command, whose name may be left out.
[[nodiscard]] int run_one_command(Command command, const std::string& version_text, int argc,
                                  char** argv);

/// "max-connections" to "MILLRACE_MAX_CONNECTIONS".
[[nodiscard]] std::string environment_name(const std::string& option);

}  // namespace millrace
