// SPDX-License-Identifier: BSD-3-Clause
//
// BBR's model of the path (§5.5): rounds, the bandwidth and its filter, the round trip,
// aggregation, and what losses say of the short term.
#include <algorithm>
#include <bit>

#include "tcp/congestion/bbr.h"
#include "tcp/congestion/bbr_parts.h"

namespace millrace::tcp::bbr {
namespace {

// §5.5.1 UpdateRound()
void update_round(Bbr& b, const Sender& c, const RateSample& rs) {
  b.round_start = false;
  if (!rs.has_data || rs.prior_delivered < b.next_round_delivered) return;
  start_round(b, c);
  ++b.round_count;
  ++b.rounds_since_probe_up;
  b.round_start = true;
}

// §5.5.5 UpdateMaxBw(). The filter remembers two cycles, this one and the one before.
void update_max_bw(Bbr& b, const Sender& c, const RateSample& rs) {
  update_round(b, c, rs);
  if (rs.delivery_rate == 0) return;
  if (rs.delivery_rate < b.max_bw && rs.is_app_limited) return;
  b.bw_of_cycle[0] = std::max(b.bw_of_cycle[0], rs.delivery_rate);
  b.max_bw = std::max(b.bw_of_cycle[0], b.bw_of_cycle[1]);
}

[[nodiscard]] bool is_probing_bw(const Bbr& b) {
  return b.state == State::startup || b.state == State::probe_bw_refill ||
         b.state == State::probe_bw_up;
}

// Of what the path carried while we sent at the pacing rate, what it could have carried: less by
// the margin that we keep says nothing of the path.
[[nodiscard]] std::uint64_t without_margin(std::uint64_t value) {
  return value + value * kPacingMarginPercent / (100 - kPacingMarginPercent);
}

// No more was lost in the round than what one is to put up with. The segment that it began with
// does not count: without it, it would have been no such round.
[[nodiscard]] bool is_loss_tolerable(const Bbr& b, const Sender& c) {
  const std::uint64_t more = b.lost_in_round > c.mss ? b.lost_in_round - c.mss : 0;
  return !is_inflight_too_high(c, more, b.delivered_in_loss_round + more) && c.has_selective_acks;
}

// §5.5.10.3 AdaptLowerBoundsFromCongestion()
void adapt_lower_bounds(Bbr& b, const Sender& c) {
  if (is_probing_bw(b) || !b.is_loss_in_round) return;
  if (!b.is_marked_in_round && is_loss_tolerable(b, c)) return;
  if (b.bw_shortterm == kUnbounded) b.bw_shortterm = b.max_bw;
  if (b.inflight_shortterm == kUnbounded) b.inflight_shortterm = c.cwnd;
  b.bw_shortterm = std::max(without_margin(b.bw_latest), percent_of(b.bw_shortterm, kBetaPercent));
  b.inflight_shortterm =
      std::max(without_margin(b.inflight_latest), percent_of(b.inflight_shortterm, kBetaPercent));
}

// §5.5.10.2 InflightAtLoss(): how much of the packet fitted before the losses were too many.
[[nodiscard]] std::uint64_t inflight_at_loss(const Sender& c, const LostPacket& p) {
  const std::int64_t thresh = c.loss_thresh_percent;
  const std::int64_t inflight_prev = std::int64_t{p.tx_in_flight} - p.bytes;
  const std::int64_t lost_prev = std::int64_t{p.lost} - p.bytes;
  const std::int64_t lost_prefix = (inflight_prev * thresh - lost_prev * 100) / (100 - thresh);
  return static_cast<std::uint64_t>(std::max<std::int64_t>(inflight_prev + lost_prefix, 0));
}

}  // namespace

void start_round(Bbr& b, const Sender& c) { b.next_round_delivered = c.delivered; }

void reset_full_bw(Bbr& b) {
  b.full_bw = 0;
  b.full_bw_count = 0;
  b.full_bw_now = false;
}

void reset_congestion_signals(Bbr& b) {
  b.is_loss_in_round = false;
  b.bw_latest = 0;
  b.inflight_latest = 0;
}

void reset_short_term_model(Bbr& b) {
  b.bw_shortterm = kUnbounded;
  b.inflight_shortterm = kUnbounded;
}

// A cycle without any sample of its own leaves the one before in place.
void advance_max_bw_filter(Bbr& b) {
  ++b.cycle_count;
  if (b.bw_of_cycle[0] == 0) return;
  b.max_bw = b.bw_of_cycle[1] = b.bw_of_cycle[0];
  b.bw_of_cycle[0] = 0;
}

void update_latest_delivery_signals(Bbr& b, const Sender& c, const RateSample& rs) {
  b.loss_round_start = false;
  b.bw_latest = std::max(b.bw_latest, rs.delivery_rate);
  b.inflight_latest = std::max(b.inflight_latest, rs.delivered);
  if (!rs.has_data || rs.prior_delivered < b.loss_round_delivered) return;
  b.delivered_in_loss_round = c.delivered - b.loss_round_delivered;
  b.loss_round_delivered = c.delivered;
  b.loss_round_start = true;
}

void advance_latest_delivery_signals(Bbr& b, const RateSample& rs) {
  if (!b.loss_round_start) return;
  b.is_marked_in_round = false;
  b.bw_latest = rs.delivery_rate;
  b.inflight_latest = rs.delivered;
}

void update_congestion_signals(Bbr& b, const Sender& c, const RateSample& rs) {
  update_max_bw(b, c, rs);
  if (!b.loss_round_start) return;
  adapt_lower_bounds(b, c);
  b.is_loss_in_round = false;
}

// §5.5.9
void update_ack_aggregation(Bbr& b, const Sender& c, const RateSample& rs) {
  if (rs.newly_acked == 0) return;
  std::uint64_t expected = bytes_in(b.bw, c.now - b.extra_acked_interval_start);
  if (b.extra_acked_delivered <= expected) {
    b.extra_acked_delivered = 0;
    b.extra_acked_interval_start = c.now;
    expected = 0;
  }
  b.extra_acked_delivered += rs.newly_acked;
  const std::uint64_t extra = std::min<std::uint64_t>(b.extra_acked_delivered - expected, c.cwnd);
  // In Startup one round is remembered.
  (void)b.extra_acked_filter.update(extra, b.round_count,
                                    b.full_bw_reached ? kExtraAckedFilterLen : 1);
}

// §5.3.1.2
void check_full_bw_reached(Bbr& b, const RateSample& rs) {
  if (b.full_bw_now || !b.round_start || rs.is_app_limited || rs.delivery_rate == 0) return;
  if (rs.delivery_rate >= percent_of(b.full_bw, 125)) {
    reset_full_bw(b);
    b.full_bw = rs.delivery_rate;
    return;
  }
  ++b.full_bw_count;
  b.full_bw_now = b.full_bw_count >= 3;
  if (b.full_bw_now) b.full_bw_reached = true;
}

// §5.3.4.3 UpdateMinRTT()
void update_min_rtt(Bbr& b, const Sender& c, const RateSample& rs) {
  b.probe_rtt_expired = c.now > b.probe_rtt_min_stamp + kProbeRttInterval;
  if (rs.rtt >= Duration::zero() && (rs.rtt < b.probe_rtt_min_delay || b.probe_rtt_expired)) {
    b.probe_rtt_min_delay = rs.rtt;
    b.probe_rtt_min_stamp = c.now;
  }
  const bool min_rtt_expired = c.now > b.min_rtt_stamp + kMinRttFilterLen;
  if (b.probe_rtt_min_delay < b.min_rtt || min_rtt_expired) {
    b.min_rtt = b.probe_rtt_min_delay;
    b.min_rtt_stamp = b.probe_rtt_min_stamp;
  }
}

// ---- volumes (§5.6.4.2)

std::uint64_t bdp_multiple(const Bbr& b, const Sender& c, std::uint64_t bw, std::uint32_t gain) {
  if (b.min_rtt == kNoRtt) return c.initial_cwnd;
  return percent_of(bytes_in(bw, b.min_rtt), gain);
}

std::uint64_t quantization_budget(const Bbr& b, const Sender& c, std::uint64_t cap) {
  cap = std::max({cap, std::uint64_t{3} * b.send_quantum, min_pipe_cwnd(c)});
  if (b.state == State::probe_bw_up) cap += std::uint64_t{2} * c.mss;
  return cap;
}

std::uint64_t inflight(const Bbr& b, const Sender& c, std::uint64_t bw, std::uint32_t gain) {
  return quantization_budget(b, c, bdp_multiple(b, c, bw, gain));
}

std::uint64_t inflight_with_headroom(const Bbr& b, const Sender& c) {
  if (b.inflight_longterm == kUnbounded) return kUnbounded;
  const std::uint64_t headroom =
      std::max<std::uint64_t>(c.mss, percent_of(b.inflight_longterm, kHeadroomPercent));
  const std::uint64_t rest = b.inflight_longterm > headroom ? b.inflight_longterm - headroom : 0;
  return std::max(rest, min_pipe_cwnd(c));
}

std::uint64_t target_inflight(const Bbr& b, const Sender& c) {
  return std::min<std::uint64_t>(bdp_multiple(b, c, b.bw, 100), c.cwnd);
}

// ---- losses (§5.5.10, §5.5.11.1)

bool is_inflight_too_high(const Sender& c, std::uint64_t lost, std::uint64_t tx_in_flight) {
  return lost * 100 > tx_in_flight * c.loss_thresh_percent || (lost != 0 && !c.has_selective_acks);
}

void save_state_upon_loss(Bbr& b, const Sender& c) {
  save_cwnd(b, c);
  b.undo_state = State::none;
  b.undo_bw_shortterm = b.bw_shortterm;
  b.undo_inflight_shortterm = b.inflight_shortterm;
  b.undo_inflight_longterm = b.inflight_longterm;
}

void note_loss(Bbr& b, const Sender& c) {
  if (!b.is_loss_in_round) {
    b.loss_round_delivered = c.delivered;
    b.lost_in_round = 0;
    // The recovery that goes on already has saved what it may have to give back.
    if (!c.in_recovery) save_state_upon_loss(b, c);
  }
  b.is_loss_in_round = true;
}

void on_lost_ranges(Bbr& b, std::uint32_t ranges) {
  b.loss_ranges_in_round =
      static_cast<std::uint8_t>(std::min<std::uint32_t>(b.loss_ranges_in_round + ranges, 0xff));
}

void on_lost(Bbr& b, Sender& c, const LostPacket& p) {
  note_loss(b, c);
  b.lost_in_round += p.bytes;
  if (!b.is_bw_probe_sample || !p.known) return;
  if (!is_inflight_too_high(c, p.lost, p.tx_in_flight)) return;
  handle_inflight_too_high(b, c, inflight_at_loss(c, p), p.is_app_limited);
}

void on_mark(Bbr& b, Sender& c) {
  note_loss(b, c);
  b.is_marked_in_round = true;
  if (b.is_bw_probe_sample) handle_inflight_too_high(b, c, c.inflight, c.app_limited);
}

}  // namespace millrace::tcp::bbr
