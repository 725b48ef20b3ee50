// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/steering.h"

#include <atomic>

#include "dataplane/dpdk/flow_hash.h"
#include "tcp/base/check.h"

namespace millrace::dpdk {

namespace {
constexpr std::uint32_t kSlots = 1024;
constexpr std::size_t kBuckets = 512;  // far more than workers, so that shares are even
}  // namespace

SteeringRings::SteeringRings(std::uint16_t workers, bool own_queues, KeySource& keys)
    : missed(workers) {
  MR_CHECK(workers > 0);
  for (std::uint16_t i = 0; i < workers; ++i) {
    to_worker.emplace_back(kSlots, kSingleBoth);
    if (!own_queues) from_worker.emplace_back(kSlots, kSingleBoth);
  }
  std::array<std::uint8_t, FlowSteering::kKeyBytes> key{};
  keys.fill(key);
  std::vector<std::uint16_t> reta(kBuckets);
  for (std::size_t i = 0; i < kBuckets; ++i) reta[i] = static_cast<std::uint16_t>(i % workers);
  flows = std::make_shared<FlowSteering>(key, std::move(reta));
}

SteeringRings::~SteeringRings() {
  for (const MbufRing& ring : to_worker) ring.drain();
  for (const MbufRing& ring : from_worker) ring.drain();
}

SoftwareSteerer::SoftwareSteerer(const EthDevice& device, std::shared_ptr<SteeringRings> rings)
    : port_(device.id()), rx_queues_(device.rx_queues()), rings_(std::move(rings)) {}

SoftwareSteerer::~SoftwareSteerer() {
  for (; waiting_at_ < waiting_end_; ++waiting_at_) rte_pktmbuf_free(waiting_[waiting_at_]);
}

bool SoftwareSteerer::poll() {
  bool worked = false;
  for (std::uint16_t queue = 0; queue < rx_queues_; ++queue) worked |= receive(queue);
  for (std::size_t i = 0; i < rings_->from_worker.size(); ++i) {
    worked |= transmit((next_worker_ + i) % rings_->from_worker.size());
  }
  ++next_worker_;
  return worked;
}

bool SoftwareSteerer::receive(std::uint16_t queue) {
  std::array<rte_mbuf*, kBurst> packets;
  const std::uint16_t got = rte_eth_rx_burst(port_, queue, packets.data(), kBurst);
  for (std::uint16_t i = 0; i < got; ++i) {
    rte_mbuf* m = packets[i];
    const std::uint32_t hash =
        flow_hash(*rings_->flows, rte_pktmbuf_mtod(m, const std::uint8_t*), m->data_len);
    const std::uint16_t worker = rings_->flows->worker_of(hash);
    if (rte_ring_sp_enqueue(rings_->to_worker[worker].get(), m) == 0) continue;
    std::atomic_ref missed(rings_->missed[worker]);
    missed.store(missed.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    rte_pktmbuf_free(m);
  }
  return got != 0;
}

/// One burst of that worker's, once the last burst is gone.
bool SoftwareSteerer::transmit(std::size_t worker) {
  if (waiting_at_ == waiting_end_) {
    waiting_at_ = 0;
    waiting_end_ = static_cast<std::uint16_t>(
        rte_ring_sc_dequeue_burst(rings_->from_worker[worker].get(),
                                  reinterpret_cast<void**>(waiting_.data()), kBurst, nullptr));
    if (waiting_end_ == 0) return false;
  }
  const std::uint16_t sent =
      EthWire::send(port_, 0, waiting_.data() + waiting_at_,
                    static_cast<std::uint16_t>(waiting_end_ - waiting_at_), rejected_);
  waiting_at_ = static_cast<std::uint16_t>(waiting_at_ + sent);
  return sent != 0;
}

SteeredWire::SteeredWire(const EthDevice& device, std::shared_ptr<SteeringRings> rings,
                         std::uint16_t worker)
    : port_(device.id()), worker_(worker), rings_(std::move(rings)) {}

std::uint16_t SteeredWire::receive(rte_mbuf** packets, std::uint16_t room) {
  return static_cast<std::uint16_t>(rte_ring_sc_dequeue_burst(
      rings_->to_worker[worker_].get(), reinterpret_cast<void**>(packets), room, nullptr));
}

std::uint16_t SteeredWire::transmit(rte_mbuf** packets, std::uint16_t count) {
  if (rings_->from_worker.empty()) return EthWire::send(port_, worker_, packets, count, rejected_);
  return static_cast<std::uint16_t>(rte_ring_sp_enqueue_burst(
      rings_->from_worker[worker_].get(), reinterpret_cast<void**>(packets), count, nullptr));
}

void SteeredWire::add_to(PortStats& stats) const {
  stats.tx_rejected += rejected_;
  stats.rx_missed += std::atomic_ref(rings_->missed[worker_]).load(std::memory_order_relaxed);
  if (worker_ == 0) EthWire::add_device_stats(port_, stats);
}

}  // namespace millrace::dpdk
