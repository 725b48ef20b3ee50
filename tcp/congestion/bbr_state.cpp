// SPDX-License-Identifier: BSD-3-Clause
//
// BBR's state machine (§5.3): Startup, Drain, ProbeBW with its four phases, ProbeRTT.
#include <algorithm>

#include "tcp/congestion/bbr.h"
#include "tcp/congestion/bbr_parts.h"

namespace millrace::tcp::bbr {
namespace {

// Marsaglia's xorshift: for spreading probes, not for secrets.
[[nodiscard]] std::uint32_t next_random(Bbr& b) {
  std::uint32_t x = b.random;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  b.random = x;
  return x;
}

// ---- Startup (§5.3.1) and Drain (§5.3.2)

void enter_drain(Bbr& b) {
  b.state = State::drain;
  b.drain_start_round = b.round_count;
}

void leave_startup_by_congestion(Bbr& b, const Sender& c) {
  b.undo_state = State::startup;
  b.full_bw_reached = true;
  b.inflight_longterm = std::max(bdp_multiple(b, c, b.max_bw, 100), b.inflight_latest);
}

// §5.3.1.3: judged at the end of a round of recovery.
void check_startup_high_loss(Bbr& b, const Sender& c, const RateSample& rs) {
  if (b.full_bw_reached || !b.loss_round_start) return;
  const bool many = c.has_selective_acks ? b.loss_ranges_in_round >= kStartupFullLossCnt
                                         : b.loss_ranges_in_round != 0;
  if (c.in_recovery && many && is_inflight_too_high(c, rs.lost, rs.tx_in_flight)) {
    leave_startup_by_congestion(b, c);
  }
  const unsigned marked = b.is_marked_in_round ? b.marked_rounds + 1U : 0U;
  b.marked_rounds = static_cast<std::uint8_t>(std::min(marked, 0xffU));
  if (b.marked_rounds >= kStartupMarkedRounds) leave_startup_by_congestion(b, c);
  b.loss_ranges_in_round = 0;
}

// ---- ProbeBW (§5.3.3)

[[nodiscard]] bool has_elapsed_in_phase(const Bbr& b, const Sender& c, Duration interval) {
  return c.now > b.cycle_stamp + interval;
}

void pick_probe_wait(Bbr& b) {
  b.rounds_since_probe_up = next_random(b) & 1;
  b.bw_probe_wait = 2s + Duration{std::int64_t{next_random(b) % 1'000'000} * 1'000};
}

[[nodiscard]] bool is_reno_coexistence_probe_time(const Bbr& b, const Sender& c) {
  const std::uint64_t rounds = std::min<std::uint64_t>(target_inflight(b, c) / c.mss, 63);
  return b.rounds_since_probe_up >= rounds;
}

[[nodiscard]] bool is_time_to_probe_bw(Bbr& b, const Sender& c) {
  if (!has_elapsed_in_phase(b, c, b.bw_probe_wait) && !is_reno_coexistence_probe_time(b, c)) {
    return false;
  }
  start_probe_bw_refill(b, c);
  return true;
}

[[nodiscard]] bool is_time_to_cruise(const Bbr& b, const Sender& c) {
  return c.inflight <= inflight_with_headroom(b, c) && c.inflight <= inflight(b, c, b.max_bw, 100);
}

[[nodiscard]] bool is_time_to_go_down(Bbr& b, const Sender& c, const RateSample& rs) {
  if (b.prev_probe_too_high && c.inflight >= b.inflight_longterm) {
    b.prev_probe_precautionary = true;
    return true;
  }
  if (c.is_cwnd_limited && c.cwnd >= b.inflight_longterm) {
    reset_full_bw(b);
    b.full_bw = rs.delivery_rate;
    return false;
  }
  return b.full_bw_now;
}

void raise_inflight_longterm_slope(Bbr& b, const Sender& c) {
  const std::uint64_t growth_this_round = std::uint64_t{1} << b.bw_probe_up_rounds;
  b.bw_probe_up_rounds =
      static_cast<std::uint8_t>(std::min<unsigned>(b.bw_probe_up_rounds + 1U, 30U));
  b.probe_up_acked_per_inc = std::max<std::uint64_t>(c.cwnd / growth_this_round, c.mss);
}

void probe_inflight_longterm_upward(Bbr& b, const Sender& c, const RateSample& rs) {
  if (!c.is_cwnd_limited || c.cwnd < b.inflight_longterm) return;
  b.bw_probe_up_acked += rs.newly_acked;
  if (b.bw_probe_up_acked >= b.probe_up_acked_per_inc) {
    const std::uint64_t delta = b.bw_probe_up_acked / b.probe_up_acked_per_inc;
    b.bw_probe_up_acked -= delta * b.probe_up_acked_per_inc;
    b.inflight_longterm += delta * c.mss;
  }
  if (b.round_start) raise_inflight_longterm_slope(b, c);
}

void start_probe_bw_up(Bbr& b, const Sender& c, const RateSample& rs) {
  b.ack_phase = AckPhase::starting;
  start_round(b, c);
  reset_full_bw(b);
  b.full_bw = rs.delivery_rate;
  b.state = State::probe_bw_up;
  raise_inflight_longterm_slope(b, c);
}

// True if it decided a transition.
[[nodiscard]] bool adapt_long_term_model(Bbr& b, const Sender& c, const RateSample& rs) {
  if (b.ack_phase == AckPhase::starting && b.round_start) b.ack_phase = AckPhase::feedback;
  if (b.ack_phase == AckPhase::stopping && b.round_start) {
    b.is_bw_probe_sample = false;
    b.ack_phase = AckPhase::init;
    if (is_in_probe_bw(b) && !rs.is_app_limited) advance_max_bw_filter(b);
    if (is_in_probe_bw(b) && b.prev_probe_precautionary && !b.prev_probe_too_high) {
      start_probe_bw_refill(b, c);
      return true;
    }
  }
  if (is_inflight_too_high(c, rs.lost, rs.tx_in_flight)) return false;
  if (b.inflight_longterm == kUnbounded) return false;
  b.inflight_longterm = std::max<std::uint64_t>(b.inflight_longterm, rs.tx_in_flight);
  if (b.state == State::probe_bw_up) probe_inflight_longterm_upward(b, c, rs);
  return false;
}

// ---- ProbeRTT (§5.3.4)

void exit_probe_rtt(Bbr& b, const Sender& c) {
  reset_short_term_model(b);
  if (b.full_bw_reached) {
    start_probe_bw_down(b, c);
    b.state = State::probe_bw_cruise;
  } else {
    enter_startup(b);
  }
}

void handle_probe_rtt(Bbr& b, Sender& c) {
  c.mark_app_limited = true;  // low rates are not the path's
  if (b.probe_rtt_done_stamp == Instant{} && c.inflight <= probe_rtt_cwnd(b, c)) {
    b.probe_rtt_done_stamp = c.now + kProbeRttDuration;
    b.probe_rtt_round_done = false;
    start_round(b, c);
  } else if (b.probe_rtt_done_stamp != Instant{}) {
    if (b.round_start) b.probe_rtt_round_done = true;
    if (b.probe_rtt_round_done) check_probe_rtt_done(b, c);
  }
}

}  // namespace

void enter_startup(Bbr& b) { b.state = State::startup; }

void check_startup_done(Bbr& b, const Sender& c, const RateSample& rs) {
  check_startup_high_loss(b, c, rs);
  if (b.state == State::startup && b.full_bw_reached) enter_drain(b);
}

void check_drain_done(Bbr& b, const Sender& c) {
  if (b.state != State::drain) return;
  const std::uint32_t rounds = b.round_count - b.drain_start_round;
  if (c.inflight <= inflight(b, c, b.bw, 100) || rounds > 3) start_probe_bw_down(b, c);
}

void start_probe_bw_down(Bbr& b, const Sender& c) {
  reset_congestion_signals(b);
  b.probe_up_acked_per_inc = kUnbounded;  // not growing inflight_longterm
  pick_probe_wait(b);
  b.cycle_stamp = c.now;
  b.ack_phase = AckPhase::stopping;
  start_round(b, c);
  b.state = State::probe_bw_down;
}

void start_probe_bw_refill(Bbr& b, const Sender& c) {
  reset_short_term_model(b);
  b.bw_probe_up_rounds = 0;
  b.bw_probe_up_acked = 0;
  b.prev_probe_precautionary = false;
  b.ack_phase = AckPhase::refilling;
  start_round(b, c);
  b.state = State::probe_bw_refill;
}

void handle_inflight_too_high(Bbr& b, const Sender& c, std::uint64_t tx_in_flight,
                              bool is_app_limited) {
  b.prev_probe_too_high = true;
  b.is_bw_probe_sample = false;  // once for each probe
  if (!is_app_limited) {
    b.inflight_longterm = std::max(tx_in_flight, percent_of(target_inflight(b, c), kBetaPercent));
  }
  if (b.state != State::probe_bw_up) return;
  b.undo_state = State::probe_bw_up;
  start_probe_bw_down(b, c);
}

void update_probe_bw_cycle_phase(Bbr& b, Sender& c, const RateSample& rs) {
  if (!b.full_bw_reached || adapt_long_term_model(b, c, rs)) return;
  switch (b.state) {
    case State::probe_bw_down:
      if (!is_time_to_probe_bw(b, c) && is_time_to_cruise(b, c)) b.state = State::probe_bw_cruise;
      return;
    case State::probe_bw_cruise:
      (void)is_time_to_probe_bw(b, c);
      return;
    case State::probe_bw_refill:
      if (!b.round_start) return;
      b.is_bw_probe_sample = true;
      return start_probe_bw_up(b, c, rs);
    case State::probe_bw_up:
      if (!is_time_to_go_down(b, c, rs)) return;
      b.prev_probe_too_high = false;  // no high loss, yet
      return start_probe_bw_down(b, c);
    case State::startup:
    case State::drain:
    case State::probe_rtt:
    case State::none:
      return;
  }
}

std::uint64_t probe_rtt_cwnd(const Bbr& b, const Sender& c) {
  return std::max(bdp_multiple(b, c, b.bw, kProbeRttCwndGain), min_pipe_cwnd(c));
}

void check_probe_rtt_done(Bbr& b, Sender& c) {
  if (b.probe_rtt_done_stamp == Instant{} || c.now <= b.probe_rtt_done_stamp) return;
  b.probe_rtt_min_stamp = c.now;  // schedules the next
  restore_cwnd(b, c);
  exit_probe_rtt(b, c);
}

void check_probe_rtt(Bbr& b, Sender& c, const RateSample& rs) {
  if (b.state != State::probe_rtt && b.probe_rtt_expired && !b.idle_restart) {
    save_cwnd(b, c);  // while the state is still one that does not modulate it
    b.state = State::probe_rtt;
    b.probe_rtt_done_stamp = Instant{};
    b.ack_phase = AckPhase::stopping;
    start_round(b, c);
  }
  if (b.state == State::probe_rtt) handle_probe_rtt(b, c);
  if (rs.delivered != 0) b.idle_restart = false;
}

}  // namespace millrace::tcp::bbr
