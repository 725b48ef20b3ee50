// SPDX-License-Identifier: BSD-3-Clause
//
// The EAL's arguments, and its failures as sentences. As it starts once in a process, each failure
// is tried in a process of its own: this executable, told to open a backend and to say what
// happened.
#include "dataplane/dpdk/eal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include "tests/dataplane/dpdk/eal_environment.h"
#include "tests/support/fake_machine.h"

namespace millrace::test {
namespace {

using dpdk::EalPlan;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

EalPlan plan_for(const BackendConfig& config, const std::vector<std::string>& devices,
                 const FakeMachine& machine) {
  std::vector<dpdk::DeviceSpec> specs;
  for (const std::string& d : devices) specs.push_back(dpdk::parse_device(d).value());
  auto plan = dpdk::plan_eal(config, specs, 100, machine.machine());
  EXPECT_TRUE(plan.ok()) << plan.error().sentence;
  return plan.ok() ? plan.value() : EalPlan{};
}

BackendConfig plain() {
  BackendConfig config;
  config.cores = {1};
  return config;
}

TEST(EalPlan, UsesOrdinaryMemoryWithoutHugepagesAndSaysSo) {
  const FakeMachine machine;
  machine.hugepages(40, 40);  // 80 MiB of the 100
  const EalPlan plan = plan_for(plain(), {}, machine);
  EXPECT_FALSE(plan.hugepages);
  EXPECT_THAT(plan.words, Contains("--no-huge"));
  EXPECT_THAT(plan.words, Contains("-m"));
  EXPECT_THAT(plan.words, Contains("100"));
  EXPECT_THAT(plan.words, Not(Contains("--in-memory"))) << "the two exclude each other";
  EXPECT_THAT(plan.note, HasSubstr("ordinary memory"));
  EXPECT_THAT(plan.note, HasSubstr("80 MiB of hugepages are free"));
}

TEST(EalPlan, UsesHugepagesIfThereAreEnoughAndTheyAreWanted) {
  const FakeMachine machine;
  machine.hugepages(60, 50);
  EalPlan plan = plan_for(plain(), {}, machine);
  EXPECT_TRUE(plan.hugepages);
  EXPECT_THAT(plan.words, Contains("--in-memory"));
  EXPECT_THAT(plan.words, Not(Contains("--no-huge")));
  EXPECT_THAT(plan.note, HasSubstr("in hugepages (100 MiB of 100 MiB"));
  EXPECT_THAT(plan.words, Not(Contains("--single-file-segments")));
  plan = plan_for(plain(), {"net_memif0,role=client"}, machine);
  EXPECT_THAT(plan.words, Contains("--single-file-segments"));
  BackendConfig without = plain();
  without.hugepages = false;
  plan = plan_for(without, {}, machine);
  EXPECT_THAT(plan.words, Contains("--no-huge"));
  EXPECT_THAT(plan.note, HasSubstr("as asked"));
}

TEST(EalPlan, TakesOnlyTheDevicesThatAreNamed) {
  const FakeMachine machine;
  machine.hugepages(100, 100);
  EXPECT_THAT(plan_for(plain(), {"net_tap0,iface=x"}, machine).words, Contains("--no-pci"));
  const EalPlan plan = plan_for(plain(), {"0000:03:00.0"}, machine);
  EXPECT_THAT(plan.words, Not(Contains("--no-pci")));
  const auto allow = std::find(plan.words.begin(), plan.words.end(), "-a");
  ASSERT_NE(allow, plan.words.end());
  EXPECT_EQ(*(allow + 1), "0000:03:00.0");
}

TEST(EalPlan, IsAloneAndQuiet) {
  const FakeMachine machine;
  const EalPlan plan = plan_for(plain(), {}, machine);
  EXPECT_THAT(plan.words, Contains("--no-telemetry"));
  EXPECT_THAT(plan.words, Contains("--no-shconf"));
  EXPECT_THAT(plan.words, Contains(StartsWith("--file-prefix=millrace-")));
  BackendConfig extra = plain();
  extra.eal_extra = " --telemetry  --log-level=debug ";
  const EalPlan longer = plan_for(extra, {}, machine);
  ASSERT_GE(longer.words.size(), 2U);
  EXPECT_EQ(longer.words[longer.words.size() - 2], "--telemetry");
  EXPECT_EQ(longer.words.back(), "--log-level=debug");
}

TEST(EalPlan, KeepsItsOwnThreadsOffTheWorkersCores) {
  const FakeMachine machine;
  cpu_set_t mine;
  CPU_ZERO(&mine);
  sched_getaffinity(0, sizeof mine, &mine);
  if (!CPU_ISSET(0, &mine) || !CPU_ISSET(1, &mine)) GTEST_SKIP() << "needs cores 0 and 1";
  EXPECT_THAT(plan_for(plain(), {}, machine).words, Contains("--lcores=0@(0)"));
  BackendConfig all = plain();
  all.cores = {0, 1};
  EXPECT_THAT(plan_for(all, {}, machine).words, Contains("--lcores=0@(0,1)"));
}

TEST(EalPlan, RefusesWhatCannotWork) {
  const FakeMachine machine;
  BackendConfig small = plain();
  small.memory_mib = 10;
  auto plan = dpdk::plan_eal(small, {}, 100, machine.machine());
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().kind, ErrorKind::usage);
  EXPECT_THAT(plan.error().sentence, HasSubstr("need 100 MiB"));
  plan =
      dpdk::plan_eal(plain(), {dpdk::parse_device("0000:03:00.0").value()}, 100, machine.machine());
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().kind, ErrorKind::environment);
  EXPECT_THAT(plan.error().hint, HasSubstr("vm.nr_hugepages="));
}

TEST(Eal, ASecondBackendHasTheMemoryOfTheFirst) {
  BackendConfig config = cable_config(1, 1);
  config.memory_mib = 100'000;
  const auto opened = make_dpdk_backend()->open(config);
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().sentence, HasSubstr("started with 256 MiB"));
}

/// All that a child says: its own words ("ok" or kind, sentence, hint), and whatever DPDK printed.
std::string child(const std::string& arguments) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string command = self + " --child " + arguments + " 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "no child";
  std::string said;
  std::array<char, 512> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) said += part.data();
  pclose(pipe);
  return said;
}

TEST(EalProcess, StartsQuietlyAndLeavesNothingBehind) { EXPECT_EQ(child("extra ''"), "ok\n"); }

TEST(EalProcess, NamesAnOptionThatDpdkDoesNotKnow) {
  const std::string said = child("extra --foo");
  EXPECT_THAT(said, StartsWith("usage: DPDK does not know the option '--foo'."));
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 2) << "and prints no page of help";
}

TEST(EalProcess, NamesAnArgumentThatDpdkRefuses) {
  EXPECT_THAT(child("extra '--lcores=0@(4321)'"), StartsWith("usage: DPDK refuses its arguments"));
}

TEST(EalProcess, SaysThatTheEalRunsAlready) {
  EXPECT_THAT(child("twice"), StartsWith("failed: DPDK's EAL was started"));
}

TEST(EalProcess, TheCableNeedsNoPrivilege) {
  if (geteuid() != 0) GTEST_SKIP() << "we are without already";
  EXPECT_EQ(child("nobody ''"), "ok\n");
}

TEST(EalProcess, ATapWithoutPrivilegeSaysWhatItNeeds) {
  if (geteuid() != 0) GTEST_SKIP() << "we are without already";
  EXPECT_THAT(child("nobody net_tap0,iface=dpdknone"),
              StartsWith("environment: Opening 'net_tap0' needs CAP_NET_ADMIN"));
}

}  // namespace
}  // namespace millrace::test
