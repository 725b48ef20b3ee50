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

/// Moves rcv_adv if it is worth it. To be called before a segment's window field is computed.
void update_receive_window(Connection& c, const Context& context);

/// The window field of a segment that acknowledges `ack`, which is not after RCV.NXT.
[[nodiscard]] inline std::uint16_t window_field(const Connection& c, Seq ack) {
  return static_cast<std::uint16_t>(
      std::min(bytes_between(ack, c.rcv_adv) >> c.our_scale(), 0xffffU));
}

/// True if the application has read so much that the peer should hear of it without being asked.
[[nodiscard]] bool window_update_due(const Connection& c, const Context& context);

}  // namespace millrace::tcp
