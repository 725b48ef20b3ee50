// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/steering.h"

#include <atomic>

#include "dataplane/dpdk/flow_hash.h"
#include "dataplane/dpdk/rss_key.h"
#include "tcp/base/check.h"

namespace millrace::dpdk {

namespace {
constexpr std::uint32_t kSlots = 1024;
}  // namespace

SteeringRings::SteeringRings(std::uint16_t workers, bool own_queues, KeySource& keys)
    : missed(workers) {
  MR_CHECK(workers > 0);
  for (std::uint16_t i = 0; i < workers; ++i) {
    to_worker.emplace_back(kSlots, kSingleBoth);
    if (!own_queues) from_worker.emplace_back(kSlots, kSingleBoth);
  }
  std::array<std::uint8_t, FlowSteering::kKeyBytes> key{};
  draw_rss_key(keys, key);
  // Far more buckets than workers, so that shares are even.
  flows = std::make_shared<FlowSteering>(key, even_table(kMostBuckets, workers));
}

SteeringRings::~SteeringRings() {
  for (const MbufRing& ring : to_worker) ring.drain();
  for (const MbufRing& ring : from_worker) ring.drain();
}

void SteeringRings::steer(std::span<rte_mbuf* const> packets) {
  constexpr HashTypes kAll{.tcp_ipv6_ex = true};
  for (rte_mbuf* m : packets) {
    const FlowHash hash =
        flow_hash(*flows, kAll, rte_pktmbuf_mtod(m, const std::uint8_t*), m->data_len);
    const std::uint16_t worker = flows->worker_of(hash.value);
    if (rte_ring_sp_enqueue(to_worker[worker].get(), m) == 0) continue;
    const std::atomic_ref lost(missed[worker]);
    lost.store(lost.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    rte_pktmbuf_free(m);
  }
}

}  // namespace millrace::dpdk
