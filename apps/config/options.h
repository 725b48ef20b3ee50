// SPDX-License-Identifier: BSD-3-Clause
//
// What a command can be told, declared once: each option is a flag (--max-connections), an
// environment variable (MILLRACE_MAX_CONNECTIONS) and a key of the configuration file
// (max-connections = "100k"), read by one parser into one variable. And what a command is: a name,
// options, and a function.
//
//   Command serve_command() {
//     auto o = std::make_shared<ServeOptions>();
//     Command c{"serve", "An HTTP/1.1 test server", "millrace serve ..."};
//     c.options.value("duration", "TIME", "how long to run", o->duration, parse_duration_word);
//     c.run = [o] { return run_serve(*o); };
//     return c;
//   }
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/config/parse_value.h"
#include "tcp/base/result.h"

namespace millrace {

struct Option {
  enum class Kind : unsigned char { toggle, value, repeated };

  std::string name;        // as after the two dashes
  std::string letter;      // a short form after one dash; usually none
  std::string value_name;  // what stands for the value in the help; empty for a toggle
  std::string help;
  std::string group;  // the heading in the help
  Kind kind = Kind::value;
  bool positional = false;
  bool pairs = false;       // repeated, of words KEY=VALUE: in a file a table of its own
  bool has_spaces = false;  // repeated; in the environment a line each, not a word each
  /// Takes one word. `first` is true for the first word of a source: a repeated option forgets then
  /// what a weaker source or the default had put there.
  std::function<Status(std::string_view word, bool first)> set;
};

class OptionSet {
 public:
  /// Options declared from here on stand under this heading in the help.
  void heading(std::string text) { heading_ = std::move(text); }

  /// `parse` is Result<U>(std::string_view) with U assignable to T.
  template <typename T, typename Parse>
  void value(std::string name, std::string value_name, std::string help, T& target, Parse parse) {
    Option& o = add(std::move(name), std::move(value_name), std::move(help), Option::Kind::value);
    o.set = [&target, parse](std::string_view word, bool) -> Status {
      auto result = parse(word);
      if (!result) return result.error();
      target = static_cast<T>(std::move(result).value());
      return Ok{};
    };
  }

  /// Every occurrence appends to `target`.
  template <typename T, typename Parse>
  void repeated(std::string name, std::string value_name, std::string help, std::vector<T>& target,
                Parse parse) {
    Option& o =
        add(std::move(name), std::move(value_name), std::move(help), Option::Kind::repeated);
    o.set = [&target, parse](std::string_view word, bool first) -> Status {
      auto result = parse(word);
      if (!result) return result.error();
      if (first) target.clear();
      target.push_back(std::move(result).value());
      return Ok{};
    };
  }

  /// The same with words KEY=VALUE (--slo ttlb.p99=2ms), which a file has as a table of its own:
  /// [slo] with ttlb.p99 = "2ms".
  template <typename T, typename Parse>
  void pairs(std::string name, std::string value_name, std::string help, std::vector<T>& target,
             Parse parse) {
    repeated(std::move(name), std::move(value_name), std::move(help), target, parse);
    options_.back().pairs = true;
  }

  /// Of the option declared last: its words have spaces in them.
  void has_spaces() { options_.back().has_spaces = true; }

  /// A short form of the option declared last: -o for --output.
  void letter(std::string letter) { options_.back().letter = std::move(letter); }

  /// A flag without a value.
  void toggle(std::string name, std::string help, bool& target, std::string letter = "");

  /// One word without dashes: `millrace load URL`.
  template <typename T, typename Parse>
  void positional(std::string name, std::string value_name, std::string help, T& target,
                  Parse parse) {
    value(std::move(name), std::move(value_name), std::move(help), target, parse);
    options_.back().positional = true;
  }

  /// Any number of words without dashes: `millrace merge A B C`.
  template <typename T, typename Parse>
  void positionals(std::string name, std::string value_name, std::string help,
                   std::vector<T>& target, Parse parse) {
    repeated(std::move(name), std::move(value_name), std::move(help), target, parse);
    options_.back().positional = true;
  }

  [[nodiscard]] const std::vector<Option>& all() const { return options_; }
  [[nodiscard]] const Option* find(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  Option& add(std::string name, std::string value_name, std::string help, Option::Kind kind);

  std::vector<Option> options_;
  std::string heading_ = "Options";
};

/// For values that are taken as they are.
[[nodiscard]] Result<std::string> parse_text(std::string_view word);

/// Parsers with bounds, for OptionSet.
[[nodiscard]] inline auto count_between(std::uint64_t least, std::uint64_t most) {
  return [least, most](std::string_view word) { return parse_count(word, least, most); };
}
[[nodiscard]] inline auto duration_between(Duration least, Duration most) {
  return [least, most](std::string_view word) { return parse_duration(word, least, most); };
}
/// `names` in the order of the enumeration's values.
template <typename Enum>
[[nodiscard]] auto choice_of(std::vector<std::string> names) {
  return [names = std::move(names)](std::string_view word) -> Result<Enum> {
    auto index = parse_choice(word, names);
    if (!index) return index.error();
    return static_cast<Enum>(index.value());
  };
}
/// Makes a parser of the overloaded parse_duration and parse_count without bounds.
[[nodiscard]] inline Result<Duration> parse_any_duration(std::string_view word) {
  return parse_duration(word);
}
[[nodiscard]] inline Result<std::uint64_t> parse_any_count(std::string_view word) {
  return parse_count(word);
}

/// One [[job]] of a file: its own options, and where its values go.
struct JobOptions {
  std::string name;
  OptionSet options;
};

/// What a command would need, against what is there: for `millrace check`.
struct CheckLine {
  bool good = true;
  std::string text;
};

struct Command {
  std::string name;
  std::string summary;  // one line, without a stop at its end
  std::string example;  // ends the help; a line that works when typed
  OptionSet options;
  /// Where a file may have several [[job]] tables: makes the next one, with all defaults; it lives
  /// as long as the command. Called with an empty name for a look at what keys there are.
  std::function<JobOptions&(const std::string& name)> add_job = {};
  /// The word without dashes may be the name of a TOML file, which is read as by --config.
  bool takes_file = false;
  /// With all options set, as run, which starts nothing.
  std::function<Result<std::vector<CheckLine>>()> check = {};
  /// Called with all options set. An exit code, or an error that becomes one.
  std::function<Result<int>()> run = {};
};

}  // namespace millrace
