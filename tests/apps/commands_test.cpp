// SPDX-License-Identifier: BSD-3-Clause
//
// What every command promises of its options: examples that parse, and keys that a file may have.
#include "apps/commands.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "apps/config/command_line.h"
#include "apps/config/config_file.h"
#include "apps/config/exit_code.h"

namespace millrace {
namespace {

// The words of an example as a shell would see them: no quotes in it, a backslash joins lines.
std::vector<std::string> words_of(const std::string& example) {
  std::vector<std::string> words;
  std::istringstream text(example);
  for (std::string word; text >> word;) {
    if (word != "\\") words.push_back(word);
  }
  return words;
}

Environment no_environment() {
  return [](const std::string&) { return std::optional<std::string>(); };
}

TEST(Commands, ExamplesAreUnderstood) {
  std::vector<Command> commands = all_commands();
  for (const Command& command : commands) {
    std::vector<std::string> words = words_of(command.example);
    ASSERT_GE(words.size(), 2U) << command.name;
    EXPECT_EQ(words[0], "millrace");
    EXPECT_EQ(words[1], command.name);
    words.erase(words.begin());
    const auto line = parse_command_line(words, commands, "", no_environment());
    ASSERT_TRUE(line.ok()) << command.name << ": " << to_line(line.error());
    EXPECT_EQ(line.value().command->name, command.name);
  }
}

TEST(Commands, HelpEndsWithTheExample) {
  std::vector<Command> commands = all_commands();
  for (const Command& command : commands) {
    const std::vector<std::string> words{command.name, "--help"};
    const auto line = parse_command_line(words, commands, "", no_environment());
    ASSERT_TRUE(line.ok());
    EXPECT_TRUE(line.value().text.ends_with("Example:\n  " + command.example + "\n"))
        << line.value().text;
    for (const Option& option : command.options.all()) {
      EXPECT_FALSE(option.help.empty()) << command.name << " " << option.name;
      if (!option.positional) {
        EXPECT_NE(line.value().text.find("--" + option.name), std::string::npos);
      }
    }
  }
}

// One file serves several commands, so a name means the same wherever it is found.
TEST(Commands, SharedNamesTakeTheSameValues) {
  std::map<std::string, std::pair<Option::Kind, std::string>> seen;
  for (const Command& command : all_commands()) {
    for (const Option& option : command.options.all()) {
      if (option.name == "json" || option.name == "name")
        continue;  // a file of results; whom to ask
      const auto [found, is_new] =
          seen.try_emplace(option.name, std::pair(option.kind, option.value_name));
      EXPECT_TRUE(is_new || found->second == std::pair(option.kind, option.value_name))
          << command.name << " " << option.name;
    }
  }
}

TEST(Commands, VersionSaysWhatThisIs) {
  const std::string text = version_text();
  for (const char* word : {"millrace ", "compiler: ", "DPDK ", "features: "}) {
    EXPECT_NE(text.find(word), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace millrace
