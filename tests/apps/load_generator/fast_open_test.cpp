// SPDX-License-Identifier: BSD-3-Clause
//
// A run that ends while requests are under way with their SYNs (RFC 7413): their answers come.
#include <gtest/gtest.h>

#include <string_view>

#include "apps/load_generator/generator.h"
#include "apps/load_generator/load_options.h"
#include "tests/support/endpoint_pair.h"

namespace millrace::load {
namespace {

constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

class Answers final : public tcp::App {
 public:
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant) override {
    for (const tcp::Event& event : events) {
      if (event.kind == tcp::EventKind::data) {
        endpoint.consume(event.connection, event.bytes.size());
        (void)endpoint.send(event.connection, std::as_bytes(std::span(kAnswer)),
                            tcp::Lifetime::fixed);
      } else if (event.kind == tcp::EventKind::peer_closed) {
        endpoint.close(event.connection);
      }
    }
  }
};

TEST(FastOpen, WhatWasAskedWithTheLastSynsIsAnswered) {
  LoadOptions o;
  o.rate = 50'000;  // one every two iterations: some are always on their way
  o.duration = 5ms;
  ASSERT_TRUE(settle_load_options(o).ok());
  const Url url{.address = Address::v4(0xC6120002), .port = 80};
  auto plan = make_plan(o, url, 1);
  ASSERT_TRUE(plan.ok());
  plan.value().fast_open = true;
  plan.value().ask.targets[0].local = {Address::v4(0xC6120001)};
  Generator client(std::move(plan).value());
  Answers server;
  tcp::EndpointConfig config;
  config.profiles[0].fast_open = true;
  config.secrets = test::fixed_secrets(1);
  test::EndpointPair pair(config, client, config, server);
  ASSERT_TRUE(pair.server().listen({.port = 80}).ok());
  Instant now = pair.now();
  for (int i = 0; i < 20'000; ++i) {
    now += 10us;
    pair.client_half().iterate(pair.server_half(), now);
    // A server that is slow: what it is asked waits when the run ends.
    if (i % 20 == 0) pair.server_half().iterate(pair.client_half(), now);
  }
  const Ledger& books = client.ledger();
  EXPECT_GT(pair.client().counters().TCPFastOpenActive, 200U);
  EXPECT_EQ(books.connections.completed, books.connections.launched);
  EXPECT_EQ(books.connections.total_failed(), 0U);
  EXPECT_EQ(books.transactions.completed, books.connections.completed);
  EXPECT_TRUE(books.transactions.balances());
}

}  // namespace
}  // namespace millrace::load
