// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/cable.h"

#include <rte_ring.h>

#include <algorithm>
#include <span>

#include "dataplane/dpdk/flow_hash.h"
#include "dataplane/dpdk/ring_inbox.h"
#include "dataplane/dpdk/segmenting.h"

namespace millrace::dpdk {

namespace {

constexpr std::uint64_t kVerified = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;

std::shared_ptr<const FlowSteering> make_steering(std::uint16_t queues, KeySource& keys) {
  if (queues == 1) return nullptr;
  std::array<std::uint8_t, FlowSteering::kKeyBytes> key{};
  keys.fill(key);
  std::vector<std::uint16_t> reta(128);
  for (std::size_t i = 0; i < reta.size(); ++i) reta[i] = static_cast<std::uint16_t>(i % queues);
  return std::make_shared<FlowSteering>(key, std::move(reta));
}

std::uint32_t slots_for(std::uint16_t senders) {
  return std::max<std::uint32_t>(Cable::kSlots / senders, 2 * kBurst);
}

/// What a receiver is told about a frame whose sender left work to the cable.
void to_received(rte_mbuf* m, const CableConfig& config) {
  const std::uint64_t tx = m->ol_flags;
  if ((tx & RTE_MBUF_F_TX_TCP_SEG) != 0 && !config.lro) return;  // still to be cut
  const bool done = (tx & (RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG)) != 0;
  m->ol_flags = (tx & (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)) | (done ? kVerified : 0);
}

}  // namespace

std::uint32_t Cable::buffers_for(std::uint16_t workers, std::uint16_t peer_workers) {
  // What lies in the rings towards the peer, in caches and in hand.
  const std::uint32_t in_rings = slots_for(workers) * workers * peer_workers;
  const std::uint32_t in_inboxes = workers > 1 ? kInboxSlots * workers : 0U;
  return in_rings + in_inboxes + 1024U * workers + 512U * peer_workers + 511;
}

Result<std::unique_ptr<Cable>> Cable::make(const CableConfig& config, const DeviceConfig& a,
                                           const DeviceConfig& b, KeySource& keys) {
  std::unique_ptr<Cable> cable(new Cable(config));
  cable->sides_[0].queues = a.workers;
  cable->sides_[1].queues = b.workers;
  for (std::size_t s = 0; s < 2; ++s) {
    Side& side = cable->sides_[s];
    const std::uint16_t senders = cable->sides_[1 - s].queues;
    side.mtu = s == 0 ? a.mtu : b.mtu;
    side.steering = make_steering(side.queues, keys);
    const std::size_t rings = std::size_t{side.queues} * senders;
    for (std::size_t i = 0; i < rings; ++i) {
      // One slot of a ring of 2^n stays empty; the next power holds what was asked for.
      side.in.emplace_back(slots_for(senders), kSingleBoth);
    }
    Result<MbufPool> pool =
        make_pool(buffers_for(side.queues, senders), std::max(a.mtu, b.mtu), SOCKET_ID_ANY);
    if (!pool) return pool.error();
    side.pool = std::move(pool).value();
  }
  return cable;
}

Cable::~Cable() {
  for (Side& side : sides_) {
    for (const MbufRing& ring : side.in) ring.drain();
  }
}

std::unique_ptr<Port> Cable::port(std::size_t side, std::uint16_t queue) {
  PortInfo info;
  info.device = "cable";
  info.driver = "cable";
  info.mac = {0x02, 0x4d, 0x52, 0x00, 0x00, static_cast<std::uint8_t>(side + 1)};
  info.mtu = sides_[side].mtu;
  info.queue = queue;
  info.tx_ip_checksum = config_.checksum_offload;
  info.tx_tcp_checksum = config_.checksum_offload;
  info.tx_tso = config_.tso;
  info.max_pieces = config_.tso ? kMaxPieces : std::uint16_t{1};
  info.max_rx_pieces = config_.lro ? kMaxPieces : std::uint16_t{1};
  return std::make_unique<MbufPort<CableWire>>(info, pool(side), RxChecksumFlags(false),
                                               CableWire(*this, side, queue));
}

std::string Cable::note() const {
  const auto on = [](bool b) { return b ? "on" : "off"; };
  return std::string("Cable: checksum offload ") + on(config_.checksum_offload) + ", TSO " +
         on(config_.tso) + ", LRO " + on(config_.lro) + ".";
}

CableWire::CableWire(Cable& cable, std::size_t side, std::uint16_t queue)
    : peer_steering_(cable.sides_[1 - side].steering.get()),
      pool_(cable.pool(side)),
      config_(cable.config_),
      mtu_(cable.sides_[side].mtu) {
  const std::uint16_t peers = cable.sides_[1 - side].queues;
  for (std::uint16_t q = 0; q < peers; ++q) {
    in_.push_back(cable.ring(side, queue, q));
    out_.push_back(cable.ring(1 - side, q, queue));
  }
  batches_.resize(peers);
  for (auto& batch : batches_) batch.reserve(kBurst);
}

CableWire::~CableWire() { rte_pktmbuf_free(uncut_); }

std::uint16_t CableWire::dequeue(rte_mbuf** packets, std::uint16_t room) {
  auto** slots = reinterpret_cast<void**>(packets);
  if (in_.size() == 1) {
    return static_cast<std::uint16_t>(rte_ring_sc_dequeue_burst(in_.front(), slots, room, nullptr));
  }
  std::uint16_t got = 0;
  for (std::size_t i = 0; i < in_.size() && got < room; ++i) {
    rte_ring* ring = in_[(next_in_ + i) % in_.size()];
    const unsigned n = rte_ring_sc_dequeue_burst(ring, slots + got, room - got, nullptr);
    got = static_cast<std::uint16_t>(got + n);
  }
  next_in_ = (next_in_ + 1) % in_.size();
  return got;
}

std::uint16_t CableWire::receive(rte_mbuf** packets, std::uint16_t room) {
  if (config_.tso && !config_.lro) return deliver_cut(packets, room);
  const std::uint16_t got = dequeue(packets, room);
  return config_.lro ? join_neighbours(packets, got, Cable::kMaxPieces) : got;
}

/// Packets in order, those that ask for TSO as the segments they are cut into.
std::uint16_t CableWire::deliver_cut(rte_mbuf** packets, std::uint16_t room) {
  std::uint16_t out = 0;
  while (out < room) {
    if (uncut_ == nullptr) {
      rte_mbuf* next = nullptr;
      if (dequeue(&next, 1) == 0) break;
      if ((next->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0) {
        packets[out++] = next;
        continue;
      }
      uncut_ = next;
      uncut_at_ = 0;
    }
    rte_mbuf* segment = cut_segment(uncut_, uncut_at_, pool_);
    if (segment == nullptr) {
      // As a device that found no descriptor: what is not delivered is lost, and sent again.
      ++no_buffer_;
      uncut_at_ = tso_payload_bytes(uncut_);
    } else {
      if (config_.checksum_offload) segment->ol_flags |= kVerified;
      packets[out++] = segment;
    }
    if (uncut_at_ >= tso_payload_bytes(uncut_)) {
      rte_pktmbuf_free(uncut_);
      uncut_ = nullptr;
    }
  }
  return out;
}

std::uint16_t CableWire::transmit(rte_mbuf** packets, std::uint16_t count) {
  if (peer_steering_ != nullptr) return transmit_hashed(packets, count);
  if (config_.checksum_offload || config_.tso) {
    count =
        static_cast<std::uint16_t>(std::min<unsigned>(count, rte_ring_free_count(out_.front())));
    for (std::uint16_t i = 0; i < count; ++i) to_received(packets[i], config_);
  }
  return static_cast<std::uint16_t>(
      rte_ring_sp_enqueue_burst(out_.front(), reinterpret_cast<void**>(packets), count, nullptr));
}

/// Takes packets up to the first whose ring is full, then fills each ring at once.
std::uint16_t CableWire::transmit_hashed(rte_mbuf** packets, std::uint16_t count) {
  std::array<std::uint16_t, kBurst> queues;
  for (std::uint16_t i = 0; i < count; ++i) {
    const auto* frame = rte_pktmbuf_mtod(packets[i], const std::uint8_t*);
    queues[i] = peer_steering_->worker_of(flow_hash(*peer_steering_, frame, packets[i]->data_len));
  }
  std::uint16_t taken = 0;
  for (; taken < count; ++taken) {
    auto& batch = batches_[queues[taken]];
    if (batch.size() >= rte_ring_free_count(out_[queues[taken]])) break;
    batch.push_back(packets[taken]);
  }
  for (std::size_t q = 0; q < batches_.size(); ++q) {
    auto& batch = batches_[q];
    if (batch.empty()) continue;
    for (rte_mbuf* m : batch) to_received(m, config_);
    rte_ring_sp_enqueue_burst(out_[q], reinterpret_cast<void**>(batch.data()),
                              static_cast<unsigned>(batch.size()), nullptr);
    batch.clear();
  }
  return taken;
}

}  // namespace millrace::dpdk
