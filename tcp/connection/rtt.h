// SPDX-License-Identifier: BSD-3-Clause
//
// Round-trip time: the estimator of RFC 6298 §2 and the retransmission timeout that follows from
// it, in microseconds, with alpha 1/8 and beta 1/4. Which segments may be timed (Karn, RFC 6298 §3)
// is decided in ack.cpp and output.cpp.
//
// The variance term of the RTO is never below min_rto, so RTO >= SRTT + min_rto: a peer may hold
// its ACK back for a delayed ACK's time on a path whose variance is nil, and that must not look
// like loss. RFC 6298 §2.4 allows it: its own floor is one second.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/base/time.h"
#include "tcp/connection/config.h"
#include "tcp/connection/connection.h"

namespace millrace::tcp {

/// RTTVAR without SRTT: 4 x this is the 3 s of RFC 6298 §5.7.
inline constexpr std::uint32_t kCautiousRttvarUs = 750'000;

/// SRTT and RTTVAR take one measurement; the exponential backoff ends (RFC 6298 §5, Karn).
inline void take_rtt_sample(Connection& c, std::uint32_t rtt_us) {
  constexpr std::uint32_t kLongestUs = 120'000'000;
  const auto r = static_cast<std::int32_t>(std::min(std::max(rtt_us, 1U), kLongestUs));
  c.backoff = 0;
  if (c.srtt_us == 0) {
    c.srtt_us = static_cast<std::uint32_t>(r);
    c.rttvar_us = static_cast<std::uint32_t>(r) / 2;
    return;
  }
  const auto srtt = static_cast<std::int32_t>(c.srtt_us);
  const auto rttvar = static_cast<std::int32_t>(c.rttvar_us);
  const std::int32_t error = r - srtt;
  const std::int32_t magnitude = error < 0 ? -error : error;
  c.rttvar_us = static_cast<std::uint32_t>(rttvar + (magnitude - rttvar) / 4);
  c.srtt_us = static_cast<std::uint32_t>(std::max(srtt + error / 8, 1));
}

/// RTO before backoff and upper limit (RFC 6298 §2.3), of what was measured.
[[nodiscard, gnu::always_inline]] inline Duration measured_timeout(const Connection& c,
                                                                   const TcpConfig& config) {
  const Duration variance{std::int64_t{c.rttvar_us} * 4'000};
  return Duration{std::int64_t{c.srtt_us} * 1'000} + std::max(variance, config.min_rto);
}

/// Current RTO with backoff, within [min_rto, max_rto] (RFC 6298 §2, §5.5).
[[nodiscard, gnu::always_inline]] inline Duration retransmission_timeout(const Connection& c,
                                                                         const TcpConfig& config) {
  Duration rto = config.initial_rto;
  if ((c.srtt_us | c.rttvar_us) != 0) [[likely]]
    rto = measured_timeout(c, config);
  if (c.backoff != 0) [[unlikely]] {
    constexpr unsigned kMostDoublings = 20;  // 1 ms becomes more than 17 minutes
    rto *= std::int64_t{1} << std::min(unsigned{c.backoff}, kMostDoublings);
  }
  return std::min(std::max(rto, config.min_rto), config.max_rto);
}

}  // namespace millrace::tcp
