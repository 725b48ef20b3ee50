// SPDX-License-Identifier: BSD-3-Clause
//
// One TCP that a script is played against: Millrace on a virtual clock (millrace_side.h) or the
// kernel's in a network namespace (kernel_side.h). Both are driven by the same calls and give back
// the segments that they send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tcp/base/four_tuple.h"
#include "tcp/base/time.h"

namespace millrace::differential {

/// A TCP header and payload as a side sent it; `tuple` as that side sees it.
struct Packet {
  FourTuple tuple;
  std::vector<std::byte> bytes;
  std::uint8_t ecn = 0;  // the two bits of the IP header
};

class Side {
 public:
  virtual ~Side() = default;
  virtual void listen(std::uint16_t port, std::uint32_t backlog) = 0;
  virtual void unlisten() = 0;
  /// `text` is sent before the SYN goes out.
  virtual void connect(const FourTuple& tuple, std::span<const std::byte> text) = 0;
  /// A segment of the peer's: TCP header without checksum, and payload.
  virtual void inject(const Packet& packet) = 0;
  // Calls on a connection; nothing happens if there is none.
  virtual void send(const FourTuple& tuple, std::span<const std::byte> bytes) = 0;
  virtual void read(const FourTuple& tuple, std::size_t bytes) = 0;
  virtual void shutdown(const FourTuple& tuple) = 0;
  virtual void close(const FourTuple& tuple) = 0;
  virtual void abort(const FourTuple& tuple) = 0;
  virtual void nodelay(const FourTuple& tuple, bool on) = 0;
  /// Whether the application reads all that comes.
  virtual void reading(bool on) = 0;
  /// Lets time pass; with none, lets what is due now happen.
  virtual void pass(Duration time) = 0;
  /// What was sent since the last call.
  virtual std::vector<Packet> take() = 0;
};

/// Where both ends of a script's connections are.
[[nodiscard]] Address own_address(bool ipv6);
[[nodiscard]] Address peer_address(bool ipv6);

}  // namespace millrace::differential
