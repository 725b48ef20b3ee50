// SPDX-License-Identifier: BSD-3-Clause
//
// Pacing: text leaves in quanta, each when the ones before it are paid for at the pacing rate
// (draft-ietf-ccwg-bbr §5.6.2, §5.6.3). The rate is that of the congestion control's model, if it
// has one, and no more than the profile's `pacing`.
//
// SendState::pace_at is C.next_send_time. Until then nothing goes; from then on a quantum, and what
// is sent moves it on. The connection's node in the timer wheel wakes it, up to a tick late: what
// was missed by being a few ticks late is made up for, so that the rate is kept, and a quantum is
// at least a tick's worth. Credit for idling is not saved up beyond that.
//
// Not held back: SYN, a FIN alone, ACKs, probes of any kind, and the segment after a timeout.
#pragma once

#include <optional>

#include "tcp/base/time.h"
#include "tcp/connection/config.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"

namespace millrace::tcp {

[[nodiscard]] inline bool is_paced(const TcpConfig& config) {
  return config.congestion == CongestionAlgorithm::bbr || config.pacing != 0;
}
/// The same, and the one question that a connection without pacing pays for.
[[nodiscard]] inline bool is_paced(const SendState& st) { return st.pace_at != Instant{}; }
/// Owes nothing.
inline constexpr Instant kPaidFor{Duration{1}};

struct Pace {
  std::uint64_t rate = 0;     // bytes a second; 0: not held back
  std::uint32_t quantum = 0;  // bytes
};
[[nodiscard]] Pace pace_of(const Connection& c, const Context& context);

/// True while text has to wait.
[[nodiscard]] bool departure_held(const Connection& c, const SendState& st, const Context& context);
/// `bytes` have left.
void charge_departure(const Connection& c, SendState& st, std::uint32_t bytes,
                      const Context& context);
/// When text that waits may leave; nothing if none does.
[[nodiscard]] std::optional<Tick> departure_deadline(const Connection& c, const Context& context);

/// Everything was acknowledged and the SendState has gone, but what was sent last is not paid for:
/// the time of the last sending, which is kept in send_deadline, is put off until it is.
void keep_debt(Connection& c, Instant pace_at, const Context& context);
/// A SendState begins: with that debt, if its last sending is yet to come.
void begin_pacing(SendState& st, const Context& context);

}  // namespace millrace::tcp
