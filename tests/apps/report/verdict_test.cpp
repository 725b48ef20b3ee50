// SPDX-License-Identifier: BSD-3-Clause
//
// Thresholds as they are written, what they look at, and the rules of RFC 9411 at their limits.
#include "apps/report/verdict.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/config/exit_code.h"
#include "apps/report/histogram_json.h"

namespace millrace::report {
namespace {

using nlohmann::json;

json result_of(std::uint64_t launched, std::uint64_t reset) {
  Histogram h;
  for (std::uint64_t i = 1; i <= 100; ++i) h.record(i * 10);
  const json book = {{"offered", launched},
                     {"launched", launched},
                     {"completed", launched - reset},
                     {"not_launched", json::object()},
                     {"failed", {{"reset", reset}}}};
  return {{"start",
           {{"mode", "cps"}, {"loop", "open"}, {"rate_per_second", 1000.0}, {"close_mode", "FIN"}}},
          {"end",
           {{"connections", book},
            {"transactions", book},
            {"interrupted", false},
            {"connections_per_second", 960.0},
            {"transactions_per_second", 2.0}}},
          {"latency", {{"last_byte", to_json(h)}, {"connect", to_json(Histogram())}}}};
}

json judged(const char* threshold, const json& result) {
  const auto t = parse_threshold(threshold);
  EXPECT_TRUE(t.ok()) << threshold << ": " << (t ? "" : to_line(t.error()));
  return verdict_of(result, std::span(&t.value(), 1))["thresholds"][0];
}

TEST(Thresholds, LookAtWhatTheyName) {
  const json result = result_of(1'000'000, 10);
  const struct {
    const char* threshold;
    double found;
    bool met;
  } cases[] = {
      {"ttlb.p99=990ns", 990, true},    {"ttlb.p99=989ns", 990, false},
      {"ttlb.p50=500ns", 500, true},    {"ttlb.p99.9=1us", 1000, true},
      {"ttlb.max=999ns", 1000, false},  {"failed=0.001%", 1e-5, true},
      {"failed=0.000009", 1e-5, false}, {"rate=960", 960, true},
      {"rate=1k", 960, false},          {"rate=96%", 0.96, true},
      {"rate=96.1%", 0.96, false},
  };
  for (const auto& c : cases) {
    const json found = judged(c.threshold, result);
    EXPECT_DOUBLE_EQ(found["found"].get<double>(), c.found) << c.threshold;
    EXPECT_EQ(found["met"], c.met) << c.threshold;
    EXPECT_EQ(found["threshold"], c.threshold);
  }
}

TEST(Thresholds, OfNothingAreMissed) {
  const json found = judged("connect.p99=1h", result_of(10, 0));
  EXPECT_TRUE(found["found"].is_null());
  EXPECT_EQ(found["met"], false);
  EXPECT_EQ(judged("ttfb.p99=1h", result_of(10, 0))["met"], false);
  EXPECT_EQ(judged("failed=1", result_of(0, 0))["met"], false);
}

TEST(Thresholds, OtherWordsAreRefused) {
  for (const char* word :
       {"", "ttlb", "ttlb=1ms", "ttlb.p99", "ttlb.p=1ms", "ttlb.q9=1ms", "ttlb.p0=1ms",
        "ttlb.p101=1ms", "ttxb.p99=1ms", "ttlb.p99=1", "ttlb.p99=-1ms", "failed=2", "failed=x",
        "failed=%", "failed=1.1.1", "rate=fast", "rate=x%", "=1", "ttlb.p9.9.9=1ms"}) {
    EXPECT_FALSE(parse_threshold(word).ok()) << word;
  }
  EXPECT_FALSE(parse_threshold("failed=0." + std::string(400, '1')).ok());
  EXPECT_FALSE(parse_threshold("failed=" + std::string(400, '1')).ok()) << "no double holds it";
  EXPECT_TRUE(to_line(parse_threshold("ttlb").error())
                  .starts_with("'ttlb' is not a threshold: expected LATENCY.pN=TIME or "));
}

TEST(Rules, HoldUpToTheirLimitsAndNoFurther) {
  EXPECT_TRUE(broken_rules(result_of(1'000'000, 10)).empty());
  EXPECT_EQ(broken_rules(result_of(1'000'000, 11)),
            (std::vector<std::string>{
                "11 of 1,000,000 connections failed: over 0.001 %",
                "11 of 1,000,000 connections ended by an unexpected RST: over 0.001 %",
                "11 of 1,000,000 transactions failed: over 0.001 %"}));
  json result = result_of(1000, 0);
  result["end"]["connections_per_second"] = 950.0;
  EXPECT_TRUE(broken_rules(result).empty());
  result["end"]["connections_per_second"] = 949.0;
  EXPECT_EQ(broken_rules(result),
            (std::vector<std::string>{"949/s completed of 1000/s offered: under 95 %"}));
  result["end"]["interrupted"] = true;
  EXPECT_TRUE(broken_rules(result).empty());
  result["start"]["close_mode"] = "client RST";
  EXPECT_EQ(broken_rules(result).size(), 1U);
}

TEST(Verdict, NamesWhatWasMissed) {
  const std::vector<Threshold> thresholds{parse_threshold("ttlb.p99=2ms").value(),
                                          parse_threshold("rate=2k").value()};
  const json verdict = verdict_of(result_of(1'000'000, 11), thresholds);
  EXPECT_EQ(verdict["passed"], false);
  EXPECT_EQ(verdict["valid"], false);
  const std::string text = verdict_text(verdict);
  EXPECT_NE(text.find("  not valid: 11 of 1,000,000 connections failed: over 0.001 %\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("  threshold met    ttlb.p99=2ms            found 990 ns\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("  threshold missed rate=2k                 found 960/s\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(verdict_of(result_of(10, 0), {})["passed"], true);
}

}  // namespace
}  // namespace millrace::report
