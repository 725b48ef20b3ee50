// SPDX-License-Identifier: BSD-3-Clause
//
// DCTCP (RFC 8257): the window shrinks by as much as the path marks, not by half for any mark. For
// networks whose switches mark at a low threshold; without ECN it is NewReno. Loss is NewReno's
// (§3.5), and so is growth (§3.4), counted as RFC 5681 §3.1, equation 3, does.
#pragma once

#include "tcp/congestion/congestion.h"

namespace millrace::tcp::dctcp {

/// Alpha of a path whose every byte is marked.
inline constexpr std::uint32_t kOne = 1U << 20;

void begin(CongestionState& state);
void on_ack(CongestionState& state, const AckSample& sample);
void on_loss(CongestionState& state, std::uint32_t flight_bytes, std::uint32_t mss);
/// §3.3, step 9: CWND times 1 - alpha / 2.
void on_mark(CongestionState& state, std::uint32_t mss);
/// §3.3, steps 1 to 8: alpha follows the share of marked bytes, once for each window of data.
void count(CongestionState& state, std::uint32_t acked_bytes, bool marked, Seq ack, Seq snd_nxt);
/// The estimate, 0 to kOne.
[[nodiscard]] std::uint32_t alpha(const CongestionState& state);

}  // namespace millrace::tcp::dctcp
