// SPDX-License-Identifier: BSD-3-Clause
//
// The one seam to a driver: bursts of frames in, bursts of frames out, for one queue of one port
// and one core. DPDK implements it (dataplane/dpdk), the simulator implements it (tests/sim).
// Virtual calls happen once per burst.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace millrace {

using MacAddress = std::array<std::uint8_t, 6>;

/// One contiguous piece of a frame, with the driver's buffer behind it. A frame of several pieces
/// is several consecutive Frames in a burst, all but the last with kContinues set (received from a
/// scattering or coalescing port, or given to one for TSO); metadata count on the first piece only.
struct Frame {
  std::byte* data = nullptr;
  std::uint32_t length = 0;    // bytes at data
  std::uint32_t capacity = 0;  // bytes that may be written at data (frames from allocate())
  void* buffer = nullptr;      // the driver's handle
  std::uint16_t flags = 0;

  // What transmit offload needs to know; header lengths in bytes.
  std::uint16_t segment_size = 0;  // TSO: payload bytes per segment
  std::uint8_t l2_length = 0;
  std::uint8_t l3_length = 0;
  std::uint8_t l4_length = 0;

  static constexpr std::uint16_t kContinues = 1 << 0;  // the next Frame belongs to the same packet
  // Received: what the device says. Neither bit of a pair: unknown, verify in software.
  static constexpr std::uint16_t kIpChecksumGood = 1 << 1;
  static constexpr std::uint16_t kIpChecksumBad = 1 << 2;
  static constexpr std::uint16_t kL4ChecksumGood = 1 << 3;
  static constexpr std::uint16_t kL4ChecksumBad = 1 << 4;
  // To be sent: what the device shall do. The L4 field then holds the pseudo-header sum (for TSO
  // without the length).
  static constexpr std::uint16_t kOffloadIpChecksum = 1 << 5;
  static constexpr std::uint16_t kOffloadTcpChecksum = 1 << 6;
  static constexpr std::uint16_t kOffloadTso = 1 << 7;
  static constexpr std::uint16_t kIpv6 = 1 << 8;

  [[nodiscard]] bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
};
static_assert(sizeof(Frame) == 32);

struct PortInfo {
  std::string device;  // as the operator named it
  std::string driver;  // net_tap, net_ring, cable, simulated ...
  MacAddress mac{};
  std::uint16_t mtu = 1500;
  std::uint16_t queue = 0;
  bool tx_ip_checksum = false;   // the port fills in IPv4 header checksums
  bool tx_tcp_checksum = false;  // the port fills in TCP checksums
  bool tx_tso = false;           // the port segments; segment_size is already clamped for its traps
  std::uint16_t max_pieces = 1;  // Frames per packet on transmit
  std::uint16_t max_rx_pieces = 1;  // Frames per received packet: rx_burst needs room for as many
  std::uint16_t max_tso_segment_size = 0;  // payload bytes; 0: no limit
};

struct PortStats {
  std::uint64_t rx_frames = 0, rx_bytes = 0;
  std::uint64_t tx_frames = 0, tx_bytes = 0;
  std::uint64_t rx_missed = 0;     // dropped by the device for want of descriptors
  std::uint64_t rx_no_buffer = 0;  // dropped for want of buffers
  std::uint64_t tx_refused = 0;    // bursts cut short because the ring was full
  std::uint64_t tx_rejected = 0;   // dropped because the device would never take them
  std::uint64_t buffers_free = 0;  // of the pool that all queues of the port share
  std::uint64_t buffers_total = 0;
};

class Port {
 public:
  virtual ~Port() = default;

  [[nodiscard]] virtual const PortInfo& info() const = 0;
  /// Fills at most frames.size() Frames; the receiver owns them until it hands them to release() or
  /// tx_burst(). A packet is never split over two bursts.
  [[nodiscard]] virtual std::size_t rx_burst(std::span<Frame> frames) = 0;
  /// Takes ownership of the first n Frames and returns n; the caller keeps the rest and tries
  /// again.
  [[nodiscard]] virtual std::size_t tx_burst(std::span<Frame> frames) = 0;
  /// Gives up to frames.size() empty Frames with capacity for at least mtu + 18 bytes; fewer when
  /// buffers are short.
  [[nodiscard]] virtual std::size_t allocate(std::span<Frame> frames) = 0;
  virtual void release(std::span<Frame> frames) = 0;
  [[nodiscard]] virtual bool link_up() = 0;
  [[nodiscard]] virtual PortStats stats() = 0;
};

}  // namespace millrace
