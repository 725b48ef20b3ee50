// SPDX-License-Identifier: BSD-3-Clause
//
// What we advertise (RFC 9293 §3.8.6, RFC 7323 §2.3, §2.4): the right edge moves by whole steps,
// never goes back, and is opened only by amounts worth sending into (§3.8.6.2.2).
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"

namespace millrace::tcp {

/// The window of a SYN: never scaled.
[[nodiscard]] inline std::uint32_t syn_window(const TcpConfig& config) {
  return std::min(config.receive_buffer, 0xffffU);
}

/// Free bytes of the receive buffer.
[[nodiscard]] inline std::uint32_t free_receive_bytes(const Connection& c, const Context& context) {
  const std::uint32_t buffer = context.config.receive_buffer;
  if (c.receive == kNil) return buffer;
  const std::uint32_t unread = context.stores.receive[c.receive].unread_bytes;
  return unread < buffer ? buffer - unread : 0;
}

/// What is worth telling: half the buffer or a segment, whichever is less (RFC 9293 §3.8.6.2.2).
[[nodiscard]] inline std::uint32_t worthwhile_bytes(const Connection& c, const Context& context) {
  return std::min(context.config.receive_buffer / 2, std::uint32_t{c.mss});
}

/// Moves rcv_adv if it is worth it. To be called before a segment's window field is computed.
///
/// A scaled window field cannot name every byte, and rounding down would take back what was
/// promised (RFC 7323 §2.4). So the edge is chosen in whole units when it moves, and rounded up
/// while it rests. Rounding up can add a unit at a time to what must be buffered; it stops one unit
/// above the buffer, and the field is rounded down from there on (we still accept up to rcv_adv).
[[gnu::always_inline]] inline void update_receive_window(Connection& c, const Context& context) {
  const std::uint32_t current = c.rcv_wnd();
  const std::uint32_t free_bytes = free_receive_bytes(c, context);
  const int scale = c.our_scale();
  const std::uint32_t offer = std::min(free_bytes >> scale, 0xffffU) << scale;
  if (offer >= current + worthwhile_bytes(c, context)) {
    if (current == 0) ++context.counters.TCPFromZeroWindowAdv;
    c.rcv_adv = c.rcv_nxt + offer;
    return;
  }
  if (current == 0) return;
  const std::uint32_t unit = 1U << scale;
  if ((current & (unit - 1)) == 0) return;
  const std::uint32_t up = (current + unit - 1) & ~(unit - 1);
  if (up <= free_bytes + unit && (up >> scale) <= 0xffffU) c.rcv_adv = c.rcv_nxt + up;
}

/// The window field of a segment that acknowledges `ack`, which is not after RCV.NXT.
[[nodiscard]] inline std::uint16_t window_field(const Connection& c, Seq ack) {
  return static_cast<std::uint16_t>(
      std::min(bytes_between(ack, c.rcv_adv) >> c.our_scale(), 0xffffU));
}

/// True if the application has read so much that the peer should hear of it without being asked.
[[nodiscard]] bool window_update_due(const Connection& c, const Context& context);

}  // namespace millrace::tcp
