// SPDX-License-Identifier: BSD-3-Clause
//
// A pool of packet buffers that goes when its owner does, and rings of buffers in memory of our
// own: neither has a name in DPDK's tables that could collide.
#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "tcp/base/check.h"
#include "tcp/base/result.h"

namespace millrace::dpdk {

struct PoolDeleter {
  void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
};
using MbufPool = std::unique_ptr<rte_mempool, PoolDeleter>;

/// Bytes of a buffer's data for frames of that MTU: Ethernet header, two VLAN tags, headroom.
[[nodiscard]] constexpr std::uint16_t data_room_for(std::uint16_t mtu) {
  const unsigned frame = mtu + 14U + 8U;
  const unsigned rounded = (frame + 63U) / 64U * 64U;
  return static_cast<std::uint16_t>((rounded < 2048U ? 2048U : rounded) + RTE_PKTMBUF_HEADROOM);
}

/// What one buffer takes of memory, generously.
[[nodiscard]] constexpr std::uint64_t bytes_per_buffer(std::uint16_t mtu) {
  return sizeof(rte_mbuf) + data_room_for(mtu) + 256U;
}

/// Errors: environment, when the memory is not there.
[[nodiscard]] Result<MbufPool> make_pool(std::uint32_t buffers, std::uint16_t mtu, int numa_node);

struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};

/// A ring of buffers. `flags` as rte_ring_init takes them; the size is rounded up to a power of
/// two.
class MbufRing {
 public:
  MbufRing(std::uint32_t size, unsigned flags) {
    std::uint32_t slots = 1;
    while (slots < size) slots *= 2;
    const ssize_t bytes = rte_ring_get_memsize(slots);
    MR_CHECK(bytes > 0);
    const std::size_t whole = (static_cast<std::size_t>(bytes) + 127) / 128 * 128;
    memory_.reset(std::aligned_alloc(128, whole));
    MR_CHECK(memory_ != nullptr);
    MR_CHECK(rte_ring_init(get(), "millrace", slots, flags) == 0);
  }
  [[nodiscard]] rte_ring* get() const { return static_cast<rte_ring*>(memory_.get()); }

  /// Frees what is still inside.
  void drain() const {
    void* m = nullptr;
    while (rte_ring_dequeue(get(), &m) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(m));
  }

 private:
  std::unique_ptr<void, FreeMemory> memory_;
};

inline constexpr unsigned kSingleBoth = RING_F_SP_ENQ | RING_F_SC_DEQ;

}  // namespace millrace::dpdk
