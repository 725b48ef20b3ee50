// SPDX-License-Identifier: BSD-3-Clause
//
// CLOSE and ABORT (RFC 9293 §3.10.4, §3.10.5). SEND is send_queue.cpp, RECEIVE unread.cpp.
#include "tcp/connection/calls.h"

#include "tcp/connection/ack_policy.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/fast_open.h"
#include "tcp/connection/path_model.h"
#include "tcp/connection/reassembly.h"
#include "tcp/connection/send_queue.h"
#include "tcp/connection/unread.h"

namespace millrace::tcp {
namespace {

// The states in which the peer must be told of an ABORT. In SYN-SENT it knows nothing of us; in
// CLOSING, LAST-ACK and TIME-WAIT it has said and heard all (RFC 9293 §3.10.5).
[[nodiscard]] bool abort_sends_reset(State state) {
  switch (state) {
    case State::syn_received:
    case State::established:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::close_wait:
      return true;
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::closing:
    case State::last_ack:
    case State::time_wait:
      return false;
  }
  return false;
}

// With a SendState at hand.
void queue_fin(Connection& c) {
  c.set(Connection::kFinQueued);
  c.clear(Connection::kWriteBlocked);
  if (c.send_timer == SendTimer::memory) c.send_timer = SendTimer::none;
}

void release_receive_state(Connection& c, const Context& context) {
  if (!c.has_receive_state()) return;
  Stores& stores = context.stores;
  ReceiveState& r = stores.receive[c.receive];
  forget_out_of_order(r, stores);
  free_chain(stores, r.unread_head);
  drop_receive_state(c, stores);
}

}  // namespace

void shut_down_sending(Connection& c, const Context& context, Outcome& outcome) {
  if (!may_send(c)) return;
  if (!ensure_send_state(c, context)) {
    // A FIN that cannot be sent again is no FIN.
    return abort_connection(c, CloseReason::no_memory, context, outcome);
  }
  queue_fin(c);
  enter_closing_state(c);
}

bool close_straight(Connection& c, const Context& context) {
  const bool established = c.state == State::established;
  if (!established && c.state != State::close_wait) return false;
  if (c.has_receive_state() || !ensure_send_state(c, context)) return false;
  c.set(Connection::kOwnerGone);
  queue_fin(c);
  c.state = established ? State::fin_wait_1 : State::last_ack;
  return true;
}

void close_by_owner(Connection& c, const Context& context, Outcome& outcome) {
  c.set(Connection::kOwnerGone);
  switch (c.state) {
    case State::closed:
    case State::listen:
    case State::closing:
    case State::last_ack:
    case State::time_wait:
      return release_receive_state(c, context);
    case State::syn_sent:
      // "Delete the TCB": nothing was promised to anyone.
      return finish(c, CloseReason::aborted, context, outcome);
    case State::syn_received:
    case State::established:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::close_wait:
      break;
  }
  if (unread_bytes(c, context) != 0) {
    ++context.counters.TCPAbortOnClose;
    return abort_connection(c, CloseReason::unread_data, context, outcome);
  }
  release_receive_state(c, context);
  shut_down_sending(c, context, outcome);
  if (c.state == State::fin_wait_2) arm_idle_timer(c, context);
}

void abort_connection(Connection& c, CloseReason reason, const Context& context, Outcome& outcome) {
  if (abort_sends_reset(c.state)) c.set(Connection::kResetOwed);
  if (reason == CloseReason::no_memory) ++context.counters.TCPAbortOnMemory;
  const bool early = is_early(c);
  finish(c, reason, context, outcome);
  // The peer may be in SYN-SENT, where only a reset that acknowledges its SYN is believed (RFC 9293
  // §3.10.7.3).
  if (early) owe_ack(c);
}

void release_cold(Connection& c, const Context& context) {
  release_send_state(c, context);
  release_receive_state(c, context);
  release_model(c, context.config, context.stores);
}

}  // namespace millrace::tcp
