// SPDX-License-Identifier: BSD-3-Clause
//
// The pieces of the generator that need no network: schedule, order of time-outs, books, validity
// rules and the forms of a result.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/load_generator/load_options.h"
#include "apps/load_generator/summary.h"
#include "apps/report/compare.h"
#include "apps/report/verdict.h"

namespace millrace::load {
namespace {

TEST(Schedule, ArrivalsAreEvenAndEndBeforeTheEnd) {
  const Instant start{1s};
  Schedule schedule(start, start + 1s, 3000.0);
  EXPECT_TRUE(schedule.due(start));
  EXPECT_FALSE(schedule.due(start - 1ns));
  int count = 0;
  Instant last{};
  while (schedule.due(start + 10s)) {
    const Instant at = schedule.take();
    ASSERT_LT(at, start + 1s);
    if (count > 0) {
      ASSERT_NEAR(static_cast<double>((at - last).count()), 1e9 / 3000, 1.5);
    }
    last = at;
    ++count;
  }
  EXPECT_EQ(count, 3000);
}

TEST(Schedule, DoesNotDriftOverAnHour) {
  Schedule schedule(Instant{}, Instant{2h}, 7.0);
  for (int i = 0; i < 7 * 3600; ++i) (void)schedule.take();
  EXPECT_NEAR(static_cast<double>((schedule.next() - Instant{1h}).count()), 0.0, 2.0);
}

TEST(StartOrder, RemovesFromAnywhereAndExpiresTheOldest) {
  Pool<Transaction> pool(4);
  StartOrder order(pool);
  std::array<std::uint32_t, 3> made{};
  for (std::size_t i = 0; i < made.size(); ++i) {
    made[i] = pool.create();
    pool[made[i]].started = Instant{Duration{static_cast<std::int64_t>(i)}};
    order.append(made[i]);
  }
  EXPECT_EQ(order.expired(Instant{Duration{1}}), made[0]);
  order.remove(made[1]);
  order.remove(made[0]);
  EXPECT_EQ(order.expired(Instant{Duration{1}}), kNil);
  EXPECT_EQ(order.expired(Instant{Duration{2}}), made[2]);
  order.remove(made[2]);
  EXPECT_FALSE(order.any());
}

TEST(Waiting, IsAQueueWithABound) {
  Waiting waiting;
  for (std::size_t i = 0; i < Waiting::kCapacity; ++i) {
    ASSERT_TRUE(waiting.push(Instant{Duration{static_cast<std::int64_t>(i)}}));
  }
  EXPECT_FALSE(waiting.push(Instant{}));
  EXPECT_EQ(waiting.pop(), Instant{});
  EXPECT_TRUE(waiting.push(Instant{1h}));
  EXPECT_EQ(waiting.size(), Waiting::kCapacity);
}

Book balanced_book() {
  Book book;
  book.offered = 10;
  book.launched = 8;
  book.miss(NotLaunched::time_wait);
  book.miss(NotLaunched::no_free_port);
  book.completed = 7;
  book.fail(Failed::refused);
  return book;
}

TEST(Book, BalancesOnlyWhenNothingIsMissing) {
  Book book = balanced_book();
  EXPECT_TRUE(book.balances());
  ++book.offered;
  EXPECT_FALSE(book.balances());
  book.miss(NotLaunched::behind_schedule);
  EXPECT_TRUE(book.balances());
  --book.completed;
  EXPECT_FALSE(book.balances());
}

TEST(Book, SubtractUndoesAdd) {
  Book sum = balanced_book();
  sum.add(balanced_book());
  EXPECT_EQ(sum.offered, 20U);
  EXPECT_EQ(sum.total_failed(), 2U);
  sum.subtract(balanced_book());
  EXPECT_EQ(sum.offered, 10U);
  EXPECT_EQ(sum.total_not_launched(), 2U);
}

Summary good_summary() {
  Summary s;
  s.setup.mode = Mode::cps;
  s.setup.rate = 1000;
  s.run_s = 10;
  s.ledger.connections.offered = s.ledger.connections.launched = 10'000;
  s.ledger.connections.completed = s.run_connections = 10'000;
  s.ledger.transactions = s.ledger.connections;
  s.run_transactions = 10'000;
  return s;
}

std::vector<std::string> broken_rules(const Summary& s) { return report::broken_rules(to_json(s)); }

TEST(Rules, AGoodRunBreaksNone) { EXPECT_TRUE(broken_rules(good_summary()).empty()); }

TEST(Rules, OneFailureInTenThousandIsNamed) {
  Summary s = good_summary();
  --s.ledger.transactions.completed;
  s.ledger.transactions.fail(Failed::reset);
  ASSERT_EQ(broken_rules(s).size(), 1U);
  EXPECT_NE(broken_rules(s)[0].find("0.001 %"), std::string::npos);
}

TEST(Rules, ARateUnderNinetyFivePercentIsNamedButNotInAClosedLoop) {
  Summary s = good_summary();
  s.run_connections = 9'400;
  ASSERT_EQ(broken_rules(s).size(), 1U);
  s.setup.closed = true;
  EXPECT_TRUE(broken_rules(s).empty());
}

TEST(Rules, WhatIsClosedByResetIsNeverCalledConnectionsPerSecond) {
  Summary s = good_summary();
  EXPECT_NE(to_text(s).find("connections per second"), std::string::npos);
  EXPECT_NE(to_text(s).find("cps of"), std::string::npos);
  for (const char* mode : {"client RST", "server RST"}) {
    s.setup.close_mode = mode;
    ASSERT_EQ(broken_rules(s).size(), 1U);
    const nlohmann::json result = to_json(s);
    const auto compared = report::to_text(report::compare(result, result));
    for (const std::string& text : {to_text(s), interval_header(Mode::cps, true), compared}) {
      EXPECT_EQ(text.find("onnections per second"), std::string::npos) << text;
      EXPECT_EQ(text.find("conn/s"), std::string::npos) << text;
      EXPECT_EQ(text.find("cps of"), std::string::npos) << text;
    }
  }
}

TEST(Rules, OfArrivalsThatVaryTheRateIsThatOfWhatCame) {
  Summary s = good_summary();
  s.setup.arrivals = "poisson";
  s.run_offered = 9'400;
  s.run_connections = 9'300;
  EXPECT_TRUE(broken_rules(s).empty()) << "9,400 came of 10,000 that were expected";
  s.run_connections = 8'900;
  EXPECT_EQ(broken_rules(s).size(), 1U);
}

TEST(Results, JsonHoldsBothBooksAndTheirBalance) {
  Summary s = good_summary();
  s.ledger.connections.fail(Failed::timeout);
  s.latencies[Measure::connect].record(1500);
  const nlohmann::json j = to_json(s);
  EXPECT_EQ(j["schema_version"], 1);
  EXPECT_EQ(j["end"]["connections"]["failed"]["timeout"], 1);
  EXPECT_EQ(j["end"]["accounts_balance"], false);
  EXPECT_EQ(j["latency"]["connect"]["count"], 1);
  EXPECT_EQ(j["latency"]["connect"]["bins"][0][2], 1);
  EXPECT_EQ(j["end"]["connections_per_second"], 1000.0);
}

TEST(Results, TheTableNamesEveryCause) {
  Summary s = good_summary();
  s.ledger.connections.miss(NotLaunched::time_wait);
  s.ledger.connections.fail(Failed::connect_timeout);
  s.drops.add(Drop::tcp_bad_checksum);
  const std::string text = to_text(s);
  EXPECT_NE(text.find("not launched: time_wait 1"), std::string::npos) << text;
  EXPECT_NE(text.find("failed: connect_timeout 1"), std::string::npos);
  EXPECT_NE(text.find("dropped frames: tcp_bad_checksum 1"), std::string::npos);
  EXPECT_EQ(text.find("neighbour"), std::string::npos);
  s.unresolved_drops = 3;
  EXPECT_NE(to_text(s).find("whose neighbour did not answer in time: 3"), std::string::npos);
}

TEST(Results, ALineOfASecondStandsUnderItsHeader) {
  Interval interval;
  interval.end_s = 12;
  interval.phase = Phase::collect;
  interval.ledger.transactions.offered = 1'234'567;
  interval.ledger.transactions.completed = 1000;
  interval.schedule_lag_ns = 35;
  report::Histogram h;
  h.record(1500);
  interval.last_byte = report::digest_of(h);
  const std::string header = interval_header(Mode::tps);
  const std::string line = interval_line(Mode::tps, interval, 1.0);
  for (const auto& [title, value] : {std::pair("offered t/s", "1,234,567"),
                                     std::pair("trans/s", "1,000"), std::pair("phase", "collect"),
                                     std::pair("TTLB p99", "1.50 us"), std::pair("lag", "35 ns")}) {
    const auto end_of = [](const std::string& in, std::string_view what) {
      const std::size_t at = in.find(what);
      return at == std::string::npos ? at : at + what.size();
    };
    EXPECT_EQ(end_of(header, title), end_of(line, value)) << header << '\n' << line;
    EXPECT_NE(end_of(line, value), std::string::npos) << line;
  }
  EXPECT_NE(interval_header(Mode::concurrent).find("connect p99"), std::string::npos);
  EXPECT_NE(interval_line(Mode::concurrent, interval, 1.0).find("          -     35 ns"),
            std::string::npos)
      << "no connection was opened in this second";
}

TEST(Plan, SharesRateAndConnectionsAmongWorkers) {
  LoadOptions o;
  o.mode = Mode::tps;
  o.rate = 9000;
  o.connections = 100;
  ASSERT_TRUE(settle_load_options(o).ok());
  Url url;
  url.path = "/bytes/64";
  const Plan plan = make_plan(o, url, 3).value();
  EXPECT_DOUBLE_EQ(plan.curve->rate_at(1), 9000.0) << "shared: each takes its part of it";
  EXPECT_EQ(plan.share.workers, 3U);
  EXPECT_EQ(plan.connections, 34U);
  const RequestText& request = plan.ask.requests.front();
  EXPECT_EQ(request.text.substr(0, 24), "GET /bytes/64 HTTP/1.1\r\n");
  EXPECT_EQ(request.text.find("Connection: close"), std::string::npos);
}

TEST(Plan, AServerThatClosesIsAskedToInTheLastRequest) {
  LoadOptions o;
  o.closer = Closer::server;
  ASSERT_TRUE(settle_load_options(o).ok());
  const Plan plan = make_plan(o, Url{}, 1).value();
  const RequestText& request = plan.ask.requests.front();
  EXPECT_NE(request.last.find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(request.text.find("Connection: close"), std::string::npos);
}

}  // namespace
}  // namespace millrace::load
