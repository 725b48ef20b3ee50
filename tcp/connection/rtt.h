// SPDX-License-Identifier: BSD-3-Clause
//
// Round-trip time: the estimator of RFC 6298 §2 and the retransmission timeout that follows from
// it. Which segments may be timed (Karn, RFC 6298 §3) is decided in ack.cpp and output.cpp.
#pragma once

#include <cstdint>

#include "tcp/base/time.h"
#include "tcp/connection/config.h"
#include "tcp/connection/connection.h"

namespace millrace::tcp {

/// RTTVAR without SRTT: 4 x this is the 3 s of RFC 6298 §5.7.
inline constexpr std::uint32_t kCautiousRttvarUs = 750'000;

/// SRTT and RTTVAR take one measurement; the exponential backoff ends (RFC 6298 §5, Karn).
void take_rtt_sample(Connection& c, std::uint32_t rtt_us);

}  // namespace millrace::tcp
