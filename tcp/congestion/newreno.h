// SPDX-License-Identifier: BSD-3-Clause
//
// NewReno's share of the congestion window: slow start and congestion avoidance with byte counting
// (RFC 5681 §3.1, RFC 3465). Fast recovery itself (RFC 6582) is tcp/connection/recovery.h: this
// file never sees a sequence number.
#pragma once

#include <cstdint>

#include "tcp/congestion/congestion.h"

namespace millrace::tcp::newreno {

void on_ack(CongestionState& state, const AckSample& sample);
/// ssthresh of RFC 5681 §3.1, equation 4; CWND follows it.
void on_loss(CongestionState& state, std::uint32_t flight_bytes, std::uint32_t mss);

}  // namespace millrace::tcp::newreno
