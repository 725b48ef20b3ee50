// SPDX-License-Identifier: BSD-3-Clause
//
// How a connection ends, whichever door it leaves by, and the timer of a connection that has
// nothing to send (RFC 9293 §3.6, §3.8.4, §3.10.4).
#pragma once

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"

namespace millrace::tcp {

/// CLOSED for `reason`. What was queued is freed; unread bytes stay only after a graceful end.
void finish(Connection& c, CloseReason reason, const Context& context, Outcome& outcome);

/// TIME-WAIT: no timers, no queues; the ACK that is owed stays owed.
void enter_time_wait(Connection& c, const Context& context, Outcome& outcome);

/// What CLOSED and TIME-WAIT have in common: nothing is waited for.
inline void stop_timers(Connection& c) {
  c.send_timer = SendTimer::none;
  c.clear(Connection::kAckDelayed | Connection::kProbeOwed | Connection::kWriteBlocked);
}

/// The peer's FIN has been taken. Its ACK goes at once, so the place of a deadline for it is free
/// to say when this was: CLOSE-WAIT lasts as long as the application likes, and one asks its age.
inline void note_fin(Connection& c, const Context& context) {
  c.set(Connection::kFinReceived);
  c.clear(Connection::kAckDelayed);
  if (c.edge_owed == 0) c.ack_deadline = long_stamp_of(context.now);
}
/// How long the peer's FIN has been here. For states in which it is.
[[nodiscard]] inline Duration time_since_fin(const Connection& c, Instant now) {
  return c.edge_owed != 0 ? Duration{0} : age_of(c.ack_deadline, now);
}

/// Our FIN has been acknowledged (RFC 9293 §3.10.7.4, fifth check, by state).
void on_fin_acknowledged(Connection& c, const Context& context, Outcome& outcome);

/// The state that follows from CLOSE in the present one: FIN-WAIT-1 or LAST-ACK. Unsent data go
/// first; the state changes now (RFC 9293 §3.10.4).
void enter_closing_state(Connection& c);

/// FIN-WAIT-2 without an owner, else the wait for memory of a writer that found none, else
/// keepalive where configured, else none. Only while no SendState exists.
void arm_some_idle_timer(Connection& c, const Context& context);
inline void arm_idle_timer(Connection& c, const Context& context) {
  const bool unowned = c.state == State::fin_wait_2 && c.has(Connection::kOwnerGone);
  if (unowned || c.has(Connection::kWriteBlocked) || context.config.keepalive) {
    arm_some_idle_timer(c, context);
  }
}

}  // namespace millrace::tcp
