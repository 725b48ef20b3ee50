// SPDX-License-Identifier: BSD-3-Clause
//
// The ends of a connection: RFC 9293 §3.6 (closing), §3.10.4 (CLOSE), and what bounds each closing
// state in time. LAST-ACK, CLOSING and FIN-WAIT-1 end by the retransmission limits of timers.cpp,
// FIN-WAIT-2 without an owner by a timer of its own.
#include "tcp/connection/closing.h"

#include "tcp/connection/calls.h"
#include "tcp/connection/send_queue.h"
#include "tcp/connection/timers.h"

namespace millrace::tcp {

void finish(Connection& c, CloseReason reason, const Context& context, Outcome& outcome) {
  switch (c.state) {
    case State::syn_sent:
    case State::syn_received:
      ++context.counters.AttemptFails;
      break;
    case State::established:
    case State::close_wait:
      ++context.counters.EstabResets;
      break;
    case State::closed:
    case State::listen:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::closing:
    case State::last_ack:
    case State::time_wait:
      break;
  }
  if (reason == CloseReason::graceful) {
    release_send_state(c, context);
  } else {
    release_cold(c, context);
  }
  c.state = State::closed;
  c.acks_owed = 0;
  stop_timers(c);
  outcome.closed = true;
  outcome.reason = reason;
}

void enter_time_wait(Connection& c, const Context& context, Outcome& outcome) {
  release_send_state(c, context);
  c.state = State::time_wait;
  stop_timers(c);
  outcome.enter_time_wait = true;
}

void on_fin_acknowledged(Connection& c, const Context& context, Outcome& outcome) {
  switch (c.state) {
    case State::fin_wait_1:
      c.state = State::fin_wait_2;
      arm_idle_timer(c, context);
      return;
    case State::closing:
      return enter_time_wait(c, context, outcome);
    case State::last_ack:
      return finish(c, CloseReason::graceful, context, outcome);
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::syn_received:
    case State::established:
    case State::fin_wait_2:
    case State::close_wait:
    case State::time_wait:
      return;
  }
}

void enter_closing_state(Connection& c) {
  switch (c.state) {
    case State::established:
      c.state = State::fin_wait_1;
      return;
    case State::close_wait:
      c.state = State::last_ack;
      return;
    // While opening the FIN waits for ESTABLISHED; later states have sent theirs.
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::syn_received:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::closing:
    case State::last_ack:
    case State::time_wait:
      return;
  }
}

void arm_some_idle_timer(Connection& c, const Context& context) {
  if (c.state == State::fin_wait_2 && c.has(Connection::kOwnerGone)) {
    if (c.send_timer == SendTimer::fin_wait_2) return;
    c.send_timer = SendTimer::fin_wait_2;
    c.send_deadline = deadline_after(context.now, context.config.fin_wait_2);
    return;
  }
  if (c.send == kNil && c.has(Connection::kWriteBlocked)) {
    // Nothing of ours is on its way that would bring an ACK and look for room.
    c.send_timer = SendTimer::memory;
    c.send_deadline = deadline_after(context.now, kMemoryRetry);
    return;
  }
  if (context.config.keepalive) {
    c.send_timer = SendTimer::keepalive;
    c.send_deadline = deadline_after(context.now, context.config.keepalive_idle);
    c.backoff = 0;
  }
}

}  // namespace millrace::tcp
