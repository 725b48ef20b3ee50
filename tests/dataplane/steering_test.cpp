// SPDX-License-Identifier: BSD-3-Clause
//
// Many workers on the real cable: by RSS, by rules and by a steerer, every segment of every
// connection comes to the core that has it, whoever opened it; and what a port misplaces, because
// of extension headers or because it does not hash TCP, finds its core all the same.
#include <gtest/gtest.h>
#include <sched.h>

#include <string>

#include "tests/dataplane/extending_backend.h"
#include "tests/dataplane/fleet_parts.h"

namespace millrace::test {
namespace {

/// So many workers on the cores that there are, two at most, in turn.
std::vector<int> workers_on_cores(std::size_t workers) {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  EXPECT_EQ(sched_getaffinity(0, sizeof mine, &mine), 0);
  const int cores = CPU_ISSET(1, &mine) ? 2 : 1;
  std::vector<int> on(workers);
  for (std::size_t i = 0; i < workers; ++i) on[i] = static_cast<int>(i) % cores;
  return on;
}

struct Shape {
  std::size_t servers, clients;
  CableConfig cable;
};

/// Connections that were opened, and what became of their segments.
struct Account {
  std::uint32_t wanted = 0, graceful = 0, failed = 0;
  std::uint64_t wrong_core = 0, passed = 0, taken = 0, missed = 0;
  std::uint32_t idle_servers = 0;
  std::string steering;
};

Account run(const Shape& shape, bool ipv6, bool extended = false) {
  constexpr std::uint32_t kEach = 300;
  Apps apps{.connections = kEach, .ipv6 = ipv6};
  FleetConfig config = two_ends(workers_on_cores(shape.servers), workers_on_cores(shape.clients));
  config.ends[0].interface.addresses.push_back({kServer6, 64, 1});
  config.ends[1].interface.addresses.push_back({kClient6, 64, 1});
  config.cable = shape.cable;
  config.seed = 11;
  std::unique_ptr<Backend> backend = make_dpdk_backend();
  if (extended) backend = std::make_unique<ExtendingBackend>();
  Account a;
  auto made = Fleet::create(config, apps.factory(), std::move(backend));
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().sentence);
  if (!made.ok()) return a;
  Fleet& fleet = *made.value();
  // A host holds back 16 segments for a neighbour that it has not heard of yet.
  for (CallerApp* client : apps.clients) {
    client->at_once = 16 / static_cast<std::uint32_t>(shape.clients);
  }
  fleet.start();
  a.wanted = static_cast<std::uint32_t>(kEach * shape.clients);
  (void)eventually([&] { return apps.graceful() + apps.failed() == a.wanted; }, 30s);
  fleet.stop();
  a.graceful = apps.graceful();
  a.failed = apps.failed();
  for (std::size_t end = 0; end < 2; ++end) {
    for (std::size_t w = 0; w < fleet.workers(end); ++w) {
      const StatsSnapshot s = fleet.stats(end, w);
      a.wrong_core += s.worker.drops.of(Drop::wrong_core);
      a.passed += s.worker.strays_passed;
      a.taken += s.worker.strays_taken;
      a.missed += s.port.rx_missed + s.port.rx_no_buffer;
    }
  }
  for (const EchoApp* server : apps.servers) a.idle_servers += server->accepted.load() == 0 ? 1 : 0;
  for (const std::string& note : fleet.notes()) {
    if (note.starts_with("End 0")) a.steering = note;
  }
  return a;
}

void expect_whole(const Account& a) {
  EXPECT_EQ(a.graceful, a.wanted);
  EXPECT_EQ(a.failed, 0U);
  EXPECT_EQ(a.wrong_core, 0U);
  EXPECT_EQ(a.missed, 0U);
  EXPECT_EQ(a.idle_servers, 0U);
}

struct Named {
  std::string name;
  Steering steering;
  std::string printed;
};

using Combination = std::tuple<Named, std::pair<int, int>, bool>;

std::string name_of(const Combination& c) {
  const auto& [named, workers, ipv6] = c;
  return named.name + std::to_string(workers.first) + "x" + std::to_string(workers.second) +
         (ipv6 ? "v6" : "v4");
}

class SteeringOverCable : public testing::TestWithParam<Combination> {};

TEST_P(SteeringOverCable, NoSegmentComesToAWrongCore) {
  const auto& [named, workers, ipv6] = GetParam();
  Shape shape{
      static_cast<std::size_t>(workers.first), static_cast<std::size_t>(workers.second), {}};
  shape.cable.steering = named.steering;
  const Account a = run(shape, ipv6);
  expect_whole(a);
  EXPECT_EQ(a.passed, 0U);
  const std::string printed = workers.first == 1 ? "single queue" : named.printed;
  EXPECT_NE(a.steering.find(printed), std::string::npos) << a.steering;
}

INSTANTIATE_TEST_SUITE_P(
    OneToSixteen, SteeringOverCable,
    testing::Combine(testing::Values(Named{"Rss", Steering::rss, "RSS by the cable"},
                                     Named{"Rules", Steering::rules, "flow rules of the cable"},
                                     Named{"Software", Steering::software, "software steering to"}),
                     testing::Values(std::pair{1, 3}, std::pair{2, 2}, std::pair{3, 1},
                                     std::pair{4, 8}, std::pair{8, 2}, std::pair{16, 4},
                                     std::pair{4, 16}),
                     testing::Bool()),
    [](const auto& p) { return name_of(p.param); });

TEST(SteeringOverCables, OffloadsDoNotChangeWhereSegmentsGo) {
  for (const Steering steering : {Steering::rss, Steering::rules, Steering::software}) {
    for (const bool lro : {false, true}) {
      const CableConfig cable{
          .checksum_offload = true, .tso = true, .lro = lro, .steering = steering};
      const Account a = run({3, 2, cable}, lro);
      expect_whole(a);
      EXPECT_EQ(a.passed, 0U);
    }
  }
}

// RFC 8200 §4: extension headers may stand between, in any segment. Most devices then hash the
// addresses alone, so that all such segments come to one core.
TEST(SteeringOverCables, SegmentsWithExtensionHeadersFindTheirCore) {
  for (const Steering steering : {Steering::rss, Steering::rules, Steering::software}) {
    for (const bool looks_behind : {false, true}) {
      CableConfig cable{.steering = steering};
      cable.hash_types.tcp_ipv6_ex = looks_behind;
      const Account a = run({4, 2, cable}, true, true);
      expect_whole(a);
      EXPECT_EQ(a.passed, a.taken);
      const bool astray =
          steering == Steering::rules || (steering == Steering::rss && !looks_behind);
      EXPECT_EQ(a.passed > 0, astray) << a.steering;
    }
  }
}

// A port that does not do what we think it does costs time, and no connection.
TEST(SteeringOverCables, APortThatHashesOnlyAddressesLosesNothing) {
  for (const bool ipv6 : {false, true}) {
    CableConfig cable;
    (ipv6 ? cable.hash_types.tcp_ipv6 : cable.hash_types.tcp_ipv4) = false;
    const Account a = run({4, 2, cable}, ipv6);
    expect_whole(a);
    EXPECT_GT(a.passed, 0U);
    EXPECT_EQ(a.passed, a.taken);
  }
}

}  // namespace
}  // namespace millrace::test
