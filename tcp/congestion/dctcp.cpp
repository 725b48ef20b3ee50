// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 8257 §3.3, with g = 1/16 and alpha 1 at the beginning (§4.2).
#include "tcp/congestion/dctcp.h"

#include <algorithm>

namespace millrace::tcp::dctcp {
namespace {

// words[0]: alpha, and kObserving once words[1] is valid, the end of the window being observed;
// words[2] and [3]: bytes of it that were acknowledged, and with a mark.
constexpr std::uint32_t kObserving = 1U << 31;
constexpr int kGainShift = 4;
constexpr std::uint32_t kMaxWindow = 1U << 30;  // RFC 7323 §2.3

std::uint32_t& bytes_acked(CongestionState& state) { return state.words[2]; }
std::uint32_t& bytes_marked(CongestionState& state) { return state.words[3]; }

void observe_until(CongestionState& state, Seq end) {
  state.words[0] |= kObserving;
  state.words[1] = end.raw();
  bytes_acked(state) = bytes_marked(state) = 0;
}

}  // namespace

std::uint32_t alpha(const CongestionState& state) { return state.words[0] & ~kObserving; }

void begin(CongestionState& state) { state.words[0] = kOne; }

void on_ack(CongestionState& state, const AckSample& sample) {
  if (!sample.cwnd_limited) return;
  std::uint32_t growth = 0;
  if (state.cwnd < state.ssthresh) {
    growth = std::min(sample.acked_bytes, sample.after_timeout ? sample.mss : 2 * sample.mss);
  } else {
    const std::uint32_t acked = std::min(sample.acked_bytes, state.cwnd);
    growth = static_cast<std::uint32_t>(std::uint64_t{sample.mss} * acked / state.cwnd);
    if (acked != 0) growth = std::max(growth, 1U);
  }
  state.cwnd = std::min(state.cwnd + growth, kMaxWindow);
}

void on_loss(CongestionState& state, std::uint32_t flight_bytes, std::uint32_t mss) {
  state.ssthresh = state.cwnd = std::max(flight_bytes / 2, 2 * mss);
}

void on_mark(CongestionState& state, std::uint32_t mss) {
  const std::uint64_t reduction = std::uint64_t{state.cwnd} * alpha(state) / (2 * kOne);
  const auto rest = state.cwnd - static_cast<std::uint32_t>(reduction);
  state.ssthresh = state.cwnd = std::max(rest, 2 * mss);
}

void count(CongestionState& state, std::uint32_t acked_bytes, bool marked, Seq ack, Seq snd_nxt) {
  if ((state.words[0] & kObserving) == 0) observe_until(state, ack - acked_bytes);
  bytes_acked(state) += acked_bytes;
  if (marked) bytes_marked(state) += acked_bytes;
  if (at_or_before(ack, Seq(state.words[1])) || bytes_acked(state) == 0) return;
  const std::uint64_t share = std::uint64_t{bytes_marked(state)} * kOne / bytes_acked(state);
  const std::uint32_t old = alpha(state);
  const std::uint32_t kept = old - (old >> kGainShift);
  state.words[0] = kept + static_cast<std::uint32_t>(share >> kGainShift);
  observe_until(state, snd_nxt);
}

}  // namespace millrace::tcp::dctcp
