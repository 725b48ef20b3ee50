// SPDX-License-Identifier: BSD-3-Clause
//
// What tests of fleets share: configurations of two ends, the applications on them, and waiting.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "dataplane/fleet.h"
#include "tests/dataplane/echo_apps.h"

namespace millrace::test {

inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds most = 10s) {
  const auto give_up = std::chrono::steady_clock::now() + most;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

inline EndConfig end_at(const Address& address, std::vector<int> cores) {
  EndConfig end;
  end.cores = std::move(cores);
  end.interface.addresses = {{address, 24, 1}};
  end.endpoint.max_connections = 4096;
  end.endpoint.max_half_open = 1024;
  end.endpoint.max_time_wait = 65'536;
  end.endpoint.max_send_states = 4096;
  end.endpoint.max_receive_states = 1024;
  end.endpoint.max_blocks = 1024;
  return end;
}

inline FleetConfig two_ends(std::vector<int> server_cores = {0},
                            std::vector<int> client_cores = {0}) {
  FleetConfig config;
  config.ends = {end_at(kServer, std::move(server_cores)),
                 end_at(kClient, std::move(client_cores))};
  config.hugepages = false;
  config.memory_mib = 256;  // the EAL starts once: for the largest of them
  return config;
}

/// Server on end 0, client on end 1, and where to find them.
struct Apps {
  std::uint32_t connections = 0;
  bool ipv6 = false;
  std::vector<EchoApp*> servers{};
  std::vector<CallerApp*> clients{};

  AppFactory factory() {
    return
        [this](std::size_t end, std::size_t, tcp::Endpoint& endpoint) -> std::unique_ptr<tcp::App> {
          if (end == 0) {
            auto app = std::make_unique<EchoApp>(endpoint);
            servers.push_back(app.get());
            return app;
          }
          auto app = std::make_unique<CallerApp>(connections, ipv6);
          clients.push_back(app.get());
          return app;
        };
  }
  [[nodiscard]] std::uint32_t graceful() const {
    std::uint32_t sum = 0;
    for (const CallerApp* c : clients) sum += c->graceful.load();
    return sum;
  }
  [[nodiscard]] std::uint32_t failed() const {
    std::uint32_t sum = 0;
    for (const CallerApp* c : clients) sum += c->failed.load();
    return sum;
  }
};

}  // namespace millrace::test
