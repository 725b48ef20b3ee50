// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/ring_inbox.h"

#include <algorithm>
#include <cstring>

namespace millrace::dpdk {

namespace {

struct Rings {
  explicit Rings(std::uint16_t workers) {
    for (std::uint16_t i = 0; i < workers; ++i) rings.emplace_back(kInboxSlots, RING_F_SC_DEQ);
  }
  ~Rings() {
    for (const MbufRing& ring : rings) ring.drain();
  }
  Rings(const Rings&) = delete;
  Rings& operator=(const Rings&) = delete;
  std::vector<MbufRing> rings;
};

class RingInbox final : public Inbox {
 public:
  RingInbox(std::shared_ptr<Rings> rings, std::uint16_t own, rte_mempool* pool)
      : rings_(std::move(rings)), own_(own), pool_(pool) {}

  std::size_t broadcast(const Frame& frame) override {
    std::size_t failed = 0;
    for (std::size_t i = 0; i < rings_->rings.size(); ++i) {
      if (i != own_ && !pass({&frame, 1}, static_cast<std::uint16_t>(i))) ++failed;
    }
    return failed;
  }

  bool pass(std::span<const Frame> pieces, std::uint16_t worker) override {
    rte_mbuf* m = rte_pktmbuf_alloc(pool_);
    if (m == nullptr) return false;
    if (gather(pieces, m) && rte_ring_mp_enqueue(rings_->rings[worker].get(), m) == 0) return true;
    rte_pktmbuf_free(m);
    return false;
  }

  std::size_t collect(std::span<Frame> frames) override {
    std::size_t got = 0;
    while (got < frames.size()) {
      void* slot = nullptr;
      if (rte_ring_sc_dequeue(rings_->rings[own_].get(), &slot) != 0) break;
      auto* m = static_cast<rte_mbuf*>(slot);
      Frame& frame = frames[got];
      if (m->data_len <= frame.capacity) {
        std::memcpy(frame.data, rte_pktmbuf_mtod(m, const void*), m->data_len);
        frame.length = m->data_len;
        frame.flags = static_cast<std::uint16_t>(m->hash.usr);
        ++got;
      }
      rte_pktmbuf_free(m);
    }
    return got;
  }

 private:
  static bool gather(std::span<const Frame> pieces, rte_mbuf* m) {
    for (const Frame& frame : pieces) {
      if (frame.length > rte_pktmbuf_tailroom(m)) return false;
      char* const bytes = rte_pktmbuf_append(m, static_cast<std::uint16_t>(frame.length));
      std::memcpy(bytes, frame.data, frame.length);
    }
    m->hash.usr =
        pieces.front().flags & ~unsigned{Frame::kContinues};  // what is known of checksums
    return true;
  }

  std::shared_ptr<Rings> rings_;
  std::uint16_t own_;
  rte_mempool* pool_;
};

}  // namespace

std::vector<std::unique_ptr<Inbox>> make_inboxes(std::uint16_t workers, rte_mempool* pool) {
  std::vector<std::unique_ptr<Inbox>> inboxes;
  if (workers < 2) return inboxes;
  auto rings = std::make_shared<Rings>(workers);
  for (std::uint16_t i = 0; i < workers; ++i) {
    inboxes.push_back(std::make_unique<RingInbox>(rings, i, pool));
  }
  return inboxes;
}

}  // namespace millrace::dpdk
