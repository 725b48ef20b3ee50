// SPDX-License-Identifier: BSD-3-Clause
//
// The scripts of tests/conformance/scripts that sockets can play, and generated ones, against the
// kernel and against Millrace. A difference that differences.md does not list fails, and so does a
// listed one that no longer occurs. Needs root and /dev/net/tun.
//
//   build/dev/test_interop_differential
//   MILLRACE_DIFFERENTIAL=fin/active_close build/dev/test_interop_differential
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>
#include <system_error>
#include <thread>

#include "tests/interop/differential/generate.h"
#include "tests/interop/differential/kernel_side.h"
#include "tests/interop/differential/listed.h"
#include "tests/interop/differential/millrace_side.h"
#include "tests/interop/differential/play.h"

namespace millrace::differential {
namespace {

constexpr const char* kScripts = "tests/conformance/scripts";
constexpr const char* kList = "tests/interop/differential/differences.md";
constexpr unsigned kAtOnce = 24;  // a kernel side mostly sleeps
constexpr int kTries = 3;         // the kernel's time is real: a busy machine may be late

struct Case {
  std::string name;  // "fin/active_close"
  bool ipv6 = false;
  script::Script script;
  std::string difference;  // empty: none
};

[[nodiscard]] std::string family_of(const Case& c) { return c.ipv6 ? "v6" : "v4"; }

[[nodiscard]] std::string text_of(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

void add(std::vector<Case>& cases, const std::string& name, const std::string& text) {
  const char* only = std::getenv("MILLRACE_DIFFERENTIAL");
  if (only != nullptr && name != only) return;
  for (const bool ipv6 : {false, true}) {
    script::Script s = script::parse_script(name, text, ipv6);
    if (!why_not(s)) cases.push_back({name, ipv6, std::move(s), {}});
  }
}

[[nodiscard]] std::vector<Case> all_cases() {
  std::vector<Case> cases;
  const Listed listed = read_list(text_of(kList));
  std::error_code none;
  std::set<std::string> paths;
  for (std::filesystem::recursive_directory_iterator i(kScripts, none), end; i != end; ++i) {
    if (i->path().extension() == ".script") paths.insert(i->path().string());
  }
  for (const std::string& path : paths) {
    std::string name = path.substr(std::string(kScripts).size() + 1);
    name = name.substr(0, name.find('.'));
    if (!listed.left_out.contains(name)) add(cases, name, text_of(path));
  }
  for (std::uint32_t i = 0; i < kGeneratedScripts; ++i) {
    add(cases, generated_name(i), generated_script(i));
  }
  return cases;
}

/// What differs; empty if one of several plays was equal.
[[nodiscard]] std::string difference_of(const Case& c) {
  std::string difference;
  for (int i = 0; i < kTries; ++i) {
    MillraceSide ours(c.script.config);
    KernelSide kernels(c.script.config.profiles[0], c.ipv6);
    difference = compare(c.script, play(c.script, c.ipv6, ours), play(c.script, c.ipv6, kernels));
    if (difference.empty()) break;
  }
  return difference;
}

void play_all(std::vector<Case>& cases) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::string trouble;
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < kAtOnce; ++i) {
    threads.emplace_back([&] {
      for (std::size_t at = next++; at < cases.size(); at = next++) {
        try {
          cases[at].difference = difference_of(cases[at]);
        } catch (const std::system_error& error) {
          const std::lock_guard lock(mutex);
          trouble = cases[at].name + ": " + error.what();
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(trouble, "");
}

TEST(Differential, MillraceAnswersAsTheKernelDoes) {
  const std::string why_not_here = why_no_kernel_side();
  ASSERT_EQ(why_not_here, "") << "the kernel cannot be the other side";
  std::vector<Case> cases = all_cases();
  if (std::getenv("MILLRACE_DIFFERENTIAL") == nullptr) {
    ASSERT_GE(cases.size(), 400U) << "200 scripts over both families";
  }
  play_all(cases);
  const Listed listed = read_list(text_of(kList));
  std::size_t differ = 0;
  for (const Case& c : cases) {
    const bool known = listed.section_of.contains(c.name) ||
                       listed.section_of.contains(c.name + " " + family_of(c));
    if (!c.difference.empty()) ++differ;
    if (!c.difference.empty() && !known) {
      ADD_FAILURE() << family_of(c) << ": not in " << kList << "\n" << c.difference;
    }
    if (c.difference.empty() && known) {
      ADD_FAILURE() << c.name << " " << family_of(c) << ": listed, but there is no difference";
    }
  }
  std::printf("%zu plays, %zu with a listed difference\n", cases.size(), differ);
}

TEST(Differential, TheListIsInOrder) {
  const Listed listed = read_list(text_of(kList));
  for (const std::string& fault : listed.faults) ADD_FAILURE() << fault;
  std::set<std::string> names;
  for (const Case& c : all_cases()) names.insert({c.name, c.name + " " + family_of(c)});
  if (std::getenv("MILLRACE_DIFFERENTIAL") != nullptr) return;
  for (const auto& [name, section] : listed.section_of) {
    EXPECT_TRUE(names.contains(name)) << name << ": listed, but nobody plays it";
  }
}

TEST(Differential, AListIsRead) {
  const Listed listed = read_list(
      "# Head\n## One (RFC 9293 §3.4)\nWhy.\n- `a/b`, `c/d v6`\n## Two\n- `a/b`\n"
      "## Left out\n- `e/f`\n");
  EXPECT_EQ(listed.left_out, std::set<std::string>{"e/f"});
  EXPECT_EQ(listed.section_of.at("c/d v6"), "One (RFC 9293 §3.4)");
  ASSERT_EQ(listed.faults.size(), 2U);
  EXPECT_EQ(listed.faults[0], "a/b is listed twice");
  EXPECT_EQ(listed.faults[1], "'Two' names no section of an RFC");
}

}  // namespace
}  // namespace millrace::differential
