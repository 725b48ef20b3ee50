// SPDX-License-Identifier: BSD-3-Clause
//
// A connection whose congestion control is a model of the path (BBR): what it needs beyond the
// words of CongestionState, cold, from a bounded pool, for as long as the connection lives, because
// the model outlives a silence. Nothing here exists for other algorithms.
//
// This file tells the model what happens: that something left, what an ACK delivered, what was
// lost, how a recovery began and ended; in the order that draft-ietf-ccwg-bbr §5.2 asks for. A
// connection that finds the pool empty has CUBIC instead, and is counted (BBRFallbacks).
#pragma once

#include "tcp/congestion/bbr.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/connection/delivery_rate.h"
#include "tcp/connection/scoreboard.h"

namespace millrace::tcp {

[[nodiscard]] inline bool has_model(const Connection& c, const TcpConfig& config) {
  return config.congestion == CongestionAlgorithm::bbr && c.congestion.words[3] == kModelTag;
}
[[nodiscard]] inline PathModel& model_of(const Connection& c, Stores& stores) {
  return stores.models[c.congestion.words[0]];
}
/// What governs the connection: that of its profile, or what stands in for it.
[[nodiscard]] inline CongestionAlgorithm algorithm_of(const Connection& c,
                                                      const TcpConfig& config) {
  if (config.congestion != CongestionAlgorithm::bbr) [[likely]]
    return config.congestion;
  return has_model(c, config) ? CongestionAlgorithm::bbr : CongestionAlgorithm::cubic;
}

/// In the place of congestion_init(): with a model if the profile wants one. What is in flight
/// already gives no sample.
[[gnu::noinline]] void begin_model(Connection& c, const Context& context);
inline void begin_congestion_control(Connection& c, const Context& context) {
  if (context.config.congestion == CongestionAlgorithm::bbr) [[unlikely]]
    return begin_model(c, context);
  congestion_init(context.config.congestion, c.congestion, c.mss);
}
/// Gives the model back, if there is one by `config`.
void release_model(Connection& c, const TcpConfig& config, Stores& stores);

// What follows is for connections with a model alone.

/// `bytes` of sequence space left; SND.NXT was at `nxt_before`.
void model_on_departure(Connection& c, const SendState& st, Seq nxt_before, std::uint32_t bytes,
                        const Context& context);
/// Something waits to be sent, for the window or for its time.
void model_on_wait(const Connection& c, const SendState& st, const Context& context);

/// An acceptable ACK that is not old, before anything is made of it; or a timer that will send.
void model_check_app_limited(const Connection& c, const SendState& st, const Context& context);
/// What it delivered, as the scoreboard tells, or by SND.UNA alone up to `ack`.
void model_on_delivered(const Connection& c, const Delivered& delivered, const Context& context);
void model_on_cumulative(const Connection& c, const SendState& st, Seq ack, std::uint32_t bytes,
                         const Context& context);
/// After all that the ACK delivered and lost has been told: the model's window. With nothing of it
/// told, nothing happens. `inflight` is what is in flight now.
void model_on_ack_end(Connection& c, std::uint32_t inflight, const Context& context);
/// The ACK of all that was sent, outside recovery, in one.
void model_on_all_acknowledged(Connection& c, const SendState& st, Seq ack, std::uint32_t bytes,
                               const Context& context);

void model_on_lost(Connection& c, const LostText& lost, const Context& context);
/// A recovery begins, or a timeout passes, before what was lost is told.
void model_on_recovery(Connection& c, const Context& context);
/// After the losses of a timeout were told.
void model_on_timeout(Connection& c, const SendState& st, const Context& context);
void model_on_recovery_end(Connection& c, const Context& context);
void model_on_spurious(Connection& c, const Context& context);
void model_on_mark(Connection& c, const Context& context);

/// C.inflight
[[nodiscard]] std::uint32_t inflight_of(const Connection& c, const SendState& st);

}  // namespace millrace::tcp
