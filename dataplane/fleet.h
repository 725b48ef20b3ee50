// SPDX-License-Identifier: BSD-3-Clause
//
// Launching, steering and stopping all workers of a process: EAL, devices, memory, one pinned
// thread per core. The face of the dataplane for applications; free of rte_*.
//
// An end is a host on the network: addresses, routes, and one worker per core over the queues of
// one device. `serve` and `load` have one end on a device; `loopback` has two, joined by the
// in-memory cable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/backend.h"
#include "dataplane/net/interface.h"
#include "dataplane/rest.h"
#include "dataplane/stats.h"
#include "tcp/base/result.h"
#include "tcp/endpoint/app.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace {

struct EndConfig {
  std::string device;      // as DPDK names it, or empty: one side of the cable
  std::vector<int> cores;  // one worker each; workers that share a core are polled in turn
  /// Polls the steerer where the device needs one; -1: the first of `cores` does it beside its
  /// work.
  int steering_core = -1;
  net::InterfaceConfig interface;  // mac and neighbour_key are filled in by the fleet
  tcp::EndpointConfig endpoint;    // per worker; secrets are filled in by the fleet
};

struct FleetConfig {
  std::vector<EndConfig> ends;  // one with a device, or two without: the cable
  CableConfig cable;
  std::uint32_t memory_mib = 0;  // for packet buffers; 0: enough for the ends
  bool hugepages = true;         // use them if there are any; else ordinary memory, and say so
  std::string eal_extra;         // words appended to the EAL's arguments
  std::uint64_t seed = 0;        // 0: secrets from getrandom()
  Idle idle = Idle::poll;        // what cores do when nothing comes
};

/// Makes the application of worker `worker` of end `end`, before the workers start. Called on the
/// thread that creates the fleet.
using AppFactory =
    std::function<std::unique_ptr<tcp::App>(std::size_t end, std::size_t worker, tcp::Endpoint&)>;

class FleetImpl;

class Fleet {
 public:
  /// `backend` is make_dpdk_backend() but in tests. Errors: usage (device or core named wrongly,
  /// EAL arguments refused), environment (device absent, no permission, no memory), each with the
  /// command that mends it.
  [[nodiscard]] static Result<std::unique_ptr<Fleet>> create(const FleetConfig& config,
                                                             const AppFactory& make_app,
                                                             std::unique_ptr<Backend> backend);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  /// Starts one pinned thread per core; returns at once.
  void start();
  /// Asks the workers to end after their current iteration and joins them. They do not start again.
  void stop();
  /// Runs `work` on the core of that worker between two iterations, and waits for it; on the
  /// calling thread before start() and after stop().
  void ask(std::size_t end, std::size_t worker,
           const std::function<void(tcp::Endpoint&, tcp::App&)>& work);

  /// Whether every worker of that end could send a packet to `destination` now: the link is up, our
  /// addresses have been checked, the neighbour on the way has answered. What is missing is asked
  /// for, so whoever measures calls this until it is true before the first connection.
  [[nodiscard]] bool reaches(std::size_t end, const Address& destination);

  [[nodiscard]] std::size_t ends() const;
  [[nodiscard]] std::size_t workers(std::size_t end) const;
  [[nodiscard]] StatsSnapshot stats(std::size_t end, std::size_t worker) const;
  /// Sentences for the operator: memory used, steering chosen, offloads per port.
  [[nodiscard]] const std::vector<std::string>& notes() const;
  /// The calibrated clock that the workers use.
  [[nodiscard]] Instant now() const;

 private:
  explicit Fleet(std::unique_ptr<FleetImpl> impl);
  std::unique_ptr<FleetImpl> impl_;
};

}  // namespace millrace
