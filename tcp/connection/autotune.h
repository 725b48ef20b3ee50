// SPDX-License-Identifier: BSD-3-Clause
//
// Buffers that follow the transfer, where the profile does not fix them (RFC 9293 §3.8.6 leaves
// the size of the window to us; RFC 7323 §2 is why it must be large on long paths).
//
// Receiving is dynamic right-sizing (Fisk and Feng, 2001): what the application took in one round
// trip is what the sender's window let through, so a buffer of twice that never holds it back, and
// four times while it doubles in slow start. The round trip is what timestamps echo or our own
// segments measured, and failing both the time in which a window passed. The buffer only grows, and
// only while the application keeps up with what comes; the right edge never goes back.
//
// Sending needs no measuring: twice cwnd lets as much again wait as is in flight.
//
// Refuses: to grow when packets' memory is short. A receive buffer that has grown then becomes as
// small as it began, as fast as the peer uses up the window it was promised.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// Less than a quarter of the blocks is free: buffers do not grow.
[[nodiscard]] inline bool memory_is_short(const Stores& stores) {
  return stores.blocks.live() > stores.blocks.capacity() - stores.blocks.capacity() / 4;
}

/// Ends the round if it lasted a round trip, and gives the buffer the size that follows. For a
/// profile without a fixed receive buffer, when the right edge is about to move.
void tune_receive_buffer(Connection& c, const Context& context);

/// A segment in order of a stream of them: its echo tells the round trip, if timestamps were
/// agreed. Called for every second segment or so.
void note_receive_rtt(Connection& c, const SegmentIn& segment, const Context& context);

/// The connection has moved here from a profile with `before`.
void retune_receive_buffer(Connection& c, const TcpConfig& before, const Context& context);

/// How many bytes may be queued and unacknowledged now.
[[nodiscard]] inline std::uint32_t send_buffer_of(const Connection& c, const TcpConfig& config) {
  if (config.send_buffer != 0) return config.send_buffer;
  const std::uint32_t twice = std::min(c.congestion.cwnd, 1U << 30) * 2;
  return std::max(std::min(twice, config.send_buffer_max), config.send_buffer_initial);
}
/// The same for a write that must be copied: the blocks have a say.
[[nodiscard]] std::uint32_t send_buffer_for_copies(const Connection& c, const Context& context);

}  // namespace millrace::tcp
