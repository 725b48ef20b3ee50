// SPDX-License-Identifier: BSD-3-Clause
//
// Proportional rate reduction (RFC 6937, as RFC 9937 amends it): in fast recovery the window comes
// down to SSTHRESH by sending in proportion to what is delivered, and where more was lost than that
// it slow-starts back, or only keeps what it has while losses go on.
#pragma once

#include <cstdint>

#include "tcp/connection/loss_state.h"

namespace millrace::tcp {

/// RFC 9937 §6.1: `in_flight_bytes` are SND.NXT - SND.UNA less what was SACKed before this ACK.
void prr_begin(Prr& prr, std::uint32_t in_flight_bytes);

struct PrrSample {
  std::uint32_t delivered_bytes = 0;  // DeliveredData
  std::uint32_t pipe_bytes = 0;       // inflight
  std::uint32_t ssthresh_bytes = 0;
  std::uint32_t mss = 0;
  bool safe = false;  // SafeACK: SND.UNA moved and nothing more is lost
};
/// CWND after an ACK in recovery: what is in flight and what may now be added to it.
[[nodiscard]] std::uint32_t prr_window(Prr& prr, const PrrSample& sample);

}  // namespace millrace::tcp
