// SPDX-License-Identifier: BSD-3-Clause
//
// What is asked: distributions, weighted choices, heads of requests, and who thinks how long.
#include "apps/load_generator/requests.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "apps/load_generator/distribution.h"
#include "apps/load_generator/load_options.h"
#include "apps/load_generator/thinkers.h"

namespace millrace::load {
namespace {

constexpr int kDraws = 100'000;

Distribution sizes(std::string_view word) {
  auto parsed = parse_size_distribution(word);
  EXPECT_TRUE(parsed.ok()) << word;
  return parsed.value();
}

std::vector<double> drawn(const Distribution& d) {
  Random random(11, 0);
  std::vector<double> values;
  for (int i = 0; i < kDraws; ++i) values.push_back(static_cast<double>(d.draw(random)));
  std::sort(values.begin(), values.end());
  return values;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

TEST(Distribution, OneValueIsDrawnWithoutADraw) {
  const Distribution d = sizes("2KiB");
  Random random(1, 0);
  Random same(1, 0);
  EXPECT_EQ(d.draw(random), 2048U);
  EXPECT_EQ(random.next(), same.next());
  EXPECT_TRUE(sizes("0").is_nothing());
}

TEST(Distribution, EachHasItsMean) {
  for (const char* word : {"uniform:100-2000", "exponential:1KiB", "lognormal:1KiB/0.5",
                           "pareto:1KiB/4", "list:3*64,1*1MiB"}) {
    const Distribution d = sizes(word);
    EXPECT_NEAR(mean_of(drawn(d)) / d.mean(), 1.0, 0.02) << word;
    EXPECT_FALSE(d.is_fixed());
    EXPECT_EQ(d.text(), word);
  }
}

TEST(Distribution, EachHasItsShape) {
  const auto at = [](const std::vector<double>& v, double share) {
    return v[static_cast<std::size_t>(share * static_cast<double>(v.size() - 1))];
  };
  const auto uniform = drawn(sizes("uniform:7-9"));
  EXPECT_EQ(uniform.front(), 7);
  EXPECT_EQ(uniform.back(), 9);
  EXPECT_NEAR(static_cast<double>(std::count(uniform.begin(), uniform.end(), 8)), kDraws / 3.0,
              700);
  EXPECT_NEAR(at(drawn(sizes("exponential:10000")), 0.9) / (10'000 * std::log(10)), 1.0, 0.03);
  const auto lognormal = drawn(sizes("lognormal:10000/1"));
  EXPECT_NEAR(at(lognormal, 0.5) / 10'000, 1.0, 0.03);
  EXPECT_NEAR(at(lognormal, 0.8413) / (10'000 * std::exp(1)), 1.0, 0.05) << "one sigma above";
  const auto pareto = drawn(sizes("pareto:1000/1.5"));
  EXPECT_GE(pareto.front(), 1000);
  EXPECT_NEAR(at(pareto, 0.99) / (1000 * std::pow(100, 1 / 1.5)), 1.0, 0.08);
  const auto list = drawn(sizes("list:3*64,1*1MiB"));
  EXPECT_NEAR(static_cast<double>(std::count(list.begin(), list.end(), 64)), 0.75 * kDraws, 700);
}

TEST(Distribution, IsCutToTheBoundsOfItsOption) {
  const auto count = parse_count_distribution("exponential:1");
  ASSERT_TRUE(count.ok());
  EXPECT_EQ(drawn(count.value()).front(), 1) << "no connection without a request";
  EXPECT_EQ(drawn(sizes("pareto:1GiB/0.1")).back(), 10737418240);
}

TEST(Distribution, WrongOnesAreRefused) {
  for (const char* word : {"", "many", "uniform:9-7", "uniform:9", "normal:1", "pareto:1KiB",
                           "pareto:1KiB/0", "list:", "list:0*5", "exponential:1k/2", "20GiB"}) {
    EXPECT_FALSE(parse_size_distribution(word).ok()) << word;
  }
  EXPECT_FALSE(parse_count_distribution("0").ok());
  EXPECT_TRUE(parse_time_distribution("exponential:10ms").ok());
  EXPECT_FALSE(parse_time_distribution("exponential:10").ok()) << "of what?";
}

TEST(WeightedChoice, FollowsItsWeights) {
  const std::vector<double> weights{1, 5, 0.5, 3.5};
  const WeightedChoice choice(weights);
  Random random(5, 0);
  std::array<int, 4> seen{};
  for (int i = 0; i < kDraws; ++i) ++seen.at(choice.pick(random));
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_NEAR(seen.at(i), weights[i] / 10 * kDraws, 600) << i;
  }
  EXPECT_EQ(WeightedChoice({2.5}).pick(random), 0U);
}

RequestPlan plan_of(std::vector<const char*> asks, RequestOptions o = {}) {
  for (const char* ask : asks) {
    auto parsed = parse_ask(ask);
    EXPECT_TRUE(parsed.ok()) << ask;
    o.asks.push_back(parsed.value());
  }
  auto plan = make_requests(o, parse_url("http://198.18.0.1:8080/bytes/64").value());
  EXPECT_TRUE(plan.ok());
  return plan.value();
}

TEST(Requests, OfOneUrlAreOfOneTarget) {
  const RequestPlan plan = plan_of({"3 /a", "POST /b", "http://198.18.0.1:8080/c"},
                                   {{}, "PUT", {"Accept: */*", "user-agent: x"}, true, true});
  ASSERT_EQ(plan.targets.size(), 1U);
  EXPECT_EQ(plan.targets[0].weight, 5);
  EXPECT_EQ(plan.requests[0].text,
            "PUT /a HTTP/1.1\r\nHost: 198.18.0.1:8080\r\nAccept: */*\r\nuser-agent: x\r\n"
            "Content-Length: ");
  EXPECT_NE(plan.requests[1].last.find("POST /b HTTP/1.1\r\n"), std::string::npos);
  EXPECT_NE(plan.requests[1].last.find("Connection: close\r\nContent-Length: "), std::string::npos);
  EXPECT_TRUE(plan.requests[2].has_body);
}

TEST(Requests, EachTargetChoosesAmongItsOwn) {
  const RequestPlan plan =
      plan_of({"/a", "2 http://[2001:2::1]/b", "http://[2001:2::1]/c", "HEAD /d"});
  ASSERT_EQ(plan.targets.size(), 2U);
  EXPECT_EQ(plan.targets[0].asks, (std::vector<std::uint32_t>{0, 3}));
  EXPECT_EQ(plan.targets[1].asks, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_FALSE(plan.targets[1].address.is_v4());
  EXPECT_TRUE(plan.requests[3].is_head);
  EXPECT_TRUE(plan.requests[0].text.ends_with("User-Agent: millrace\r\n\r\n"));
}

TEST(Requests, APostWithoutABodySaysSo) {
  const RequestPlan plan = plan_of({"POST /a"});
  EXPECT_FALSE(plan.requests[0].has_body);
  EXPECT_TRUE(plan.requests[0].text.ends_with("Content-Length: 0\r\n\r\n"));
}

TEST(Requests, WrongOnesAreRefused) {
  for (const char* ask :
       {"", "3", "GET", "3 GET /a b", "FETCH /a", "GET 3 /a", "0 /a", "ftp://x/"}) {
    EXPECT_FALSE(parse_ask(ask).ok()) << ask;
  }
  for (const char* header :
       {"Accept", "A B: c", ": c", "Connection: close", "content-length: 5", "X: a\r\nY: b"}) {
    EXPECT_FALSE(parse_header(header).ok()) << header;
  }
  EXPECT_FALSE(make_requests({}, {}).ok()) << "no URL";
  EXPECT_FALSE(make_requests({{}, "GET", {"X: " + std::string(2000, 'x')}}, Url{}).ok());
}

TEST(Thinkers, TheFirstToBeDoneIsInFront) {
  Thinkers thinkers(4);
  const auto alive = [](const Thinkers::Entry&) { return true; };
  for (const int due : {5, 2, 9}) {
    thinkers.push({Instant{Duration{due}}, {}, static_cast<std::uint32_t>(due)}, alive);
  }
  EXPECT_FALSE(thinkers.due(Instant{Duration{1}}));
  ASSERT_TRUE(thinkers.due(Instant{Duration{2}}));
  EXPECT_EQ(thinkers.pop().client, 2U);
  EXPECT_EQ(thinkers.pop().client, 5U);
}

TEST(Thinkers, ForgetsThoseWhoEndedWhenItNeedsTheirRoom) {
  Thinkers thinkers(2);
  const auto even = [](const Thinkers::Entry& e) { return e.client % 2 == 0; };
  for (std::uint32_t i = 0; i < 100; ++i) {
    thinkers.push({Instant{Duration{i}}, {}, i % 50 == 0 ? i : 1}, even);
    ASSERT_LE(thinkers.size(), 4U) << "its room never grows";
  }
  EXPECT_EQ(thinkers.pop().client, 0U);
}

TEST(LoadOptions, ThinkingHasNoPlaceInASchedule) {
  LoadOptions o;
  o.mode = Mode::tps;
  o.think = parse_time_distribution("10ms").value();
  EXPECT_NE(settle_load_options(o).error().sentence.find("--think"), std::string::npos);
  o.closed = true;
  EXPECT_TRUE(settle_load_options(o).ok());
}

}  // namespace
}  // namespace millrace::load
