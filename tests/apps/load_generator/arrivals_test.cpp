// SPDX-License-Identifier: BSD-3-Clause
//
// When arrivals are due: even, Poisson and recorded ones, along rates that change, shared by
// workers.
#include "apps/load_generator/arrivals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "apps/load_generator/load_options.h"

namespace millrace::load {
namespace {

std::vector<double> all_of(Schedule schedule) {
  std::vector<double> times_s;
  while (!schedule.finished()) {
    times_s.push_back(std::chrono::duration<double>(schedule.take() - Instant{}).count());
  }
  return times_s;
}

std::vector<double> of_workers(const RateCurve& curve, Arrivals arrivals, std::uint32_t workers) {
  std::vector<double> all;
  for (std::uint32_t w = 0; w < workers; ++w) {
    const auto own = all_of(Schedule(Instant{}, curve, arrivals, {w, workers}, Random(42, w)));
    EXPECT_TRUE(std::is_sorted(own.begin(), own.end()));
    all.insert(all.end(), own.begin(), own.end());
  }
  std::sort(all.begin(), all.end());
  return all;
}

RateCurve curve_of(std::string_view word, Duration duration) {
  auto profile = parse_profile(word);
  EXPECT_TRUE(profile.ok()) << (profile ? "" : profile.error().sentence);
  return RateCurve(profile.value().over(duration, 0));
}

class Files : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path) << text;
    return path;
  }
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

 private:
  std::filesystem::path folder_;
};

TEST(Random, OneSeedGivesTheSameDrawsAndStreamsDiffer) {
  Random a(1, 0);
  Random b(1, 0);
  Random c(1, 1);
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t drawn = a.next();
    ASSERT_EQ(drawn, b.next());
    ASSERT_NE(drawn, c.next());
  }
}

TEST(Random, BelowReachesEachValueAndNoOther) {
  Random random(3, 0);
  std::array<int, 5> seen{};
  for (int i = 0; i < 5000; ++i) ++seen.at(random.below(5));
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
}

TEST(Schedule, WorkersInterleaveEvenArrivals) {
  const RateCurve curve({{0, 3000}, {1, 3000}});
  const auto all = of_workers(curve, Arrivals::constant, 4);
  ASSERT_EQ(all.size(), 3000U);
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_NEAR(all[i], static_cast<double>(i) / 3000, 2e-9);
  }
}

TEST(Schedule, PoissonArrivalsHaveItsMeanItsSpreadAndTheirSeed) {
  const RateCurve curve({{0, 1000}, {100, 1000}});
  const auto all = of_workers(curve, Arrivals::poisson, 2);
  EXPECT_NEAR(static_cast<double>(all.size()), 1e5, 4 * std::sqrt(1e5));
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 1; i < all.size(); ++i) {
    const double gap = all[i] - all[i - 1];
    sum += gap;
    squares += gap * gap;
  }
  const double n = static_cast<double>(all.size() - 1);
  const double mean = sum / n;
  EXPECT_NEAR(std::sqrt(squares / n - mean * mean) / mean, 1.0, 0.03) << "exponential: as its mean";
  EXPECT_EQ(all, of_workers(curve, Arrivals::poisson, 2));
  EXPECT_NE(all.front(),
            all_of(Schedule(Instant{}, Instant{1s}, 1000, Arrivals::poisson, {0, 1}, Random(43, 0)))
                .front());
}

TEST(Schedule, FollowsARampByItsArea) {
  const auto all = of_workers(curve_of("ramp:0-2k", 10s), Arrivals::constant, 3);
  ASSERT_EQ(all.size(), 10'000U);
  for (const double share : {0.1, 0.5, 0.9}) {
    const auto before = std::lower_bound(all.begin(), all.end(), share * 10) - all.begin();
    EXPECT_NEAR(static_cast<double>(before), share * share * 10'000, 2.0);
  }
}

TEST(Schedule, FollowsARampDownToNothing) {
  const auto all = of_workers(curve_of("ramp:2k-0", 10s), Arrivals::constant, 1);
  EXPECT_NEAR(static_cast<double>(all.size()), 10'000, 1);
  const auto half = std::lower_bound(all.begin(), all.end(), 5.0) - all.begin();
  EXPECT_NEAR(static_cast<double>(half), 7500, 2.0);
}

TEST(Schedule, LeavesOutWhatHasNoRate) {
  const auto all = of_workers(curve_of("steps:1k,0,3k", 3s), Arrivals::constant, 1);
  ASSERT_NEAR(static_cast<double>(all.size()), 4000, 1);
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](double t) { return t > 1 && t < 2; }), 0);
}

TEST(Profile, ASineComesBackEachPeriodAndKeepsItsMean) {
  const RateCurve curve = curve_of("sine:1k-3k/2s", 10s);
  EXPECT_NEAR(curve.rate_at(0.5), 3000, 1);
  EXPECT_NEAR(curve.rate_at(1.5), 1000, 1);
  EXPECT_NEAR(curve.rate_at(8.5), 3000, 1);
  EXPECT_NEAR(curve.arrivals_before(10), 20'000, 5);
  EXPECT_NEAR(curve.arrivals_before(1), 2000 + 2000 / std::acos(-1.0), 2);
}

TEST(Profile, StepsShareTheDurationOrHaveTheirOwnTime) {
  EXPECT_NEAR(curve_of("steps:1k,2k", 4s).arrivals_before(3), 4000, 1e-6);
  const auto own = parse_profile("steps:1k/1s,2k/3s");
  ASSERT_TRUE(own.ok());
  EXPECT_EQ(own.value().length(), Duration{4s});
  const RateCurve longer(own.value().over(6s, 0));
  EXPECT_NEAR(longer.arrivals_before(6), 1000 + 2000 * 5, 1e-6) << "the last rate goes on";
  EXPECT_NEAR(RateCurve(own.value().over(2s, 0)).arrivals_before(9), 3000, 1e-6) << "cut";
}

TEST(Profile, RampsOfTheRunStandBeforeAndBehind) {
  const RateCurve curve = with_ramps({{0, 1000}, {10, 2000}}, 2s, 4s);
  EXPECT_NEAR(curve.length_s(), 16, 1e-9);
  EXPECT_NEAR(curve.arrivals_before(2), 1000, 1e-6);
  EXPECT_NEAR(curve.arrivals_before(12), 16'000, 1e-6);
  EXPECT_NEAR(curve.arrivals_before(16), 20'000, 1e-6);
}

TEST(Profile, WrongOnesSayWhatIsExpected) {
  for (const char* word : {"sinus", "steps:", "steps:1k/10s,2k", "ramp:1k", "sine:1k-2k",
                           "sine:1k-2k/0", "ramp:0-0", "steps:fast", "steps:1k/2/3"}) {
    const auto profile = parse_profile(word);
    ASSERT_FALSE(profile.ok()) << word;
    EXPECT_NE(profile.error().sentence.find("expected"), std::string::npos) << word;
  }
}

TEST_F(Files, ATraceIsReplayedToTheNanosecondByAllWorkers) {
  const std::string path =
      write("trace.txt", "# recorded\n0\n0.000125  # in seconds\n\n250us\n 250001ns\n1.5\n");
  const auto read = parse_arrivals(path);
  ASSERT_TRUE(read.ok()) << read.error().sentence;
  const auto& trace = *read.value().trace;
  EXPECT_EQ(trace, (std::vector<Duration>{0ns, 125us, 250us, 250'001ns, 1500ms}));
  EXPECT_EQ(length_of(trace), Duration{1'500'000'001});
  std::vector<Instant> all;
  for (std::uint32_t w = 0; w < 2; ++w) {
    Schedule own(Instant{1s}, trace, length_of(trace), {w, 2});
    while (!own.finished()) all.push_back(own.take());
  }
  std::sort(all.begin(), all.end());
  ASSERT_EQ(all.size(), trace.size());
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], Instant{1s} + trace[i]);
  EXPECT_EQ(all_of(Schedule(Instant{}, trace, 1s, {0, 1})).size(), 4U) << "cut at the length";
}

TEST_F(Files, MistakesInATraceHaveTheirLine) {
  const auto fault = [&](const char* text) {
    const auto read = parse_arrivals(write("t.txt", text));
    return read ? std::string() : read.error().sentence;
  };
  EXPECT_NE(fault("0\n1\n0.5\n").find("t.txt:3: 0.5 is before the line above it"),
            std::string::npos);
  EXPECT_NE(fault("0\nsoon\n").find("t.txt:2: 'soon' is not a duration"), std::string::npos);
  EXPECT_NE(fault("# nothing\n").find("has no arrivals"), std::string::npos);
  EXPECT_EQ(parse_arrivals("/nowhere/t").error().kind, ErrorKind::environment);
  EXPECT_NE(parse_arrivals("poison").error().hint.find("poisson"), std::string::npos);
}

TEST_F(Files, RatesFromAFile) {
  const auto profile = parse_profile(write("r.csv", "0,1k\n2s, 3k\n2s,0\n4,0\n"));
  ASSERT_TRUE(profile.ok()) << profile.error().sentence;
  EXPECT_EQ(profile.value().length(), Duration{4s});
  const RateCurve curve(profile.value().over(4s, 0));
  EXPECT_NEAR(curve.arrivals_before(1), 1500, 1e-6);
  EXPECT_NEAR(curve.arrivals_before(4), 4000, 1e-6);
  const auto wrong = parse_profile(write("w.csv", "0,1k\n1\n"));
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().sentence.find("w.csv:2: "), std::string::npos);
}

TEST_F(Files, ALoadTakesTheLengthOfItsTraceOrRates) {
  LoadOptions o;
  o.arrivals = parse_arrivals(write("t.txt", "0\n1\n2\n3\n")).value();
  o.ramp_up = 1s;
  ASSERT_TRUE(settle_load_options(o).ok());
  EXPECT_EQ(o.duration, Duration{2s} + Duration{1});
  EXPECT_NEAR(mean_rate(o), 1.5, 1e-6) << "the first arrival warms up";
  EXPECT_EQ(most_arrivals_within(o, 1500ms), 2);
}

TEST(LoadOptions, ContradictionsAreNamed) {
  LoadOptions closed;
  closed.closed = true;
  closed.arrivals = parse_arrivals("poisson").value();
  EXPECT_NE(settle_load_options(closed).error().sentence.find("--arrivals"), std::string::npos);
  LoadOptions nothing;
  nothing.profile = parse_profile("steps:0/2s,1k/1s").value();
  nothing.asked_duration = 1s;
  EXPECT_NE(settle_load_options(nothing).error().sentence.find("nothing"), std::string::npos);
}

TEST(LoadOptions, TheMostArrivalsOfAnyMinuteAreThoseOfItsPeak) {
  LoadOptions o;
  o.profile = parse_profile("steps:1k/60s,5k/60s,1k/60s").value();
  ASSERT_TRUE(settle_load_options(o).ok());
  EXPECT_NEAR(most_arrivals_within(o, 60s), 300'000, 2000);
  EXPECT_NEAR(most_arrivals_within(o, 1h), 420'000, 1);
}

TEST(Seed, IsTheGivenOneOrADrawnOne) {
  EXPECT_EQ(draw_seed(7), 7U);
  const std::uint64_t drawn = draw_seed(0);
  EXPECT_NE(drawn, 0U);
  EXPECT_LT(drawn, std::uint64_t{1} << 53);
  EXPECT_NE(drawn, draw_seed(0));
}

}  // namespace
}  // namespace millrace::load
