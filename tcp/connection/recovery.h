// SPDX-License-Identifier: BSD-3-Clause
//
// Loss recovery without SACK, and what is left where memory for more is missing: duplicate ACKs,
// limited transmit and fast retransmit (RFC 5681 §3.2, RFC 3042), NewReno's fast recovery (RFC
// 6582), and go-back-N after a timeout (RFC 6298 §5, RFC 5681 §3.1). This room decides what is sent
// again; how much may be in flight is tcp/congestion's.
#pragma once

#include <cstdint>

#include "tcp/congestion/congestion.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"

namespace millrace::tcp {

/// An ACK that repeats SND.UNA while something is in flight (RFC 5681 §2).
void on_duplicate_ack(Connection& c, SendState& st, const Context& context);

/// SND.UNA is about to move to `ack`, which acknowledges `acked_bytes`; tells congestion control.
/// `rtt_us` is what this ACK measured, 0 if nothing. True if the retransmission timer is to be
/// restarted (RFC 6298 §5.3; not on later partial ACKs, RFC 6582 §3.2 step 3).
[[nodiscard]] bool on_new_ack(Connection& c, SendState& st, Seq ack, std::uint32_t acked_bytes,
                              std::uint32_t rtt_us, const Context& context);

/// The same outside recovery.
inline void grow_window(Connection& c, SendState& st, Seq ack, std::uint32_t acked_bytes,
                        std::uint32_t rtt_us, const Context& context) {
  st.dup_acks = 0;
  st.inflation = 0;
  const std::uint32_t flight = bytes_between(c.snd_una, c.snd_nxt);
  // Half a window in flight is enough for slow start to double it (RFC 7661 §4.3).
  const bool half_used =
      c.congestion.cwnd < c.congestion.ssthresh && 2 * flight >= c.congestion.cwnd;
  const bool after_timeout = before(ack, st.recover);
  const bool cwnd_limited = st.cwnd_limited || half_used || after_timeout;
  if (!congestion_learns(c.congestion, cwnd_limited)) return;
  AckSample sample;
  sample.acked_bytes = acked_bytes;
  sample.flight_bytes = flight;
  sample.mss = c.mss;
  sample.rtt_us = rtt_us;
  sample.srtt_us = c.srtt_us;
  sample.after_timeout = after_timeout;
  sample.cwnd_limited = cwnd_limited;
  congestion_on_ack(context.config.congestion, c.congestion, sample, context.now);
}

/// The retransmission timer expired; `first` for this SND.UNA.
void on_timeout_loss(Connection& c, SendState& st, bool first, const Context& context);

/// Everything that is in flight and not SACKed is to be sent again, without any judgement on the
/// path: after a smaller MSS, or where a closed window refused it, when what follows may join it.
void resend_refused(Connection& c, SendState& st, const Context& context);
void resend_all(Connection& c, SendState& st, const Context& context);

}  // namespace millrace::tcp
