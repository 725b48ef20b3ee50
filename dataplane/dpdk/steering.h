// SPDX-License-Identifier: BSD-3-Clause
//
// Software steering, for a device that does not hash: one thread owns all its receive queues,
// hashes each frame as a NIC would and passes it to its worker through a ring. Workers send through
// queues of their own where the device has enough, else through rings that the same thread empties.
//
// It never waits for a worker: a frame for one whose ring is full is dropped and counted as missed,
// as a NIC without descriptors would do.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/backend.h"
#include "dataplane/dpdk/eth_device.h"
#include "dataplane/dpdk/mbuf_pool.h"
#include "dataplane/dpdk/mbuf_port.h"
#include "dataplane/key_source.h"
#include "tcp/base/flow_steering.h"

namespace millrace::dpdk {

/// What steerer and workers share.
struct SteeringRings {
  SteeringRings(std::uint16_t workers, bool own_queues, KeySource& keys);
  ~SteeringRings();
  SteeringRings(const SteeringRings&) = delete;
  SteeringRings& operator=(const SteeringRings&) = delete;

  std::vector<MbufRing> to_worker;
  std::vector<MbufRing> from_worker;  // empty where workers have queues of their own
  std::vector<std::uint64_t> missed;  // per worker; written by the steerer, read for statistics
  std::shared_ptr<const FlowSteering> flows;
};

class SoftwareSteerer final : public Steerer {
 public:
  SoftwareSteerer(const EthDevice& device, std::shared_ptr<SteeringRings> rings);
  ~SoftwareSteerer() override;
  bool poll() override;

 private:
  bool receive(std::uint16_t queue);
  bool transmit(std::size_t worker);

  std::uint16_t port_;
  std::uint16_t rx_queues_;
  std::shared_ptr<SteeringRings> rings_;
  std::uint64_t rejected_ = 0;
  // What the device did not take of the last burst of some worker.
  std::array<rte_mbuf*, kBurst> waiting_{};
  std::uint16_t waiting_at_ = 0;
  std::uint16_t waiting_end_ = 0;
  std::size_t next_worker_ = 0;
};

/// A worker's end of it, as MbufPort uses it.
class SteeredWire {
 public:
  SteeredWire(const EthDevice& device, std::shared_ptr<SteeringRings> rings, std::uint16_t worker);
  std::uint16_t receive(rte_mbuf** packets, std::uint16_t room);
  std::uint16_t transmit(rte_mbuf** packets, std::uint16_t count);
  bool link_up() { return EthWire::link_up(port_); }
  void add_to(PortStats& stats) const;

 private:
  std::uint16_t port_;
  std::uint16_t worker_;
  std::shared_ptr<SteeringRings> rings_;
  std::uint64_t rejected_ = 0;
};

}  // namespace millrace::dpdk
