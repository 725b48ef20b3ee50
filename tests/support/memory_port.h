// SPDX-License-Identifier: BSD-3-Clause
//
// A Port whose every buffer is counted and owned by exactly one side: the pool, the worker, or the
// device. Each buffer is heap memory of its exact size that is gone when its owner changes, so that
// a sanitizer sees every read past a frame and every touch after hand-off. It can be told to fail
// in the ways that drivers do, and does checksum and segmentation offload when it claims them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/port.h"
#include "tests/support/random.h"

namespace millrace::test {

struct MemoryPortConfig {
  PortInfo info;
  std::uint32_t buffers = 512;
  std::uint32_t rx_ring = 256;       // frames; more are missed
  bool rx_checksums = false;         // judges TCP and IPv4 checksums of what arrives
  std::uint32_t hold_tx_frames = 0;  // frames that the device keeps before it gives buffers back
  std::uint64_t seed = 1;            // for failures that come by chance
};

class MemoryPort final : public Port {
 public:
  using Sink = std::function<void(std::span<const std::byte> frame)>;

  /// `sink` gets every frame that leaves, checksums filled in and long segments cut.
  MemoryPort(const MemoryPortConfig& config, Sink sink);
  ~MemoryPort() override;

  // ---- the network's side
  /// A frame arrives; false if it was missed for want of a descriptor, a buffer or the link.
  bool deliver(std::span<const std::byte> frame) { return deliver(frame, 0, frame.size()); }
  /// The same in pieces of at most `piece_bytes`, with receive flags in addition to judged ones.
  bool deliver(std::span<const std::byte> frame, std::uint16_t flags, std::size_t piece_bytes);
  [[nodiscard]] std::size_t rx_waiting() const { return rx_.size(); }

  // ---- failures
  void set_dry(bool dry) { dry_ = dry; }  // no buffers, neither way
  void set_allocate_failure(double p) { allocate_failure_ = p; }
  void set_tx_room(std::optional<std::size_t> frames) { tx_room_ = frames; }  // per burst
  void set_tx_refusal(double p) { tx_refusal_ = p; }  // a burst is cut at a random place
  void set_link(bool up) { link_ = up; }              // frames sent on a dead link vanish

  // ---- accounts
  [[nodiscard]] std::uint32_t with_worker() const { return with_worker_; }
  [[nodiscard]] std::uint32_t with_device() const { return with_device_; }
  [[nodiscard]] std::uint32_t free_buffers() const;
  [[nodiscard]] std::uint64_t delivered() const { return delivered_; }  // frames into the ring

  // ---- Port
  [[nodiscard]] const PortInfo& info() const override { return config_.info; }
  [[nodiscard]] std::size_t rx_burst(std::span<Frame> frames) override;
  [[nodiscard]] std::size_t tx_burst(std::span<Frame> frames) override;
  [[nodiscard]] std::size_t allocate(std::span<Frame> frames) override;
  void release(std::span<Frame> frames) override;
  [[nodiscard]] bool link_up() override { return link_; }
  [[nodiscard]] PortStats stats() override;

 private:
  enum class Owner : std::uint8_t { pool, device, worker };
  struct Buffer {
    std::unique_ptr<std::byte[]> memory;
    Owner owner = Owner::pool;
  };

  [[nodiscard]] Buffer* take(std::size_t bytes, Owner owner);
  void give_back(const Frame& frame, Owner expected);
  [[nodiscard]] std::size_t packet_room(std::span<const Frame> frames) const;
  void transmit_packet(std::span<const Frame> pieces);
  void complete(std::size_t keep);

  MemoryPortConfig config_;
  Sink sink_;
  Random random_;
  std::vector<Buffer> buffers_;
  std::vector<std::uint32_t> free_;
  std::deque<Frame> rx_;
  std::deque<Frame> sent_;  // in the device until completed
  PortStats stats_;
  std::uint32_t with_worker_ = 0;
  std::uint32_t with_device_ = 0;
  std::uint64_t delivered_ = 0;
  double allocate_failure_ = 0;
  double tx_refusal_ = 0;
  std::optional<std::size_t> tx_room_;
  bool dry_ = false;
  bool link_ = true;
};

}  // namespace millrace::test
