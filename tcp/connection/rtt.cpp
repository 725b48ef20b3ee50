// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 6298 §2 in microseconds, with alpha 1/8 and beta 1/4.
//
// The variance term of the RTO is never below min_rto, so RTO >= SRTT + min_rto: a peer may hold
// its ACK back for a delayed ACK's time on a path whose variance is nil, and that must not look
// like loss. RFC 6298 §2.4 allows it: its own floor is one second.
#include "tcp/connection/rtt.h"

#include <algorithm>

#include "tcp/connection/timers.h"

namespace millrace::tcp {

void take_rtt_sample(Connection& c, std::uint32_t rtt_us) {
  constexpr std::uint32_t kLongestUs = 120'000'000;
  const auto r = static_cast<std::int32_t>(std::clamp(rtt_us, 1U, kLongestUs));
  if (c.srtt_us == 0) {
    c.srtt_us = static_cast<std::uint32_t>(r);
    c.rttvar_us = static_cast<std::uint32_t>(r) / 2;
  } else {
    const auto srtt = static_cast<std::int32_t>(c.srtt_us);
    const auto rttvar = static_cast<std::int32_t>(c.rttvar_us);
    const std::int32_t error = r - srtt;
    const std::int32_t magnitude = error < 0 ? -error : error;
    c.rttvar_us = static_cast<std::uint32_t>(rttvar + (magnitude - rttvar) / 4);
    c.srtt_us = static_cast<std::uint32_t>(std::max(srtt + error / 8, 1));
  }
  c.backoff = 0;
}

Duration retransmission_timeout(const Connection& c, const TcpConfig& config) {
  Duration rto = config.initial_rto;
  if ((c.srtt_us | c.rttvar_us) != 0) {
    const Duration variance{std::int64_t{c.rttvar_us} * 4'000};
    rto = Duration{std::int64_t{c.srtt_us} * 1'000} + std::max(variance, config.min_rto);
  }
  if (c.backoff != 0) {
    constexpr unsigned kMostDoublings = 20;  // 1 ms becomes more than 17 minutes
    rto *= std::int64_t{1} << std::min(unsigned{c.backoff}, kMostDoublings);
  }
  return std::clamp(rto, config.min_rto, config.max_rto);
}

}  // namespace millrace::tcp
