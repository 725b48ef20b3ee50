// SPDX-License-Identifier: BSD-3-Clause
//
// TOML into words for the parsers of options. Numbers keep their value, not their spelling: 0x10 is
// the word 16.
#include "apps/config/config_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "apps/config/suggest.h"

namespace millrace {
namespace {

struct Reader {
  const std::string& name;
  std::span<const Command> commands;

  [[nodiscard]] std::string place(const toml::source_region& source) const {
    return fmt::format("{}:{}:{}", name, source.begin.line, source.begin.column);
  }
};

Error file_error(const std::string& place, std::string_view what, std::string hint = "") {
  return {ErrorKind::usage, fmt::format("{}: {}", place, what), std::move(hint)};
}

std::string option_name(std::string_view key) {
  std::string name(key);
  for (char& c : name) c = c == '_' ? '-' : c;
  return name;
}

const Command* find_command(std::span<const Command> commands, std::string_view name) {
  for (const Command& command : commands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

// Whether a table of this name is an option's of some command.
bool has_pairs(std::span<const Command> commands, std::string_view name) {
  return std::any_of(commands.begin(), commands.end(), [&](const Command& command) {
    const Option* option = command.options.find(name);
    return option != nullptr && option->pairs;
  });
}

// All option names of the commands given, for suggestions, and their tables' names.
std::vector<std::string> all_names(std::span<const Command> commands, bool tables) {
  std::vector<std::string> names;
  for (const Command& command : commands) {
    for (const Option& option : command.options.all()) names.push_back(option.name);
    if (tables) names.push_back(command.name);
  }
  return names;
}

Result<std::string> word_of(const Reader& reader, const std::string& key, const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* yes = node.as_boolean()) return std::string(yes->get() ? "true" : "false");
  return file_error(
      reader.place(node.source()),
      fmt::format("{} has a value of no use: expected text, a number, true or false", key));
}

// A table as words KEY=VALUE; of tables in it the keys are joined by dots: p99 in ttlb is ttlb.p99.
Status add_pairs(const Reader& reader, const std::string& before, const toml::table& table,
                 std::vector<std::string>& words) {
  for (const auto& [key, node] : table) {
    const std::string path = before + std::string(key.str());
    if (const toml::table* inner = node.as_table()) {
      if (auto good = add_pairs(reader, path + '.', *inner, words); !good) return good;
      continue;
    }
    auto word = word_of(reader, path, node);
    if (!word) return word.error();
    words.push_back(path + '=' + word.value());
  }
  return Ok{};
}

Result<FileValue> value_of(const Reader& reader, const Option& option, const toml::node& node) {
  FileValue value{fmt::format("{}: {}", reader.place(node.source()), option.name), {}};
  if (const toml::table* pairs = node.as_table(); pairs != nullptr && option.pairs) {
    auto good = add_pairs(reader, "", *pairs, value.words);
    if (!good) return good.error();
    return value;
  }
  const toml::array* array = node.as_array();
  if (array == nullptr) {
    auto word = word_of(reader, option.name, node);
    if (!word) return word.error();
    value.words.push_back(std::move(word).value());
    return value;
  }
  if (option.kind != Option::Kind::repeated) {
    return file_error(reader.place(node.source()),
                      fmt::format("{} has several values: expected one", option.name));
  }
  for (const toml::node& element : *array) {
    auto word = word_of(reader, option.name, element);
    if (!word) return word.error();
    value.words.push_back(std::move(word).value());
  }
  return value;
}

Error unknown_key(const Reader& reader, const toml::source_region& source, std::string_view key,
                  std::span<const std::string> names, std::string_view where) {
  return file_error(reader.place(source),
                    fmt::format("'{}' is no key of {}: expected the name of an option", key, where),
                    did_you_mean(option_name(key), names));
}

// The keys of [COMMAND], or of the top of the file as `command` sees it.
Status read_table(const Reader& reader, const toml::table& table, const Command& command,
                  bool at_top, FileValues& values) {
  for (const auto& [key, node] : table) {
    const std::string name = option_name(key.str());
    const Option* option = command.options.find(name);
    if (at_top && key.str() == "job" && node.is_array_of_tables()) continue;
    if (at_top && option == nullptr) {
      if (node.is_table() && find_command(reader.commands, key.str()) != nullptr) continue;
      // Of another command: its spelling is checked there, its value when that command runs.
      const auto names = all_names(reader.commands, /*tables=*/true);
      const bool may_be = !node.is_table() || has_pairs(reader.commands, name);
      if (std::find(names.begin(), names.end(), name) != names.end() && may_be) continue;
      return unknown_key(reader, key.source(), key.str(), names, "any command");
    }
    if (option == nullptr) {
      const auto names = command.options.names();
      return unknown_key(reader, key.source(), key.str(), names, "[" + command.name + "]");
    }
    auto value = value_of(reader, *option, node);
    if (!value) return value.error();
    values[name] = std::move(value).value();
  }
  return Ok{};
}

/// One [[job]]: keys of a job's own options, and its name.
Result<JobValues> read_job(const Reader& reader, const toml::table& table, const OptionSet& options,
                           std::size_t number) {
  JobValues job;
  job.name = fmt::format("job{}", number);
  for (const auto& [key, node] : table) {
    const std::string name = option_name(key.str());
    if (name == "name") {
      auto word = word_of(reader, name, node);
      if (!word) return word.error();
      job.name = std::move(word).value();
      continue;
    }
    const Option* option = options.find(name);
    if (option == nullptr) {
      auto names = options.names();
      names.emplace_back("name");
      return unknown_key(reader, key.source(), key.str(), names, "[[job]]");
    }
    auto value = value_of(reader, *option, node);
    if (!value) return value.error();
    job.values[name] = std::move(value).value();
  }
  return job;
}

Status read_jobs(const Reader& reader, const toml::table& table, const Command& command,
                 std::vector<JobValues>* jobs) {
  const toml::array* array = table["job"].as_array();
  if (array == nullptr || !array->is_array_of_tables()) return Ok{};
  if (!command.add_job) return Ok{};  // of another command
  const OptionSet& options = command.add_job("").options;
  for (const toml::node& element : *array) {
    auto job =
        read_job(reader, *element.as_table(), options, jobs == nullptr ? 1 : jobs->size() + 1);
    if (!job) return job.error();
    if (jobs == nullptr) continue;
    for (const JobValues& other : *jobs) {
      if (other.name != job.value().name) continue;
      return file_error(reader.place(element.source()),
                        fmt::format("there are two jobs of the name '{}'", other.name),
                        "give each a name of its own");
    }
    jobs->push_back(std::move(job).value());
  }
  return Ok{};
}

}  // namespace

Result<FileValues> parse_config_text(const std::string& text, const std::string& name,
                                     const Command& command, std::span<const Command> commands,
                                     std::vector<JobValues>* jobs) {
  const Reader reader{name, commands};
  toml::table table;
  try {
    table = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    return file_error(reader.place(error.source()), error.description());
  }
  FileValues values;
  if (auto good = read_table(reader, table, command, true, values); !good) return good.error();
  for (const Command& other : commands) {
    const toml::table* own = table[other.name].as_table();
    if (own == nullptr) continue;
    FileValues ignored;
    FileValues& into = other.name == command.name ? values : ignored;
    if (auto good = read_table(reader, *own, other, false, into); !good) return good.error();
  }
  if (auto good = read_jobs(reader, table, command, jobs); !good) return good.error();
  return values;
}

Result<FileValues> read_config_file(const std::string& path, const Command& command,
                                    std::span<const Command> commands,
                                    std::vector<JobValues>* jobs) {
  std::ifstream file(path);
  if (!file) {
    return Error{
        ErrorKind::environment,
        fmt::format("the configuration file {} cannot be read: {}", path, std::strerror(errno)),
        fmt::format("look with: ls -l {}", path)};
  }
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return parse_config_text(text, path, command, commands, jobs);
}

}  // namespace millrace
