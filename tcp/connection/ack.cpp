// SPDX-License-Identifier: BSD-3-Clause
//
// Acknowledgments: RFC 9293 §3.10.7.4 (fifth check), RFC 5961 §5.2 (the range in which an ACK is
// believed), RFC 6298 §3 and §5 (Karn, timer), RFC 7323 §4 (RTTM).
#include "tcp/connection/ack.h"

#include <algorithm>

#include "tcp/connection/ack_policy.h"
#include "tcp/connection/calls.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/ecn.h"
#include "tcp/connection/handshake.h"
#include "tcp/connection/loss_recovery.h"
#include "tcp/connection/pacing.h"
#include "tcp/connection/path_model.h"
#include "tcp/connection/recovery.h"
#include "tcp/connection/rtt.h"
#include "tcp/connection/send_log.h"
#include "tcp/connection/send_queue.h"
#include "tcp/connection/timers.h"
#include "tcp/connection/timestamps.h"

namespace millrace::tcp {
namespace {

// RFC 5961 §5.2: (SND.UNA - MAX.SND.WND) =< SEG.ACK =< SND.NXT.
[[nodiscard]] bool acceptable(const Connection& c, Seq ack) {
  if (bytes_between(c.snd_una, ack) <= flight_bytes(c)) [[likely]]
    return true;
  const std::uint32_t max_snd_wnd = std::uint32_t{c.max_snd_wnd} << c.peer_scale();
  return in_window(ack, c.snd_una - max_snd_wnd, max_snd_wnd + flight_bytes(c) + 1);
}

// A sample from the segment we timed, which was not sent again (Karn); else, after retransmissions,
// from the echoed timestamp, which tells the copies apart (RFC 7323 §4.1). Only the latest copy
// counts: an echo of an earlier one may be the answer to a later one after its ACK was lost, and
// would put the whole timeout into the estimate.
inline void sample_rtt(Connection& c, SendState& st, const SegmentIn& segment,
                       const Context& context) {
  if (st.rtt_at != Instant{}) [[likely]] {
    if (before(segment.ack, st.rtt_seq)) return;
    take_rtt_sample(c, to_us(context.now - st.rtt_at));
    st.rtt_at = Instant{};
    return;
  }
  if (!c.has(Connection::kTimestamps) || segment.options.tsecr == 0) return;
  const std::uint32_t ms = tsval_of(c, context.now) - segment.options.tsecr;
  const Duration since_sent = ticks_to_duration(tick_of(context.now) - st.last_send);
  if (Duration{1ms} * ms > since_sent + kTick + 1ms) return;
  take_rtt_sample(c, std::max(ms, 1U) * 1000);
}

// The round trip that the echoed timestamp tells, in steps of its millisecond clock: one for every
// ACK, as HyStart++ wants (RFC 9406 §4.2). 0 without timestamps.
[[nodiscard]] std::uint32_t echoed_rtt_us(const Connection& c, const SegmentIn& segment,
                                          const Context& context) {
  if (!c.has(Connection::kTimestamps) || segment.options.tsecr == 0) return 0;
  const std::uint32_t ms = tsval_of(c, context.now) - segment.options.tsecr;
  return ms > 60'000 ? 0 : std::max(ms, 1U) * 1000;
}

void restart_send_timer(Connection& c, const SendState& st, const Context& context) {
  if (c.send_timer == SendTimer::persist) c.backoff = 0;  // it spaced probes
  start_send_timer(c, st, context);
}

// All of it has been acknowledged. True if the application waits to write and may.
[[nodiscard]] inline bool forget_all_sent(Connection& c, Seq ack, const Context& context) {
  c.snd_una = ack;
  release_send_state(c, context);
  const bool writable = became_writable(c, context);
  arm_idle_timer(c, context);
  return writable;
}

[[nodiscard, gnu::noinline]] bool forget_all_paced(Connection& c, Seq ack, const Context& context) {
  const Instant pace_at = context.stores.send[c.send].pace_at;
  const bool writable = forget_all_sent(c, ack, context);
  keep_debt(c, pace_at, context);
  return writable;
}

// SEG.ACK > SND.UNA.
void acknowledge(Connection& c, const SegmentIn& segment, const Context& context,
                 Outcome& outcome) {
  SendState& st = context.stores.send[c.send];
  const Seq ack = segment.ack;
  const bool fin_acked = c.has(Connection::kFinSent) && ack == c.snd_nxt;
  const std::uint32_t bytes = bytes_between(c.snd_una, ack) - (fin_acked ? 1U : 0U);
  sample_rtt(c, st, segment, context);
  const bool modelled = has_model(c, context.config);
  if (modelled) [[unlikely]]
    model_check_app_limited(c, st, context);
  // A window that was just told to be too large does not grow (RFC 3168 §6.1.2).
  const bool marked = c.has(Connection::kEcn) && ecn_acknowledged(c, st, segment, bytes, context);
  const std::uint32_t credit = marked ? 0 : bytes;
  if (c.srtt_us < st.min_rtt_us) st.min_rtt_us = c.srtt_us;
  const std::uint32_t rtt_us = echoed_rtt_us(c, segment, context);
  bool restart_timer = true;
  if (!needs_scoreboard(c, st, segment) ||
      !take_sack_ack(c, st, segment, credit, rtt_us, context)) {
    if (modelled) model_on_cumulative(c, st, ack, bytes, context);
    restart_timer = on_new_ack(c, st, ack, credit, rtt_us, context);
  }
  if (ack == c.snd_nxt && bytes == st.queued_bytes &&
      (fin_acked || !c.has(Connection::kFinQueued))) {
    if (modelled) {
      c.snd_una = ack;
      model_on_ack_end(c, 0, context);
    }
    const bool writable =
        is_paced(st) ? forget_all_paced(c, ack, context) : forget_all_sent(c, ack, context);
    if (writable) outcome.writable = true;
    if (fin_acked) on_fin_acknowledged(c, context, outcome);
    return;
  }
  drop_acknowledged(st, context.stores, bytes);
  c.snd_una = ack;
  if (st.log != kNil) forget_log(context.stores.logs[st.log], ack);
  st.unanswered = 0;
  st.unacked_since = tick_of(context.now);
  if (st.resending && before(st.resend_next, ack)) st.resend_next = ack;
  if (st.resending && st.resend_next == c.snd_nxt) st.resending = false;
  if (ack != c.snd_nxt) {
    if (restart_timer) restart_send_timer(c, st, context);
  } else {
    st.retransmit_first = false;
    c.send_timer = SendTimer::none;
  }
  settle_losses(c, st, context);
  if (modelled) model_on_ack_end(c, inflight_of(c, st), context);
  if (became_writable(c, context)) outcome.writable = true;
}

// SEG.ACK == SND.UNA while something is queued or in flight.
void repeated_ack(Connection& c, const SegmentIn& segment, bool window_changed,
                  const Context& context) {
  SendState& st = context.stores.send[c.send];
  if (c.send_timer == SendTimer::persist) {
    // The peer lives. A connection with an owner may wait for the window as long as probes are
    // answered (RFC 9293 §3.8.6.1, MUST-37); one without counts on.
    if (!c.has(Connection::kOwnerGone)) st.unanswered = 0;
    if (c.snd_wnd != 0 && c.snd_nxt != c.snd_una) {
      resend_refused(c, st, context);
      restart_send_timer(c, st, context);
    }
    return;
  }
  const bool in_flight = c.snd_nxt != c.snd_una;
  if (in_flight && c.has(Connection::kEcn)) (void)ecn_acknowledged(c, st, segment, 0, context);
  if (in_flight && needs_scoreboard(c, st, segment)) {
    const bool modelled = has_model(c, context.config);
    if (modelled) model_check_app_limited(c, st, context);
    if (take_sack_ack(c, st, segment, 0, 0, context)) settle_losses(c, st, context);
    if (modelled) model_on_ack_end(c, inflight_of(c, st), context);
    return;
  }
  // An ACK without SACK is no duplicate where the peer would have sent one (RFC 6675 §2).
  if (c.has(Connection::kSack) && !st.in_recovery) return;
  if (in_flight && !window_changed && segment.length() == 0) on_duplicate_ack(c, st, context);
}

// all_acknowledged() of a connection that is paced, or has a model.
[[nodiscard, gnu::noinline]] bool all_paced_acknowledged(Connection& c, SendState& st,
                                                         const SegmentIn& segment, Emptied emptied,
                                                         const Context& context) {
  sample_rtt(c, st, segment, context);
  if (c.has(Connection::kEcn)) (void)ecn_acknowledged(c, st, segment, st.queued_bytes, context);
  if (has_model(c, context.config)) {
    model_on_all_acknowledged(c, st, segment.ack, st.queued_bytes, context);
  }
  grow_window(c, st, segment.ack, st.queued_bytes, 0, context);
  if (emptied == Emptied::release) return forget_all_paced(c, segment.ack, context);
  c.snd_una = segment.ack;
  keep_send_state(c, st, context);
  return became_writable(c, context);
}

}  // namespace

bool all_acknowledged(Connection& c, const SegmentIn& segment, Emptied emptied,
                      const Context& context) {
  SendState& st = context.stores.send[c.send];
  if (is_paced(st)) [[unlikely]]
    return all_paced_acknowledged(c, st, segment, emptied, context);
  sample_rtt(c, st, segment, context);
  if (c.has(Connection::kEcn)) (void)ecn_acknowledged(c, st, segment, st.queued_bytes, context);
  grow_window(c, st, segment.ack, st.queued_bytes, 0, context);
  if (emptied == Emptied::release) return forget_all_sent(c, segment.ack, context);
  c.snd_una = segment.ack;
  keep_send_state(c, st, context);
  return became_writable(c, context);
}

Drop check_ack(Connection& c, const SegmentIn& segment, const Context& context, Outcome& outcome) {
  if (!acceptable(c, segment.ack)) {
    (void)owe_challenge_ack(c, context);
    return Drop::tcp_bad_ack;
  }
  if (before(segment.ack, c.snd_una)) return Drop::none;  // old, but its text may be new
  const bool window_changed = update_send_window(c, segment);
  if (c.send == kNil) {
    if (c.send_timer == SendTimer::keepalive) arm_idle_timer(c, context);
    return Drop::none;
  }
  if (segment.ack != c.snd_una) {
    acknowledge(c, segment, context, outcome);
  } else {
    repeated_ack(c, segment, window_changed, context);
  }
  return Drop::none;
}

void syn_acknowledged(Connection& c, const SegmentIn& segment, std::uint32_t window_bytes,
                      Emptied emptied, const Context& context, Outcome& outcome) {
  SendState& st = context.stores.send[c.send];
  const bool retransmitted = c.backoff != 0;
  sample_rtt(c, st, segment, context);
  c.snd_una += 1;
  c.snd_wnd = window_bytes;
  c.snd_wl1 = segment.seq;
  c.max_snd_wnd = std::max(
      c.max_snd_wnd, static_cast<std::uint16_t>(std::min(window_bytes >> c.peer_scale(), 0xffffU)));
  st.unanswered = 0;
  st.retransmit_first = false;
  st.rtt_at = Instant{};
  st.recover = c.snd_una - 1;
  const bool wants_fin = c.has(Connection::kFinQueued);
  enter_established(c, retransmitted, context);
  outcome.connected = true;
  const bool idle = st.queued_bytes == 0 && !wants_fin;
  if (idle && emptied == Emptied::keep) {
    keep_send_state(c, st, context);
  } else if (idle) {
    release_send_state(c, context);
  }
  if (became_writable(c, context)) outcome.writable = true;
  if (idle && emptied == Emptied::release) arm_idle_timer(c, context);
  if (wants_fin) enter_closing_state(c);
}

}  // namespace millrace::tcp
