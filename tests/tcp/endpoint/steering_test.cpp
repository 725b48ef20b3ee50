// SPDX-License-Identifier: BSD-3-Clause
//
// Active opens where a port spreads segments over several cores: every local port that is chosen
// brings the replies to the core that opened, and the cores share all ports between them. And what
// arrives at a core that is not its own: no answer, no connection.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "tcp/base/flow_steering.h"
#include "tcp/endpoint/endpoint.h"
#include "tcp/endpoint/own_ports.h"
#include "tcp/endpoint/ports.h"

namespace millrace::tcp {
namespace {

constexpr std::uint16_t kWorkers = 3;
constexpr Instant kNow{Duration{1'000'000'000}};

std::shared_ptr<const FlowSteering> some_steering() {
  std::array<std::uint8_t, FlowSteering::kKeyBytes> key{};
  std::mt19937 random(1);
  for (std::uint8_t& byte : key) byte = static_cast<std::uint8_t>(random());
  std::vector<std::uint16_t> reta(128);
  for (std::size_t i = 0; i < reta.size(); ++i) reta[i] = static_cast<std::uint16_t>(i % kWorkers);
  return std::make_shared<FlowSteering>(key, std::move(reta));
}

std::unique_ptr<Endpoint> endpoint_of(std::uint16_t worker,
                                      const std::shared_ptr<const FlowSteering>& steering) {
  EndpointConfig config;
  config.max_connections = config.max_send_states = 4096;
  config.first_port = 60'000;
  config.last_port = 60'999;
  config.steering = steering;
  config.worker = worker;
  auto made = Endpoint::create(config);
  EXPECT_TRUE(made.ok());
  return std::move(made).value();
}

class Steering : public testing::TestWithParam<bool> {
 protected:
  static OpenRequest request() {
    OpenRequest r;
    std::array<std::uint8_t, 16> bytes{0x20, 0x01};
    r.local = GetParam() ? Address::v6(bytes) : Address::v4(0xc612'0010);
    bytes[15] = 1;
    r.remote = GetParam() ? Address::v6(bytes) : Address::v4(0xc612'0001);
    r.remote_port = 443;
    return r;
  }
};
INSTANTIATE_TEST_SUITE_P(Families, Steering, testing::Values(false, true),
                         [](const auto& p) { return p.param ? "v6" : "v4"; });

TEST_P(Steering, RepliesComeBackToTheCoreThatOpened) {
  const auto steering = some_steering();
  std::set<std::uint16_t> all;
  for (std::uint16_t worker = 0; worker < kWorkers; ++worker) {
    const auto endpoint = endpoint_of(worker, steering);
    OpenResult opened;
    while ((opened = endpoint->connect(request(), kNow)).error == OpenError::none) {
      const auto status = endpoint->status(opened.connection);
      ASSERT_TRUE(status.has_value());
      ASSERT_EQ(steering->worker_of(status->tuple), worker);
      EXPECT_TRUE(all.insert(status->tuple.local_port).second);
    }
    EXPECT_EQ(opened.error, OpenError::no_free_port);
  }
  EXPECT_EQ(all.size(), 1000U) << "between them they have every port of the range";
}

// Any number of cores, tables of any size, and the cores of one table need not have equal shares.
TEST_P(Steering, OwnPortsAreExactlyThoseWhoseRepliesComeHere) {
  std::mt19937 random(7);
  FourTuple tuple{request().local, request().remote, 0, 0};
  for (const std::size_t buckets : {1U, 4U, 128U, 512U}) {
    for (const std::uint16_t workers : {std::uint16_t{1}, std::uint16_t{2}, std::uint16_t{3},
                                        std::uint16_t{7}, std::uint16_t{16}}) {
      std::array<std::uint8_t, FlowSteering::kKeyBytes> key{};
      for (std::uint8_t& byte : key) byte = static_cast<std::uint8_t>(random());
      std::vector<std::uint16_t> reta(buckets);
      for (auto& w : reta) w = static_cast<std::uint16_t>(random() % std::uint32_t{workers});
      const FlowSteering steering(key, std::move(reta));
      const auto worker = static_cast<std::uint16_t>(random() % std::uint32_t{workers});
      const OwnPorts own(steering, worker);
      tuple.remote_port = static_cast<std::uint16_t>(random());
      const OwnPorts::Of mine(own, tuple);
      std::uint32_t next = mine.next(0);
      for (std::uint32_t port = 0; port < OwnPorts::kNone; ++port) {
        tuple.local_port = static_cast<std::uint16_t>(port);
        const bool is_own = steering.worker_of(tuple) == worker;
        ASSERT_EQ(next == port, is_own) << buckets << ' ' << workers << ' ' << port;
        if (is_own) next = mine.next(port + 1);
        if (port % 97 == 0) {
          ASSERT_EQ(mine.next(port), is_own ? port : next);
        }
      }
      EXPECT_EQ(next, OwnPorts::kNone);
    }
  }
}

// Sixteen cores: one port of sixteen is ours, and each is found at the first look, once.
TEST_P(Steering, TheWalkStepsOverThePortsOfOthers) {
  std::array<std::uint8_t, FlowSteering::kKeyBytes> key{};
  std::mt19937 random(3);
  for (std::uint8_t& byte : key) byte = static_cast<std::uint8_t>(random());
  std::vector<std::uint16_t> reta(512);
  for (std::size_t i = 0; i < reta.size(); ++i) reta[i] = static_cast<std::uint16_t>(i % 16);
  const FlowSteering steering(key, std::move(reta));
  const FourTuple tuple{request().local, request().remote, 0, 443};
  std::set<std::uint16_t> all;
  for (std::uint16_t worker = 0; worker < 16; ++worker) {
    const OwnPorts own(steering, worker);
    EphemeralPorts ports(SipKey{worker, 9}, 10'000, 60'000);
    std::set<std::uint16_t> mine;
    const auto look = [&](std::uint16_t port) {
      return mine.contains(port) ? PortState::in_use : PortState::free;
    };
    PortChoice choice;
    while ((choice = ports.choose(tuple, OwnPorts::Of(own, tuple), look)).port != 0) {
      ASSERT_EQ(choice.steps, 1U);
      ASSERT_TRUE(ports.contains(choice.port));
      mine.insert(choice.port);
      EXPECT_TRUE(all.insert(choice.port).second);
    }
    // All are taken: found out within a round, and what is given back is found at once.
    int calls = 0;
    for (; !choice.whole_round && calls < 10; ++calls) {
      choice = ports.choose(tuple, OwnPorts::Of(own, tuple), look);
    }
    EXPECT_TRUE(choice.whole_round);
    EXPECT_LE(calls, 5);
    FourTuple back = tuple;
    back.local_port = *std::next(mine.begin(), 100);
    mine.erase(back.local_port);
    ports.released(back);
    choice = ports.choose(tuple, OwnPorts::Of(own, tuple), look);
    EXPECT_EQ(choice.port, back.local_port);
    EXPECT_LE(choice.steps, EphemeralPorts::kTiredSteps + 1);
  }
  EXPECT_EQ(all.size(), 50'001U);
}

TEST_P(Steering, ARangeWithoutAPortOfThisCoreIsFull) {
  const auto steering = some_steering();
  const FourTuple tuple{request().local, request().remote, 0, 443};
  const OwnPorts own(*steering, 0);
  const OwnPorts::Of mine(own, tuple);
  std::uint16_t others = 2000;
  while (mine.next(others) == others) ++others;
  EphemeralPorts ports(SipKey{1, 2}, others, others);
  const PortChoice choice =
      ports.choose(tuple, mine, [](std::uint16_t) { return PortState::free; });
  EXPECT_EQ(choice.port, 0);
  EXPECT_EQ(choice.steps, 0U);
  EXPECT_TRUE(choice.whole_round);
}

TEST_P(Steering, APortThatIsAnotherCoresIsRefused) {
  const auto steering = some_steering();
  const auto endpoint = endpoint_of(0, steering);
  OpenRequest r = request();
  int refused = 0;
  for (r.local_port = 2000; r.local_port < 2100; ++r.local_port) {
    const bool ours =
        steering->worker_of(FourTuple{r.local, r.remote, r.local_port, r.remote_port}) == 0;
    const OpenError expected = ours ? OpenError::none : OpenError::in_use;
    EXPECT_EQ(endpoint->connect(r, kNow).error, expected);
    refused += ours ? 0 : 1;
  }
  EXPECT_GT(refused, 30);
}

/// What the endpoint says of a segment from the peer's `port`, and how many segments it then sends.
struct Verdict {
  Drop drop;
  std::size_t answers;
};
Verdict input(Endpoint& endpoint, const FourTuple& tuple, std::uint8_t flags) {
  SegmentIn segment;
  segment.seq = Seq(1000);
  segment.flags.bits = flags;
  segment.window = 1000;
  const Drop drop = endpoint.input(endpoint.hash(tuple), tuple, segment, kNow);
  std::array<SegmentOut, 4> out;
  return {drop, endpoint.flush(out, kNow)};
}

TEST_P(Steering, WhatIsAnotherCoresIsNeitherAcceptedNorReset) {
  const auto steering = some_steering();
  const auto endpoint = endpoint_of(1, steering);
  ListenRequest listen;
  listen.port = 80;
  ASSERT_TRUE(endpoint->listen(listen).ok());
  int accepted = 0;
  FourTuple tuple{request().local, request().remote, 80, 0};
  for (tuple.remote_port = 5000; tuple.remote_port < 5100; ++tuple.remote_port) {
    const bool ours = steering->worker_of(tuple) == 1;
    const Verdict syn = input(*endpoint, tuple, Flags::kSyn);
    EXPECT_EQ(syn.drop, ours ? Drop::none : Drop::wrong_core);
    EXPECT_EQ(syn.answers, ours ? 1U : 0U);
    accepted += ours ? 1 : 0;
  }
  EXPECT_GT(accepted, 10);
  EXPECT_LT(accepted, 90);
  EXPECT_EQ(endpoint->states().of(State::syn_received), static_cast<std::uint64_t>(accepted));
  tuple.local_port = 81;  // closed
  for (tuple.remote_port = 5000; tuple.remote_port < 5100; ++tuple.remote_port) {
    const bool ours = steering->worker_of(tuple) == 1;
    for (const std::uint8_t flags : {Flags::kSyn, Flags::kAck, Flags::kRst}) {
      const Verdict v = input(*endpoint, tuple, flags);
      EXPECT_EQ(v.drop == Drop::wrong_core, !ours);
      EXPECT_EQ(v.answers, ours && flags != Flags::kRst ? 1U : 0U);
    }
  }
}

}  // namespace
}  // namespace millrace::tcp
