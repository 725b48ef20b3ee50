// SPDX-License-Identifier: BSD-3-Clause
//
// The generator against a server of a few lines, under a clock that the test turns: what it asks,
// when its phases begin and end, and what becomes of requests that are under way at the end.
#include "apps/load_generator/generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/load_generator/load_options.h"
#include "tests/support/endpoint_pair.h"

namespace millrace::load {
namespace {

constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Keeps what a connection asks, answers each request with nothing, and closes where it is told to.
class Server final : public tcp::App {
 public:
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant) override {
    for (const tcp::Event& event : events) {
      if (event.kind == tcp::EventKind::data) {
        const auto* text = reinterpret_cast<const char*>(event.bytes.data());
        received_[event.connection.index].append(text, event.bytes.size());
        endpoint.consume(event.connection, event.bytes.size());
        answer(endpoint, event.connection);
      } else if (event.kind == tcp::EventKind::peer_closed) {
        endpoint.close(event.connection);
      } else if (event.kind == tcp::EventKind::closed) {
        received_[event.connection.index].clear();
      }
    }
  }
  std::vector<std::string> heads;
  std::vector<std::string> bodies;

 private:
  void answer(tcp::Endpoint& endpoint, tcp::ConnectionId id) {
    std::string& text = received_[id.index];
    for (std::size_t end = 0; (end = text.find("\r\n\r\n")) != std::string::npos;) {
      const std::size_t body = end + 4;
      const std::size_t at = text.find("Content-Length: ");
      const std::size_t length = at < end ? std::stoul(text.substr(at + 16)) : 0;
      if (text.size() < body + length) return;
      heads.push_back(text.substr(0, body));
      bodies.push_back(text.substr(body, length));
      text.erase(0, body + length);
      (void)endpoint.send(id, std::as_bytes(std::span(kAnswer)), tcp::Lifetime::fixed);
      if (heads.back().find("Connection: close") != std::string::npos) endpoint.close(id);
    }
  }
  std::map<std::uint32_t, std::string> received_;
};

/// A generator and its server; the server's turn comes with each `slowness`-th of the client's.
class Play {
 public:
  explicit Play(LoadOptions o, bool fast_open = false, int slowness = 1) {
    EXPECT_TRUE(settle_load_options(o).ok());
    auto plan = make_plan(o, Url{.address = Address::v4(0xC6120002), .port = 80}, 1);
    EXPECT_TRUE(plan.ok());
    plan.value().fast_open = fast_open;
    plan.value().ask.targets[0].local = {Address::v4(0xC6120001)};
    client = std::make_unique<Generator>(std::move(plan).value());
    tcp::EndpointConfig config;
    config.profiles[0].fast_open = fast_open;
    config.secrets = test::fixed_secrets(1);
    pair = std::make_unique<test::EndpointPair>(config, *client, config, server);
    EXPECT_TRUE(pair->server().listen({.port = 80}).ok());
    Instant now = pair->now();
    for (int i = 0; i < 20'000; ++i) {
      now += 10us;
      pair->client_half().iterate(pair->server_half(), now);
      if (i % slowness == 0) pair->server_half().iterate(pair->client_half(), now);
    }
  }
  [[nodiscard]] const Ledger& books() const { return client->ledger(); }

  Server server;
  std::unique_ptr<Generator> client;
  std::unique_ptr<test::EndpointPair> pair;
};

LoadOptions options(double rate, Duration duration) {
  LoadOptions o;
  o.rate = rate;
  o.duration = duration;
  return o;
}

TEST(GeneratorRun, WhatWasAskedWithTheLastSynsIsAnswered) {  // RFC 7413
  // One every two iterations, and a slow server: some are on their way when the run ends.
  const Play run(options(50'000, 5ms), true, 20);
  EXPECT_GT(run.pair->client().counters().TCPFastOpenActive, 200U);
  EXPECT_EQ(run.books().connections.completed, run.books().connections.launched);
  EXPECT_EQ(run.books().connections.total_failed(), 0U);
  EXPECT_EQ(run.books().transactions.completed, run.books().connections.completed);
  EXPECT_TRUE(run.books().transactions.balances());
}

TEST(GeneratorRun, FiguresAreOfWhatIsSustainedBetweenTheRamps) {
  LoadOptions o = options(10'000, 50ms);
  o.ramp_up = 20ms;
  o.ramp_down = 30ms;
  const Play run(o);
  EXPECT_NEAR(static_cast<double>(run.client->run_length() / 1us), 50'000, 20);
  const auto offered = [](const Ledger& ledger) { return ledger.connections.offered; };
  EXPECT_NEAR(static_cast<double>(offered(run.client->ledger_at_start())), 100, 2);
  EXPECT_NEAR(static_cast<double>(offered(run.client->ledger_at_end())), 600, 2);
  EXPECT_NEAR(static_cast<double>(offered(run.books())), 750, 2) << "half of the rate on ramps";
  EXPECT_EQ(run.books().connections.completed, offered(run.books()));
  std::uint64_t measured = 0;
  for (const Latencies& l : run.client->latencies()) measured += l[Measure::connect].count();
  EXPECT_NEAR(static_cast<double>(measured), 500, 2);
}

TEST(GeneratorRun, TheLastRequestOfAConnectionAsksTheServerToClose) {
  LoadOptions o = options(1000, 20ms);
  o.requests_per_connection = Distribution(3);
  o.closer = Closer::server;
  const Play run(o);
  ASSERT_EQ(run.server.heads.size(), 60U);
  const auto closing = std::count_if(
      run.server.heads.begin(), run.server.heads.end(),
      [](const std::string& head) { return head.find("Connection: close\r\n") != head.npos; });
  EXPECT_EQ(closing, 20);
  EXPECT_EQ(run.books().connections.completed, 20U);
  EXPECT_EQ(run.books().transactions.completed, 60U);
}

TEST(GeneratorRun, ABodyIsWholeThoughItGoesInParts) {
  LoadOptions o = options(500, 4ms);
  o.method = "POST";
  o.body = parse_size_distribution("300000").value();  // more than a send buffer begins with
  const Play run(o);
  ASSERT_EQ(run.server.bodies.size(), 2U);
  for (const std::string& body : run.server.bodies) {
    ASSERT_EQ(body.size(), 300'000U);
    for (std::size_t i = 0; i < body.size(); ++i) {
      ASSERT_EQ(static_cast<unsigned char>(body[i]), i % 251) << i;
    }
  }
  EXPECT_EQ(run.books().transactions.completed, 2U);
}

}  // namespace
}  // namespace millrace::load
