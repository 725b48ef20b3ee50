// SPDX-License-Identifier: BSD-3-Clause
//
// BBR, version 3 (draft-ietf-ccwg-bbr, the text of August 2026, after -06): a model of the path,
// its bandwidth and its round trip, says how fast to send and how much may be in flight; loss
// bounds the model where the path cannot hold what it says. Names and sections are the draft's.
// Written from its pseudocode in three files: bbr.cpp (what is done on each event, and the control
// parameters, §5.6), bbr_model.cpp (§5.5) and bbr_state.cpp (the state machine, §5.3, §5.4).
//
// A function of samples: it reads no clock and keeps no packets. What a sample is comes from
// tcp/connection/delivery_rate.h; what becomes of the pacing rate from tcp/connection/pacing.h.
//
// Where the draft leaves a choice: a window that the path marked (§3.7, RFC 3168) counts as a round
// with losses; it ends a bandwidth probe, and two marked rounds end Startup. The pacing rate has a
// floor of four segments a second, so that no departure lies far away. A round trip with no
// delivery rate, because the sampler would not vouch for one, says nothing about a plateau. The
// quantum is also at least what the timer wheel's tick is worth.
//
// Where this differs from it: in a round of cruising with losses (§5.5.10.3) the short term is
// bound only if more was lost than LossThresh, beside the segment that made it such a round; and
// not below what was delivered and the pacing margin. Else random loss of a thousandth, and the
// margin alone, would bring the rate down round by round until the next probe: to 82 % of a link of
// 100 Mbit/s and 100 ms, where it is 97 %.
#pragma once

#include <cstdint>

#include "tcp/base/time.h"
#include "tcp/congestion/windowed_max.h"

namespace millrace::tcp::bbr {

/// "Infinity", of volumes and of rates.
inline constexpr std::uint64_t kUnbounded = ~std::uint64_t{0};
inline constexpr Duration kNoRtt = Duration::max();

// Constants, gains in hundredths (§2.5 to §2.13).
inline constexpr std::uint32_t kStartupPacingGain = 277;
inline constexpr std::uint32_t kDrainPacingGain = 50;
inline constexpr std::uint32_t kDownPacingGain = 90;
inline constexpr std::uint32_t kUpPacingGain = 125;
inline constexpr std::uint32_t kDefaultCwndGain = 200;
inline constexpr std::uint32_t kUpCwndGain = 225;
inline constexpr std::uint32_t kProbeRttCwndGain = 50;
inline constexpr std::uint32_t kPacingMarginPercent = 1;
inline constexpr std::uint32_t kBetaPercent = 70;
inline constexpr std::uint32_t kHeadroomPercent = 15;
inline constexpr std::uint32_t kMinPipeSegments = 4;
inline constexpr std::uint32_t kExtraAckedFilterLen = 10;  // rounds
inline constexpr std::uint32_t kStartupFullLossCnt = 6;
inline constexpr std::uint32_t kStartupMarkedRounds = 2;  // of our own
inline constexpr Duration kMinRttFilterLen = 10s;
inline constexpr Duration kProbeRttDuration = 200ms;
inline constexpr Duration kProbeRttInterval = 5s;

/// BBR.state. `none` is for what was never saved.
enum class State : std::uint8_t {
  startup,
  drain,
  probe_bw_down,
  probe_bw_cruise,
  probe_bw_refill,
  probe_bw_up,
  probe_rtt,
  none,
};
/// BBR.ack_phase
enum class AckPhase : std::uint8_t { init, refilling, starting, feedback, stopping };

/// RS, of one ACK (§2.3). Rates are bytes a second.
struct RateSample {
  std::uint64_t delivery_rate = 0;    // 0: none that could be vouched for
  std::uint64_t delivered = 0;        // in the interval sampled
  std::uint64_t prior_delivered = 0;  // P.delivered; valid with has_data
  Duration rtt{-1};                   // negative: none
  std::uint32_t newly_acked = 0;
  std::uint32_t tx_in_flight = 0;
  std::uint32_t lost = 0;
  bool has_data = false;  // what the packet carried is known
  bool is_app_limited = false;
};

/// A packet that is lost, or the part of one run of them (HandleLostPacket()).
struct LostPacket {
  std::uint32_t bytes = 0;
  std::uint32_t tx_in_flight = 0;  // P.tx_in_flight, the packet included
  std::uint32_t lost = 0;          // C.lost less P.lost, the packet included
  bool known = false;              // what the packet carried is known
  bool is_app_limited = false;
};

/// C, the sender, as it stands (§2.2). `cwnd` and `mark_app_limited` are answers as well.
struct Sender {
  Instant now;
  std::uint64_t delivered = 0;
  Duration srtt{0};  // 0: nothing was measured yet
  std::uint32_t inflight = 0;
  std::uint32_t cwnd = 0;
  std::uint32_t mss = 0;
  std::uint32_t initial_cwnd = 0;
  std::uint8_t loss_thresh_percent = 2;  // LossThresh (§2.5), of the operator
  bool is_cwnd_limited = false;
  bool has_selective_acks = false;
  bool in_recovery = false;
  bool app_limited = false;       // C.app_limited is set
  bool mark_app_limited = false;  // MarkConnectionAppLimited() is to be done
};

/// BBR's own state.
struct Bbr {
  // output
  std::uint64_t pacing_rate = 0;
  std::uint32_t send_quantum = 0;

  // general
  State state = State::startup;
  AckPhase ack_phase = AckPhase::init;
  State undo_state = State::none;
  bool round_start : 1 = false;
  bool idle_restart : 1 = false;
  bool full_bw_reached : 1 = false;
  bool full_bw_now : 1 = false;
  bool is_loss_in_round : 1 = false;
  bool loss_round_start : 1 = false;
  bool is_bw_probe_sample : 1 = false;
  bool prev_probe_too_high : 1 = false;
  bool prev_probe_precautionary : 1 = false;
  bool probe_rtt_expired : 1 = false;
  bool probe_rtt_round_done : 1 = false;
  bool has_seen_rtt : 1 = false;
  bool is_marked_in_round : 1 = false;  // of our own, for ECN
  std::uint8_t full_bw_count = 0;
  std::uint8_t bw_probe_up_rounds = 0;
  std::uint8_t loss_ranges_in_round = 0;  // saturates
  std::uint8_t marked_rounds = 0;
  std::uint32_t round_count = 0;
  std::uint32_t drain_start_round = 0;
  std::uint32_t cycle_count = 0;
  std::uint32_t rounds_since_probe_up = 0;
  std::uint32_t prior_cwnd = 0;
  std::uint32_t random = 1;  // of PickProbeWait(); never 0
  std::uint64_t next_round_delivered = 0;
  std::uint64_t loss_round_delivered = 0;
  std::uint64_t lost_in_round = 0;            // of our own: in a round with losses, and
  std::uint64_t delivered_in_loss_round = 0;  // in the last that has ended

  // model: rates
  std::uint64_t max_bw = 0;
  std::uint64_t bw_shortterm = kUnbounded;
  std::uint64_t bw = 0;
  std::uint64_t bw_latest = 0;
  std::uint64_t full_bw = 0;
  std::uint64_t bw_of_cycle[2] = {};  // BBR.max_bw_filter: this cycle's best, and the one before
  // model: volumes
  std::uint64_t inflight_longterm = kUnbounded;
  std::uint64_t inflight_shortterm = kUnbounded;
  std::uint64_t inflight_latest = 0;
  std::uint64_t extra_acked_delivered = 0;
  std::uint64_t probe_up_acked_per_inc = kUnbounded;
  std::uint64_t bw_probe_up_acked = 0;
  std::uint64_t undo_bw_shortterm = 0;
  std::uint64_t undo_inflight_shortterm = 0;
  std::uint64_t undo_inflight_longterm = 0;
  WindowedMax extra_acked_filter;
  // model: times
  Duration min_rtt = kNoRtt;
  Duration probe_rtt_min_delay = kNoRtt;
  Duration bw_probe_wait{0};
  Instant min_rtt_stamp{};
  Instant probe_rtt_min_stamp{};
  Instant probe_rtt_done_stamp{};  // 0: none
  Instant cycle_stamp{};
  Instant extra_acked_interval_start{};
};
static_assert(sizeof(Bbr) <= 400);

// ---- events (§5.2)

/// OnInit(). `seed`: unpredictable to others, for the waits between probes.
void init(Bbr& b, const Sender& c, std::uint32_t seed);
/// OnTransmit(), before something is sent.
void on_transmit(Bbr& b, Sender& c);
/// UpdateOnACK(): after all that the ACK delivered and lost has been told.
void on_ack(Bbr& b, Sender& c, const RateSample& rs);
/// HandleLostPacket().
void on_lost(Bbr& b, Sender& c, const LostPacket& packet);
/// As many stretches of text, apart from each other, were lost.
void on_lost_ranges(Bbr& b, std::uint32_t ranges);
/// The path marked something of the window (RFC 3168 §6.1.2), told once for each.
void on_mark(Bbr& b, Sender& c);
/// OnEnterFastRecovery(), before the losses that lead there are told; c.in_recovery is of before.
void on_enter_recovery(Bbr& b, const Sender& c);
/// OnEnterRTO(): the same, and once the losses are told on_timeout().
void on_timeout(Bbr& b, Sender& c);
/// What was lost has been repaired.
void on_exit_recovery(const Bbr& b, Sender& c);
/// HandleSpuriousLossDetection(): nothing was lost.
void on_spurious_loss(Bbr& b, Sender& c);

// ---- questions

[[nodiscard]] std::uint32_t pacing_gain(const Bbr& b);  // hundredths
[[nodiscard]] std::uint32_t cwnd_gain(const Bbr& b);
[[nodiscard]] inline bool is_in_probe_bw(const Bbr& b) {
  return b.state == State::probe_bw_down || b.state == State::probe_bw_cruise ||
         b.state == State::probe_bw_refill || b.state == State::probe_bw_up;
}

/// What is sent at `rate` in `time`.
[[nodiscard]] inline std::uint64_t bytes_in(std::uint64_t rate, Duration time) {
  const auto product =
      static_cast<unsigned __int128>(rate) * static_cast<std::uint64_t>(time.count());
  constexpr std::uint64_t kMost = std::uint64_t{1} << 62;
  const unsigned __int128 bytes = product / 1'000'000'000U;
  return bytes > kMost ? kMost : static_cast<std::uint64_t>(bytes);
}
/// SetSendQuantum() (§5.6.3), for whoever paces at `rate`.
[[nodiscard]] std::uint32_t send_quantum(std::uint64_t rate, std::uint32_t mss);
[[nodiscard]] inline std::uint64_t percent_of(std::uint64_t value, std::uint32_t percent) {
  return value >= kUnbounded / 512 ? value / 100 * percent : value * percent / 100;
}

}  // namespace millrace::tcp::bbr
