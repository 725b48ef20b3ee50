// SPDX-License-Identifier: BSD-3-Clause
//
// `millrace merge`: random runs of several generators, written apart and merged, are to the last
// count the run that has them all; and what is no part of one run is refused by name.
#include "apps/report/merge.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <nlohmann/json.hpp>

#include "apps/load_generator/summary.h"
#include "apps/report/compare.h"

namespace millrace::load {
namespace {

using nlohmann::json;

constexpr std::uint64_t kStartedMs = 1'795'475'579'025;

/// One second of one generator.
struct Second {
  Ledger ledger;
  report::Histogram connect;
  report::Histogram last_byte;
  std::uint64_t time_wait = 0;
};

/// A generator's run: seconds, and what only the whole has.
struct Share {
  std::vector<Second> seconds;
  tcp::Counters counters;
  std::uint64_t resident = 0;
};

std::uint64_t some(std::uint64_t most) { return *rc::gen::inRange<std::uint64_t>(0, most); }

void fill(report::Histogram& h) {
  const int values = *rc::gen::inRange(0, 12);
  for (int i = 0; i < values; ++i) {
    h.record(some(std::uint64_t{1} << *rc::gen::inRange(1, report::Histogram::kMaxBits + 1)));
  }
}

void fill(Book& book) {
  book.completed = some(1000);
  for (auto& count : book.failed) count = some(3);
  book.launched = book.completed + book.total_failed();
  for (auto& count : book.not_launched) count = some(3);
  book.offered = book.launched + book.total_not_launched();
}

Share random_share() {
  Share run;
  run.seconds.resize(*rc::gen::inRange<std::size_t>(1, 5));
  for (Second& second : run.seconds) {
    fill(second.ledger.connections);
    fill(second.ledger.transactions);
    second.ledger.received_bytes = some(1'000'000);
    fill(second.connect);
    fill(second.last_byte);
    second.time_wait = some(1000);
  }
  run.counters.ActiveOpens = some(1'000'000);
  run.counters.RetransSegs = some(10);
  run.resident = some(1'000'000);
  return run;
}

/// What a process that ran all of these would have written.
json result_of(const std::vector<const Share*>& runs) {
  Summary s;
  s.setup.started_unix_ms = kStartedMs;
  s.setup.cores = std::vector<int>(runs.size(), 0);
  s.setup.rate = 10.0 * static_cast<double>(runs.size());
  s.setup.connections = static_cast<std::uint32_t>(runs.size());
  s.run_s = 3;
  std::size_t length = 0;
  for (const Share* run : runs) length = std::max(length, run->seconds.size());
  for (std::size_t i = 0; i < length; ++i) {
    Interval interval;
    interval.start_s = static_cast<double>(i);
    interval.end_s = static_cast<double>(i + 1);
    Second all;
    for (const Share* run : runs) {
      if (i >= run->seconds.size()) continue;
      const Second& one = run->seconds[i];
      interval.ledger.add(one.ledger);
      interval.states.of(tcp::State::time_wait) += one.time_wait;
      all.connect.merge(one.connect);
      all.last_byte.merge(one.last_byte);
    }
    interval.connect = report::digest_of(all.connect);
    interval.last_byte = report::digest_of(all.last_byte);
    s.latencies[Measure::connect].merge(all.connect);
    s.latencies[Measure::last_byte].merge(all.last_byte);
    s.time_wait_peak = std::max(s.time_wait_peak, interval.states.of(tcp::State::time_wait));
    s.ledger.add(interval.ledger);
    s.intervals.push_back(std::move(interval));
  }
  s.run_connections = s.ledger.connections.completed;
  s.run_transactions = s.ledger.transactions.completed;
  s.run_received_bytes = s.ledger.received_bytes;
  for (const Share* run : runs) {
    s.counters.ActiveOpens += run->counters.ActiveOpens;
    s.counters.RetransSegs += run->counters.RetransSegs;
    s.resident_bytes += run->resident;
  }
  json result = to_json(s);
  result["verdict"] = report::verdict_of(result, {});
  return result;
}

std::vector<std::string> names_of(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i)
    names.push_back(std::string(1, static_cast<char>('a' + i)));
  return names;
}

/// What is said of two results, or "nothing".
std::string said(const json& one, const json& two) {
  const auto merged = report::merge({one, two}, names_of(2));
  return merged ? "nothing" : merged.error().sentence;
}

TEST(Merge, PartsAreTheWhole) {
  const bool held = rc::check("merged parts equal the whole", [] {
    std::vector<Share> runs;
    const int count = *rc::gen::inRange(2, 5);
    for (int i = 0; i < count; ++i) runs.push_back(random_share());
    std::vector<const Share*> all;
    std::vector<json> parts;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      all.push_back(&runs[i]);
      parts.push_back(result_of({&runs[i]}));
      parts.back()["start"]["seed"] = i;  // two runs may have counted the same
    }
    const auto merged = report::merge(parts, names_of(parts.size()));
    RC_ASSERT(merged.ok());
    json expected = result_of(all);
    json found = merged.value();
    expected["start"].erase("command");
    found["start"].erase("command");
    RC_ASSERT(found["start"]["merged_from"].size() == parts.size());
    found["start"].erase("merged_from");
    RC_ASSERT(found == expected);
  });
  EXPECT_TRUE(held);
}

TEST(Merge, MergingInStepsIsMergingAtOnce) {
  const bool held = rc::check("merging is associative", [] {
    std::vector<json> parts;
    for (std::size_t i = 0; i < 3; ++i) {
      const Share run = random_share();
      parts.push_back(result_of({&run}));
      parts.back()["start"]["seed"] = i;
    }
    const auto at_once = report::merge(parts, names_of(3));
    const auto two = report::merge({parts[0], parts[1]}, names_of(2));
    RC_ASSERT(two.ok() && at_once.ok());
    const auto stepwise = report::merge({two.value(), parts[2]}, names_of(2));
    RC_ASSERT(stepwise.ok());
    RC_ASSERT(stepwise.value() == at_once.value());
  });
  EXPECT_TRUE(held);
}

json sample(std::uint64_t seed) {
  Share run;
  run.seconds.resize(3);
  for (Second& second : run.seconds) {
    second.ledger.connections.offered = second.ledger.connections.launched = 10;
    second.ledger.connections.completed = 10;
    second.connect.record(1000 * seed);
    second.time_wait = 10;
  }
  json result = result_of({&run});
  result["start"]["seed"] = seed;
  return result;
}

TEST(Merge, SecondsAreMovedToOneClock) {
  const json one = sample(1);
  json two = sample(2);
  two["start"]["started_unix_ms"] = kStartedMs + 1400;  // a second later, near enough
  const auto merged = report::merge({two, one}, names_of(2));
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged.value()["start"]["started_unix_ms"], kStartedMs);
  const json& intervals = merged.value()["intervals"];
  ASSERT_EQ(intervals.size(), 4U);
  std::vector<std::uint64_t> completed;
  for (const json& i : intervals) completed.push_back(i["connections"]["completed"]);
  EXPECT_EQ(completed, (std::vector<std::uint64_t>{10, 20, 20, 10}));
  EXPECT_EQ(intervals[1]["start_s"], 1.0);
  EXPECT_EQ(intervals[1]["end_s"], 2.0);
  EXPECT_EQ(intervals[1]["states"]["TIME-WAIT"], 20);
  EXPECT_EQ(intervals[1]["latency"]["connect"]["max"], 2000);
  EXPECT_EQ(merged.value()["end"]["time_wait_peak"], 20);
}

TEST(Merge, RefusesWhatIsNoPartOfOneRun) {
  const json one = sample(1);
  const auto with = [](const char* part, const char* key, const json& value) {
    json other = sample(2);
    other[part][key] = value;
    return other;
  };
  EXPECT_EQ(said(one, sample(2)), "nothing");
  EXPECT_EQ(said(one, one), "a and b cannot be merged: they are the same result");
  EXPECT_EQ(said(one, with("start", "mode", "tps")),
            "a and b cannot be merged: mode is \"cps\" and \"tps\"");
  EXPECT_EQ(said(one, with("start", "two_msl_s", 1.0)),
            "a and b cannot be merged: two_msl_s is 60.0 and 1.0");
  EXPECT_EQ(said(one, with("start", "started_unix_ms", kStartedMs + 3001)),
            "a and b cannot be merged: one had ended before the other began");
  json older = sample(2);
  older["latency"]["connect"].erase("sum");
  EXPECT_EQ(
      said(one, older),
      "b: its latency connect cannot be merged: it lacks bins, or one of count, min, max, sum "
      "and saturated");
  older = sample(2);
  older["end"].erase("run_s");
  EXPECT_TRUE(said(one, older).starts_with("one of a, b is no whole result: ")) << said(one, older);
  older = sample(2);
  older["intervals"][0]["latency"]["connect"]["hdr"] = "HISTFAAA";
  EXPECT_NE(said(one, older).find("no histogram in HdrHistogram's V2"), std::string::npos);
}

TEST(Merge, IsJudgedAndComparedAsOne) {
  json two = sample(2);
  two["start"]["command"] = "millrace load somewhere";
  const auto slo = [](const char* word) { return report::parse_threshold(word).value(); };
  const auto merged =
      report::merge({sample(1), two}, names_of(2), {slo("connect.p99=1500ns"), slo("rate=5")});
  ASSERT_TRUE(merged.ok());
  const json& verdict = merged.value()["verdict"];
  EXPECT_FALSE(verdict["passed"]);
  EXPECT_EQ(verdict["thresholds"][0]["met"], false) << "half of all took 2000 ns";
  EXPECT_EQ(verdict["thresholds"][1]["met"], true);
  const auto again = report::merge({merged.value(), sample(3)}, names_of(2));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again.value()["verdict"]["thresholds"].size(), 2U) << "those of the first";
  EXPECT_EQ(again.value()["start"]["merged_from"].size(), 3U);
  EXPECT_EQ(again.value()["start"]["merged_from"][1]["command"], "millrace load somewhere");
  const report::Comparison beside = report::compare(merged.value(), again.value());
  EXPECT_FALSE(beside.warnings.empty()) << "other cores and another rate";
  EXPECT_EQ(beside.figures.front().before, 20.0);
  EXPECT_EQ(beside.figures.front().after, 30.0);
}

}  // namespace
}  // namespace millrace::load
