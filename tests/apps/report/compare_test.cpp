// SPDX-License-Identifier: BSD-3-Clause
//
// What `millrace compare` says of two results, and of what is none.
#include "apps/report/compare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/report/result_file.h"

namespace millrace::report {
namespace {

using nlohmann::json;

json result_of(double rate, std::uint64_t p99, const std::string& mode = "cps") {
  json percentiles = {{"p50", 1000}, {"p99", p99}, {"p99.9", 30'000}, {"p99.99", 40'000}};
  json book = {{"not_launched", {{"time_wait", 3}, {"no_memory", 4}}}, {"failed", json::object()}};
  return {{"schema_version", 1},
          {"start", {{"mode", mode}, {"cores", {0}}, {"seed", 5}}},
          {"end",
           {{"interrupted", false},
            {"connections_per_second", rate},
            {"received_bits_per_second", 2e6},
            {"resident_bytes", 2048},
            {"connections", book},
            {"transactions", book}}},
          {"latency", {{"last_byte", {{"percentiles", percentiles}}}}},
          {"verdict", {{"valid", true}, {"broken_rules", json::array()}}}};
}

const Pair& named(const Comparison& c, const std::string& name) {
  const auto at = std::find_if(c.figures.begin(), c.figures.end(),
                               [&](const Pair& p) { return p.name == name; });
  EXPECT_NE(at, c.figures.end()) << name;
  return *at;
}

TEST(Compare, PutsEachFigureBesideItsOther) {
  const Comparison c = compare(result_of(1000, 5000), result_of(1500, 10'000));
  EXPECT_TRUE(c.warnings.empty());
  EXPECT_EQ(named(c, "connections per second").after, 1500);
  EXPECT_EQ(named(c, "last_byte, p99").before, 5000);
  EXPECT_EQ(named(c, "connections, not_launched").before, 7);
  EXPECT_EQ(named(c, "received Mbit/s").before, 2);
  const std::string text = to_text(c);
  EXPECT_NE(text.find("connections per second                   1,000           1,500      1.50\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("last_byte, p99                         5.00 us         10.0 us      2.00\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(to_json(c)["figures"][0]["ratio"], 1.5);
  EXPECT_TRUE(to_json(c)["figures"][1]["ratio"].is_null()) << "of nothing";
}

TEST(Compare, SaysWhyTwoMayNotBeCompared) {
  json after = result_of(1000, 5000, "tps");
  after["end"]["interrupted"] = true;
  after["verdict"]["broken_rules"] = {"900/s completed of 1000/s offered: under 95 %"};
  json before = result_of(1000, 5000);
  before["start"]["seed"] = 9;  // may differ
  const Comparison c = compare(before, after);
  EXPECT_EQ(c.warnings, (std::vector<std::string>{
                            "mode was \"cps\", and is \"tps\"", "the second was interrupted",
                            "the second is not valid: 900/s completed of 1000/s offered: under 95 "
                            "%"}));
  EXPECT_TRUE(to_text(c).starts_with("  not comparable: mode was \"cps\", and is \"tps\"\n"));
}

TEST(Compare, WhatIsNoResultGetsASentence) {
  const auto folder = std::filesystem::path(::testing::TempDir());
  const std::string path = folder / "no_result.json";
  const auto said = [&](const std::string& text) {
    std::ofstream(path) << text;
    const auto found = read_result(path);
    return found ? std::string("nothing") : found.error().sentence;
  };
  EXPECT_EQ(said("{"), path + " is not JSON");
  EXPECT_EQ(said("[1]"), path + " is not a result of millrace: expected schema_version 1");
  EXPECT_EQ(said(R"({"schema_version": 2, "start": {}, "end": {}, "latency": {}})"),
            path + " is not a result of millrace: expected schema_version 1");
  EXPECT_EQ(said(result_of(1, 1).dump()), "nothing");
  std::filesystem::remove(path);
  EXPECT_EQ(read_result(path).error().sentence, path + " cannot be read");
}

}  // namespace
}  // namespace millrace::report
