// SPDX-License-Identifier: BSD-3-Clause
//
// Launching, asking and stopping workers, over a backend made by hand and over the real cable.
#include "dataplane/fleet.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>
#include <cstring>
#include <functional>

#include "tests/dataplane/echo_apps.h"
#include "tests/dataplane/fake_backend.h"
#include "tests/dataplane/fleet_parts.h"

namespace millrace::test {
namespace {

constexpr std::size_t npos = std::string::npos;

std::unique_ptr<Fleet> make_fake(const FleetConfig& config, Apps& apps, FakeJournal& journal) {
  auto fleet = Fleet::create(config, apps.factory(), std::make_unique<FakeBackend>(journal));
  EXPECT_TRUE(fleet.ok()) << (fleet.ok() ? "" : fleet.error().sentence);
  return fleet.ok() ? std::move(fleet).value() : nullptr;
}

TEST(Fleet, RunsBothEndsOnOneCoreOverAFake) {
  Apps apps{.connections = 100};
  FakeJournal journal;
  auto fleet = make_fake(two_ends(), apps, journal);
  ASSERT_NE(fleet, nullptr);
  ASSERT_EQ(fleet->ends(), 2U);
  ASSERT_EQ(fleet->workers(0), 1U);
  EXPECT_EQ(journal.entered.load(), 1) << "one thread for both ends";
  EXPECT_EQ(apps.servers[0]->calls.load(), 0U) << "nothing runs before start()";
  fleet->start();
  EXPECT_TRUE(eventually([&] { return apps.graceful() == 100; }))
      << apps.graceful() << " of 100, " << apps.failed() << " failed";
  EXPECT_EQ(apps.clients[0]->echoed.load(), 6400U);
  fleet->stop();
  EXPECT_EQ(journal.left.load(), 1);
  const StatsSnapshot s = fleet->stats(0, 0);
  EXPECT_GE(s.worker.rx_frames, 400U) << "the last figures are published at the end";
  EXPECT_GT(s.worker.iterations, 0U);
  EXPECT_EQ(journal.opened.devices.size(), 2U);
  EXPECT_EQ(journal.opened.cores, (std::vector<int>{0, 0}));
}

TEST(Fleet, PublishesTenTimesASecond) {
  Apps apps;
  FakeJournal journal;
  auto fleet = make_fake(two_ends(), apps, journal);
  ASSERT_NE(fleet, nullptr);
  fleet->start();
  ASSERT_TRUE(eventually([&] { return fleet->stats(0, 0).worker.iterations > 0; }));
  std::uint64_t last = 0;
  int changes = 0;
  const auto until = std::chrono::steady_clock::now() + 1s;
  while (std::chrono::steady_clock::now() < until) {
    const std::uint64_t now = fleet->stats(1, 0).worker.iterations;
    if (now != last) ++changes;
    last = now;
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_GE(changes, 5);  // a busy machine may lose some
  EXPECT_LE(changes, 12);
}

TEST(Fleet, AsksOnTheWorkersCoreWhileItRunsAndHereOtherwise) {
  Apps apps;
  FakeJournal journal;
  auto fleet = make_fake(two_ends(), apps, journal);
  ASSERT_NE(fleet, nullptr);
  const auto where = [&] {
    std::thread::id id;
    fleet->ask(0, 0, [&](tcp::Endpoint&, tcp::App& app) {
      EXPECT_EQ(&app, apps.servers[0]);
      id = std::this_thread::get_id();
    });
    return id;
  };
  EXPECT_EQ(where(), std::this_thread::get_id());
  fleet->start();
  const std::thread::id worker = where();
  EXPECT_NE(worker, std::this_thread::get_id());
  fleet->ask(0, 0, [&](tcp::Endpoint&, tcp::App& app) {
    EXPECT_EQ(static_cast<EchoApp&>(app).thread, worker);
    EXPECT_EQ(sched_getcpu(), 0);
  });
  // Many at once: each is answered.
  std::atomic<int> answered{0};
  std::vector<std::thread> askers;
  for (int i = 0; i < 4; ++i) {
    askers.emplace_back([&] {
      for (int j = 0; j < 50; ++j) {
        fleet->ask(1, 0, [&](tcp::Endpoint&, tcp::App&) { ++answered; });
      }
    });
  }
  for (std::thread& t : askers) t.join();
  EXPECT_EQ(answered.load(), 200);
  fleet->stop();
  EXPECT_EQ(where(), std::this_thread::get_id());
  fleet->stop();   // twice is fine
  fleet->start();  // they do not start again
  EXPECT_EQ(where(), std::this_thread::get_id());
}

TEST(Fleet, SaysWhenItReachesANeighbour) {
  Apps apps;
  FakeJournal journal;
  auto fleet = make_fake(two_ends(), apps, journal);
  ASSERT_NE(fleet, nullptr);
  EXPECT_FALSE(fleet->reaches(1, kServer)) << "nothing runs yet";
  fleet->start();
  EXPECT_TRUE(eventually([&] { return fleet->reaches(1, kServer); }));
  EXPECT_FALSE(fleet->reaches(1, Address::v4(0xc612'00fe))) << "nobody is there";
}

TEST(Fleet, NamesWhatIsWrong) {
  Apps apps;
  const auto refused = [&](const FleetConfig& config, FakeJournal& journal) {
    auto fleet = Fleet::create(config, apps.factory(), std::make_unique<FakeBackend>(journal));
    EXPECT_FALSE(fleet.ok());
    return fleet.ok() ? Error{} : fleet.error();
  };
  FakeJournal plain;
  EXPECT_EQ(refused({}, plain).kind, ErrorKind::usage);
  EXPECT_EQ(refused(two_ends({}), plain).kind, ErrorKind::usage);
  const Error core = refused(two_ends({0, 999}), plain);
  EXPECT_EQ(core.kind, ErrorKind::usage);
  EXPECT_NE(core.sentence.find("no core 999"), std::string::npos) << core.sentence;
  FleetConfig steering = two_ends();
  steering.ends[0].steering_core = 998;
  EXPECT_NE(refused(steering, plain).sentence.find("no core 998"), std::string::npos);

  FakeJournal device;
  device.refuse_devices = "No such device.";
  const Error absent = refused(two_ends(), device);
  EXPECT_EQ(absent.kind, ErrorKind::environment);
  EXPECT_EQ(absent.sentence, "No such device.");
  EXPECT_EQ(absent.hint, "hint");

  FakeJournal threads;
  threads.refuse_threads = true;
  EXPECT_EQ(refused(two_ends(), threads).sentence, "No more threads.");

  FleetConfig endpoint = two_ends();
  endpoint.ends[1].endpoint.profiles.clear();
  EXPECT_EQ(refused(endpoint, plain).kind, ErrorKind::usage);
}

TEST(Fleet, NamesWhatIsWrongWithAnInterfaceBeforeADeviceIsOpened) {
  Apps apps;
  FakeJournal journal;
  journal.refuse_devices = "opened";
  const auto sentence = [&](const std::function<void(net::InterfaceConfig&)>& spoil) {
    FleetConfig config = two_ends();
    spoil(config.ends[1].interface);
    auto fleet = Fleet::create(config, apps.factory(), std::make_unique<FakeBackend>(journal));
    if (fleet.ok() || fleet.error().kind != ErrorKind::usage) return std::string("accepted");
    return fleet.error().sentence;
  };
  EXPECT_NE(sentence([](auto& i) { i.addresses[0].prefix_length = 33; }).find("/33"), npos);
  EXPECT_NE(sentence([](auto& i) { i.vlan = std::uint16_t{4095}; }).find("VLAN 4095"), npos);
  EXPECT_NE(sentence([](auto& i) { i.mtu = 500; }).find("MTU of 500"), npos);
  const auto far_gateway = [](auto& i) {
    i.routes = {{Address::v4(0), 0, Address::v4(0x0a000001)}};
  };
  EXPECT_NE(sentence(far_gateway).find("10.0.0.1"), npos);
}

TEST(Fleet, PollsTheSteererWhereItWasTold) {
  for (const int core : {-1, 0}) {
    Apps apps;
    FakeJournal journal;
    journal.with_steerer = true;
    FleetConfig config = two_ends();
    config.ends[0].steering_core = core;
    auto fleet = make_fake(config, apps, journal);
    ASSERT_NE(fleet, nullptr);
    fleet->start();
    EXPECT_TRUE(eventually([&] { return journal.steered.load() > 10; }));
    EXPECT_EQ(journal.steering_core.load(), 0);
  }
}

TEST(Fleet, SecretsComeFromTheSeedIfThereIsOne) {
  const auto first_port = [](std::uint64_t seed) {
    Apps apps{.connections = 1};
    FakeJournal journal;
    FleetConfig config = two_ends();
    config.seed = seed;
    auto fleet = make_fake(config, apps, journal);
    fleet->start();
    EXPECT_TRUE(eventually([&] { return apps.clients[0]->first_port.load() != 0; }));
    return apps.clients[0]->first_port.load();
  };
  const std::uint16_t of_five = first_port(5);
  EXPECT_EQ(first_port(5), of_five);
  EXPECT_FALSE(first_port(6) == of_five && first_port(7) == of_five);
  EXPECT_FALSE(first_port(0) == of_five && first_port(0) == of_five);
}

TEST(Fleet, SaysWhatItRunsOn) {
  Apps apps;
  FakeJournal journal;
  auto fleet = make_fake(two_ends({0, 0}), apps, journal);
  ASSERT_NE(fleet, nullptr);
  std::string all;
  for (const std::string& note : fleet->notes()) all += note + "\n";
  EXPECT_NE(all.find("a note of the fake"), std::string::npos);
  EXPECT_NE(all.find("Clock: "), std::string::npos);
  EXPECT_NE(all.find("End 0: cores 0,0, by hand"), std::string::npos) << all;
}

// ---- the real thing

cpu_set_t affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  return set;
}

struct CableCase {
  std::string name;
  std::vector<int> server_cores, client_cores;
  CableConfig switches;
};

class FleetOverCable : public testing::TestWithParam<CableCase> {};

TEST_P(FleetOverCable, EveryConnectionIsEchoedAndClosed) {
  const CableCase& c = GetParam();
  Apps apps{.connections = 2000};
  FleetConfig config = two_ends(c.server_cores, c.client_cores);
  config.cable = c.switches;
  const cpu_set_t before = affinity();
  auto made = Fleet::create(config, apps.factory(), make_dpdk_backend());
  ASSERT_TRUE(made.ok()) << made.error().sentence << " " << made.error().hint;
  const cpu_set_t after = affinity();
  EXPECT_TRUE(CPU_EQUAL(&before, &after)) << "the EAL leaves the main thread's mask alone";
  Fleet& fleet = *made.value();
  fleet.start();
  const auto total = static_cast<std::uint32_t>(2000 * c.client_cores.size());
  EXPECT_TRUE(eventually([&] { return apps.graceful() == total; }))
      << apps.graceful() << " of " << total << ", " << apps.failed() << " failed";
  EXPECT_EQ(apps.failed(), 0U);
  fleet.stop();
  std::uint64_t drops = 0;
  for (std::size_t end = 0; end < 2; ++end) {
    for (std::size_t w = 0; w < fleet.workers(end); ++w) {
      drops += fleet.stats(end, w).worker.drops.of(Drop::wrong_core);
      drops += fleet.stats(end, w).port.rx_no_buffer;
    }
  }
  EXPECT_EQ(drops, 0U);
  for (const EchoApp* server : apps.servers) EXPECT_GT(server->accepted.load(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, FleetOverCable,
    testing::Values(CableCase{"OneCore", {0}, {0}, {}},
                    CableCase{"OneCoreChecksums", {0}, {0}, {true, false, false}},
                    CableCase{"OneCoreAllOffloads", {0}, {0}, {true, true, true}},
                    CableCase{"TwoServersOneClient", {0, 0}, {0}, {}},
                    CableCase{"ThreeServersTwoClients", {0, 0, 0}, {0, 0}, {}}),
    [](const auto& p) { return p.param.name; });

TEST(FleetOverCables, TwoCoresWhereThereAreTwo) {
  cpu_set_t mine = affinity();
  if (!CPU_ISSET(1, &mine)) GTEST_SKIP() << "needs core 1";
  Apps apps{.connections = 2000};
  auto made = Fleet::create(two_ends({0}, {1}), apps.factory(), make_dpdk_backend());
  ASSERT_TRUE(made.ok()) << made.error().sentence << " " << made.error().hint;
  made.value()->start();
  EXPECT_TRUE(eventually([&] { return apps.graceful() == 2000; })) << apps.graceful();
  EXPECT_EQ(apps.failed(), 0U);
}

}  // namespace
}  // namespace millrace::test
