// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 9438 §4, by its names: W_max, K, W_est, t.
#include "tcp/congestion/cubic.h"

#include <algorithm>

#include "tcp/congestion/hystart.h"

namespace millrace::tcp::cubic {
namespace {

constexpr std::uint32_t kMaxWindow = 1U << 30;
constexpr std::int64_t kMostMs = 120'000;  // further from K the clamp decides
constexpr std::uint32_t kFractionBits = 14;
constexpr std::uint32_t kFractionMask = (1U << kFractionBits) - 1;

// words[0]: W_max in bytes; 0: the curve that follows begins flat (§4.8, §4.10)
// words[1]: when the curve began, in milliseconds; 0: it begins with the next ACK
// words[2]: K in milliseconds, and below it the fraction of W_est
// words[3]: W_est in bytes
std::uint32_t& w_max(CongestionState& s) { return s.words[0]; }
std::uint32_t& epoch_ms(CongestionState& s) { return s.words[1]; }
std::uint32_t k_ms(const CongestionState& s) { return s.words[2] >> kFractionBits; }

[[nodiscard]] std::uint32_t clock_ms(Instant now) {
  return static_cast<std::uint32_t>(now.time_since_epoch() / 1ms) | 1U;  // 0 means none
}

/// The largest number whose cube is at most `value`.
[[nodiscard]] std::uint32_t cube_root(std::uint64_t value) {
  std::uint64_t root = 0;
  for (std::uint64_t bit = std::uint64_t{1} << 20; bit != 0; bit >>= 1) {
    const std::uint64_t candidate = root | bit;
    if (candidate * candidate * candidate <= value) root = candidate;
  }
  return static_cast<std::uint32_t>(root);
}

/// §4.2: K is the cube root of (W_max - cwnd_epoch) / C, windows in segments, C 0.4 per s^3.
void begin_curve(CongestionState& s, std::uint32_t mss, std::uint32_t at_ms) {
  epoch_ms(s) = at_ms;
  std::uint32_t k = 0;
  if (w_max(s) > s.cwnd) {
    k = cube_root(std::uint64_t{w_max(s) - s.cwnd} * 2'500'000'000U / mss);
  } else {
    w_max(s) = s.cwnd;
  }
  s.words[2] = k << kFractionBits;
  s.words[3] = s.cwnd;
}

/// §4.2, equation 1: C (t - K)^3 + W_max.
[[nodiscard]] std::int64_t w_cubic(CongestionState& s, std::uint32_t mss, std::int64_t t_ms) {
  const std::int64_t d = std::clamp(t_ms - std::int64_t{k_ms(s)}, -kMostMs, kMostMs);
  const __int128 cube = static_cast<__int128>(d) * d * d;
  return w_max(s) + static_cast<std::int64_t>(cube * mss * 2 / 5'000'000'000);
}

/// §4.3: Reno's window, alpha segments a window of ACKs; alpha is 3 (1 - beta) / (1 + beta), or 1
/// once it has reached the window before the loss.
void grow_w_est(CongestionState& s, const AckSample& sample) {
  const std::uint64_t prior = std::uint64_t{s.ssthresh} * 10 / 7;
  const std::uint64_t alpha_17 = s.words[3] >= prior ? 17 : 9;  // 9/17 is 3 * 0.3 / 1.7
  const std::uint64_t grown =
      ((std::uint64_t{sample.acked_bytes} * sample.mss * alpha_17) << kFractionBits) /
      (17ULL * s.cwnd);
  const std::uint64_t sum = grown + (s.words[2] & kFractionMask);
  s.words[2] = (s.words[2] & ~kFractionMask) | static_cast<std::uint32_t>(sum & kFractionMask);
  s.words[3] = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(s.words[3] + (sum >> kFractionBits), kMaxWindow));
}

void avoid_congestion(CongestionState& s, const AckSample& sample, Instant now) {
  const std::uint32_t at_ms = clock_ms(now);
  if (epoch_ms(s) == 0) begin_curve(s, sample.mss, at_ms);
  grow_w_est(s, sample);
  const std::int64_t t_ms = at_ms - epoch_ms(s);
  if (w_cubic(s, sample.mss, t_ms) < s.words[3]) {
    s.cwnd = std::max(s.cwnd, s.words[3]);  // §4.3, the Reno-friendly region
    return;
  }
  // §4.4, §4.5: on the way to where the curve will be one round trip from now.
  const std::int64_t ahead_ms = (sample.srtt_us + 500) / 1000;
  const std::int64_t target = std::clamp<std::int64_t>(w_cubic(s, sample.mss, t_ms + ahead_ms),
                                                       s.cwnd, std::int64_t{s.cwnd} * 3 / 2);
  const std::uint64_t missing = static_cast<std::uint64_t>(target) - s.cwnd;
  const std::uint64_t growth = missing * sample.acked_bytes / s.cwnd;
  s.cwnd = static_cast<std::uint32_t>(std::min<std::uint64_t>(s.cwnd + growth, kMaxWindow));
}

void slow_start(CongestionState& s, const AckSample& sample) {
  const std::uint32_t limit = sample.after_timeout ? sample.mss : 2 * sample.mss;
  s.cwnd = std::min(s.cwnd + std::min(sample.acked_bytes, limit), kMaxWindow);
}

}  // namespace

void on_ack(CongestionState& state, const AckSample& sample, Instant now) {
  if (state.ssthresh == kNothingLostYet) {
    if (hystart::on_ack(state, sample)) forget_plateau(state);
    return;
  }
  if (!sample.cwnd_limited) {
    if (state.cwnd < w_max(state)) epoch_ms(state) = 0;
    return;
  }
  if (state.cwnd < state.ssthresh) return slow_start(state, sample);
  avoid_congestion(state, sample, now);
}

void on_loss(CongestionState& state, std::uint32_t flight_bytes, std::uint32_t mss) {
  const bool first = state.ssthresh == kNothingLostYet;
  const bool shrinking = !first && state.cwnd < w_max(state);
  // §4.7: below the last plateau somebody else is coming: leave room.
  w_max(state) =
      shrinking ? static_cast<std::uint32_t>(std::uint64_t{state.cwnd} * 17 / 20) : state.cwnd;
  epoch_ms(state) = 0;
  state.ssthresh =
      std::max(static_cast<std::uint32_t>(std::uint64_t{flight_bytes} * 7 / 10), 2 * mss);
  state.cwnd = state.ssthresh;
}

void forget_plateau(CongestionState& state) {
  w_max(state) = 0;
  epoch_ms(state) = 0;
}

void on_idle_restart(CongestionState& state) {
  if (state.ssthresh != kNothingLostYet) epoch_ms(state) = 0;
}

}  // namespace millrace::tcp::cubic
