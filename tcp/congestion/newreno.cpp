// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 5681 §3.1 with RFC 3465: the window grows by bytes acknowledged, not by ACKs counted, so that
// a receiver that splits its ACKs gains nothing; by at most two segments an ACK in slow start, one
// while data are sent again after a timeout (RFC 3465 §2.2, §2.3).
#include "tcp/congestion/newreno.h"

#include <algorithm>

namespace millrace::tcp::newreno {
namespace {

// words[0]: bytes acknowledged since CWND last grew in congestion avoidance.
std::uint32_t& bytes_acked(CongestionState& state) { return state.words[0]; }

// No window of TCP's is larger (RFC 7323 §2.3).
constexpr std::uint32_t kMaxWindow = 1U << 30;

}  // namespace

void on_ack(CongestionState& state, const AckSample& sample) {
  if (!sample.cwnd_limited) return;
  std::uint32_t growth = 0;
  if (state.cwnd < state.ssthresh) {
    const std::uint32_t limit = sample.after_timeout ? sample.mss : 2 * sample.mss;
    growth = std::min(sample.acked_bytes, limit);
  } else {
    bytes_acked(state) += sample.acked_bytes;
    if (bytes_acked(state) < state.cwnd) return;
    bytes_acked(state) -= state.cwnd;
    // An ACK that covers more than a window earns one step, not several.
    bytes_acked(state) = std::min(bytes_acked(state), state.cwnd);
    growth = sample.mss;
  }
  state.cwnd = std::min(state.cwnd + growth, kMaxWindow);
}

void on_loss(CongestionState& state, std::uint32_t flight_bytes, std::uint32_t mss) {
  state.ssthresh = std::max(flight_bytes / 2, 2 * mss);
  state.cwnd = state.ssthresh;
  bytes_acked(state) = 0;
}

}  // namespace millrace::tcp::newreno
