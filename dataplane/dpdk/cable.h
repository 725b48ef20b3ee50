// SPDX-License-Identifier: BSD-3-Clause
//
// The in-memory cable: two sides, each with as many queues as it has workers, joined by rings of
// buffers. A frame goes to the receive queue that a NIC would choose: Toeplitz over the receiver's
// key for the types of frames that it hashes, then the receiver's table; the hash comes with the
// buffer. Or by rules that match, or all to one queue, from where a steerer takes them to workers.
// With every switch off, frames pass as they are, without a copy.
//
// It never loses a frame: a full ring holds the sender up, as flow control would. There is a ring
// for every pair of queues, so each has one producer and one consumer and the free space that a
// sender sees can only grow.
//
// Offloads are the cable's own: checksums are claimed, not computed; TSO segments are cut on
// delivery unless the receiver has LRO, which then gets them whole; LRO alone joins what stands
// next to each other.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/backend.h"
#include "dataplane/dpdk/flow_rules.h"
#include "dataplane/dpdk/mbuf_pool.h"
#include "dataplane/dpdk/mbuf_port.h"
#include "dataplane/dpdk/steering.h"
#include "dataplane/key_source.h"
#include "tcp/base/flow_steering.h"
#include "tcp/base/result.h"

namespace millrace::dpdk {

class Cable {
 public:
  static constexpr std::uint32_t kSlots = 1024;    // of all rings into one receive queue together
  static constexpr std::uint16_t kMaxPieces = 33;  // 64 KiB in 2 KiB buffers, and the header

  /// Buffers that one side's pool needs.
  [[nodiscard]] static std::uint32_t buffers_for(std::uint16_t workers, std::uint16_t peer_workers);

  [[nodiscard]] static Result<std::unique_ptr<Cable>> make(const CableConfig& config,
                                                           const DeviceConfig& a,
                                                           const DeviceConfig& b, KeySource& keys);
  ~Cable();
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;

  /// The port of one worker of a side; each at most once.
  [[nodiscard]] std::unique_ptr<Port> port(std::size_t side, std::uint16_t worker);
  /// What brings frames to the workers of that side, if a thread must; at most once.
  [[nodiscard]] std::unique_ptr<Steerer> steerer(std::size_t side);
  [[nodiscard]] rte_mempool* pool(std::size_t side) const { return sides_[side].pool.get(); }
  [[nodiscard]] const std::shared_ptr<const FlowSteering>& steering(std::size_t side) const {
    return sides_[side].steering;
  }
  [[nodiscard]] std::string steering_name(std::size_t side) const;
  [[nodiscard]] std::string note() const;

 private:
  friend class CableWire;
  struct Side {
    std::uint16_t workers = 1;    // each sends through a queue of its own
    std::uint16_t rx_queues = 1;  // as many, or one
    std::uint16_t mtu = 1500;
    MbufPool pool;
    std::shared_ptr<const FlowSteering> steering;  // of what it receives; null with one worker
    std::shared_ptr<const FlowRules> rules;        // if it has some
    std::shared_ptr<SteeringRings> rings;          // if it has a steerer
    std::vector<MbufRing> in;                      // [receive queue * senders + transmit queue]
  };

  explicit Cable(const CableConfig& config) : config_(config) {}
  [[nodiscard]] Status set_up_steering(Side& side, KeySource& keys) const;
  [[nodiscard]] PortInfo info_of(std::size_t side, std::uint16_t worker) const;
  [[nodiscard]] rte_ring* ring(std::size_t receiver, std::uint16_t rx, std::uint16_t tx) const {
    const Side& side = sides_[receiver];
    const std::size_t senders = sides_[1 - receiver].workers;
    return side.in[rx * senders + tx].get();
  }

  CableConfig config_;
  std::array<Side, 2> sides_;
};

/// One queue of one side, either way. A queue that does not exist receives nothing.
class CableWire {
 public:
  static constexpr std::uint16_t kNoQueue = 0xffff;

  CableWire(Cable& cable, std::size_t side, std::uint16_t rx_queue, std::uint16_t tx_queue);
  CableWire(CableWire&& other) noexcept = default;
  CableWire(const CableWire&) = delete;
  CableWire& operator=(const CableWire&) = delete;
  ~CableWire();

  std::uint16_t receive(rte_mbuf** packets, std::uint16_t room);
  std::uint16_t transmit(rte_mbuf** packets, std::uint16_t count);
  bool link_up() { return true; }
  void add_to(PortStats& stats) const { stats.rx_no_buffer += no_buffer_; }

 private:
  std::uint16_t dequeue(rte_mbuf** packets, std::uint16_t room);
  [[nodiscard]] std::uint16_t queue_for(rte_mbuf* packet) const;
  std::uint16_t transmit_spread(rte_mbuf** packets, std::uint16_t count);
  std::uint16_t deliver_cut(rte_mbuf** packets, std::uint16_t room);

  std::vector<rte_ring*> in_;          // one per queue of the peer
  std::vector<rte_ring*> out_;         // one per receive queue of the peer
  const FlowSteering* peer_steering_;  // of its RSS; null if it has none
  const FlowRules* peer_rules_;        // null if it has none
  rte_mempool* pool_;
  bool checksum_offload_, tso_, lro_;
  HashTypes hash_types_;
  std::size_t next_in_ = 0;
  std::uint64_t no_buffer_ = 0;
  // A segment that is being cut, and how far.
  rte_mbuf* uncut_ = nullptr;
  std::uint32_t uncut_at_ = 0;
  std::vector<std::vector<rte_mbuf*>> batches_;  // one per receive queue of the peer
};

}  // namespace millrace::dpdk
