// SPDX-License-Identifier: BSD-3-Clause
//
// Devices without a kernel behind them: a memif pair, a ring that returns what it is given, and one
// that has key and table to be read.
#include <gtest/gtest.h>
#include <rte_alarm.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "dataplane/backend.h"
#include "dataplane/dpdk/eth_device.h"
#include "tests/dataplane/dpdk/eal_environment.h"
#include "tests/dataplane/dpdk/frames.h"

namespace millrace::test {
namespace {

using namespace std::chrono_literals;

struct Opened {
  explicit Opened(std::vector<DeviceConfig> wanted) : backend(make_dpdk_backend()) {
    BackendConfig config = cable_config(1, 1);
    config.devices = std::move(wanted);
    config.memory_mib = 0;
    auto opened = backend->open(config);
    EXPECT_TRUE(opened.ok()) << opened.error().sentence << " " << opened.error().hint;
    if (opened.ok()) devices = std::move(opened).value();
  }
  std::unique_ptr<Backend> backend;
  std::vector<Device> devices;
};

void send(Port& port, const std::vector<std::uint8_t>& bytes) {
  Frame f;
  ASSERT_EQ(port.allocate({&f, 1}), 1U);
  std::memcpy(f.data, bytes.data(), bytes.size());
  f.length = static_cast<std::uint32_t>(bytes.size());
  ASSERT_EQ(port.tx_burst({&f, 1}), 1U);
}

void expect_frame(Port& port, const std::vector<std::uint8_t>& bytes) {
  Frame f;
  const auto give_up = std::chrono::steady_clock::now() + 5s;
  while (port.rx_burst({&f, 1}) == 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "nothing came";
  }
  ASSERT_EQ(f.length, bytes.size());
  EXPECT_EQ(std::memcmp(f.data, bytes.data(), bytes.size()), 0);
  EXPECT_FALSE(f.has(Frame::kL4ChecksumGood)) << "nobody looked at it: software verifies";
  port.release({&f, 1});
}

TEST(Devices, AMemifPairPassesFramesBothWays) {
  const std::string socket = "/tmp/millrace-test-" + std::to_string(getpid()) + ".sock";
  {
    Opened pair({{"net_memif0,role=server,socket-abstract=no,socket=" + socket, 1, 1500},
                 {"net_memif1,role=client,socket-abstract=no,socket=" + socket, 1, 1500}});
    ASSERT_EQ(pair.devices.size(), 2U);
    Port& a = *pair.devices[0].ports[0];
    Port& b = *pair.devices[1].ports[0];
    const auto give_up = std::chrono::steady_clock::now() + 5s;
    while (!a.link_up() || !b.link_up()) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "the two never met";
      std::this_thread::sleep_for(5ms);
    }
    // The server can send once the client has posted buffers, which it does in receiving.
    Frame none;
    EXPECT_EQ(a.rx_burst({&none, 1}) + b.rx_burst({&none, 1}), 0U);
    for (std::uint16_t i = 0; i < 100; ++i) {
      send(a, TcpFrame{.source_port = i}.bytes());
      expect_frame(b, TcpFrame{.source_port = i}.bytes());
      send(b, TcpFrame{.v6 = true, .source_port = i, .payload_bytes = 1400}.bytes());
      expect_frame(a, TcpFrame{.v6 = true, .source_port = i, .payload_bytes = 1400}.bytes());
    }
    EXPECT_EQ(a.stats().tx_frames, 100U);
    EXPECT_EQ(a.stats().rx_frames, 100U);
  }
  unlink(socket.c_str());
}

/// Handlers of the driver run on a thread of DPDK's. One that hears of a peer's end while we close
/// its device frees what we free: about one of 500 pairs ended in a fault on a busy machine.
TEST(Devices, AMemifIsNotClosedBesideItsHandlers) {
  const std::string socket = "/tmp/millrace-test-" + std::to_string(getpid()) + ".sock";
  std::atomic<bool> handled{false};
  {
    Opened one({{"net_memif0,role=server,socket-abstract=no,socket=" + socket, 1, 1500}});
    ASSERT_EQ(one.devices.size(), 1U);
    const auto slow = [](void* flag) {
      std::this_thread::sleep_for(50ms);
      static_cast<std::atomic<bool>*>(flag)->store(true);
    };
    ASSERT_EQ(rte_eal_alarm_set(1, slow, &handled), 0);
    std::this_thread::sleep_for(10ms);  // it has begun
  }
  EXPECT_TRUE(handled.load()) << "closed while a handler ran";
  unlink(socket.c_str());
  while (!handled.load()) std::this_thread::sleep_for(1ms);
}

TEST(Devices, ARingReturnsWhatItIsGiven) {
  Opened ring({{"net_ring0", 1, 1500}});
  ASSERT_EQ(ring.devices.size(), 1U);
  Port& port = *ring.devices[0].ports[0];
  EXPECT_EQ(port.info().driver, "net_ring");
  send(port, TcpFrame{}.bytes());
  expect_frame(port, TcpFrame{}.bytes());
}

TEST(Devices, RssIsUsedWhereKeyAndTableCanBeRead) {
  // This driver hashes nothing, but has a key and a table, which it gives back as they were set.
  KeySource keys(1);
  auto opened = dpdk::EthDevice::open(dpdk::parse_device("net_null0,no-rx=1").value(),
                                      {"net_null0", 4, 1500}, keys);
  ASSERT_TRUE(opened.ok()) << opened.error().sentence;
  const dpdk::EthDevice& device = *opened.value();
  EXPECT_EQ(device.rx_queues(), 4);
  ASSERT_NE(device.own_steering(), nullptr);
  std::array<std::uint8_t, FlowSteering::kKeyBytes> key{};
  KeySource(1).fill(key);
  const FlowSteering expected(key, device.own_steering()->reta());
  const FourTuple tuple{Address::v4(1), Address::v4(2), 3, 4};
  EXPECT_EQ(device.own_steering()->without_local_port(tuple.local, tuple.remote, tuple.remote_port),
            expected.without_local_port(tuple.local, tuple.remote, tuple.remote_port))
      << "the key is the one that was drawn";
  for (std::size_t i = 0; i < device.own_steering()->reta().size(); ++i) {
    EXPECT_EQ(device.own_steering()->reta()[i], i % 4);
  }
}

}  // namespace
}  // namespace millrace::test
