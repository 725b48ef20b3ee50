// SPDX-License-Identifier: BSD-3-Clause
//
// Real devices against the kernel, in a network namespace that this thread alone is in: net_tap
// with one worker and with several (software steering), and af_packet on a veth pair.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>
#include <thread>

#include "dataplane/backend.h"
#include "dataplane/probe.h"
#include "tests/dataplane/dpdk/eal_environment.h"
#include "tests/dataplane/dpdk/frames.h"

namespace millrace::test {
namespace {

using namespace std::chrono_literals;

bool run(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

class Kernel : public testing::Test {
 protected:
  void SetUp() override {
    if (!Machine().has(Capability::net_admin) || !Machine().has(Capability::sys_admin)) {
      GTEST_SKIP() << "needs CAP_NET_ADMIN and CAP_SYS_ADMIN for a namespace of its own";
    }
    old_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    ASSERT_GE(old_, 0);
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "no new network namespace";
    ASSERT_TRUE(run("ip link set lo up"));
  }
  void TearDown() override {
    devices_.clear();
    backend_.reset();
    if (old_ >= 0) {
      EXPECT_EQ(setns(old_, CLONE_NEWNET), 0);
      close(old_);
    }
  }

  void open_device(const std::string& device, std::uint16_t workers, std::uint16_t mtu = 1500) {
    BackendConfig config = cable_config(1, 1);
    config.devices = {{device, workers, mtu}};
    config.memory_mib = 0;
    backend_ = make_dpdk_backend();
    auto opened = backend_->open(config);
    ASSERT_TRUE(opened.ok()) << opened.error().sentence << " " << opened.error().hint;
    devices_ = std::move(opened).value();
    ASSERT_EQ(devices_[0].ports.size(), workers);
  }
  Device& device() { return devices_[0]; }

  /// Polls all workers until `seen` says that it is enough, or two seconds have passed.
  bool poll(const std::function<bool(std::uint16_t worker, const Frame&)>& seen) {
    const auto give_up = std::chrono::steady_clock::now() + 2s;
    std::array<Frame, 32> frames;
    bool enough = false;
    while (!enough && std::chrono::steady_clock::now() < give_up) {
      if (device().steerer != nullptr) device().steerer->poll();
      for (std::uint16_t w = 0; w < device().ports.size(); ++w) {
        Port& port = *device().ports[w];
        const std::size_t n = port.rx_burst(frames);
        for (std::size_t i = 0; i < n; ++i) enough = seen(w, frames[i]) || enough;
        port.release({frames.data(), n});
      }
    }
    return enough;
  }

  bool wait_for_link() {
    const auto give_up = std::chrono::steady_clock::now() + 2s;
    while (!device().ports[0]->link_up()) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      std::this_thread::sleep_for(5ms);
    }
    return true;
  }

  /// Sends an ARP question for 198.18.0.1 from that worker and waits for the kernel's answer.
  void expect_arp_answer(std::uint16_t worker) {
    Port& port = *device().ports[worker];
    const MacAddress mac = port.info().mac;
    Frame f;
    ASSERT_EQ(port.allocate({&f, 1}), 1U);
    auto* p = reinterpret_cast<std::uint8_t*>(f.data);
    std::memset(p, 0, 60);
    std::memset(p, 0xff, 6);
    std::memcpy(p + 6, mac.data(), 6);
    const std::uint8_t head[] = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1};
    std::memcpy(p + 12, head, sizeof head);
    std::memcpy(p + 22, mac.data(), 6);
    TcpFrame::put32(p + 28, 0xc612'0002);
    TcpFrame::put32(p + 38, 0xc612'0001);
    f.length = 60;
    ASSERT_EQ(port.tx_burst({&f, 1}), 1U);
    EXPECT_TRUE(poll([](std::uint16_t, const Frame& got) {
      const auto* b = reinterpret_cast<const std::uint8_t*>(got.data);
      return got.length >= 42 && b[12] == 0x08 && b[13] == 0x06 && b[21] == 2 && b[31] == 1;
    })) << "the kernel did not answer ARP to worker "
        << worker;
  }

  /// Makes the kernel send a SYN to 198.18.0.2:80; the socket to close, and its own port.
  static std::pair<int, std::uint16_t> kernel_connects() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(80);
    to.sin_addr.s_addr = htonl(0xc612'0002);
    EXPECT_TRUE(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 ||
                errno == EINPROGRESS);
    sockaddr_in own{};
    socklen_t size = sizeof own;
    EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size), 0);
    return {fd, ntohs(own.sin_port)};
  }

  void give_kernel_addresses(const std::string& interface) {
    ASSERT_TRUE(run("ip addr add 198.18.0.1/24 dev " + interface));
    ASSERT_TRUE(run("ip neigh add 198.18.0.2 lladdr 02:00:00:00:00:02 dev " + interface));
  }

  int old_ = -1;
  std::unique_ptr<Backend> backend_;
  std::vector<Device> devices_;
};

/// The address of the kernel's side; of nobody if the interface is not there.
MacAddress kernel_mac(const std::string& interface) {
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(ioctl(fd, SIOCGIFHWADDR, &request), 0);
  close(fd);
  MacAddress mac{};
  std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
  return mac;
}

std::uint16_t source_port_of_syn(const Frame& f) {
  const auto* b = reinterpret_cast<const std::uint8_t*>(f.data);
  if (f.length < 54 || b[12] != 0x08 || b[13] != 0x00 || b[23] != 6) return 0;
  return static_cast<std::uint16_t>(b[34] << 8 | b[35]);
}

TEST_F(Kernel, ATapAnswersArpAndVerifiesChecksums) {
  open_device("net_tap0,iface=dpdktest0", 1);
  if (HasFatalFailure()) return;
  const PortInfo& info = device().ports[0]->info();
  EXPECT_EQ(info.driver, "net_tap");
  EXPECT_EQ(info.mtu, 1500);
  EXPECT_FALSE(info.tx_tcp_checksum) << "the driver would write 0xffff where 0 is due";
  EXPECT_FALSE(info.tx_tso) << "the driver would refuse full segments";
  EXPECT_EQ(device().steerer, nullptr);
  give_kernel_addresses("dpdktest0");
  ASSERT_TRUE(wait_for_link());
  expect_arp_answer(0);
  const auto [fd, own_port] = kernel_connects();
  EXPECT_TRUE(poll([port = own_port](std::uint16_t, const Frame& f) {
    if (source_port_of_syn(f) != port) return false;
    EXPECT_TRUE(f.has(Frame::kL4ChecksumGood));
    EXPECT_TRUE(f.has(Frame::kIpChecksumGood));
    return true;
  }));
  close(fd);
  const PortStats stats = device().ports[0]->stats();
  EXPECT_GE(stats.rx_frames, 2U);
  EXPECT_EQ(stats.tx_frames, 1U);
  EXPECT_EQ(stats.tx_rejected, 0U);
}

TEST_F(Kernel, ATapSendsNoSignals) {
  open_device("net_tap0,iface=dpdktest0", 2);
  if (HasFatalFailure()) return;
  int taps = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the directory's own descriptor is
    if (std::filesystem::read_symlink(entry, gone) != "/dev/net/tun") continue;
    ++taps;
    EXPECT_EQ(fcntl(std::stoi(entry.path().filename()), F_GETFL) & O_ASYNC, 0);
  }
  EXPECT_GT(taps, 0);
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) {
    struct sigaction now {};
    ASSERT_EQ(sigaction(number, nullptr, &now), 0);
    EXPECT_EQ(now.sa_handler, SIG_DFL) << "signal " << number << " is not as it was";
  }
}

TEST_F(Kernel, ATapHasTwoSidesWithAnAddressEach) {
  open_device("net_tap0,iface=dpdktest0", 1);
  if (HasFatalFailure()) return;
  EXPECT_NE(device().ports[0]->info().mac, kernel_mac("dpdktest0"));
}

TEST_F(Kernel, TheAddressGivenToATapIsOurs) {
  open_device("net_tap0,iface=dpdktest0,mac=02:00:00:00:00:0F", 1);
  if (HasFatalFailure()) return;
  EXPECT_EQ(device().ports[0]->info().mac, (MacAddress{2, 0, 0, 0, 0, 15}));
  EXPECT_NE(device().ports[0]->info().mac, kernel_mac("dpdktest0"));
}

TEST_F(Kernel, TheKernelTakesChecksumsOfOurs) {
  open_device("net_tap0,iface=dpdktest0", 1);
  if (HasFatalFailure()) return;
  give_kernel_addresses("dpdktest0");
  ASSERT_TRUE(wait_for_link());
  // A SYN to a port where nobody listens: only a good checksum makes the kernel answer with RST.
  Port& port = *device().ports[0];
  TcpFrame syn{.source = 0xc612'0002, .destination = 0xc612'0001, .flags = 2, .payload_bytes = 0};
  Frame f;
  ASSERT_EQ(port.allocate({&f, 1}), 1U);
  const auto bytes = syn.bytes();
  std::memcpy(f.data, bytes.data(), bytes.size());
  std::memcpy(f.data, kernel_mac("dpdktest0").data(), 6);
  f.length = static_cast<std::uint32_t>(bytes.size());
  ASSERT_EQ(port.tx_burst({&f, 1}), 1U);
  EXPECT_TRUE(poll([](std::uint16_t, const Frame& got) {
    const auto* b = reinterpret_cast<const std::uint8_t*>(got.data);
    return source_port_of_syn(got) == 80 && (b[47] & 4) != 0;
  })) << "no RST came back";
}

TEST_F(Kernel, SeveralWorkersOnATapGetWhatTheTableSays) {
  constexpr std::uint16_t kWorkers = 3;
  open_device("net_tap0,iface=dpdktest0", kWorkers);
  if (HasFatalFailure()) return;
  ASSERT_NE(device().steerer, nullptr);
  ASSERT_NE(device().steering, nullptr);
  ASSERT_EQ(device().inboxes.size(), kWorkers);
  EXPECT_NE(device().steering_name.find("software"), std::string::npos);
  give_kernel_addresses("dpdktest0");
  ASSERT_TRUE(wait_for_link());
  for (std::uint16_t w = 0; w < kWorkers; ++w) expect_arp_answer(w);
  std::set<std::uint16_t> used;
  for (int i = 0; i < 24; ++i) {
    const auto [fd, own_port] = kernel_connects();
    const FourTuple tuple{Address::v4(0xc612'0002), Address::v4(0xc612'0001), 80, own_port};
    const std::uint16_t expected = device().steering->worker_of(tuple);
    EXPECT_TRUE(poll([&, port = own_port](std::uint16_t worker, const Frame& f) {
      if (source_port_of_syn(f) != port) return false;
      EXPECT_EQ(worker, expected);
      used.insert(worker);
      return true;
    }));
    close(fd);
  }
  EXPECT_EQ(used.size(), kWorkers);
}

TEST_F(Kernel, AfPacketOnAVethPassesFramesWithSoftwareSteering) {
  ASSERT_TRUE(run("ip link add dpdktest1 type veth peer name dpdktest2"));
  ASSERT_TRUE(run("ip link set dpdktest1 up") && run("ip link set dpdktest2 up"));
  open_device("net_af_packet0,iface=dpdktest2", 2);
  if (HasFatalFailure()) return;
  EXPECT_FALSE(device().ports[0]->info().tx_tcp_checksum);
  ASSERT_NE(device().steerer, nullptr);
  give_kernel_addresses("dpdktest1");
  ASSERT_TRUE(wait_for_link());
  for (std::uint16_t w = 0; w < 2; ++w) {
    // The second worker sends through the steerer's ring, as the device has one queue.
    expect_arp_answer(w);
  }
}

TEST_F(Kernel, ATapOpensAgainAfterItWasClosed) {
  for (int i = 0; i < 2; ++i) {
    open_device("net_tap0,iface=dpdktest0", 1);
    if (HasFatalFailure()) return;
    EXPECT_TRUE(run("ip link show dpdktest0"));
    devices_.clear();
    backend_.reset();
    EXPECT_FALSE(run("ip link show dpdktest0")) << "the interface goes with its device";
  }
}

TEST_F(Kernel, ATapTakesAnotherMtuUpToItsLimit) {
  for (const std::uint16_t mtu : {std::uint16_t{576}, std::uint16_t{1504}}) {
    open_device("net_tap0,iface=dpdktest0", 1, mtu);
    if (HasFatalFailure()) return;
    EXPECT_TRUE(run("ip link show dpdktest0 | grep -q 'mtu " + std::to_string(mtu) + " '"));
    give_kernel_addresses("dpdktest0");
    ASSERT_TRUE(wait_for_link());
    // The kernel answers an echo request that fills the MTU with one that does.
    Port& port = *device().ports[0];
    Frame f;
    ASSERT_EQ(port.allocate({&f, 1}), 1U);
    ASSERT_GE(f.capacity, mtu + 14U);
    std::vector<std::uint8_t> bytes = TcpFrame{
        .source = 0xc612'0002,
        .destination = 0xc612'0001,
        .payload_bytes =
            mtu - std::size_t{40}}.bytes();
    std::memcpy(bytes.data(), kernel_mac("dpdktest0").data(), 6);
    auto* header = reinterpret_cast<rte_ipv4_hdr*>(bytes.data() + 14);
    header->next_proto_id = 1;
    header->hdr_checksum = 0;
    header->hdr_checksum = rte_ipv4_cksum(header);
    std::uint8_t* const icmp = bytes.data() + 34;
    icmp[0] = 8, icmp[1] = icmp[2] = icmp[3] = 0;
    const auto sum = static_cast<std::uint16_t>(~rte_raw_cksum(icmp, bytes.size() - 34));
    std::memcpy(icmp + 2, &sum, 2);
    std::memcpy(f.data, bytes.data(), bytes.size());
    f.length = static_cast<std::uint32_t>(bytes.size());
    ASSERT_EQ(port.tx_burst({&f, 1}), 1U);
    EXPECT_TRUE(poll([&](std::uint16_t, const Frame& got) {
      const auto* b = reinterpret_cast<const std::uint8_t*>(got.data);
      return got.length == bytes.size() && b[23] == 1 && b[34] == 0;
    })) << "no echo of "
        << mtu << " bytes";
    devices_.clear();
    backend_.reset();
  }
}

TEST_F(Kernel, AnInterfaceInUseIsNamed) {
  open_device("net_tap0,iface=dpdktest0", 1);
  if (HasFatalFailure()) return;
  BackendConfig config = cable_config(1, 1);
  config.devices = {{"net_tap1,iface=dpdktest0", 1, 1500}};
  config.memory_mib = 0;
  const auto second = make_dpdk_backend()->open(config);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::environment);
  EXPECT_NE(second.error().sentence.find("in use"), std::string::npos) << second.error().sentence;
}

}  // namespace
}  // namespace millrace::test
