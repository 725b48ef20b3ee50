// SPDX-License-Identifier: BSD-3-Clause
//
// What the fleet asks of whatever owns memory, devices and packet buffers. dataplane/dpdk is one
// (the EAL, its devices and the in-memory cable); tests bring their own. Free of rte_*, free of
// TCP.
//
// A device is opened for a number of workers and gives each its own Port. How frames find their
// worker is decided in opening it: by the device's own hashing, or by a steerer that one thread
// must poll, or not at all where there is one worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/inbox.h"
#include "dataplane/port.h"
#include "tcp/base/flow_steering.h"
#include "tcp/base/result.h"

namespace millrace {

/// Which frames a port hashes, as NICs let one choose. What is not hashed goes to the first bucket.
struct HashTypes {
  bool ipv4 = true;  // by addresses: what is not named below, fragments too
  bool tcp_ipv4 = true;
  bool ipv6 = true;
  bool tcp_ipv6 = true;      // without extension headers
  bool tcp_ipv6_ex = false;  // with them; few devices look behind
};

/// How the workers of a port share what arrives.
enum class Steering : std::uint8_t {
  rss,       // the port hashes
  rules,     // the port matches bits of both TCP ports against rules
  software,  // one receive queue, and a steerer that hashes
};

/// The in-memory cable between two ends, with the switches of a good NIC.
struct CableConfig {
  bool checksum_offload = false;  // both ends claim and trust TCP checksum offload
  bool tso = false;               // transmit: segments of up to 64 KiB
  bool lro = false;               // receive: coalesced
  Steering steering = Steering::rss;
  // Of RSS.
  HashTypes hash_types{};
  std::vector<std::uint8_t> rss_key{};  // empty: drawn, for each end its own; else 40 bytes or more
  std::vector<std::uint16_t> rss_table{};  // worker of each bucket; empty: 128 buckets in turn
};

struct DeviceConfig {
  std::string device;  // as DPDK names it: net_tap0,iface=mr0, 0000:03:00.0; empty: a cable's side
  std::uint16_t workers = 1;
  std::uint16_t mtu = 1500;
};

struct BackendConfig {
  std::vector<DeviceConfig> devices;  // two cable sides or any number of devices
  CableConfig cable;
  std::vector<int> cores;        // of all workers, and of the steerer
  std::uint32_t memory_mib = 0;  // for packet buffers; 0: enough for the devices
  bool hugepages = true;         // use them if there are enough; else ordinary memory, and say so
  std::string eal_extra;         // words appended to the EAL's arguments
  std::uint64_t seed = 0;        // 0: keys from getrandom()
};

/// Work that a thread does between its workers' iterations.
class Steerer {
 public:
  virtual ~Steerer() = default;
  /// Moves one burst each way. Returns true if there was one.
  virtual bool poll() = 0;
};

/// One opened device. Everything in it is used by the threads it is for, and outlives them.
struct Device {
  std::vector<std::unique_ptr<Port>> ports;      // one per worker
  std::vector<std::unique_ptr<Inbox>> inboxes;   // one per worker; none where there is one worker
  std::unique_ptr<Steerer> steerer;              // null: the device finds the worker itself
  std::shared_ptr<const FlowSteering> steering;  // null where there is one worker
  std::string steering_name;                     // single queue, RSS, software steering
};

class Backend {
 public:
  virtual ~Backend() = default;

  /// Memory and all devices, in the order of the configuration. Once per Backend, and one Backend
  /// at a time. Devices must be destroyed before the Backend.
  [[nodiscard]] virtual Result<std::vector<Device>> open(const BackendConfig& config) = 0;
  /// The words that open() would hand the EAL, checked as far as can be without starting it.
  [[nodiscard]] virtual Result<std::vector<std::string>> plan(const BackendConfig& config) = 0;
  /// Sentences for the operator about what open() chose: memory, steering, offloads.
  [[nodiscard]] virtual std::vector<std::string> notes() const = 0;

  /// Called by each thread that will use ports, pinned already, before and after.
  [[nodiscard]] virtual Status enter_thread() = 0;
  virtual void leave_thread() = 0;
};

/// The one that production uses; implemented by dataplane/dpdk.
[[nodiscard]] std::unique_ptr<Backend> make_dpdk_backend();

/// What this build's dataplane is, for --version: "DPDK 22.11.11".
[[nodiscard]] std::string dataplane_version();

}  // namespace millrace
