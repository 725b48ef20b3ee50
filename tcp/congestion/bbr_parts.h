// SPDX-License-Identifier: BSD-3-Clause
//
// What the three files of BBR ask of each other; nobody else's.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/congestion/bbr.h"

namespace millrace::tcp::bbr {

// ---- bbr_model.cpp

void start_round(Bbr& b, const Sender& c);
void reset_full_bw(Bbr& b);
void reset_congestion_signals(Bbr& b);
void reset_short_term_model(Bbr& b);
void advance_max_bw_filter(Bbr& b);
void update_latest_delivery_signals(Bbr& b, const Sender& c, const RateSample& rs);
void update_congestion_signals(Bbr& b, const Sender& c, const RateSample& rs);
void update_ack_aggregation(Bbr& b, const Sender& c, const RateSample& rs);
void check_full_bw_reached(Bbr& b, const RateSample& rs);
void update_min_rtt(Bbr& b, const Sender& c, const RateSample& rs);
void advance_latest_delivery_signals(Bbr& b, const RateSample& rs);
void save_state_upon_loss(Bbr& b, const Sender& c);
void note_loss(Bbr& b, const Sender& c);

[[nodiscard]] inline std::uint64_t min_pipe_cwnd(const Sender& c) {
  return std::uint64_t{kMinPipeSegments} * c.mss;
}
/// BDPMultiple(), of `bw` and a gain in hundredths.
[[nodiscard]] std::uint64_t bdp_multiple(const Bbr& b, const Sender& c, std::uint64_t bw,
                                         std::uint32_t gain);
[[nodiscard]] std::uint64_t quantization_budget(const Bbr& b, const Sender& c, std::uint64_t cap);
/// Inflight(), of `bw` and a gain in hundredths.
[[nodiscard]] std::uint64_t inflight(const Bbr& b, const Sender& c, std::uint64_t bw,
                                     std::uint32_t gain);
[[nodiscard]] std::uint64_t inflight_with_headroom(const Bbr& b, const Sender& c);
[[nodiscard]] std::uint64_t target_inflight(const Bbr& b, const Sender& c);
[[nodiscard]] bool is_inflight_too_high(const Sender& c, std::uint64_t lost,
                                        std::uint64_t tx_in_flight);

// ---- bbr_state.cpp

void enter_startup(Bbr& b);
void start_probe_bw_down(Bbr& b, const Sender& c);
void start_probe_bw_refill(Bbr& b, const Sender& c);
void handle_inflight_too_high(Bbr& b, const Sender& c, std::uint64_t tx_in_flight,
                              bool is_app_limited);
void check_startup_done(Bbr& b, const Sender& c, const RateSample& rs);
void check_drain_done(Bbr& b, const Sender& c);
void update_probe_bw_cycle_phase(Bbr& b, Sender& c, const RateSample& rs);
void check_probe_rtt(Bbr& b, Sender& c, const RateSample& rs);
void check_probe_rtt_done(Bbr& b, Sender& c);
[[nodiscard]] std::uint64_t probe_rtt_cwnd(const Bbr& b, const Sender& c);

// ---- bbr.cpp

void save_cwnd(Bbr& b, const Sender& c);
inline void restore_cwnd(const Bbr& b, Sender& c) { c.cwnd = std::max(c.cwnd, b.prior_cwnd); }

}  // namespace millrace::tcp::bbr
