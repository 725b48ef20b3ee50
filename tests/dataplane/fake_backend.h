// SPDX-License-Identifier: BSD-3-Clause
//
// A Backend without devices: its ports are joined in memory, end to end, and everything that the
// fleet asks of it is written down. Both ends must be polled by one thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/backend.h"
#include "tests/support/memory_port.h"

namespace millrace::test {

/// What tests look at while the fleet owns the backend.
struct FakeJournal {
  BackendConfig opened;
  std::atomic<int> entered{0};
  std::atomic<int> left{0};
  std::atomic<int> steered{0};
  std::atomic<int> steering_core{-1};
  bool with_steerer = false;
  bool refuse_threads = false;
  std::string refuse_devices;
};

class FakeSteerer final : public Steerer {
 public:
  explicit FakeSteerer(FakeJournal& journal) : journal_(journal) {}
  bool poll() override {
    journal_.steered.fetch_add(1);
    journal_.steering_core = sched_getcpu();
    return false;
  }

 private:
  FakeJournal& journal_;
};

class FakeBackend final : public Backend {
 public:
  explicit FakeBackend(FakeJournal& journal) : journal_(journal) {}

  [[nodiscard]] Result<std::vector<Device>> open(const BackendConfig& config) override {
    journal_.opened = config;
    if (!journal_.refuse_devices.empty()) {
      return Error{ErrorKind::environment, journal_.refuse_devices, "hint"};
    }
    std::vector<Device> devices(config.devices.size());
    auto wire = std::make_shared<std::vector<std::vector<MemoryPort*>>>(devices.size());
    for (std::size_t d = 0; d < devices.size(); ++d) {
      for (std::uint16_t w = 0; w < config.devices[d].workers; ++w) {
        MemoryPortConfig port;
        port.info.device = "fake";
        port.info.driver = "fake";
        port.info.mac = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(d + 1)};
        port.info.mtu = config.devices[d].mtu;
        port.info.queue = w;
        auto made = std::make_unique<MemoryPort>(port, [wire, d](std::span<const std::byte> f) {
          const std::size_t peer = 1 - d;
          if (peer < wire->size()) (*wire)[peer].front()->deliver(f);
        });
        (*wire)[d].push_back(made.get());
        devices[d].ports.push_back(std::move(made));
      }
      devices[d].steering_name = "by hand";
      if (journal_.with_steerer) devices[d].steerer = std::make_unique<FakeSteerer>(journal_);
    }
    return devices;
  }
  [[nodiscard]] Result<std::vector<std::string>> plan(const BackendConfig&) override {
    return std::vector<std::string>{};
  }
  [[nodiscard]] std::vector<std::string> notes() const override { return {"a note of the fake"}; }
  [[nodiscard]] Status enter_thread() override {
    if (journal_.refuse_threads) return Error{ErrorKind::environment, "No more threads.", ""};
    journal_.entered.fetch_add(1);
    return Ok{};
  }
  void leave_thread() override { journal_.left.fetch_add(1); }

 private:
  FakeJournal& journal_;
};

}  // namespace millrace::test
