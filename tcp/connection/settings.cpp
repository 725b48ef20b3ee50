// SPDX-License-Identifier: BSD-3-Clause
//
// A connection that moves to another profile while it lives (RFC 9293 §3.9.1): the socket options
// of other stacks. Most settings are read where they are used and need nothing here; these are the
// ones of which something is armed, owed or kept. What a handshake agreed on does not change.
#include <algorithm>

#include "tcp/connection/ack_policy.h"
#include "tcp/connection/autotune.h"
#include "tcp/connection/calls.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/handshake.h"
#include "tcp/connection/pacing.h"
#include "tcp/connection/path_model.h"
#include "tcp/connection/receive_window.h"
#include "tcp/connection/send_queue.h"

namespace millrace::tcp {
namespace {

[[nodiscard]] bool is_synchronized(const Connection& c) {
  return c.state != State::closed && c.state != State::syn_sent && c.state != State::time_wait;
}

void change_keepalive(Connection& c, const TcpConfig& before, const Context& context) {
  const TcpConfig& after = context.config;
  if (after.keepalive == before.keepalive && after.keepalive_idle == before.keepalive_idle) return;
  if (c.send_timer == SendTimer::keepalive) {
    // The idle time begins anew; without keepalive it is again what an idle restart asks for.
    c.send_timer = SendTimer::none;
    c.send_deadline = tick_of(context.now);
    c.backoff = 0;
  }
  if (c.send == kNil && c.send_timer == SendTimer::none) arm_idle_timer(c, context);
}

// The window stays and is judged by other rules from here on.
void change_congestion(Connection& c, const TcpConfig& before, const Context& context) {
  release_model(c, before, context.stores);
  const std::uint32_t cwnd = c.congestion.cwnd;
  const std::uint32_t ssthresh = c.congestion.ssthresh;
  c.congestion = CongestionState{};
  begin_congestion_control(c, context);
  c.congestion.cwnd = cwnd;
  c.congestion.ssthresh = ssthresh;
}

void change_pacing(Connection& c, const TcpConfig& before, const Context& context) {
  const Tick now = tick_of(context.now);
  if (c.send != kNil) {
    SendState& st = context.stores.send[c.send];
    if (!is_paced(context.config)) {
      st.pace_at = Instant{};
    } else if (!is_paced(st) || context.config.pacing != before.pacing) {
      st.pace_at = kPaidFor;  // what was owed was so at another rate
    }
  } else if (c.send_timer == SendTimer::none && tick_before(now, c.send_deadline)) {
    c.send_deadline = now;  // keep_debt()
  }
}

}  // namespace

void acknowledge_now(Connection& c) {
  if (c.has(Connection::kAckDelayed) && c.acks_owed == 0) ack_progress_now(c);
}

void on_profile_changed(Connection& c, const TcpConfig& before, const Context& context,
                        Outcome& outcome) {
  const TcpConfig& after = context.config;
  if (after.nagle != before.nagle) {
    c.clear(Connection::kNodelay);
    if (!after.nagle) c.set(Connection::kNodelay);
  }
  change_pacing(c, before, context);
  retune_receive_buffer(c, before, context);
  outcome.writable = became_writable(c, context);
  if (!is_synchronized(c)) return;  // the handshake will read the rest
  if (after.delayed_ack == Duration::zero()) acknowledge_now(c);
  if (after.congestion != before.congestion) change_congestion(c, before, context);
  c.mss = std::min(c.mss, largest_payload(c, context.config));
  const bool open =
      c.state == State::established || c.state == State::fin_wait_1 || c.state == State::fin_wait_2;
  if (open && c.acks_owed == 0 && window_update_due(c, context)) owe_ack(c);
  change_keepalive(c, before, context);
}

}  // namespace millrace::tcp
