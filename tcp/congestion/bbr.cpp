// SPDX-License-Identifier: BSD-3-Clause
//
// BBR's events (§5.2) and its control parameters: pacing rate, send quantum and window (§5.6).
#include "tcp/congestion/bbr.h"

#include <algorithm>

#include "tcp/congestion/bbr_parts.h"

namespace millrace::tcp::bbr {
namespace {

// No window of TCP's is larger (RFC 7323 §2.3).
constexpr std::uint64_t kMaxWindow = std::uint64_t{1} << 30;
constexpr std::uint64_t kMostQuantum = 65'536;
constexpr std::uint32_t kLeastSegmentsPerSecond = 4;

// §5.6.2 InitPacingRate()
void init_pacing_rate(Bbr& b, const Sender& c) {
  const Duration srtt = c.srtt > Duration::zero() ? c.srtt : Duration{1ms};
  b.has_seen_rtt = c.srtt > Duration::zero();
  const std::uint64_t nominal =
      std::uint64_t{c.initial_cwnd} * 1'000'000'000U / static_cast<std::uint64_t>(srtt.count());
  b.pacing_rate = percent_of(nominal, kStartupPacingGain);
}

void set_pacing_rate_with_gain(Bbr& b, const Sender& c, std::uint32_t gain) {
  const std::uint64_t rate = percent_of(percent_of(b.bw, gain), 100 - kPacingMarginPercent);
  if (!b.full_bw_reached && rate <= b.pacing_rate) return;
  b.pacing_rate = std::max(rate, std::uint64_t{kLeastSegmentsPerSecond} * c.mss);
}

void set_pacing_rate(Bbr& b, const Sender& c) {
  // "The initial C.srtt after the first non-zero RTT sample".
  if (!b.has_seen_rtt && c.srtt > Duration::zero()) init_pacing_rate(b, c);
  set_pacing_rate_with_gain(b, c, pacing_gain(b));
}

// §5.6.4.7 BoundCwndForModel()
[[nodiscard]] std::uint64_t volume_cap(const Bbr& b, const Sender& c) {
  std::uint64_t cap = kUnbounded;
  if (is_in_probe_bw(b) && b.state != State::probe_bw_cruise) {
    cap = b.inflight_longterm;
  } else if (b.state == State::probe_rtt || b.state == State::probe_bw_cruise) {
    cap = inflight_with_headroom(b, c);
  }
  return std::max(std::min(cap, b.inflight_shortterm), min_pipe_cwnd(c));
}

// §5.6.4.6
void set_cwnd(const Bbr& b, Sender& c, const RateSample& rs) {
  // UpdateMaxInflight()
  const std::uint64_t cap = bdp_multiple(b, c, b.bw, cwnd_gain(b)) + b.extra_acked_filter.get();
  const std::uint64_t max_inflight = quantization_budget(b, c, cap);
  std::uint64_t cwnd = c.cwnd;
  if (b.full_bw_reached) {
    cwnd = std::min(cwnd + rs.newly_acked, max_inflight);
  } else if (cwnd < max_inflight || c.delivered < c.initial_cwnd) {
    cwnd += rs.newly_acked;
  }
  cwnd = std::max(cwnd, min_pipe_cwnd(c));
  if (b.state == State::probe_rtt) cwnd = std::min(cwnd, probe_rtt_cwnd(b, c));
  c.cwnd = static_cast<std::uint32_t>(std::min({cwnd, volume_cap(b, c), kMaxWindow}));
}

}  // namespace

std::uint32_t pacing_gain(const Bbr& b) {
  switch (b.state) {
    case State::startup:
      return kStartupPacingGain;
    case State::drain:
      return kDrainPacingGain;
    case State::probe_bw_down:
      return kDownPacingGain;
    case State::probe_bw_up:
      return kUpPacingGain;
    case State::probe_bw_cruise:
    case State::probe_bw_refill:
    case State::probe_rtt:
    case State::none:
      return 100;
  }
  return 100;
}

std::uint32_t cwnd_gain(const Bbr& b) {
  if (b.state == State::probe_bw_up) return kUpCwndGain;
  return b.state == State::probe_rtt ? kProbeRttCwndGain : kDefaultCwndGain;
}

std::uint32_t send_quantum(std::uint64_t rate, std::uint32_t mss) {
  std::uint64_t quantum = std::min(bytes_in(rate, 1ms), kMostQuantum);
  quantum = std::max({quantum, bytes_in(rate, kTick), std::uint64_t{2} * mss});
  return static_cast<std::uint32_t>(std::min(quantum, kMaxWindow));
}

void save_cwnd(Bbr& b, const Sender& c) {
  const bool modulated = c.in_recovery || b.state == State::probe_rtt;
  b.prior_cwnd = modulated ? std::max(b.prior_cwnd, c.cwnd) : c.cwnd;
}

void init(Bbr& b, const Sender& c, std::uint32_t seed) {
  b = Bbr{};
  b.random = seed | 1U;
  if (c.srtt > Duration::zero()) b.min_rtt = c.srtt;
  b.min_rtt_stamp = b.probe_rtt_min_stamp = b.extra_acked_interval_start = c.now;
  init_pacing_rate(b, c);
  enter_startup(b);
  b.send_quantum = send_quantum(b.pacing_rate, c.mss);
}

// §5.4.1 HandleRestartFromIdle()
void on_transmit(Bbr& b, Sender& c) {
  if (c.inflight != 0 || !c.app_limited) return;
  b.idle_restart = true;
  b.extra_acked_interval_start = c.now;
  if (is_in_probe_bw(b)) {
    set_pacing_rate_with_gain(b, c, 100);
  } else if (b.state == State::probe_rtt) {
    check_probe_rtt_done(b, c);
  }
}

void on_ack(Bbr& b, Sender& c, const RateSample& rs) {
  // UpdateModelAndState()
  update_latest_delivery_signals(b, c, rs);
  update_congestion_signals(b, c, rs);
  update_ack_aggregation(b, c, rs);
  check_full_bw_reached(b, rs);
  check_startup_done(b, c, rs);
  check_drain_done(b, c);
  update_probe_bw_cycle_phase(b, c, rs);
  update_min_rtt(b, c, rs);
  check_probe_rtt(b, c, rs);
  advance_latest_delivery_signals(b, rs);
  b.bw = std::min(b.max_bw, b.bw_shortterm);  // BoundBWForModel()
  // UpdateControlParameters()
  set_pacing_rate(b, c);
  b.send_quantum = send_quantum(b.pacing_rate, c.mss);
  set_cwnd(b, c, rs);
}

void on_enter_recovery(Bbr& b, const Sender& c) {
  save_cwnd(b, c);
  save_state_upon_loss(b, c);
}

// C.inflight and one segment more: what was lost is not in flight any longer.
void on_timeout(Bbr& /*b*/, Sender& c) {
  c.cwnd = static_cast<std::uint32_t>(std::min(std::uint64_t{c.inflight} + c.mss, kMaxWindow));
}

void on_exit_recovery(const Bbr& b, Sender& c) { restore_cwnd(b, c); }

// §5.5.11.2
void on_spurious_loss(Bbr& b, Sender& c) {
  restore_cwnd(b, c);
  b.is_loss_in_round = false;
  reset_full_bw(b);
  b.bw_shortterm = std::max(b.bw_shortterm, b.undo_bw_shortterm);
  b.inflight_shortterm = std::max(b.inflight_shortterm, b.undo_inflight_shortterm);
  b.inflight_longterm = std::max(b.inflight_longterm, b.undo_inflight_longterm);
  if (b.undo_state == State::startup && b.state != State::startup) {
    b.full_bw_reached = false;
    if (b.state != State::probe_rtt) enter_startup(b);
  } else if (b.undo_state == State::probe_bw_up && b.state != State::probe_bw_up &&
             b.state != State::probe_rtt) {
    start_probe_bw_refill(b, c);
  }
  b.undo_state = State::none;
}

}  // namespace millrace::tcp::bbr
