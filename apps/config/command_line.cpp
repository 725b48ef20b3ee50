// SPDX-License-Identifier: BSD-3-Clause
//
// CLI11 splits the words and writes the help; which source counts, and what an error says, is ours.
#include "apps/config/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "apps/config/config_file.h"
#include "apps/config/exit_code.h"
#include "apps/config/interrupt.h"
#include "apps/config/reference.h"
#include "apps/config/suggest.h"

namespace millrace {
namespace {

Error usage(std::string sentence, std::string hint) {
  return {ErrorKind::usage, std::move(sentence), std::move(hint)};
}

std::vector<std::string> command_names(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const Command& command : commands) names.push_back(command.name);
  return names;
}

std::string overview(const std::vector<Command>& commands) {
  std::string text = "Usage: millrace COMMAND [OPTIONS]\n\nCommands:\n";
  for (const Command& command : commands) {
    text += fmt::format("  {:<12}{}\n", command.name, command.summary);
  }
  text +=
      "\nOptions:\n  --help      this text; millrace COMMAND --help for one command\n"
      "  --version   version, compiler, DPDK and features\n"
      "  --reference every key of every command, as Markdown\n";
  if (!commands.empty()) text += "\nExample:\n  " + commands.front().example + "\n";
  return text;
}

// One command's options as CLI11 sees them; the words stay in CLI11's options.
class Splitter {
 public:
  explicit Splitter(const Command& command)
      : command_(command), app_(command.summary, "millrace " + command.name) {
    app_.allow_extras();
    app_.footer(
        "\nEvery option is also an environment variable (--max-connections is\n"
        "MILLRACE_MAX_CONNECTIONS) and a key of the file given by --config.\n"
        "\nExample:\n  " +
        command.example);
    app_.get_formatter()->column_width(34);
    const auto ignore = [](const CLI::results_t&) { return true; };
    for (const Option& option : command.options.all()) {
      const std::string letter = option.letter.empty() ? "" : "-" + option.letter + ",";
      const std::string name = option.positional ? option.name : letter + "--" + option.name;
      CLI::Option* o = option.kind == Option::Kind::toggle
                           ? app_.add_flag(name, option.help)
                           : app_.add_option(name, ignore, option.help)
                                 ->type_name(option.value_name)
                                 ->expected(1)
                                 ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      if (option.positional && option.kind == Option::Kind::repeated) o->expected(-1);
      o->group(option.group);
      options_.push_back(o);
    }
    config_ = app_.add_option("--config", ignore, "a TOML file with the same names as keys")
                  ->type_name("FILE")
                  ->expected(1)
                  ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
                  ->group("Other");
    app_.set_help_flag("-h,--help", "this text")->group("Other");
  }

  // The help, if that was asked for.
  Result<std::string> split(std::span<const std::string> args) {
    std::vector<std::string> reversed(args.rbegin(), args.rend());
    try {
      app_.parse(reversed);
    } catch (const CLI::CallForHelp&) {
      return app_.help();
    } catch (const CLI::ParseError&) {
      return missing_value(args);
    }
    const auto extras = app_.remaining();
    if (!extras.empty()) return unknown(extras.front());
    return std::string();
  }

  [[nodiscard]] std::vector<std::string> words(const std::string& option) const {
    const auto& all = command_.options.all();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].name == option && i != file_) return options_[i]->results();
    }
    return {};
  }
  /// A word without dashes that names a file of configuration instead of what it usually is.
  std::optional<std::string> take_file() {
    for (std::size_t i = 0; i < options_.size(); ++i) {
      if (!command_.takes_file || !command_.options.all()[i].positional) continue;
      const auto words = options_[i]->results();
      if (words.empty() || !words.back().ends_with(".toml")) continue;
      file_ = i;
      return words.back();
    }
    return {};
  }
  [[nodiscard]] std::vector<std::string> config_files() const { return config_->results(); }

 private:
  // CLI11 complains of nothing but an option at the end whose value is missing.
  [[nodiscard]] Error missing_value(std::span<const std::string> args) const {
    const std::string& flag = args.back();
    const auto& all = command_.options.all();
    const auto option = std::find_if(all.begin(), all.end(), [&](const Option& o) {
      return flag == "--" + o.name || flag == "-" + o.letter;
    });
    const std::string value = option == all.end() ? "FILE" : option->value_name;
    return usage(fmt::format("{} has no value: expected {} {}", flag, flag, value),
                 fmt::format("see millrace {} --help", command_.name));
  }

  [[nodiscard]] Error unknown(const std::string& word) const {
    const std::string see = fmt::format("see millrace {} --help", command_.name);
    if (!word.starts_with('-')) {
      return usage(fmt::format("'{}' is one word too many: {} expects options that start with --",
                               word, command_.name),
                   see);
    }
    const std::string flag = word.substr(0, word.find('='));
    auto names = command_.options.names();
    names.insert(names.end(), {"config", "help"});
    const std::string bare = flag.substr(std::min(flag.find_first_not_of('-'), flag.size()));
    const std::string guess = did_you_mean(bare, names, "--");
    return usage(fmt::format("{} is no option of millrace {}: expected one that its help names",
                             flag, command_.name),
                 guess.empty() ? see : guess);
  }

  const Command& command_;
  CLI::App app_;
  std::vector<CLI::Option*> options_;  // in the order of the command's own
  CLI::Option* config_ = nullptr;
  std::size_t file_ = ~std::size_t{0};
};

Status set_option(const Option& option, const std::string& origin,
                  std::span<const std::string> words) {
  // Of a flag that is given twice the later one counts.
  if (option.kind != Option::Kind::repeated && words.size() > 1) words = words.last(1);
  for (std::size_t i = 0; i < words.size(); ++i) {
    auto good = option.set(words[i], i == 0);
    if (good) continue;
    Error error = good.error();
    error.sentence = origin + ": " + error.sentence;
    return error;
  }
  return Ok{};
}

std::vector<std::string> split_at(const std::string& text, const char* spaces) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(spaces, at)) != std::string::npos) {
    const std::size_t end = std::min(text.find_first_of(spaces, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

// A route has a space in it ("10.0.0.0/8,via 198.18.0.1"): words of an environment variable after
// ",via" belong to the word before.
std::vector<std::string> environment_words(const Option& option, const std::string& text) {
  if (option.kind != Option::Kind::repeated) return {text};
  if (option.has_spaces) return split_at(text, "\n");
  std::vector<std::string> words;
  for (const std::string& word : split_at(text, " \t\n")) {
    if (!words.empty() && words.back().ends_with(",via")) {
      words.back() += " " + word;
    } else {
      words.push_back(word);
    }
  }
  return words;
}

Status set_all(const OptionSet& options, const Splitter& splitter, const FileValues& file,
               const Environment& environment) {
  for (const Option& option : options.all()) {
    const std::string variable = environment_name(option.name);
    Status good = Ok{};
    if (const auto words = splitter.words(option.name); !words.empty()) {
      good = set_option(option, option.positional ? option.value_name : "--" + option.name, words);
    } else if (const auto text = environment(variable)) {
      good = set_option(option, variable, environment_words(option, *text));
    } else if (const auto found = file.find(option.name); found != file.end()) {
      good = set_option(option, found->second.origin, found->second.words);
    }
    if (!good) return good;
  }
  return Ok{};
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return {};
    return std::string(value);
  };
}

std::string environment_name(const std::string& option) {
  std::string name = "MILLRACE_" + option;
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<int>(c)));
  return name;
}

Result<CommandLine> parse_command_line(std::span<const std::string> args,
                                       std::vector<Command>& commands,
                                       const std::string& version_text,
                                       const Environment& environment) {
  if (args.empty()) {
    return usage("no command was given: expected millrace COMMAND [OPTIONS]",
                 "see millrace --help");
  }
  const std::string& first = args.front();
  if (first == "--help" || first == "-h" || first == "help") {
    return CommandLine{nullptr, overview(commands)};
  }
  if (first == "--version" || first == "-V") return CommandLine{nullptr, version_text};
  if (first == "--reference") return CommandLine{nullptr, reference_text(commands)};
  const auto command = std::find_if(commands.begin(), commands.end(),
                                    [&](const Command& c) { return c.name == first; });
  if (command == commands.end()) {
    std::vector<std::string> names = command_names(commands);
    if (first.starts_with('-')) names = {"--help", "--version", "--reference"};
    std::string guess = did_you_mean(first, names);
    return usage(fmt::format("'{}' is no command: expected {}", first, fmt::join(names, ", ")),
                 guess.empty() ? "see millrace --help" : std::move(guess));
  }

  Splitter splitter(*command);
  auto help = splitter.split(args.subspan(1));
  if (!help) return help.error();
  if (!help.value().empty()) return CommandLine{nullptr, help.value()};
  FileValues file;
  std::vector<JobValues> jobs;
  const auto given = splitter.config_files();
  auto path = given.empty() ? environment("MILLRACE_CONFIG") : std::optional(given.back());
  if (auto named = splitter.take_file()) {
    if (!given.empty()) {
      return usage(fmt::format("{} and --config {}: expected one file", *named, given.back()), "");
    }
    path = std::move(named);
  }
  if (path) {
    auto values = read_config_file(*path, *command, commands, &jobs);
    if (!values) return values.error();
    file = std::move(values).value();
  }
  if (auto good = set_all(command->options, splitter, file, environment); !good) {
    return good.error();
  }
  for (const JobValues& job : jobs) {
    // What it does not say itself is as for the only job.
    FileValues values = job.values;
    values.insert(file.begin(), file.end());
    const OptionSet& options = command->add_job(job.name).options;
    if (auto good = set_all(options, splitter, values, environment); !good) return good.error();
  }
  return CommandLine{&*command, ""};
}

int run_command_line(std::span<const std::string> args, std::vector<Command>& commands,
                     const std::string& version_text) {
  auto line = parse_command_line(args, commands, version_text, process_environment());
  if (!line) return report_error(line.error());
  if (line.value().command == nullptr) {
    std::fputs(line.value().text.c_str(), stdout);
    return kExitGood;
  }
  watch_signals();
  const auto code = line.value().command->run();
  return code ? code.value() : report_error(code.error());
}

int run_one_command(Command command, const std::string& version_text, int argc, char** argv) {
  std::vector<Command> commands{std::move(command)};
  const std::string& name = commands.front().name;
  std::vector<std::string> args(argv + 1, argv + argc);
  if (args.empty() || args.front() != name) args.insert(args.begin(), name);
  return run_command_line(args, commands, version_text);
}

}  // namespace millrace
