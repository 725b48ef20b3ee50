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
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "dataplane/backend.h"
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

  /// Passes each to its worker, or counts it as missed where that one's ring is full.
  void steer(std::span<rte_mbuf* const> packets);

  std::vector<MbufRing> to_worker;
  std::vector<MbufRing> from_worker;  // empty where workers have queues of their own
  std::vector<std::uint64_t> missed;  // per worker; written by the steerer, read for statistics
  std::shared_ptr<const FlowSteering> flows;
};

template <typename Wire>
class SoftwareSteerer final : public Steerer {
 public:
  /// `queues` are all that the device receives with; the first also sends for workers without one.
  SoftwareSteerer(std::vector<Wire> queues, std::shared_ptr<SteeringRings> rings)
      : queues_(std::move(queues)), rings_(std::move(rings)) {}
  ~SoftwareSteerer() override {
    for (; waiting_at_ < waiting_end_; ++waiting_at_) rte_pktmbuf_free(waiting_[waiting_at_]);
  }

  bool poll() override {
    bool worked = false;
    for (Wire& queue : queues_) {
      std::array<rte_mbuf*, kBurst> packets;
      const std::uint16_t got = queue.receive(packets.data(), kBurst);
      rings_->steer({packets.data(), got});
      worked |= got != 0;
    }
    for (std::size_t i = 0; i < rings_->from_worker.size(); ++i) {
      worked |= transmit((next_worker_ + i) % rings_->from_worker.size());
    }
    ++next_worker_;
    return worked;
  }

 private:
  /// One burst of that worker's, once the last burst is gone.
  bool transmit(std::size_t worker) {
    if (waiting_at_ == waiting_end_) {
      waiting_at_ = 0;
      waiting_end_ = static_cast<std::uint16_t>(
          rte_ring_sc_dequeue_burst(rings_->from_worker[worker].get(),
                                    reinterpret_cast<void**>(waiting_.data()), kBurst, nullptr));
      if (waiting_end_ == 0) return false;
    }
    const std::uint16_t sent = queues_.front().transmit(
        waiting_.data() + waiting_at_, static_cast<std::uint16_t>(waiting_end_ - waiting_at_));
    waiting_at_ = static_cast<std::uint16_t>(waiting_at_ + sent);
    return sent != 0;
  }

  std::vector<Wire> queues_;
  std::shared_ptr<SteeringRings> rings_;
  // What the device did not take of the last burst of some worker.
  std::array<rte_mbuf*, kBurst> waiting_{};
  std::uint16_t waiting_at_ = 0;
  std::uint16_t waiting_end_ = 0;
  std::size_t next_worker_ = 0;
};

/// A worker's end of it, as MbufPort uses it.
template <typename Wire>
class SteeredWire {
 public:
  /// `own` sends, where workers have queues of their own, and knows of link and device.
  SteeredWire(Wire own, std::shared_ptr<SteeringRings> rings, std::uint16_t worker)
      : own_(std::move(own)), worker_(worker), rings_(std::move(rings)) {}

  std::uint16_t receive(rte_mbuf** packets, std::uint16_t room) {
    return static_cast<std::uint16_t>(rte_ring_sc_dequeue_burst(
        rings_->to_worker[worker_].get(), reinterpret_cast<void**>(packets), room, nullptr));
  }
  std::uint16_t transmit(rte_mbuf** packets, std::uint16_t count) {
    if (rings_->from_worker.empty()) return own_.transmit(packets, count);
    return static_cast<std::uint16_t>(rte_ring_sp_enqueue_burst(
        rings_->from_worker[worker_].get(), reinterpret_cast<void**>(packets), count, nullptr));
  }
  bool link_up() { return own_.link_up(); }
  void add_to(PortStats& stats) {
    own_.add_to(stats);
    stats.rx_missed += std::atomic_ref(rings_->missed[worker_]).load(std::memory_order_relaxed);
  }

 private:
  Wire own_;
  std::uint16_t worker_;
  std::shared_ptr<SteeringRings> rings_;
};

}  // namespace millrace::dpdk
