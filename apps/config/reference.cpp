// SPDX-License-Identifier: BSD-3-Clause
//
// Keys that several commands share stand once, with the names of those commands.
#include "apps/config/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "apps/config/command_line.h"

namespace millrace {
namespace {

constexpr std::string_view kIntroduction =
    "# Configuration\n"
    "\n"
    "Made by `millrace --reference` from the options themselves. Each key is a flag "
    "(`--max-connections 1M`),\n"
    "an environment variable (`MILLRACE_MAX_CONNECTIONS=1M`) and a key of the TOML file that "
    "`--config FILE`\n"
    "or `MILLRACE_CONFIG` names. The strongest source counts: flag, environment, file, default. In "
    "the file a\n"
    "key at the top is for every command that has it, one in a table for that command alone; a "
    "list "
    "is for keys\n"
    "that may be repeated:\n"
    "\n"
    "```toml\n"
    "device = \"net_tap0,iface=mr0\"\n"
    "address = [\"198.18.0.2/24\", \"2001:2::2/64\"]\n"
    "\n"
    "[serve]\n"
    "listen = 80\n"
    "\n"
    "[slo]\n"
    "ttlb.p99 = \"2ms\"\n"
    "\n"
    "[[job]]\n"
    "name = \"pages\"\n"
    "rate = \"2k\"\n"
    "```\n"
    "\n"
    "Several `[[job]]` tables make several loads of one run of `load` or `loopback`, each "
    "with keys under\n"
    "Load, Requests and Time and a name of its own; what a job does not say is as at the top.\n"
    "\n"
    "Numbers take `k`, `M` and `G`, sizes `KiB`, `MiB` and `GiB`, times `us`, `ms`, `s`, `m` and "
    "`h`. A key that no\n"
    "command knows, or a value that does not fit, is an error with its line and column.\n";

struct Row {
  const Option* option;
  std::vector<std::string> commands;
};

std::string key_text(const Option& option) {
  const std::string name = option.positional ? option.value_name : option.name;
  if (option.kind == Option::Kind::toggle) return fmt::format("`{}`", name);
  if (option.positional && option.kind == Option::Kind::repeated) {
    return fmt::format("`{}` (words without dashes)", name);
  }
  if (option.positional) return fmt::format("`{}` (a word without dashes)", name);
  return fmt::format("`{}` {}", name, option.value_name);
}

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.insert(at, 1, '\\');
  }
  return text;
}

}  // namespace

std::string reference_text(std::span<const Command> commands) {
  std::vector<std::string> headings;
  std::vector<Row> rows;
  for (const Command& command : commands) {
    for (const Option& option : command.options.all()) {
      if (std::find(headings.begin(), headings.end(), option.group) == headings.end()) {
        headings.push_back(option.group);
      }
      const auto same = std::find_if(rows.begin(), rows.end(), [&](const Row& row) {
        return row.option->name == option.name && row.option->help == option.help &&
               row.option->group == option.group;
      });
      if (same != rows.end()) {
        same->commands.push_back(command.name);
      } else {
        rows.push_back({&option, {command.name}});
      }
    }
  }
  std::string text(kIntroduction);
  for (const std::string& heading : headings) {
    text += fmt::format("\n## {}\n\n| Key | Of | Meaning |\n|---|---|---|\n", heading);
    for (const Row& row : rows) {
      if (row.option->group != heading) continue;
      text += fmt::format("| {} | {} | {} |\n", cell(key_text(*row.option)),
                          fmt::join(row.commands, ", "), cell(row.option->help));
    }
  }
  return text;
}

}  // namespace millrace
