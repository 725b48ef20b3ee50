// SPDX-License-Identifier: BSD-3-Clause
//
// Jobs of a file, what they need before they start, and how several become one result.
#include "apps/load_generator/jobs.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/load_generator/needs.h"
#include "apps/report/merge.h"
#include "apps/report/verdict.h"

namespace millrace::load {
namespace {

LoadOptions cps(double rate, Duration duration) {
  LoadOptions o;
  o.rate = rate;
  o.asked_duration = duration;
  EXPECT_TRUE(settle_load_options(o).ok());
  return o;
}

TEST(Needs, TuplesAreRateTimes2MslAndWhatIsOpen) {
  LoadOptions o = cps(1000, 10min);
  EXPECT_NEAR(tuples_of(o, 60s), 60'000 + 1000, 200) << "a second of connections is under way";
  EXPECT_NEAR(tuples_of(o, 1s), 1000 + 1000, 10);
  o.closer = Closer::server;
  EXPECT_NEAR(tuples_of(o, 60s), 1000, 10) << "TIME_WAIT is the server's";
  EXPECT_NEAR(tuples_of(cps(1000, 10s), 60s), 11'000, 20) << "it ends before the first comes back";
  LoadOptions held;
  held.mode = Mode::concurrent;
  held.connections = 500;
  EXPECT_EQ(tuples_of(held, 60s), 1000);
}

std::vector<CheckLine> needs(double rate, std::size_t addresses) {
  Job job;
  job.load = cps(rate, 10min);
  auto plan = make_plan(job.load, Url{}, 1).value();
  plan.ask.targets.front().local.resize(addresses);
  return needs_of({&job}, {plan}, TcpOptions{}, FleetConfig{});
}

TEST(Needs, TooFewPortsComeWithWhatWouldDo) {
  const auto enough = needs(10'000, 10);
  ASSERT_GE(enough.size(), 3U);
  for (const CheckLine& line : enough) EXPECT_TRUE(line.good) << line.text;
  const auto few = needs(10'000, 2);
  EXPECT_FALSE(few[1].good);
  EXPECT_NE(few[1].text.find("129,024 there; give 10 addresses"), std::string::npos) << few[1].text;
  EXPECT_NE(few[1].text.find("or --rate 2,1"), std::string::npos) << few[1].text;
}

TEST(Needs, MemoryIsThatOfWhatIsHeldAndWaits) {
  Job job;
  job.load.mode = Mode::concurrent;
  job.load.connections = 50'000'000;
  ASSERT_TRUE(settle_load_options(job.load).ok());
  auto plan = make_plan(job.load, Url{}, 1).value();
  plan.ask.targets.front().local.resize(5000);
  const auto fifty = needs_of({&job}, {plan}, TcpOptions{}, FleetConfig{});
  // 50M connections of 256 bytes, 400,000 entries of 40, and 96 MiB of everything else.
  EXPECT_NE(fifty[2].text.find("12,318 MiB needed"), std::string::npos) << fifty[2].text;
}

JobSummary job_of(const char* name, Mode mode, double rate, std::uint64_t done) {
  JobSummary job;
  job.name = name;
  job.setup.mode = mode;
  job.setup.arrivals = job.setup.profile = "constant";
  job.setup.rate = rate;
  job.setup.connections = 10;
  job.part.run_s = 10;
  job.part.ledger.connections.offered = job.part.ledger.connections.launched = done;
  job.part.ledger.connections.completed = job.part.run_connections = done;
  job.part.ledger.transactions = job.part.ledger.connections;
  job.part.run_transactions = done;
  job.part.latencies[Measure::last_byte].record(done);
  return job;
}

Summary both(JobSummary one, JobSummary other) {
  Summary s;
  s.run_s = 10;
  s.jobs = {std::move(one), std::move(other)};
  s.setup = combine(s.jobs);
  s.setup.cores = {0};
  for (const JobSummary& job : s.jobs) {
    s.ledger.add(job.part.ledger);
    s.latencies.merge(job.part.latencies);
  }
  return s;
}

TEST(JobResults, EachIsJudgedByItsOwnRate) {
  const Summary s = both(job_of("a", Mode::cps, 1000, 10'000), job_of("b", Mode::tps, 1000, 5000));
  const nlohmann::json result = to_json(s);
  EXPECT_EQ(result["start"]["mode"], "mixed");
  EXPECT_EQ(result["jobs"][1]["end"]["transactions"]["completed"], 5000);
  EXPECT_EQ(result["jobs"][0]["latency"]["last_byte"]["max"], 10'000);
  const auto broken = report::broken_rules(result);
  ASSERT_EQ(broken.size(), 1U);
  EXPECT_EQ(broken[0], "job b: 500/s completed of 1000/s offered: under 95 %");
  EXPECT_NE(to_text(s).find("several modes of 2 jobs (a, b)"), std::string::npos) << to_text(s);
}

TEST(JobResults, OneResetMakesTheSumNoRateOfConnections) {
  JobSummary resets = job_of("b", Mode::cps, 1000, 10'000);
  resets.setup.close_mode = "client RST";
  const Summary s = both(job_of("a", Mode::cps, 1000, 10'000), resets);
  EXPECT_EQ(to_text(s).find("onnections per second"), std::string::npos);
  EXPECT_EQ(report::broken_rules(to_json(s)).size(), 1U);
}

TEST(JobResults, AreMergedJobByJob) {
  Summary s = both(job_of("a", Mode::cps, 1000, 10'000), job_of("b", Mode::cps, 500, 5000));
  nlohmann::json one = to_json(s);
  one["verdict"] = report::verdict_of(one, {});
  nlohmann::json two = one;
  two["start"]["seed"] = 5;
  const std::vector<std::string> names{"one", "two"};
  const auto merged = report::merge({one, two}, names);
  ASSERT_TRUE(merged.ok()) << merged.error().sentence;
  const nlohmann::json& job = merged.value()["jobs"][1];
  EXPECT_EQ(job["start"]["rate_per_second"], 1000.0);
  EXPECT_EQ(job["end"]["connections"]["completed"], 10'000);
  EXPECT_EQ(job["end"]["connections_per_second"], 1000.0);
  EXPECT_EQ(job["latency"]["last_byte"]["count"], 2);
  two["jobs"][1]["name"] = "c";
  EXPECT_FALSE(report::merge({one, two}, names).ok());
}

}  // namespace
}  // namespace millrace::load
