// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/probe.h"

#include <gtest/gtest.h>

#include "tests/support/fake_machine.h"

namespace millrace::test {
namespace {

TEST(Probe, ReadsCoresAndWhichAreIsolated) {
  const FakeMachine fake;
  fake.write("/sys/devices/system/cpu/cpu1/node1/x", "");
  const auto cores = fake.machine().cores();
  ASSERT_EQ(cores.size(), 2U);
  EXPECT_EQ(cores[0].id, 0);
  EXPECT_FALSE(cores[0].isolated);
  EXPECT_EQ(cores[0].node, 0);
  EXPECT_EQ(cores[1].id, 1);
  EXPECT_TRUE(cores[1].isolated);
  EXPECT_EQ(cores[1].node, 1);
}

TEST(Probe, CountsHugepagesByNodeAndSize) {
  const FakeMachine fake;
  EXPECT_TRUE(fake.machine().hugepages().empty());
  EXPECT_EQ(fake.machine().free_hugepage_mib(), 0U);
  fake.hugepages(100, 30);
  const std::string huge = "/sys/devices/system/node/node1/hugepages/hugepages-1048576kB";
  fake.write(huge + "/nr_hugepages", "2\n");
  fake.write(huge + "/free_hugepages", "1\n");
  const auto pools = fake.machine().hugepages();
  ASSERT_EQ(pools.size(), 2U);
  EXPECT_EQ(pools[0].total, 100U);
  EXPECT_EQ(pools[0].free, 30U);
  EXPECT_EQ(pools[1].node, 1);
  EXPECT_EQ(pools[1].page_kib, 1'048'576U);
  EXPECT_EQ(fake.machine().free_hugepage_mib(), 60U + 1024U);
}

TEST(Probe, FindsNetworkFunctionsAndWhoDrivesThem) {
  const FakeMachine fake;
  fake.pci("0000:05:00.0", "nvme", 3, "0x010802");
  fake.pci("0000:03:00.0", "vfio-pci", 3);
  fake.pci("0000:02:00.0", "", -1);
  const auto found = fake.machine().network_functions();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].address, "0000:02:00.0");
  EXPECT_FALSE(found[0].bound_for_userspace());
  EXPECT_EQ(found[0].iommu_group, -1);
  EXPECT_EQ(found[1].driver, "vfio-pci");
  EXPECT_TRUE(found[1].bound_for_userspace());
  EXPECT_EQ(found[1].vendor, 0x8086);
  EXPECT_EQ(found[1].device, 0x1572);
  ASSERT_EQ(found[1].in_group.size(), 1U);
  EXPECT_EQ(found[1].in_group[0].address, "0000:05:00.0");
  EXPECT_EQ(found[1].in_group[0].driver, "nvme");
  EXPECT_FALSE(fake.machine().pci("0000:09:00.0").has_value());
}

TEST(Probe, TellsCapabilities) {
  const FakeMachine fake;
  EXPECT_TRUE(fake.machine().has(Capability::net_admin));
  EXPECT_FALSE(fake.machine().has(Capability::net_raw));
  EXPECT_FALSE(Machine("/nowhere").has(Capability::net_admin));
}

TEST(Probe, ReadsAndWritesListsOfCpus) {
  using List = std::vector<int>;
  EXPECT_EQ(parse_cpu_list("0-3,8"), (List{0, 1, 2, 3, 8}));
  EXPECT_EQ(parse_cpu_list("5"), List{5});
  for (const char* bad : {"", "a", "3-1", "1-", "1;2", "-1", "1-99999999"}) {
    EXPECT_TRUE(parse_cpu_list(bad).empty()) << bad;
  }
  EXPECT_EQ(cpu_list_text({0, 1, 2, 3, 8}), "0-3,8");
  EXPECT_EQ(cpu_list_text({}), "");
  EXPECT_EQ(cpu_list_text({7}), "7");
}

}  // namespace
}  // namespace millrace::test
