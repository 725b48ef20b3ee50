// SPDX-License-Identifier: BSD-3-Clause
//
// A study's forms: text, JSON and page say the same.
#include "apps/time_wait/study.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace millrace::time_wait {
namespace {

Study example() {
  Study study;
  study.name = "example";
  study.title = "An <example>";
  study.predictions = {"one and one are two"};
  study.tables = {{{"case", "count"}, {{"a", "1"}, {"longer", "1,000"}}}};
  study.plots = {{.title = "A plot",
                  .x_name = "second",
                  .x_unit = Unit::seconds,
                  .y_unit = Unit::bytes,
                  .x = {1, 2},
                  .curves = {{"found", {3, std::nan("")}}, {"theory", {4, 4}, true}}},
                 {.title = "Bars", .cases = {"one", "two"}, .curves = {{"found", {1, 2}}}}};
  study.checks = {{"the sum", "2", "2", true}};
  study.explanation = {"Because `it` is so."};
  return study;
}

TEST(Study, HoldsIfEveryCheckDoes) {
  Study study = example();
  EXPECT_TRUE(study.held());
  study.checks.push_back({"another", "1", "3", false});
  EXPECT_FALSE(study.held());
}

TEST(Study, AsTextIsAligned) {
  const std::string text = to_text(example());
  EXPECT_NE(text.find("  case    count\n  a           1\n  longer  1,000\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("  holds   the sum: 2, found 2\n"), std::string::npos) << text;
  Study wrong = example();
  wrong.checks[0].held = false;
  EXPECT_NE(to_text(wrong).find("  DIFFERS the sum"), std::string::npos);
}

TEST(Study, AsJsonHasAllOfIt) {
  const nlohmann::json json = to_json(example(), "millrace time-wait example");
  EXPECT_EQ(json["experiment"], "example");
  EXPECT_EQ(json["held"], true);
  EXPECT_EQ(json["tables"][0]["rows"][1][1], "1,000");
  const nlohmann::json& plot = json["plots"][0];
  EXPECT_EQ(plot["x_unit"], "s");
  EXPECT_EQ(plot["y_unit"], "bytes");
  EXPECT_TRUE(plot["curves"][0]["y"][1].is_null()) << "nothing there";
  EXPECT_EQ(plot["curves"][1]["theory"], true);
  EXPECT_EQ(json["plots"][1]["cases"], nlohmann::json({"one", "two"}));
  EXPECT_TRUE(plot["cases"].empty());
  EXPECT_EQ(json["checks"][0]["found"], "2");
}

TEST(Study, AsPageIsEscapedAndWhole) {
  const std::string page = make_page(example(), "millrace time-wait example");
  for (const char* part :
       {"An &lt;example&gt;", "one and one are two", "the sum: predicted 2, found 2",
        "Theory and experiment agree", "id=\"plot-0\"", "<p>Because <code>it</code> is so.</p>",
        "millrace time-wait example"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(page.find("<example>"), std::string::npos);
  Study wrong = example();
  wrong.checks[0].held = false;
  EXPECT_NE(make_page(wrong, "").find("Theory and experiment differ"), std::string::npos);
}

}  // namespace
}  // namespace millrace::time_wait
