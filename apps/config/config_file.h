// SPDX-License-Identifier: BSD-3-Clause
//
// A TOML file whose keys are the names of options: at the top for every command that has them, or
// in a table named after one command, which is stronger. Arrays are for options that may be
// repeated.
//
//   device = "net_tap0,iface=mr0"
//   address = ["198.18.0.2/24", "2001:2::2/64"]
//   [serve]
//   listen = 80
//   [slo]              # of an option with words KEY=VALUE
//   ttlb.p99 = "2ms"
//   [[job]]            # one of several loads; what it does not say is taken from the top
//   name = "pages"
//   rate = "2k"
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "apps/config/options.h"

namespace millrace {

struct FileValue {
  std::string origin;  // "FILE:LINE:COLUMN: KEY"
  std::vector<std::string> words;
};
/// By option name.
using FileValues = std::map<std::string, FileValue>;
/// A [[job]] table.
struct JobValues {
  std::string name;
  FileValues values;
};

/// What the file says to `command`. Keys that no command knows, or values of a wrong shape, are
/// errors with their place, also in the tables of other commands. [[job]] tables go to `jobs`.
[[nodiscard]] Result<FileValues> read_config_file(const std::string& path, const Command& command,
                                                  std::span<const Command> commands,
                                                  std::vector<JobValues>* jobs = nullptr);
/// The same from text; `name` stands for the file in errors.
[[nodiscard]] Result<FileValues> parse_config_text(const std::string& text, const std::string& name,
                                                   const Command& command,
                                                   std::span<const Command> commands,
                                                   std::vector<JobValues>* jobs = nullptr);

}  // namespace millrace
