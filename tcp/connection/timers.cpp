// SPDX-License-Identifier: BSD-3-Clause
//
// What happens when a deadline passes: RFC 6298 §5.4 to §5.7 (retransmission), RFC 9293 §3.8.3 (R2:
// giving up), §3.8.4 (keepalive), §3.8.6.1 (persist), RFC 5482 (user timeout), and the end of a
// FIN-WAIT-2 that nobody owns. Nothing is sent here: what is due is marked for output.cpp.
#include "tcp/connection/timers.h"

#include "tcp/connection/ack_policy.h"
#include "tcp/connection/calls.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/fast_open.h"
#include "tcp/connection/loss_recovery.h"
#include "tcp/connection/path_model.h"
#include "tcp/connection/path_mtu.h"
#include "tcp/connection/recovery.h"
#include "tcp/connection/send_queue.h"

namespace millrace::tcp {
namespace {

[[nodiscard]] bool is_due(Tick deadline, Tick now) { return !tick_before(now, deadline); }

void keep_user_timeout(Connection& c, const Context& context) {
  const Duration limit = context.config.user_timeout;
  if (limit == Duration::zero()) return;
  // The user timeout is not to be overslept (RFC 5482 §1).
  const Tick end = context.stores.send[c.send].unacked_since + ticks_for(limit);
  if (tick_before(end, c.send_deadline)) c.send_deadline = end;
}

void back_off(Connection& c, const Context& context) {
  constexpr unsigned kMost = 63;
  if (c.backoff < kMost) c.backoff = (c.backoff + 1U) & kMost;
  c.send_deadline = deadline_after(context.now, retransmission_timeout(c, context.config));
  keep_user_timeout(c, context);
}

[[nodiscard]] bool user_timeout_passed(const SendState& st, const Context& context) {
  const Duration limit = context.config.user_timeout;
  if (limit == Duration::zero()) return false;
  return tick_of(context.now) - st.unacked_since >= ticks_for(limit);
}

void give_up(Connection& c, const Context& context, Outcome& outcome) {
  ++context.counters.TCPAbortOnTimeout;
  const bool told = context.stores.send[c.send].soft_error != SoftError::none;
  finish(c, told ? CloseReason::unreachable : CloseReason::timeout, context, outcome);
}

void on_retransmit(Connection& c, const Context& context, Outcome& outcome) {
  SendState& st = context.stores.send[c.send];
  const bool opening = c.state == State::syn_sent || c.state == State::syn_received;
  if (c.state == State::syn_sent) fast_open_failed(c, st, context);
  const unsigned limit = opening ? context.config.syn_retries : context.config.data_retries;
  if (st.unanswered >= limit || user_timeout_passed(st, context)) {
    return give_up(c, context, outcome);
  }
  ++context.counters.TCPTimeouts;
  const bool first = st.unanswered == 0;
  ++st.unanswered;
  if (has_model(c, context.config)) model_check_app_limited(c, st, context);
  if (opening) {
    st.retransmit_first = true;
  } else if (c.snd_wnd == 0) {
    // The window shrank to nothing over data in flight: probe it in the standard way (§3.8.6).
    c.send_timer = SendTimer::persist;
    c.set(Connection::kProbeOwed);
  } else {
    suspect_black_hole(c, st, st.unanswered, context);
    on_timeout_loss(c, st, first, context);
  }
  back_off(c, context);
}

// After the probe, or after what the reordering timer found, the retransmission timer watches.
void on_loss_probe(Connection& c, const Context& context, Outcome& outcome) {
  SendState& st = context.stores.send[c.send];
  if (has_model(c, context.config)) model_check_app_limited(c, st, context);
  if (c.snd_wnd == 0 || user_timeout_passed(st, context) || !owe_loss_probe(c, st, context)) {
    c.send_timer = SendTimer::retransmit;
    return on_retransmit(c, context, outcome);
  }
  start_send_timer(c, st, context);
  keep_user_timeout(c, context);
}

void on_reorder(Connection& c, const Context& context) {
  SendState& st = context.stores.send[c.send];
  c.send_timer = SendTimer::none;
  start_send_timer(c, st, context);
  keep_user_timeout(c, context);
  recheck_losses(c, st, context);
}

void on_persist(Connection& c, const Context& context, Outcome& outcome) {
  SendState& st = context.stores.send[c.send];
  if (st.unanswered >= context.config.data_retries || user_timeout_passed(st, context)) {
    return give_up(c, context, outcome);
  }
  ++st.unanswered;
  c.set(Connection::kProbeOwed);
  back_off(c, context);
}

void on_keepalive(Connection& c, const Context& context, Outcome& outcome) {
  if (c.backoff >= context.config.keepalive_probes) {
    ++context.counters.TCPAbortOnTimeout;
    return abort_connection(c, CloseReason::keepalive, context, outcome);
  }
  c.backoff = (c.backoff + 1U) & 63U;
  c.set(Connection::kProbeOwed);
  c.send_deadline = deadline_after(context.now, context.config.keepalive_interval);
}

void on_memory(Connection& c, const Context& context, Outcome& outcome) {
  if (c.has(Connection::kWriteBlocked)) {
    if (!became_writable(c, context)) {
      c.send_deadline = deadline_after(context.now, kMemoryRetry);
      return;
    }
    outcome.writable = true;
  }
  c.send_timer = SendTimer::none;
  arm_idle_timer(c, context);
}

void on_send_timer(Connection& c, const Context& context, Outcome& outcome) {
  switch (c.send_timer) {
    case SendTimer::none:
      return;
    case SendTimer::retransmit:
      return on_retransmit(c, context, outcome);
    case SendTimer::persist:
      return on_persist(c, context, outcome);
    case SendTimer::keepalive:
      return on_keepalive(c, context, outcome);
    case SendTimer::fin_wait_2:
      return finish(c, CloseReason::timeout, context, outcome);
    case SendTimer::memory:
      return on_memory(c, context, outcome);
    case SendTimer::loss_probe:
      return on_loss_probe(c, context, outcome);
    case SendTimer::reorder:
      return on_reorder(c, context);
  }
}

}  // namespace

void on_deadline(Connection& c, const Context& context, Outcome& outcome) {
  const Tick now = tick_of(context.now);
  if (c.has(Connection::kAckDelayed) && is_due(c.ack_deadline, now)) {
    c.clear(Connection::kAckDelayed);
    if (c.acks_owed == 0) owe_ack(c);
    ++context.counters.DelayedACKs;
  }
  if (c.send_timer != SendTimer::none && is_due(c.send_deadline, now)) {
    on_send_timer(c, context, outcome);
  }
}

}  // namespace millrace::tcp
