// SPDX-License-Identifier: BSD-3-Clause
//
// Every *.script below tests/conformance/scripts, for IPv4 and for IPv6. Runs from the root of the
// sources, as both builds do.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/conformance/player/player.h"
#include "tests/conformance/player/script.h"

namespace millrace::script {
namespace {

constexpr const char* kFolder = "tests/conformance/scripts";

struct Case {
  std::string path;
  bool ipv6 = false;
};

[[nodiscard]] std::vector<Case> all_cases() {
  std::vector<Case> cases;
  std::error_code none;
  for (std::filesystem::recursive_directory_iterator i(kFolder, none), end; i != end; ++i) {
    if (i->path().extension() != ".script") continue;
    for (const bool ipv6 : {false, true}) cases.push_back({i->path().string(), ipv6});
  }
  std::ranges::sort(cases, {}, [](const Case& c) { return std::pair(c.path, c.ipv6); });
  return cases;
}

/// "rst/in_window.script" for IPv6 is rst_in_window_v6.
[[nodiscard]] std::string name_of(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.path.substr(std::string(kFolder).size() + 1);
  name = name.substr(0, name.find('.'));
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name + (info.param.ipv6 ? "_v6" : "_v4");
}

class Scripts : public testing::TestWithParam<Case> {};

TEST_P(Scripts, Hold) {
  try {
    const Script script = load_script(GetParam().path, GetParam().ipv6);
    const std::string trouble = play(script, GetParam().ipv6);
    EXPECT_TRUE(trouble.empty()) << trouble;
  } catch (const ParseError& error) {
    ADD_FAILURE() << error.what();
  }
}

// Run from elsewhere there are none; the test below says so.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Scripts);
INSTANTIATE_TEST_SUITE_P(Folder, Scripts, testing::ValuesIn(all_cases()), name_of);

TEST(ScriptFolder, IsFoundFromHere) {
  EXPECT_GT(all_cases().size(), 740U) << "run this from the root of the sources";
}

}  // namespace
}  // namespace millrace::script
