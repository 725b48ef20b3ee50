// SPDX-License-Identifier: BSD-3-Clause
//
// What the in-memory cable costs: nanoseconds a frame for allocate, send, receive and release, on
// one core and across two, with one queue and with several (which adds the Toeplitz hash), with and
// without offloads. The floor under every loopback figure.
#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "dataplane/backend.h"

namespace {

using namespace millrace;

struct Cable {
  explicit Cable(std::uint16_t queues, const CableConfig& switches = {})
      : backend(make_dpdk_backend()) {
    BackendConfig config;
    config.devices = {{"", 1, 1500}, {"", queues, 1500}};
    config.cable = switches;
    config.cores = {0};
    config.hugepages = false;
    config.memory_mib = 256;
    auto opened = backend->open(config);
    if (!opened.ok()) {
      std::fprintf(stderr, "%s\n", opened.error().sentence.c_str());
      std::exit(3);
    }
    devices = std::move(opened).value();
  }
  [[nodiscard]] Port& sender() const { return *devices[0].ports[0]; }

  std::unique_ptr<Backend> backend;
  std::vector<Device> devices;
};

constexpr std::size_t kBurst = 32;
constexpr std::uint32_t kFrameBytes = 64;

/// A TCP segment over IPv4 or IPv6, as far as the hash looks at it, from that source port.
void write_frame(Frame& frame, bool v6, std::uint16_t port) {
  auto* p = reinterpret_cast<std::uint8_t*>(frame.data);
  p[12] = v6 ? 0x86 : 0x08;
  p[13] = v6 ? 0xdd : 0x00;
  p[14] = v6 ? 0x60 : 0x45;
  p[v6 ? 20 : 23] = 6;
  p[20] = v6 ? std::uint8_t{6} : std::uint8_t{0};
  p[21] = 0;
  std::memcpy(p + (v6 ? 54 : 34), &port, sizeof port);
  frame.length = kFrameBytes;
}

void one_core(benchmark::State& state) {
  const auto queues = static_cast<std::uint16_t>(state.range(0));
  const bool v6 = state.range(1) != 0;
  const bool offload = state.range(2) != 0;
  Cable cable(queues, {.checksum_offload = offload});
  std::array<Frame, kBurst> frames;
  std::uint16_t port = 0;
  std::uint64_t received = 0;
  for (auto _ : state) {
    const std::size_t n = cable.sender().allocate(frames);
    for (std::size_t i = 0; i < n; ++i) {
      write_frame(frames[i], v6, ++port);
      if (offload) frames[i].flags = Frame::kOffloadTcpChecksum | Frame::kOffloadIpChecksum;
    }
    benchmark::DoNotOptimize(cable.sender().tx_burst({frames.data(), n}));
    for (const auto& to : cable.devices[1].ports) {
      const std::size_t got = to->rx_burst(frames);
      to->release({frames.data(), got});
      received += got;
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(received));
}
BENCHMARK(one_core)
    ->ArgNames({"queues", "v6", "offload"})
    ->Args({1, 0, 0})
    ->Args({1, 0, 1})
    ->Args({2, 0, 0})
    ->Args({2, 1, 0})
    ->Args({4, 0, 0})
    ->Args({16, 0, 0});

/// The receiver sends every frame back as it is: two crossings, no allocation.
void one_core_round_trip(benchmark::State& state) {
  Cable cable(1);
  Port& a = cable.sender();
  Port& b = *cable.devices[1].ports[0];
  std::array<Frame, kBurst> frames;
  if (a.allocate(frames) != kBurst) state.SkipWithError("no buffers");
  for (Frame& f : frames) f.length = kFrameBytes;
  for (auto _ : state) {
    benchmark::DoNotOptimize(a.tx_burst(frames));
    benchmark::DoNotOptimize(b.rx_burst(frames));
    benchmark::DoNotOptimize(b.tx_burst(frames));
    benchmark::DoNotOptimize(a.rx_burst(frames));
  }
  a.release(frames);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
}
BENCHMARK(one_core_round_trip);

void pin(unsigned core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

void two_cores(benchmark::State& state) {
  cpu_set_t before;
  CPU_ZERO(&before);
  pthread_getaffinity_np(pthread_self(), sizeof before, &before);
  Cable cable(1);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> received{0};
  std::thread receiver([&] {
    pin(1);
    if (!cable.backend->enter_thread().ok()) return;
    Port& port = *cable.devices[1].ports[0];
    std::array<Frame, kBurst> frames;
    std::uint64_t count = 0;
    while (!done.load(std::memory_order_relaxed)) {
      const std::size_t got = port.rx_burst(frames);
      for (std::size_t i = 0; i < got; ++i) benchmark::DoNotOptimize(frames[i].data[0]);
      port.release({frames.data(), got});
      count += got;
    }
    received = count;
    cable.backend->leave_thread();
  });
  pin(0);
  std::array<Frame, kBurst> frames;
  std::span<Frame> left;
  for (auto _ : state) {
    if (left.empty()) {
      left = std::span(frames).first(cable.sender().allocate(frames));
      for (Frame& f : left) write_frame(f, false, 1);
    }
    left = left.subspan(cable.sender().tx_burst(left));
  }
  done = true;
  receiver.join();
  cable.sender().release(left);
  pthread_setaffinity_np(pthread_self(), sizeof before, &before);
  state.SetItemsProcessed(static_cast<std::int64_t>(received.load()));
}
BENCHMARK(two_cores)->UseRealTime();

}  // namespace
