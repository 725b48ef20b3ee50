// SPDX-License-Identifier: BSD-3-Clause
//
// The right edge on its way, and when the application's reading is news to the peer
// (RFC 9293 §3.8.6.2.2, RFC 1122 §4.2.3.3).
#include "tcp/connection/receive_window.h"

#include "tcp/connection/autotune.h"

namespace millrace::tcp {

void move_right_edge(Connection& c, const Context& context) {
  if (context.config.receive_buffer == 0) tune_receive_buffer(c, context);
  const std::uint32_t current = c.rcv_wnd();
  const std::uint32_t free_bytes = free_receive_bytes(c, context);
  const std::uint32_t offer = offer_of(c, free_bytes);
  // The buffer may just have become another.
  if (offer < current + worthwhile_bytes(c, context)) {
    return round_right_edge(c, offer, free_bytes);
  }
  if (current == 0) ++context.counters.TCPFromZeroWindowAdv;
  c.rcv_adv = c.rcv_nxt + offer;
}

void update_window_beside_unread(Connection& c, const Context& context) {
  const std::uint32_t buffer = receive_buffer_of(c, context.stores);
  update_receive_window(c, buffer, free_receive_bytes(c, context), context);
}

bool window_update_due(const Connection& c, const Context& context) {
  if (c.has(Connection::kFinReceived)) return false;
  const std::uint32_t current = c.rcv_wnd();
  const std::uint32_t offer = offer_of(c, free_receive_bytes(c, context));
  if (offer <= current) return false;
  const std::uint32_t growth = offer - current;
  const std::uint32_t largest =
      std::min(receive_buffer_of(c, context.stores), 0xffffU << c.our_scale());
  if (growth >= largest / 2) return true;
  return current < c.mss && growth >= worthwhile_bytes(c, context);
}

}  // namespace millrace::tcp
