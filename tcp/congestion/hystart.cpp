// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 9406 §4.2, §4.3, by its names: lastRoundMinRTT, currentRoundMinRTT, rttSampleCount,
// cssBaselineMinRtt.
#include "tcp/congestion/hystart.h"

#include <algorithm>

namespace millrace::tcp::hystart {
namespace {

constexpr std::uint32_t kMinRttThreshUs = 4000;
constexpr std::uint32_t kMaxRttThreshUs = 16'000;
constexpr std::uint32_t kMinRttDivisor = 8;
constexpr std::uint32_t kRttSamples = 8;
constexpr std::uint32_t kCssGrowthDivisor = 4;
constexpr std::uint32_t kCssRounds = 5;
constexpr std::uint32_t kLimitSegments = 8;  // L, for who does not pace
constexpr std::uint32_t kNoRtt = 0xffff'ffff;
constexpr std::uint32_t kMaxWindow = 1U << 30;

// words[0]: lastRoundMinRTT, or cssBaselineMinRtt while in Conservative Slow Start
// words[1]: currentRoundMinRTT
// words[2]: bytes of this round that are not acknowledged yet
// words[3]: samples in this round, and from bit 8 on the rounds of Conservative Slow Start left
std::uint32_t& last_min_rtt_us(CongestionState& s) { return s.words[0]; }
std::uint32_t& current_min_rtt_us(CongestionState& s) { return s.words[1]; }
std::uint32_t& round_left_bytes(CongestionState& s) { return s.words[2]; }
std::uint32_t samples(const CongestionState& s) { return s.words[3] & 0xff; }
std::uint32_t css_rounds_left(const CongestionState& s) { return s.words[3] >> 8; }
void set_css_rounds_left(CongestionState& s, std::uint32_t rounds) {
  s.words[3] = (rounds << 8) | samples(s);
}

[[nodiscard]] bool rose(CongestionState& s) {
  if (samples(s) < kRttSamples || last_min_rtt_us(s) == kNoRtt) return false;
  const std::uint32_t threshold =
      std::clamp(last_min_rtt_us(s) / kMinRttDivisor, kMinRttThreshUs, kMaxRttThreshUs);
  return current_min_rtt_us(s) >= last_min_rtt_us(s) + threshold;
}

void begin_round(CongestionState& s, std::uint32_t flight_bytes) {
  if (css_rounds_left(s) == 0) last_min_rtt_us(s) = current_min_rtt_us(s);
  current_min_rtt_us(s) = kNoRtt;
  round_left_bytes(s) = flight_bytes;
  s.words[3] &= ~0xffU;
}

void take_rtt(CongestionState& s, std::uint32_t rtt_us) {
  if (rtt_us == 0) return;
  current_min_rtt_us(s) = std::min(current_min_rtt_us(s), rtt_us);
  if (samples(s) < 0xff) ++s.words[3];
}

}  // namespace

void begin(CongestionState& state) {
  last_min_rtt_us(state) = kNoRtt;
  current_min_rtt_us(state) = kNoRtt;
  round_left_bytes(state) = 0;
  state.words[3] = 0;
}

bool on_ack(CongestionState& state, const AckSample& sample) {
  const bool round_over = sample.acked_bytes >= round_left_bytes(state);
  if (!round_over) round_left_bytes(state) -= sample.acked_bytes;
  take_rtt(state, sample.rtt_us);

  const bool conservative = css_rounds_left(state) != 0;
  if (sample.cwnd_limited) {
    const std::uint32_t most = std::min(sample.acked_bytes, kLimitSegments * sample.mss);
    const std::uint32_t growth = conservative ? most / kCssGrowthDivisor : most;
    state.cwnd = std::min(state.cwnd + growth, kMaxWindow);
  }
  if (!conservative && rose(state)) {
    last_min_rtt_us(state) = current_min_rtt_us(state);  // the baseline
    set_css_rounds_left(state, kCssRounds);
  } else if (conservative && samples(state) >= kRttSamples &&
             current_min_rtt_us(state) < last_min_rtt_us(state)) {
    set_css_rounds_left(state, 0);  // it was a passing rise
  } else if (conservative && round_over) {
    set_css_rounds_left(state, css_rounds_left(state) - 1);
    if (css_rounds_left(state) == 0) {
      state.ssthresh = state.cwnd;
      return true;
    }
  }
  if (round_over) begin_round(state, sample.flight_bytes - sample.acked_bytes);
  return false;
}

}  // namespace millrace::tcp::hystart
