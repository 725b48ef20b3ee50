// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/connection/path_model.h"

#include <algorithm>

#include "tcp/connection/calls.h"

namespace millrace::tcp {
namespace {

constexpr int kRunsPerRoundTripShift = 5;

[[nodiscard]] Duration us(std::uint32_t time_us) { return Duration{std::int64_t{time_us} * 1'000}; }

[[nodiscard]] bool in_recovery(const Connection& c, const Stores& stores) {
  if (c.send == kNil) return false;
  const SendState& st = stores.send[c.send];
  if (st.loss == kNil) return st.in_recovery || st.resending;
  return stores.loss[st.loss].phase != LossPhase::open;
}

[[nodiscard]] bbr::Sender sender_of(const Connection& c, const PathModel& m, std::uint32_t inflight,
                                    const Context& context) {
  bbr::Sender s;
  s.now = context.now;
  s.delivered = m.rate.delivered;
  s.srtt = us(c.srtt_us);
  s.inflight = inflight;
  s.cwnd = c.congestion.cwnd;
  s.mss = c.mss;
  s.initial_cwnd = m.initial_cwnd;
  s.loss_thresh_percent = context.config.bbr_loss_percent;
  s.is_cwnd_limited = m.cwnd_limited;
  s.has_selective_acks = c.has(Connection::kSack);
  s.in_recovery = in_recovery(c, context.stores);
  s.app_limited = m.rate.app_limited != 0;
  return s;
}

[[nodiscard]] std::uint32_t inflight_now(const Connection& c, const Context& context) {
  return c.send == kNil ? 0 : inflight_of(c, context.stores.send[c.send]);
}

[[nodiscard]] bool has_unsent(const Connection& c, const SendState& st) {
  return st.resending || st.queued_bytes > flight_bytes(c);
}

// Tells the model of `event`, and takes its window.
template <typename Event>
void tell(Connection& c, std::uint32_t inflight, Event event, const Context& context) {
  PathModel& m = model_of(c, context.stores);
  bbr::Sender s = sender_of(c, m, inflight, context);
  event(m.bbr, s);
  c.congestion.cwnd = s.cwnd;
}

// What was lost and has not gone again.
[[nodiscard]] bool waits_for_repair(const SendState& st, const Stores& stores) {
  if (st.loss == kNil) return st.retransmit_first;
  const Scoreboard& board = stores.loss[st.loss].board;
  return board.lost_bytes > board.retransmitted_bytes;
}

}  // namespace

std::uint32_t inflight_of(const Connection& c, const SendState& st) {
  const std::uint32_t flight = flight_bytes(c);
  if (st.loss == kNil) return st.resending ? bytes_between(c.snd_una, st.resend_next) : flight;
  const std::int64_t pipe = std::int64_t{flight} - st.inflation;
  return static_cast<std::uint32_t>(std::max<std::int64_t>(pipe, 0));
}

void begin_model(Connection& c, const Context& context) {
  release_model(c, context.config, context.stores);  // of a connection that was opening
  const std::uint32_t index = context.stores.models.create();
  if (index == kNil) {
    ++context.counters.BBRFallbacks;
    return congestion_init(CongestionAlgorithm::cubic, c.congestion, c.mss);
  }
  congestion_init(CongestionAlgorithm::bbr, c.congestion, c.mss);
  c.congestion.words[0] = index;
  c.congestion.words[3] = kModelTag;
  PathModel& m = context.stores.models[index];
  m.initial_cwnd = c.congestion.cwnd;
  m.dry_end = c.snd_nxt;
  m.rate.first_send_time = m.rate.delivered_time = context.now;
  if (c.srtt_us != 0) m.rate.min_rtt = us(c.srtt_us);
  // Both numbers are keyed: nobody outside foretells when a connection probes.
  const std::uint32_t seed = (c.snd_una.raw() ^ c.ts_offset) * 0x9e37'79b1U;
  bbr::init(m.bbr, sender_of(c, m, 0, context), seed);
}

void release_model(Connection& c, const TcpConfig& config, Stores& stores) {
  if (!has_model(c, config)) return;
  PathModel& m = model_of(c, stores);
  rate_forget(m.rate, c.snd_nxt, true, stores.rate_logs);
  stores.models.free(c.congestion.words[0]);
  c.congestion.words[0] = c.congestion.words[3] = 0;
}

void model_on_departure(Connection& c, const SendState& st, Seq nxt_before, std::uint32_t bytes,
                        const Context& context) {
  PathModel& m = model_of(c, context.stores);
  Departure d;
  d.snd_una = c.snd_una;
  d.nxt_before = nxt_before;
  d.nxt = c.snd_nxt;
  d.inflight = inflight_of(c, st);
  d.inflight_before = d.inflight > bytes ? d.inflight - bytes : 0;
  d.longest_run = us(c.srtt_us >> kRunsPerRoundTripShift);
  d.now = context.now;
  // CheckIfApplicationLimited(), for a write since: there was nothing to send, and room to send it.
  const bool ran_dry = m.dry && m.dry_end == nxt_before && c.snd_nxt != nxt_before;
  if (ran_dry && d.inflight_before < c.congestion.cwnd && !waits_for_repair(st, context.stores)) {
    mark_app_limited(m.rate, d.inflight_before);
  }
  // After a timeout nothing is in flight either, but that is no silence.
  if (nxt_before == c.snd_una) tell(c, d.inflight_before, bbr::on_transmit, context);
  rate_on_sent(m.rate, d, context.stores.rate_logs);
  m.dry = !has_unsent(c, st);
  m.dry_end = c.snd_nxt;
  if (d.inflight + c.mss > c.congestion.cwnd) {
    m.full = true;
    m.full_end = c.snd_nxt;
  }
}

void model_on_wait(const Connection& c, const SendState& st, const Context& context) {
  PathModel& m = model_of(c, context.stores);
  m.dry = false;
  if (!st.cwnd_limited) return;
  m.full = true;
  m.full_end = c.snd_nxt;
}

void model_check_app_limited(const Connection& c, const SendState& st, const Context& context) {
  PathModel& m = model_of(c, context.stores);
  m.sampled = false;
  m.sample = bbr::RateSample{};
  if (m.full && !after(m.full_end, c.snd_una)) m.full = false;
  m.cwnd_limited = m.full;
  const std::uint32_t inflight = inflight_of(c, st);
  if (has_unsent(c, st) || inflight >= c.congestion.cwnd) return;
  if (!waits_for_repair(st, context.stores)) mark_app_limited(m.rate, inflight);
}

void model_on_delivered(const Connection& c, const Delivered& delivered, const Context& context) {
  PathModel& m = model_of(c, context.stores);
  RateAck ack;
  ack.bytes = delivered.bytes;
  ack.once = delivered.once;
  ack.once_end = delivered.once_end;
  ack.again = delivered.again;
  ack.again_age = Duration{std::int64_t{delivered.again_age} << kStampShift};
  ack.now = context.now;
  m.sample = rate_on_ack(m.rate, ack, context.stores.rate_logs);
  m.sampled = true;
}

void model_on_cumulative(const Connection& c, const SendState& st, Seq ack, std::uint32_t bytes,
                         const Context& context) {
  Delivered delivered;
  delivered.bytes = bytes;
  // Below `recover` it may be a copy that is acknowledged.
  delivered.once = after(ack, st.recover) && !st.resending;
  delivered.once_end = ack;
  model_on_delivered(c, delivered, context);
}

void model_on_ack_end(Connection& c, std::uint32_t inflight, const Context& context) {
  PathModel& m = model_of(c, context.stores);
  if (!m.sampled) return;
  m.sampled = false;
  bbr::Sender s = sender_of(c, m, inflight, context);
  bbr::on_ack(m.bbr, s, m.sample);
  c.congestion.cwnd = s.cwnd;
  if (s.mark_app_limited) mark_app_limited(m.rate, inflight);
  rate_forget(m.rate, c.snd_una, c.snd_una == c.snd_nxt, context.stores.rate_logs);
}

void model_on_all_acknowledged(Connection& c, const SendState& st, Seq ack, std::uint32_t bytes,
                               const Context& context) {
  model_check_app_limited(c, st, context);
  model_on_cumulative(c, st, ack, bytes, context);
  model_on_ack_end(c, 0, context);
  rate_forget(model_of(c, context.stores).rate, ack, true, context.stores.rate_logs);
}

void model_on_lost(Connection& c, const LostText& lost, const Context& context) {
  if (lost.count == 0) return;
  PathModel& m = model_of(c, context.stores);
  bbr::Sender s = sender_of(c, m, inflight_now(c, context), context);
  for (std::uint32_t i = 0; i < lost.count; ++i) {
    const LostText::Stretch& stretch = lost.stretches[i];
    const Instant sent =
        context.now -
        Duration{std::int64_t{stamp_of(context.now) - stretch.copy_sent} << kStampShift};
    for (Seq first = stretch.first; before(first, stretch.end);) {
      const bbr::LostPacket packet = rate_on_lost(
          m.rate, first, stretch.end, stretch.is_copy ? &sent : nullptr, context.stores.rate_logs);
      bbr::on_lost(m.bbr, s, packet);
    }
  }
  bbr::on_lost_ranges(m.bbr, lost.ranges);
}

void model_on_recovery(Connection& c, const Context& context) {
  PathModel& m = model_of(c, context.stores);
  bbr::on_enter_recovery(m.bbr, sender_of(c, m, inflight_now(c, context), context));
}

void model_on_timeout(Connection& c, const SendState& st, const Context& context) {
  tell(c, inflight_of(c, st), bbr::on_timeout, context);
}

void model_on_recovery_end(Connection& c, const Context& context) {
  tell(c, inflight_now(c, context), bbr::on_exit_recovery, context);
}

void model_on_spurious(Connection& c, const Context& context) {
  tell(c, inflight_now(c, context), bbr::on_spurious_loss, context);
}

void model_on_mark(Connection& c, const Context& context) {
  PathModel& m = model_of(c, context.stores);
  bbr::Sender s = sender_of(c, m, inflight_now(c, context), context);
  bbr::on_mark(m.bbr, s);
}

}  // namespace millrace::tcp
