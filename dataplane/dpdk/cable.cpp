// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/cable.h"

#include <rte_ring.h>

#include <algorithm>
#include <bit>
#include <span>

#include "dataplane/dpdk/flow_hash.h"
#include "dataplane/dpdk/ring_inbox.h"
#include "dataplane/dpdk/rss_key.h"
#include "dataplane/dpdk/segmenting.h"

namespace millrace::dpdk {

namespace {

constexpr std::uint64_t kVerified = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;

constexpr std::size_t kBuckets = 128;

Result<std::shared_ptr<const FlowSteering>> make_rss(const CableConfig& config,
                                                     std::uint16_t queues, KeySource& keys) {
  std::vector<std::uint8_t> key = config.rss_key;
  if (key.empty()) {
    key.resize(FlowSteering::kKeyBytes);
    draw_rss_key(keys, key);
  }
  std::vector<std::uint16_t> table =
      config.rss_table.empty() ? even_table(kBuckets, queues) : config.rss_table;
  const bool fits =
      std::all_of(table.begin(), table.end(), [queues](auto q) { return q < queues; });
  if (key.size() < FlowSteering::kKeyBytes || !std::has_single_bit(table.size()) || !fits) {
    return Error{ErrorKind::usage,
                 "The cable's RSS key or table is no key or table for " + std::to_string(queues) +
                     " queues.",
                 "A key has 40 bytes; a table has a power of two of buckets."};
  }
  return std::make_shared<const FlowSteering>(key, std::move(table));
}

std::uint32_t slots_for(std::uint16_t senders) {
  return std::max<std::uint32_t>(Cable::kSlots / senders, 2 * kBurst);
}

/// What a receiver is told about a frame whose sender left work to the cable.
void to_received(rte_mbuf* m, bool lro) {
  const std::uint64_t tx = m->ol_flags;
  if ((tx & RTE_MBUF_F_TX_TCP_SEG) != 0 && !lro) return;  // still to be cut
  const bool done = (tx & (RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG)) != 0;
  constexpr std::uint64_t kKept =
      RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_RX_RSS_HASH;
  m->ol_flags = (tx & kKept) | (done ? kVerified : 0);
}

}  // namespace

std::uint32_t Cable::buffers_for(std::uint16_t workers, std::uint16_t peer_workers) {
  // What lies in the rings towards the peer and its steerer's, in caches and in hand.
  const std::uint32_t in_rings = slots_for(workers) * workers * peer_workers;
  const std::uint32_t in_inboxes = workers > 1 ? kInboxSlots * workers : 0U;
  const std::uint32_t in_steerer = peer_workers > 1 ? kSlots : 0U;
  return in_rings + in_steerer + in_inboxes + 1024U * workers + 512U * peer_workers + 511;
}

Result<std::unique_ptr<Cable>> Cable::make(const CableConfig& config, const DeviceConfig& a,
                                           const DeviceConfig& b, KeySource& keys) {
  std::unique_ptr<Cable> cable(new Cable(config));
  cable->sides_[0].workers = a.workers;
  cable->sides_[1].workers = b.workers;
  for (std::size_t s = 0; s < 2; ++s) {
    Side& side = cable->sides_[s];
    const std::uint16_t senders = cable->sides_[1 - s].workers;
    side.mtu = s == 0 ? a.mtu : b.mtu;
    if (Status status = cable->set_up_steering(side, keys); !status) return status.error();
    const std::size_t rings = std::size_t{side.rx_queues} * senders;
    for (std::size_t i = 0; i < rings; ++i) {
      // One slot of a ring of 2^n stays empty; the next power holds what was asked for.
      side.in.emplace_back(slots_for(senders), kSingleBoth);
    }
    Result<MbufPool> pool =
        make_pool(buffers_for(side.workers, senders), std::max(a.mtu, b.mtu), SOCKET_ID_ANY);
    if (!pool) return pool.error();
    side.pool = std::move(pool).value();
  }
  return cable;
}

Status Cable::set_up_steering(Side& side, KeySource& keys) const {
  if (side.workers == 1) return Ok{};
  side.rx_queues = side.workers;
  switch (config_.steering) {
    case Steering::rss: {
      auto made = make_rss(config_, side.workers, keys);
      if (!made) return made.error();
      side.steering = std::move(made).value();
      return Ok{};
    }
    case Steering::rules:
      side.rules = FlowRules::make(side.workers, keys);
      if (side.rules == nullptr) {
        return Error{ErrorKind::usage,
                     "Rules serve " + std::to_string(FlowRules::kMostQueues) +
                         " queues at most, not " + std::to_string(side.workers) + ".",
                     ""};
      }
      side.steering = side.rules->steering;
      return Ok{};
    case Steering::software:
      side.rx_queues = 1;
      side.rings = std::make_shared<SteeringRings>(side.workers, true, keys);
      side.steering = side.rings->flows;
      return Ok{};
  }
  return Ok{};
}

Cable::~Cable() {
  for (Side& side : sides_) {
    for (const MbufRing& ring : side.in) ring.drain();
  }
}

PortInfo Cable::info_of(std::size_t side, std::uint16_t worker) const {
  PortInfo info;
  info.device = "cable";
  info.driver = "cable";
  info.mac = {0x02, 0x4d, 0x52, 0x00, 0x00, static_cast<std::uint8_t>(side + 1)};
  info.mtu = sides_[side].mtu;
  info.queue = worker;
  info.tx_ip_checksum = config_.checksum_offload;
  info.tx_tcp_checksum = config_.checksum_offload;
  info.tx_tso = config_.tso;
  info.max_pieces = config_.tso ? kMaxPieces : std::uint16_t{1};
  info.max_rx_pieces = config_.lro ? kMaxPieces : std::uint16_t{1};
  return info;
}

std::unique_ptr<Port> Cable::port(std::size_t side, std::uint16_t worker) {
  const PortInfo info = info_of(side, worker);
  const RxChecksumFlags checksums(false);
  const std::shared_ptr<SteeringRings>& rings = sides_[side].rings;
  if (rings == nullptr) {
    return std::make_unique<MbufPort<CableWire>>(info, pool(side), checksums,
                                                 CableWire(*this, side, worker, worker));
  }
  using Wire = SteeredWire<CableWire>;
  return std::make_unique<MbufPort<Wire>>(
      info, pool(side), checksums,
      Wire(CableWire(*this, side, CableWire::kNoQueue, worker), rings, worker));
}

std::unique_ptr<Steerer> Cable::steerer(std::size_t side) {
  if (sides_[side].rings == nullptr) return nullptr;
  std::vector<CableWire> queue;
  queue.emplace_back(*this, side, std::uint16_t{0}, std::uint16_t{0});
  return std::make_unique<SoftwareSteerer<CableWire>>(std::move(queue), sides_[side].rings);
}

std::string Cable::steering_name(std::size_t side) const {
  const Side& s = sides_[side];
  if (s.workers == 1) return "single queue";
  if (s.rules != nullptr) return "flow rules of the cable";
  if (s.rings != nullptr) return "software steering to " + std::to_string(s.workers) + " workers";
  return "RSS by the cable";
}

std::string Cable::note() const {
  const auto on = [](bool b) { return b ? "on" : "off"; };
  return std::string("Cable: checksum offload ") + on(config_.checksum_offload) + ", TSO " +
         on(config_.tso) + ", LRO " + on(config_.lro) + ".";
}

CableWire::CableWire(Cable& cable, std::size_t side, std::uint16_t rx_queue, std::uint16_t tx_queue)
    : peer_steering_(cable.sides_[1 - side].steering.get()),
      peer_rules_(cable.sides_[1 - side].rules.get()),
      pool_(cable.pool(side)),
      checksum_offload_(cable.config_.checksum_offload),
      tso_(cable.config_.tso),
      lro_(cable.config_.lro),
      hash_types_(cable.config_.hash_types) {
  const Cable::Side& peer = cable.sides_[1 - side];
  if (rx_queue < cable.sides_[side].rx_queues) {
    for (std::uint16_t q = 0; q < peer.workers; ++q) in_.push_back(cable.ring(side, rx_queue, q));
  }
  for (std::uint16_t q = 0; q < peer.rx_queues; ++q) {
    out_.push_back(cable.ring(1 - side, q, tx_queue));
  }
  batches_.resize(peer.rx_queues);
  for (auto& batch : batches_) batch.reserve(kBurst);
}

CableWire::~CableWire() { rte_pktmbuf_free(uncut_); }

std::uint16_t CableWire::dequeue(rte_mbuf** packets, std::uint16_t room) {
  auto** slots = reinterpret_cast<void**>(packets);
  if (in_.size() == 1) {
    return static_cast<std::uint16_t>(rte_ring_sc_dequeue_burst(in_.front(), slots, room, nullptr));
  }
  if (in_.empty()) return 0;
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
  if (tso_ && !lro_) return deliver_cut(packets, room);
  const std::uint16_t got = dequeue(packets, room);
  return lro_ ? join_neighbours(packets, got, Cable::kMaxPieces) : got;
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
      if (checksum_offload_) segment->ol_flags |= kVerified;
      segment->hash.rss = uncut_->hash.rss;
      segment->ol_flags |= uncut_->ol_flags & RTE_MBUF_F_RX_RSS_HASH;
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
  if (out_.size() > 1) return transmit_spread(packets, count);
  if (checksum_offload_ || tso_) {
    count =
        static_cast<std::uint16_t>(std::min<unsigned>(count, rte_ring_free_count(out_.front())));
    for (std::uint16_t i = 0; i < count; ++i) to_received(packets[i], lro_);
  }
  return static_cast<std::uint16_t>(
      rte_ring_sp_enqueue_burst(out_.front(), reinterpret_cast<void**>(packets), count, nullptr));
}

/// Where the receiver's NIC puts it; the hash goes with it.
std::uint16_t CableWire::queue_for(rte_mbuf* m) const {
  const auto* frame = rte_pktmbuf_mtod(m, const std::uint8_t*);
  if (peer_rules_ != nullptr) return peer_rules_->queue_of(frame, m->data_len);
  const FlowHash hash = flow_hash(*peer_steering_, hash_types_, frame, m->data_len);
  m->hash.rss = hash.value;
  if (hash.hashed) m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
  return peer_steering_->worker_of(hash.value);
}

/// Takes packets up to the first whose ring is full, then fills each ring at once.
std::uint16_t CableWire::transmit_spread(rte_mbuf** packets, std::uint16_t count) {
  std::uint16_t taken = 0;
  for (; taken < count; ++taken) {
    const std::uint16_t queue = queue_for(packets[taken]);
    auto& batch = batches_[queue];
    if (batch.size() >= rte_ring_free_count(out_[queue])) {
      packets[taken]->ol_flags &= ~RTE_MBUF_F_RX_RSS_HASH;  // the sender's again
      break;
    }
    batch.push_back(packets[taken]);
  }
  for (std::size_t q = 0; q < batches_.size(); ++q) {
    auto& batch = batches_[q];
    if (batch.empty()) continue;
    for (rte_mbuf* m : batch) to_received(m, lro_);
    rte_ring_sp_enqueue_burst(out_[q], reinterpret_cast<void**>(batch.data()),
                              static_cast<unsigned>(batch.size()), nullptr);
    batch.clear();
  }
  return taken;
}

}  // namespace millrace::dpdk
