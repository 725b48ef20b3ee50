// SPDX-License-Identifier: BSD-3-Clause
//
// How workers of one port pass on what arrives at one and concerns others: neighbour discovery and
// ICMP errors, which arrive at whichever queue the port chooses, concern all of them. A segment
// that the port brought to another core than that of its connection concerns one: devices differ in
// what they make of IPv6 extension headers. It is copied too, which costs what so rare a thing may
// cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/port.h"

namespace millrace {

/// One per worker, used by that worker alone.
class Inbox {
 public:
  virtual ~Inbox() = default;
  /// Copies `frame` to every other worker of the port. Returns how many could not take it.
  virtual std::size_t broadcast(const Frame& frame) = 0;
  /// Copies a packet to one other worker of the port. False if it could not take it.
  [[nodiscard]] virtual bool pass(std::span<const Frame> pieces, std::uint16_t worker) = 0;
  /// Frames other workers passed on; copied into the caller's buffers. Returns how many.
  virtual std::size_t collect(std::span<Frame> frames) = 0;
};

}  // namespace millrace
