// SPDX-License-Identifier: BSD-3-Clause
//
// The search for a rate: where bisection ends, and when a window is good.
#include "apps/load_generator/search.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/load_generator/load_options.h"
#include "apps/report/verdict.h"

namespace millrace::load {
namespace {

/// Rates tried until it is over, where rates up to `limit` are good; each `nth` window is bad by
/// chance.
std::vector<double> search(Bisection& bisection, double limit, int nth = 0) {
  std::vector<double> tried;
  while (!bisection.over() && tried.size() < 200) {
    tried.push_back(bisection.rate());
    const bool chance = nth > 0 && tried.size() % static_cast<std::size_t>(nth) == 0;
    bisection.note(bisection.rate() <= limit && !chance);
  }
  EXPECT_TRUE(bisection.over());
  return tried;
}

TEST(Bisection, EndsWithinOnePercentOfTheLimitAndNeverAboveIt) {
  for (const double limit : {3.0, 999.0, 1000.0, 12'345.0, 1e6}) {
    Bisection bisection(1000);
    const auto tried = search(bisection, limit);
    EXPECT_LE(bisection.found(), limit);
    EXPECT_GT(bisection.found(), limit / 1.0101) << limit;
    EXPECT_LT(tried.size(), 45U) << limit;
  }
}

TEST(Bisection, OneBadWindowByChanceChangesNothing) {
  Bisection lucky(1000);
  (void)search(lucky, 12'345);
  Bisection unlucky(1000);
  (void)search(unlucky, 12'345, 3);
  EXPECT_NEAR(unlucky.found(), lucky.found(), 1);
}

TEST(Bisection, FindsNothingWhereNothingIsGood) {
  Bisection bisection(1000);
  (void)search(bisection, 0);
  EXPECT_EQ(bisection.found(), 0);
}

TEST(SearchWindow, IsBadByLatencyByWhatIsMissingAndByWhatFailed) {
  const auto target = parse_search("p99=500us").value();
  report::Histogram quick;
  for (int i = 0; i < 2000; ++i) quick.record(100'000);
  EXPECT_TRUE(judge_window(target, 1000, 2, quick, {}).good);
  EXPECT_FALSE(judge_window(target, 1100, 2, quick, {}).good) << "under 95 % was answered";
  Ledger failed;
  failed.transactions.fail(Failed::timeout);
  EXPECT_FALSE(judge_window(target, 1000, 2, quick, failed).good);
  Ledger missed;
  missed.connections.miss(NotLaunched::time_wait);
  EXPECT_FALSE(judge_window(target, 1000, 2, quick, missed).good);
  report::Histogram slow = quick;
  for (int i = 0; i < 25; ++i) slow.record(600'000);
  const SearchTry t = judge_window(target, 1000, 2, slow, {});
  EXPECT_FALSE(t.good);
  EXPECT_NEAR(static_cast<double>(t.found_ns), 600'000, 600);
  EXPECT_FALSE(judge_window(target, 1000, 0, report::Histogram(), {}).good)
      << "nothing is not good";
}

TEST(Search, BoundsAreOfLatency) {
  EXPECT_EQ(parse_search("p99.9=1ms").value().measure, "last_byte");
  EXPECT_EQ(measure_of(parse_search("connect.max=1ms").value()), Measure::connect);
  for (const char* word : {"", "p99", "failed=1%", "p101=1ms", "rate=5"}) {
    EXPECT_FALSE(parse_search(word).ok()) << word;
  }
}

TEST(Search, IsOfOneRateInAnOpenLoop) {
  LoadOptions o;
  o.search = parse_search("p99=1ms").value();
  EXPECT_TRUE(settle_load_options(o).ok());
  o.closed = true;
  EXPECT_FALSE(settle_load_options(o).ok());
}

TEST(Search, IsJudgedByWhatItFound) {
  Summary s;
  s.setup.mode = Mode::tps;
  s.setup.rate = 1000;
  s.run_s = 10;
  s.run_transactions = 5000;
  s.search = SearchResult{"ttlb.p99=1ms", 500, {}};
  EXPECT_TRUE(report::broken_rules(to_json(s)).empty()) << "1,000/s was where it began";
  s.search->found_per_second = 0;
  EXPECT_EQ(report::broken_rules(to_json(s)).size(), 1U);
}

}  // namespace
}  // namespace millrace::load
