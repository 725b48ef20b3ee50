// SPDX-License-Identifier: BSD-3-Clause
//
// The tail loss probe (RFC 8985 §7): where the end of a flight may be lost nothing comes back that
// could tell, so after about two round trips the last segment goes again, or a new one. Its ACK
// brings what RACK needs, long before the retransmission timer and without its cost.
//
// PTO is the connection's send timer (SendTimer::loss_probe); the retransmission timer follows once
// the probe is out. One probe is out at a time.
#pragma once

#include <algorithm>

#include "tcp/connection/config.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/connection/loss_state.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// WCDelAckT: how long a peer may keep the ACK of a single segment (RFC 1122 §4.2.3.2 allows 500
/// ms, what is deployed stays below this).
inline constexpr Duration kLongestDelayedAck = 200ms;
/// The peer's turn, which no round trip of less than a millisecond should be blamed for.
inline constexpr Duration kLeastProbeSlack = 2ms;

/// §7.2: nothing is lost or SACKed. Besides there has to be a round trip to go by.
[[nodiscard]] inline bool may_probe(const Connection& c, const SendState& st) {
  return c.has(Connection::kSack) && st.loss == kNil;
}
/// TLP_calc_PTO(); less than two segments in flight (`few`) may wait for a delayed ACK.
[[nodiscard]] inline Duration probe_timeout(const Connection& c, bool few) {
  const Duration two_trips{std::int64_t{c.srtt_us} * 2'000};
  return two_trips + (few ? kLongestDelayedAck : kLeastProbeSlack);
}

/// §7.4.2 TLP_process_ack(), before SND.UNA moves. True if the probe repaired a loss, which
/// congestion control has to hear of. `dsack`: a block that tells of what came twice, if any.
[[nodiscard]] bool tlp_on_ack(const Connection& c, Tlp& tlp, const SegmentIn& segment,
                              const SackBlock* dsack);

}  // namespace millrace::tcp
