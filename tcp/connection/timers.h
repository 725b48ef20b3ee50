// SPDX-License-Identifier: BSD-3-Clause
//
// A connection's deadlines: retransmission (RFC 6298), persist (RFC 9293 §3.8.6.1), keepalive
// (§3.8.4), FIN-WAIT-2 (exclusive of each other, `send_deadline`), and the delayed ACK.
#pragma once

#include <optional>

#include "tcp/base/time.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/connection/rtt.h"
#include "tcp/connection/tlp.h"

namespace millrace::tcp {

/// How often a writer that found no memory looks again.
inline constexpr Duration kMemoryRetry = 10ms;

/// The earlier of the armed deadlines; nothing if none is armed.
[[nodiscard]] inline std::optional<Tick> earliest_deadline(const Connection& c) {
  const bool delayed = c.has(Connection::kAckDelayed);
  if (c.send_timer == SendTimer::none) {
    return delayed ? std::optional(c.ack_deadline) : std::nullopt;
  }
  if (delayed && tick_before(c.ack_deadline, c.send_deadline)) return c.ack_deadline;
  return c.send_deadline;
}

/// The send timer watches over what is in flight from now on: PTO (RFC 8985 §7.2) or, where none is
/// due, the retransmission timer (RFC 6298 §5). `few`: less than two segments.
[[gnu::always_inline]] inline void start_send_timer(Connection& c, const SendState& st, bool few,
                                                    const Context& context) {
  Duration wait;
  c.send_timer = SendTimer::retransmit;
  if (c.srtt_us != 0 && c.backoff == 0) [[likely]] {
    wait = measured_timeout(c, context.config);
    if (may_probe(c, st)) {
      c.send_timer = SendTimer::loss_probe;
      wait = std::min(wait, probe_timeout(c, few));
    }
    wait = std::min(wait, context.config.max_rto);
  } else {
    wait = retransmission_timeout(c, context.config);
  }
  c.send_deadline = deadline_after(context.now, wait);
}
inline void start_send_timer(Connection& c, const SendState& st, const Context& context) {
  start_send_timer(c, st, bytes_between(c.snd_una, c.snd_nxt) < 2U * c.mss, context);
}
[[nodiscard]] inline bool watches_flight(SendTimer t) {
  return t >= SendTimer::retransmit && t <= SendTimer::reorder;
}

/// Does what is due at tick_of(now), if anything is: a node that fires early changes nothing.
/// May set outcome.closed with reason timeout or keepalive.
void on_deadline(Connection& c, const Context& context, Outcome& outcome);

}  // namespace millrace::tcp
