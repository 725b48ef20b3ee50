// SPDX-License-Identifier: BSD-3-Clause
//
// Devices as operators write them: what is wrong is named, with what was meant or what mends it.
#include "dataplane/dpdk/device_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_machine.h"

namespace millrace::test {
namespace {

using dpdk::check_device;
using dpdk::DeviceSpec;
using dpdk::parse_device;
using testing::HasSubstr;

DeviceSpec good(const std::string& text) {
  auto spec = parse_device(text);
  EXPECT_TRUE(spec.ok()) << text;
  return spec.ok() ? spec.value() : DeviceSpec{};
}

Error usage_error(const std::string& text) {
  const auto spec = parse_device(text);
  EXPECT_FALSE(spec.ok()) << text;
  if (spec.ok()) return {};
  EXPECT_EQ(spec.error().kind, ErrorKind::usage);
  EXPECT_THAT(spec.error().sentence, HasSubstr(text)) << "the sentence names what was written";
  return spec.error();
}

TEST(DeviceSpec, TakesDriversAndAddresses) {
  const DeviceSpec tap = good("net_tap0,iface=mr0,mac=02:00:00:00:00:01");
  EXPECT_EQ(tap.name, "net_tap0");
  EXPECT_EQ(tap.driver, "net_tap");
  EXPECT_EQ(tap.argument("iface"), "mr0");
  EXPECT_FALSE(tap.pci);
  EXPECT_EQ(good("net_ring").driver, "net_ring");
  EXPECT_EQ(good("net_memif1,role=client,socket=/tmp/x").argument("role"), "client");
  EXPECT_TRUE(good("0000:03:00.0").pci);
  EXPECT_EQ(good("03:00.1").name, "0000:03:00.1") << "the short form is completed";
  EXPECT_EQ(good("0000:AF:00.0").name, "0000:af:00.0");
}

TEST(DeviceSpec, SuggestsWhatWasMeant) {
  EXPECT_THAT(usage_error("net_tab0,iface=mr0").hint, HasSubstr("net_tap0,iface=mr0"));
  EXPECT_THAT(usage_error("af_packet0,iface=eth0").hint, HasSubstr("net_af_packet0"));
  EXPECT_THAT(usage_error("eth0").sentence, HasSubstr("net_tap, net_af_packet"));
  EXPECT_EQ(usage_error("eth0").hint, "");
  const Error key = usage_error("net_tap0,ifcae=mr0");
  EXPECT_THAT(key.sentence, HasSubstr("'ifcae'"));
  EXPECT_THAT(key.hint, HasSubstr("iface=mr0"));
  EXPECT_THAT(usage_error("net_tap0,iface").sentence, HasSubstr("KEY=VALUE"));
  EXPECT_THAT(parse_device("net_tap0,iface=sixteencharacters").error().sentence,
              HasSubstr("15 characters"));
  usage_error("0000:03:00.9");
  usage_error("");
}

Error environment_error(const DeviceSpec& spec, const FakeMachine& machine) {
  const Status status = check_device(spec, machine.machine());
  EXPECT_FALSE(status.ok()) << spec.text;
  if (status.ok()) return {};
  EXPECT_EQ(status.error().kind, ErrorKind::environment);
  EXPECT_NE(status.error().hint, "") << "what mends it is said";
  return status.error();
}

TEST(DeviceCheck, PciThatIsNotThereNamesThoseThatAre) {
  const FakeMachine machine;
  EXPECT_THAT(environment_error(good("0000:03:00.0"), machine).sentence,
              HasSubstr("no PCI device at 0000:03:00.0"));
  machine.pci("0000:04:00.0", "vfio-pci", -1);
  machine.pci("0000:05:00.0", "nvme", -1, "0x010802");
  EXPECT_EQ(environment_error(good("0000:03:00.0"), machine).hint,
            "Network controllers are at 0000:04:00.0.");
}

TEST(DeviceCheck, PciBoundToTheKernelIsToBeBoundAnew) {
  const FakeMachine machine;
  machine.pci("0000:03:00.0", "e1000e", 5);
  machine.write("/sys/bus/pci/devices/0000:03:00.0/net/eth0/mtu", "1500");
  const Error error = environment_error(good("03:00.0"), machine);
  EXPECT_THAT(error.sentence, HasSubstr("driver e1000e (interface eth0)"));
  EXPECT_THAT(error.hint, HasSubstr("dpdk-devbind.py --bind=vfio-pci 0000:03:00.0"));
  machine.pci("0000:04:00.0", "", -1);
  EXPECT_THAT(environment_error(good("04:00.0"), machine).sentence, HasSubstr("no driver"));
  machine.pci("0000:05:00.0", "mlx5_core", -1);
  EXPECT_TRUE(check_device(good("05:00.0"), machine.machine()).ok()) << "shared with the kernel";
}

TEST(DeviceCheck, AVfioGroupThatIsNotViableListsItsOthers) {
  const FakeMachine machine;
  machine.pci("0000:03:00.0", "vfio-pci", 12);
  machine.pci("0000:03:00.1", "i40e", 12);
  machine.pci("0000:03:00.2", "vfio-pci", 12);
  const Error error = environment_error(good("03:00.0"), machine);
  EXPECT_THAT(error.sentence, HasSubstr("group 12"));
  EXPECT_THAT(error.sentence, HasSubstr("0000:03:00.1 (i40e)"));
  EXPECT_THAT(error.sentence, testing::Not(HasSubstr("0000:03:00.2")));
  machine.pci("0000:06:00.0", "vfio-pci", 4999);
  EXPECT_THAT(environment_error(good("06:00.0"), machine).sentence, HasSubstr("/dev/vfio/4999"));
}

TEST(DeviceCheck, PermissionsAreAskedForByName) {
  const FakeMachine machine;  // has CAP_NET_ADMIN, has not CAP_NET_RAW
  EXPECT_TRUE(check_device(good("net_tap0"), machine.machine()).ok());
  EXPECT_THAT(environment_error(good("net_af_packet0,iface=lo"), machine).sentence,
              HasSubstr("CAP_NET_RAW"));
  machine.write("/proc/self/status", "CapEff:\t0000000000000000\n");
  const Error tap = environment_error(good("net_tap0"), machine);
  EXPECT_THAT(tap.sentence, HasSubstr("CAP_NET_ADMIN"));
  EXPECT_THAT(environment_error(good("net_af_packet0,iface=nosuch0"), machine).sentence,
              HasSubstr("no network interface 'nosuch0'"));
}

TEST(DeviceCheck, DpdksWordsBecomeASentence) {
  const DeviceSpec tap = good("net_tap0,iface=mr0");
  EXPECT_THAT(dpdk::explain_failed_device(tap,
                                          "tun_alloc(): Unable to set TUNSETIFF for mr0: "
                                          "Operation not permitted\n")
                  .sentence,
              HasSubstr("does not permit"));
  const std::string log =
      "rte_pmd_init_internals(): net_af_packet0: ioctl failed (SIOCGIFINDEX):No such device\n"
      "EAL: Driver cannot attach the device (net_af_packet0)\n";
  EXPECT_EQ(dpdk::telling_line(log), "net_af_packet0: ioctl failed (SIOCGIFINDEX):No such device");
  EXPECT_THAT(dpdk::explain_failed_device(tap, "").sentence, HasSubstr("nothing more"));
}

}  // namespace
}  // namespace millrace::test
