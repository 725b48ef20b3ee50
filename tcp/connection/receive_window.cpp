// SPDX-License-Identifier: BSD-3-Clause
//
// When the application's reading is news to the peer (RFC 9293 §3.8.6.2.2, RFC 1122 §4.2.3.3).
#include "tcp/connection/receive_window.h"

namespace millrace::tcp {

bool window_update_due(const Connection& c, const Context& context) {
  if (c.has(Connection::kFinReceived)) return false;
  const std::uint32_t current = c.rcv_wnd();
  const int scale = c.our_scale();
  const std::uint32_t free_bytes = free_receive_bytes(c, context);
  const std::uint32_t offer = std::min(free_bytes >> scale, 0xffffU) << scale;
  if (offer <= current) return false;
  const std::uint32_t growth = offer - current;
  const std::uint32_t largest = std::min(context.config.receive_buffer, 0xffffU << scale);
  if (growth >= largest / 2) return true;
  return current < c.mss && growth >= worthwhile_bytes(c, context);
}

}  // namespace millrace::tcp
