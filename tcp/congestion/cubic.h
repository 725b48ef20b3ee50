// SPDX-License-Identifier: BSD-3-Clause
//
// CUBIC (RFC 9438): after a loss the window follows a cubic of time about the window at which it
// was lost, or Reno's line where that is faster (§4.3). The first slow start ends by HyStart++
// (hystart.h), with the same words of the connection: the two never need them at once.
//
// C is 0.4, beta 0.7 (§4.6); time is in milliseconds, windows in bytes. Fast convergence (§4.7) is
// on. Of an application that does not use its window no time is counted (§4.2) while the curve is
// below its plateau.
#pragma once

#include <cstdint>

#include "tcp/congestion/congestion.h"

namespace millrace::tcp::cubic {

void on_ack(CongestionState& state, const AckSample& sample, Instant now);
/// §4.6 and §4.7: SSTHRESH and CWND are seven tenths of the flight, two segments at least.
void on_loss(CongestionState& state, std::uint32_t flight_bytes, std::uint32_t mss);
/// The next curve begins flat, where slow start ends: after a timeout (§4.8) and after the first
/// slow start if nothing was lost in it (§4.10). The window and SSTHRESH are the caller's.
void forget_plateau(CongestionState& state);
/// The clock of the curve starts anew when sending resumes (§4.2, §5.8).
void on_idle_restart(CongestionState& state);

}  // namespace millrace::tcp::cubic
