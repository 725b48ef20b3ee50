// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/connection/pacing.h"

#include <algorithm>

#include "tcp/congestion/bbr.h"
#include "tcp/connection/path_model.h"

namespace millrace::tcp {
namespace {

// How late one may be and still be paid for it.
constexpr Duration kGrace = 4 * kTick;

[[nodiscard]] Duration time_for(std::uint64_t bytes, std::uint64_t rate) {
  return Duration{static_cast<std::int64_t>(bytes * 1'000'000'000U / rate)};
}

}  // namespace

Pace pace_of(const Connection& c, const Context& context) {
  Pace pace;
  if (has_model(c, context.config)) {
    const bbr::Bbr& model = model_of(c, context.stores).bbr;
    pace = {model.pacing_rate, model.send_quantum};
  }
  const std::uint64_t most = context.config.pacing;
  if (most != 0 && (pace.rate == 0 || most < pace.rate)) {
    pace = {most, bbr::send_quantum(most, c.mss)};
  }
  return pace;
}

bool departure_held(const Connection& c, const SendState& st, const Context& context) {
  if (st.pace_at <= context.now) return false;
  const Pace pace = pace_of(c, context);
  if (pace.rate == 0) return false;
  // Within the tick in which a quantum has begun to leave, the rest of it may follow.
  if (st.last_send != tick_of(context.now)) return true;
  const std::uint64_t rest = pace.quantum > c.mss ? pace.quantum - c.mss : 0;
  return st.pace_at > context.now + time_for(rest, pace.rate);
}

void charge_departure(const Connection& c, SendState& st, std::uint32_t bytes,
                      const Context& context) {
  const Pace pace = pace_of(c, context);
  if (pace.rate == 0) return;
  st.pace_at = std::max(st.pace_at, context.now - kGrace) + time_for(bytes, pace.rate);
}

std::optional<Tick> departure_deadline(const Connection& c, const Context& context) {
  if (c.send == kNil) return std::nullopt;
  const SendState& st = context.stores.send[c.send];
  if (st.pace_at <= context.now) return std::nullopt;
  const bool waits =
      st.retransmit_first || st.resending || st.queued_bytes > bytes_between(c.snd_una, c.snd_nxt);
  if (!waits) return std::nullopt;
  return deadline_after(st.pace_at, Duration::zero());
}

void keep_debt(Connection& c, Instant pace_at, const Context& context) {
  if (pace_at <= context.now) return;
  const Tick debt = deadline_after(pace_at, Duration::zero()) - tick_of(context.now);
  if (c.send_timer == SendTimer::none) c.send_deadline = tick_of(context.now);
  if (c.send_timer == SendTimer::none || c.send_timer == SendTimer::keepalive) {
    c.send_deadline += debt;
  }
}

void begin_pacing(SendState& st, const Context& context) {
  st.pace_at = kPaidFor;
  const Tick now = tick_of(context.now);
  if (!tick_before(now, st.last_send)) return;
  st.pace_at = context.now + ticks_to_duration(st.last_send - now);
  st.last_send = now - 1;  // nothing of a quantum has left in this tick
}

}  // namespace millrace::tcp
