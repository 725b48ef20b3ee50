// SPDX-License-Identifier: BSD-3-Clause
//
// How workers of one port pass on frames that concern them all: neighbour discovery and ICMP errors
// arrive at whichever queue the port chooses. Segments never travel this way.
#pragma once

#include <cstddef>
#include <span>

#include "dataplane/port.h"

namespace millrace {

/// Frames that concern every worker of a port (ARP, NDP, ICMP errors), passed on between cores. One
/// inbox per worker, used by that worker alone.
class Inbox {
 public:
  virtual ~Inbox() = default;
  /// Copies `frame` to every other worker of the port. Returns how many could not take it.
  virtual std::size_t broadcast(const Frame& frame) = 0;
  /// Frames other workers passed on; copied into the caller's buffers. Returns how many.
  virtual std::size_t collect(std::span<Frame> frames) = 0;
};

}  // namespace millrace
