// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 9293 §3.8.6.2.2: the window opens by at least min(half the buffer, one segment) or not at
// all.
//
// A scaled window field cannot name every byte, and rounding down would take back what was promised
// (RFC 7323 §2.4). So the edge is chosen in whole units when it moves, and rounded up while it
// rests. Rounding up can add a unit at a time to what must be buffered; it stops one unit above the
// buffer, and the field is rounded down from there on (we still accept up to rcv_adv).
#include "tcp/connection/receive_window.h"

namespace millrace::tcp {
namespace {

struct Space {
  std::uint32_t free_bytes;  // of the receive buffer
  std::uint32_t offer;       // of these, what a window field can name
};

[[nodiscard]] Space space_of(const Connection& c, const Context& context) {
  const std::uint32_t buffer = context.config.receive_buffer;
  std::uint32_t free_bytes = buffer;
  if (c.receive != kNil) {
    const std::uint32_t unread = context.stores.receive[c.receive].unread_bytes;
    free_bytes = unread < buffer ? buffer - unread : 0;
  }
  const int scale = c.our_scale();
  return {free_bytes, std::min(free_bytes >> scale, 0xffffU) << scale};
}

[[nodiscard]] std::uint32_t worthwhile(const Connection& c, const Context& context) {
  return std::min(context.config.receive_buffer / 2, std::uint32_t{c.mss});
}

}  // namespace

void update_receive_window(Connection& c, const Context& context) {
  const std::uint32_t current = c.rcv_wnd();
  const Space space = space_of(c, context);
  if (space.offer >= current + worthwhile(c, context)) {
    if (current == 0) ++context.counters.TCPFromZeroWindowAdv;
    c.rcv_adv = c.rcv_nxt + space.offer;
    return;
  }
  if (current == 0) return;
  const int scale = c.our_scale();
  const std::uint32_t unit = 1U << scale;
  const std::uint32_t up = (current + unit - 1) & ~(unit - 1);
  if (up <= space.free_bytes + unit && (up >> scale) <= 0xffffU) c.rcv_adv = c.rcv_nxt + up;
}

bool window_update_due(const Connection& c, const Context& context) {
  if (c.has(Connection::kFinReceived)) return false;
  const std::uint32_t current = c.rcv_wnd();
  const std::uint32_t offer = space_of(c, context).offer;
  if (offer <= current) return false;
  const std::uint32_t growth = offer - current;
  if (growth >= context.config.receive_buffer / 2) return true;
  return current < c.mss && growth >= worthwhile(c, context);
}

}  // namespace millrace::tcp
