// SPDX-License-Identifier: BSD-3-Clause
//
// What we advertise (RFC 9293 §3.8.6, RFC 7323 §2.3, §2.4): the right edge moves by whole steps,
// never goes back, and is opened only by amounts worth sending into (§3.8.6.2.2). How large the
// receive buffer is, which all of it follows from, is autotune.h's.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"

namespace millrace::tcp {

/// The window of a SYN: never scaled.
[[nodiscard]] inline std::uint32_t syn_window(const TcpConfig& config) {
  return std::min(initial_receive_buffer(config), 0xffffU);
}

/// The size of the receive buffer now.
[[nodiscard]] inline std::uint32_t receive_buffer_of(const Connection& c, const Stores& stores) {
  if (!c.has_receive_state()) return c.receive & ~Connection::kNoReceiveState;
  return stores.receive[c.receive].buffer_bytes;
}
inline void set_receive_buffer(Connection& c, Stores& stores, std::uint32_t bytes) {
  if (c.has_receive_state()) {
    stores.receive[c.receive].buffer_bytes = bytes;
  } else {
    c.receive = Connection::kNoReceiveState | bytes;
  }
}

/// Free bytes of the receive buffer.
[[nodiscard]] inline std::uint32_t free_receive_bytes(const Connection& c, const Context& context) {
  if (!c.has_receive_state()) return c.receive & ~Connection::kNoReceiveState;
  const ReceiveState& r = context.stores.receive[c.receive];
  return r.unread_bytes < r.buffer_bytes ? r.buffer_bytes - r.unread_bytes : 0;
}

/// What a window of `free_bytes` can say in whole units of our scale.
[[nodiscard]] inline std::uint32_t offer_of(const Connection& c, std::uint32_t free_bytes) {
  const int scale = c.our_scale();
  return std::min(free_bytes >> scale, 0xffffU) << scale;
}

/// What is worth telling: half the buffer or a segment, whichever is less (RFC 9293 §3.8.6.2.2).
[[nodiscard]] inline std::uint32_t worthwhile_bytes(const Connection& c, const Context& context) {
  return std::min(receive_buffer_of(c, context.stores) / 2, std::uint32_t{c.mss});
}

/// While the edge rests: up to the next whole unit, if that is not above the buffer by more.
[[gnu::always_inline]] inline void round_right_edge(Connection& c, std::uint32_t offer,
                                                    std::uint32_t free_bytes) {
  const std::uint32_t current = c.rcv_wnd();
  const std::uint32_t unit = 1U << c.our_scale();
  const std::uint32_t up = (current + unit - 1) & ~(unit - 1);
  const auto may_exceed = [&] {
    return current != 0 && up <= free_bytes + unit && (up >> c.our_scale()) <= 0xffffU;
  };
  if (up - 1 < offer || may_exceed()) [[likely]]
    c.rcv_adv = c.rcv_nxt + up;
}

/// The edge is worth moving: first the buffer may be given another size.
void move_right_edge(Connection& c, const Context& context);

/// Moves rcv_adv if it is worth it. To be called before a segment's window field is computed.
///
/// A scaled window field cannot name every byte, and rounding down would take back what was
/// promised (RFC 7323 §2.4). So the edge is chosen in whole units when it moves, and rounded up
/// while it rests. Rounding up can add a unit at a time to what must be buffered; it stops one unit
/// above the buffer, and the field is rounded down from there on (we still accept up to rcv_adv).
[[gnu::always_inline]] inline void update_receive_window(Connection& c, std::uint32_t buffer,
                                                         std::uint32_t free_bytes,
                                                         const Context& context) {
  const std::uint32_t current = c.rcv_wnd();
  const std::uint32_t worthwhile = std::min(buffer / 2, std::uint32_t{c.mss});
  const std::uint32_t offer = offer_of(c, free_bytes);
  if (offer >= current + worthwhile) [[unlikely]]
    return move_right_edge(c, context);
  round_right_edge(c, offer, free_bytes);
}
/// The same while something is unread or out of order.
void update_window_beside_unread(Connection& c, const Context& context);

[[gnu::always_inline]] inline void update_receive_window(Connection& c, const Context& context) {
  if (c.has_receive_state()) [[unlikely]]
    return update_window_beside_unread(c, context);
  const std::uint32_t buffer = c.receive & ~Connection::kNoReceiveState;
  update_receive_window(c, buffer, buffer, context);
}

/// The window field of a segment that acknowledges `ack`, which is not after RCV.NXT.
[[nodiscard]] inline std::uint16_t window_field(const Connection& c, Seq ack) {
  return static_cast<std::uint16_t>(
      std::min(bytes_between(ack, c.rcv_adv) >> c.our_scale(), 0xffffU));
}

/// True if the application has read so much that the peer should hear of it without being asked.
[[nodiscard]] bool window_update_due(const Connection& c, const Context& context);

}  // namespace millrace::tcp
