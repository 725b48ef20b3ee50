// SPDX-License-Identifier: BSD-3-Clause
//
// A file is read exactly as the command that it is for would read it, up to the moment before that
// starts.
#include "apps/check.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "apps/config/command_line.h"
#include "apps/config/exit_code.h"

namespace millrace {
namespace {

struct Options {
  std::string file;
  std::string command = "load";
};

Result<int> check(const Options& o, std::vector<Command> commands) {
  if (o.file.empty()) {
    return Error{ErrorKind::usage, "check expects a TOML file", "try millrace check job.toml"};
  }
  const std::vector<std::string> words{o.command, "--config", o.file};
  const auto line = parse_command_line(words, commands, "", process_environment());
  if (!line) return line.error();
  const Command& command = *line.value().command;
  fmt::print("{}: every key and value is one that millrace {} takes\n", o.file, command.name);
  if (!command.check) return static_cast<int>(kExitGood);
  const auto lines = command.check();
  if (!lines) return lines.error();
  bool good = true;
  for (const CheckLine& found : lines.value()) {
    fmt::print("{:<5} {}\n", found.good ? "ok" : "FAIL", found.text);
    good = good && found.good;
  }
  return static_cast<int>(good ? kExitGood : kExitEnvironment);
}

}  // namespace

Command check_command(std::function<std::vector<Command>()> others) {
  auto o = std::make_shared<Options>();
  Command command;
  command.name = "check";
  command.summary = "a configuration, and what it would need, without starting anything";
  command.example = "millrace check job.toml";
  command.options.heading("Configuration");
  command.options.positional("file", "FILE", "a TOML file, as --config would take it", o->file,
                             parse_text);
  command.options.value("for", "COMMAND", "the command that it is for (default load)", o->command,
                        parse_text);
  command.run = [o, others = std::move(others)] { return check(*o, others()); };
  return command;
}

}  // namespace millrace
