// SPDX-License-Identifier: BSD-3-Clause
//
// The sending side: RFC 9293 §3.7.4 (Nagle), §3.8.1 (retransmission), §3.8.4 (keepalive), §3.8.6
// (windows, probes, silly window avoidance), §3.10.4 and §3.10.5 (FIN and RST); RFC 3042, RFC 6582
// and RFC 6298 through what recovery.h left in SendState.
//
// next_segment() first makes a Plan, a pure function of the connection, then carries it out. So
// wants_to_send() cannot disagree with it.
//
// ACKs of one flush: data in order are acknowledged at every second full segment, in steps, since a
// sender that counts ACKs or bounds what one ACK may earn (RFC 3465) would else grow slowly. While
// something is out of order ACKs go alone, without data, so that they count as duplicates.
#include "tcp/connection/output.h"

#include <algorithm>

#include "tcp/connection/calls.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/dsack.h"
#include "tcp/connection/ecn.h"
#include "tcp/connection/emission.h"
#include "tcp/connection/fast_open.h"
#include "tcp/connection/handshake.h"
#include "tcp/connection/loss_recovery.h"
#include "tcp/connection/pacing.h"
#include "tcp/connection/path_model.h"
#include "tcp/connection/receive_window.h"
#include "tcp/connection/send_log.h"
#include "tcp/connection/send_queue.h"
#include "tcp/connection/timers.h"

namespace millrace::tcp {
namespace {

enum class Kind : std::uint8_t { none, reset, syn, ack, keepalive, probe, retransmit, data };

struct Plan {
  Kind kind = Kind::none;
  bool fin = false;
  std::uint32_t bytes = 0;
  std::uint32_t offset = 0;  // of a retransmission
};

// A partial ACK leaves an inflation below zero, and cwnd may become less than that takes away.
[[nodiscard]] std::uint32_t congestion_limit(const Connection& c, const SendState& st) {
  const std::int64_t limit = std::int64_t{c.congestion.cwnd} + st.inflation;
  return static_cast<std::uint32_t>(std::max<std::int64_t>(limit, 0));
}

// Payload that one SegmentOut may carry: a segment, or a burst that is cut later.
[[nodiscard]] std::uint32_t payload_limit(std::uint32_t mss, const Context& context) {
  if (context.config.max_segment_burst <= mss) return mss;
  const std::uint32_t burst =
      std::min(context.config.max_segment_burst, kMaxSegmentsPerBurst * mss);
  return burst > mss ? burst - burst % mss : mss;
}

// The same where text leaves in quanta.
[[nodiscard]] std::uint32_t paced_payload_limit(const Connection& c, std::uint32_t mss,
                                                const Context& context) {
  const std::uint32_t most = payload_limit(mss, context);
  const Pace pace = pace_of(c, context);
  if (pace.rate == 0 || most <= pace.quantum || most == mss) return most;
  return std::max(pace.quantum - pace.quantum % mss, mss);
}

// What of the queue may go now: new data, or data again after a timeout.
[[nodiscard]] Plan plan_data(const Connection& c, const SendState& st, const Context& context) {
  const Seq from = st.resending ? st.resend_next : c.snd_nxt;
  const std::uint32_t offset = bytes_between(c.snd_una, from);
  if (offset > st.queued_bytes) return {};  // the FIN is out
  const std::uint32_t left = st.queued_bytes - offset;
  const bool fin_next = c.has(Connection::kFinQueued);
  if (left == 0) {
    const bool fin = fin_next && c.snd_wnd > offset;
    return {fin ? Kind::data : Kind::none, fin, 0};
  }
  const std::uint32_t edge = std::min(congestion_limit(c, st), c.snd_wnd);
  const std::uint32_t usable = edge > offset ? edge - offset : 0;
  const std::uint32_t mss = segment_payload(c, context);
  const std::uint32_t most =
      is_paced(context.config) ? paced_payload_limit(c, mss, context) : payload_limit(mss, context);
  std::uint32_t bytes = std::min({left, usable, most});
  if (bytes == 0) return {};
  if (bytes > mss && (bytes != left || nagle_holds(c, st))) bytes -= bytes % mss;
  if (bytes < mss && !st.resending) {
    if (bytes == left) {
      if (nagle_holds(c, st)) return {};
    } else {
      // RFC 9293 §3.8.6.2.1: not less than half of the largest window ever offered; the persist
      // timer overrides. Where cwnd is what holds us back an ACK is on its way.
      const std::uint32_t max_snd_wnd = std::uint32_t{c.max_snd_wnd} << c.peer_scale();
      if (edge != c.snd_wnd || bytes < max_snd_wnd / 2) return {};
    }
  }
  const bool fin = fin_next && bytes == left && c.snd_wnd > offset + bytes;
  return {Kind::data, fin, bytes};
}

// What the scoreboard says goes next, or a probe of the tail (RFC 6675 §5, RFC 8985 §7.3).
[[nodiscard]] Plan plan_resend(const Connection& c, const SendState& st, const Context& context) {
  const Resend next = next_resend(c, st, context);
  if (!next.any) return {};
  const std::uint32_t offset = bytes_between(c.snd_una, next.first);
  const std::uint32_t text = st.queued_bytes - offset;
  // Fewer than were sent first, where SACK blocks take their place.
  const std::uint32_t bytes = std::min({next.bytes, text, segment_payload(c, context)});
  if (next.fresh) {
    const bool fin = c.has(Connection::kFinQueued) && bytes == text && c.snd_wnd > offset + bytes;
    return {Kind::data, fin, bytes};
  }
  return {Kind::retransmit, bytes == text && bytes < next.bytes, bytes, offset};
}

// The segment at SND.UNA, again (RFC 5681 §3.2, RFC 6582 §3.2).
[[nodiscard]] Plan plan_retransmit(const Connection& c, const SendState& st,
                                   const Context& context) {
  const std::uint32_t mss = segment_payload(c, context);
  const std::uint32_t bytes = std::min({mss, st.queued_bytes, c.snd_wnd, flight_bytes(c)});
  const bool fin = c.has(Connection::kFinSent) && bytes == st.queued_bytes && c.snd_wnd > bytes;
  return {bytes != 0 || fin ? Kind::retransmit : Kind::none, fin, bytes};
}

// At least one octet although the window is closed (RFC 9293 §3.8.6.1), all that fits if it is
// merely too small to be worth while.
[[nodiscard]] Plan plan_probe(const Connection& c, const SendState& st, const Context& context) {
  const std::uint32_t fits = std::clamp(c.snd_wnd, 1U, segment_payload(c, context));
  const std::uint32_t bytes = std::min(st.queued_bytes, fits);
  return {Kind::probe, bytes == 0 && c.has(Connection::kFinQueued), bytes};
}

// True if ACKs that are owed must go without data.
[[nodiscard]] bool acks_go_alone(const Connection& c, const Context& context) {
  if (c.acks_owed > 1 || c.edge_owed != 0 || owes_dsack(c, context)) return true;
  return has_gap(c, context) || next_ack(c, context) != c.rcv_nxt;
}

// Before ESTABLISHED: the SYN, and text of an early connection behind it.
[[nodiscard]] Plan plan_opening(const Connection& c, const SendState& st, Kind ack_or_none,
                                const Context& context) {
  if (st.retransmit_first) return {Kind::syn};
  Plan plan;
  if (is_early(c)) plan = plan_data(c, st, context);
  plan.fin = false;
  if (plan.bytes == 0) plan.kind = ack_or_none;
  return plan;
}

// What is not held back by pacing: probes, and what a timeout lets go.
[[nodiscard]] bool goes_at_once(const SendState& st, const Plan& plan, const Context& context) {
  if (plan.bytes == 0) return true;
  if (st.loss == kNil) return false;
  const LossState& ls = context.stores.loss[st.loss];
  return ls.tlp.due || ls.force;
}

// From where an ACK alone goes: SND.NXT (RFC 9293 §3.4), unless that lies beyond the peer's window,
// as it does after the probe of a closed one or when the window shrank (§3.8.6). From there the
// peer would not hear it (table 6), and both sides might wait for each other: the right edge then.
// A window told in steps may seem to fall short of what was sent by less than a step.
[[nodiscard]] inline Seq ack_sequence(const Connection& c) {
  const Seq edge = c.snd_una + c.snd_wnd;
  if (!after(c.snd_nxt, edge)) return c.snd_nxt;
  const bool probing = c.send_timer == SendTimer::persist;
  const std::uint32_t step = 1U << c.peer_scale();
  return !probing && bytes_between(edge, c.snd_nxt) < step ? c.snd_nxt : edge;
}

[[nodiscard]] Plan make_plan(const Connection& c, const Context& context) {
  if (c.has(Connection::kResetOwed)) return {Kind::reset};
  const Kind ack_or_none = c.acks_owed != 0 ? Kind::ack : Kind::none;
  if (c.send == kNil) {
    return {c.has(Connection::kProbeOwed) ? Kind::keepalive : ack_or_none};
  }
  const SendState& st = context.stores.send[c.send];
  if (c.state == State::syn_sent || c.state == State::syn_received) {
    return plan_opening(c, st, ack_or_none, context);
  }
  if (c.acks_owed != 0 && acks_go_alone(c, context)) return {Kind::ack};
  if (c.has(Connection::kProbeOwed)) return plan_probe(c, st, context);
  Plan plan;
  if (st.retransmit_first) {
    plan = st.loss == kNil ? plan_retransmit(c, st, context) : plan_resend(c, st, context);
  }
  const bool held = st.loss != kNil && plan.kind == Kind::none && holds_new_text(st, context);
  if (plan.kind == Kind::none && !held) plan = plan_data(c, st, context);
  if (is_paced(context.config) && plan.kind != Kind::none && departure_held(c, st, context) &&
      !goes_at_once(st, plan, context)) [[unlikely]] {
    plan = Plan{};  // not yet: at departure_deadline()
  }
  if (plan.kind == Kind::none) plan.kind = ack_or_none;
  return plan;
}

// Unless a timer watches over what is in flight already; what `backoff` counted for another purpose
// is forgotten.
[[gnu::always_inline]] inline void arm_retransmit(Connection& c, const SendState& st,
                                                  const Context& context) {
  if (watches_flight(c.send_timer)) return;
  if (c.send_timer != SendTimer::none) c.backoff = 0;
  start_send_timer(c, st, context);
}

// Payload into `out`, and the flags and counts that go with it. Returns the bytes that found place.
inline std::uint32_t attach(const Connection& c, const SendState& st, const Context& context,
                            QueuePosition& at, std::uint32_t offset, const Plan& plan,
                            SegmentOut& out) {
  const QueuePosition from = at;
  std::uint32_t bytes = gather(st, context.stores, at, plan.bytes, out);
  const std::uint32_t mss = segment_payload(c, context);
  if (bytes != plan.bytes && bytes > mss && bytes % mss != 0) [[unlikely]] {
    at = from;  // many small pieces: whole segments of them, and no short one in the midst
    bytes = gather(st, context.stores, at, bytes - bytes % mss, out);
  }
  out.payload_bytes = bytes;
  if (bytes > mss) out.segment_size = static_cast<std::uint16_t>(mss);
  if (bytes != 0 && offset + bytes == st.queued_bytes) out.flags.bits |= Flags::kPsh;
  if (plan.fin && bytes == plan.bytes) out.flags.bits |= Flags::kFin;
  return bytes;
}

void count_retransmission(const Connection& c, const SendState& st, Seq from,
                          const Context& context) {
  ++context.counters.RetransSegs;
  if (st.in_recovery) {
    ++context.counters.TCPFastRetrans;
  } else if (from != c.snd_una) {
    ++context.counters.TCPSlowStartRetrans;
  }
}

// What a model of the path and pacing are told of each sending of text.
[[gnu::noinline]] void note_departure(Connection& c, SendState& st, Seq nxt_before,
                                      std::uint32_t bytes, const Context& context) {
  if (has_model(c, context.config)) model_on_departure(c, st, nxt_before, bytes, context);
  charge_departure(c, st, bytes, context);
}

void emit_data(Connection& c, const Plan& plan, const Context& context, SegmentOut& out) {
  SendState& st = context.stores.send[c.send];
  const Seq nxt_before = c.snd_nxt;
  const Seq from = st.resending ? st.resend_next : c.snd_nxt;
  const std::uint32_t offset = bytes_between(c.snd_una, from);
  fill_header(c, from, Flags::kAck, context, out);
  QueuePosition at{st.cursor_chunk, st.cursor_offset};
  const std::uint32_t bytes = attach(c, st, context, at, offset, plan, out);
  st.cursor_chunk = at.chunk;
  st.cursor_offset = at.offset;
  Seq to = from + bytes;
  if (out.flags.fin()) {
    c.set(Connection::kFinSent);
    to += 1;
  }
  st.last_send = tick_of(context.now);
  if (c.snd_nxt == c.snd_una) st.unacked_since = st.last_send;
  if (before(from, c.snd_nxt)) {
    count_retransmission(c, st, from, context);
  } else {
    if (c.has(Connection::kEcn) && bytes != 0) mark_new_text(c, out);
    ++context.counters.TCPOrigDataSent;
    if (st.rtt_at == Instant{}) {
      st.rtt_at = context.now;
      st.rtt_seq = to;
    }
  }
  // What is new may begin with a byte that a probe has carried already.
  if (after(to, c.snd_nxt)) {
    const std::uint32_t mss = segment_payload(c, context);
    if (bytes < mss || (bytes > mss && bytes % mss != 0)) st.short_end = to;
    log_sent(c, st, context);
    const bool was_single = flight_bytes(c) < 2U * c.mss;
    c.snd_nxt = to;
    if (st.loss != kNil) note_sent_new(c, st, bytes_between(from, to), context);
    // PTO of a single segment allows for a delayed ACK (RFC 8985 §7.2).
    if (was_single && c.send_timer == SendTimer::loss_probe) c.send_timer = SendTimer::none;
  }
  if (st.resending) {
    st.resend_next = to;
    st.resending = to != c.snd_nxt;
  }
  arm_retransmit(c, st, context);
  if (is_paced(context.config)) [[unlikely]]
    note_departure(c, st, nxt_before, bytes_between(from, to), context);
}

void emit_retransmit(Connection& c, const Plan& plan, const Context& context, SegmentOut& out) {
  SendState& st = context.stores.send[c.send];
  const Seq from = c.snd_una + plan.offset;
  fill_header(c, from, Flags::kAck, context, out);
  QueuePosition at = plan.offset == 0 ? QueuePosition{st.chunk_head, st.head_offset}
                                      : seek_again(c, st, context, plan.offset);
  const std::uint32_t bytes = attach(c, st, context, at, plan.offset, plan, out);
  if (st.loss == kNil) {
    count_retransmission(c, st, c.snd_una, context);
    st.retransmit_first = false;
  } else {
    ++context.counters.RetransSegs;
    note_sent_again(c, st, from, from + bytes + (out.flags.fin() ? 1U : 0U), context);
  }
  st.rtt_at = Instant{};  // Karn
  st.last_send = tick_of(context.now);
  arm_retransmit(c, st, context);
  if (is_paced(context.config)) [[unlikely]]
    note_departure(c, st, c.snd_nxt, bytes, context);
}

void emit_probe(Connection& c, const Plan& plan, const Context& context, SegmentOut& out) {
  SendState& st = context.stores.send[c.send];
  ++context.counters.TCPWinProbe;
  c.clear(Connection::kProbeOwed);
  fill_header(c, c.snd_una, Flags::kAck, context, out);
  QueuePosition at{st.chunk_head, st.head_offset};
  const std::uint32_t bytes = attach(c, st, context, at, 0, plan, out);
  if (out.flags.fin()) c.set(Connection::kFinSent);
  const Seq to = c.snd_una + bytes + (out.flags.fin() ? 1U : 0U);
  st.rtt_at = Instant{};
  st.last_send = tick_of(context.now);
  if (!after(to, c.snd_nxt)) return;
  log_sent(c, st, context);
  const Seq nxt_before = c.snd_nxt;
  c.snd_nxt = to;
  if (is_paced(context.config)) [[unlikely]]
    note_departure(c, st, nxt_before, bytes, context);
  st.resending = false;  // from SND.UNA to SND.NXT: all has gone out again just now
  st.cursor_chunk = at.chunk;
  st.cursor_offset = at.offset;
}

[[gnu::flatten]] void emit_syn(Connection& c, const Context& context, SegmentOut& out) {
  SendState& st = context.stores.send[c.send];
  const bool answer = c.state == State::syn_received;
  if (answer && is_early(c)) return emit_early_syn_ack(c, st, context, out);
  fill_syn(c, answer, context, out);
  st.retransmit_first = false;
  const bool first = c.snd_nxt == c.snd_una;
  st.rtt_at = first ? context.now : Instant{};
  st.last_send = tick_of(context.now);
  if (first) {
    if (context.config.fast_open) [[unlikely]]
      add_fast_open(c, st, context, out);
    c.snd_nxt += 1;
    st.rtt_seq = c.snd_nxt;
    st.unacked_since = tick_of(context.now);
  } else if (c.backoff != 0) {
    ++context.counters.RetransSegs;
    ++context.counters.TCPSynRetrans;
  }
  arm_retransmit(c, st, context);
}

// RFC 5681 §4.1: after an idle RTO the old window says nothing about the path any more.
inline void restart_after_idle(Connection& c, const SendState& st, const Context& context) {
  const Tick idle = tick_of(context.now) - st.last_send;
  if (idle < ticks_for(context.config.min_rto)) [[likely]]
    return;  // no RTO is shorter
  if (c.congestion.cwnd <= initial_window(c.mss)) return;
  if (idle < ticks_for(retransmission_timeout(c, context.config))) return;
  congestion_on_idle_restart(algorithm_of(c, context.config), c.congestion, c.mss);
}

// Nothing more to send now: why, and which timer will see to the rest.
void settle(Connection& c, const Context& context) {
  if (c.send == kNil || c.state == State::syn_sent || c.state == State::syn_received) return;
  SendState& st = context.stores.send[c.send];
  const std::uint32_t flight = flight_bytes(c);
  const bool fin_waits = c.has(Connection::kFinQueued) && !c.has(Connection::kFinSent);
  const bool data_wait = st.queued_bytes > flight || st.resending;
  const std::uint32_t limit = congestion_limit(c, st);
  st.cwnd_limited = data_wait && limit <= c.snd_wnd && limit < flight + c.mss;
  // A FIN alone waits for the window only.
  const bool paced = data_wait && is_paced(context.config) && departure_held(c, st, context);
  if (data_wait && has_model(c, context.config)) model_on_wait(c, st, context);
  if (flight != 0) {
    if (c.send_timer != SendTimer::persist) arm_retransmit(c, st, context);
  } else if ((data_wait || fin_waits) && c.send_timer != SendTimer::persist && !paced) {
    c.send_timer = SendTimer::persist;
    c.backoff = 0;
    c.send_deadline = deadline_after(context.now, retransmission_timeout(c, context.config));
  }
}

// Out of line, so that the usual "nothing" costs no more than finding that out.
[[gnu::noinline]] bool carry_out(Connection& c, const Context& context, SegmentOut& out) {
  if (c.send != kNil && c.snd_nxt == c.snd_una) {
    restart_after_idle(c, context.stores.send[c.send], context);
  }
  const Plan plan = make_plan(c, context);
  switch (plan.kind) {
    case Kind::none:
      settle(c, context);
      return false;
    case Kind::reset:
      fill_reset(c, context, out);
      return true;
    case Kind::syn:
      emit_syn(c, context, out);
      return true;
    case Kind::ack:
      fill_ack(c, ack_sequence(c), context, out);
      return true;
    case Kind::keepalive:
      // One before SND.NXT: not acceptable, so it must be answered (RFC 9293 §3.8.4).
      c.clear(Connection::kProbeOwed);
      ++context.counters.TCPKeepAlive;
      fill_header(c, c.snd_nxt - 1, Flags::kAck, context, out);
      return true;
    case Kind::probe:
      emit_probe(c, plan, context, out);
      return true;
    case Kind::retransmit:
      emit_retransmit(c, plan, context, out);
      return true;
    case Kind::data:
      emit_data(c, plan, context, out);
      return true;
  }
  return false;
}

// The answer to most questions: nothing is owed and all that was given has been sent. The timer
// that watches over it was armed when it went out.
[[nodiscard]] bool nothing_due(Connection& c, const Context& context) {
  if (c.acks_owed != 0 || c.has(Connection::kResetOwed | Connection::kProbeOwed)) return false;
  if (c.send == kNil) return true;
  SendState& st = context.stores.send[c.send];
  if (st.retransmit_first || st.resending) return false;
  const std::uint32_t fin = c.has(Connection::kFinQueued) ? 1 : 0;
  if (flight_bytes(c) < st.queued_bytes + fin) return false;
  st.cwnd_limited = false;
  if (c.snd_nxt == c.snd_una && !is_early(c)) {  // kept for an answer that did not come
    const Instant pace_at = st.pace_at;
    release_send_state(c, context);
    arm_idle_timer(c, context);
    if (pace_at != Instant{}) [[unlikely]]
      keep_debt(c, pace_at, context);
  }
  return true;
}

}  // namespace

bool next_segment(Connection& c, const Context& context, SegmentOut& out) {
  if (nothing_due(c, context)) return false;
  return carry_out(c, context, out);
}

bool send_whole_queue(Connection& c, const Context& context, SegmentOut& out) {
  constexpr std::uint16_t kOther =
      Connection::kResetOwed | Connection::kProbeOwed | Connection::kFinSent;
  if (c.send == kNil || c.snd_nxt != c.snd_una || c.has_receive_state()) return false;
  if (c.acks_owed > 1 || c.edge_owed != 0 || c.has(kOther)) [[unlikely]]
    return false;
  if (!is_under_way(c.state)) [[unlikely]]
    return false;
  SendState& st = context.stores.send[c.send];
  const std::uint32_t bytes = st.queued_bytes;
  const std::uint32_t fin = c.has(Connection::kFinQueued) ? 1 : 0;
  if (bytes + fin == 0 || bytes > c.mss || bytes + fin > c.snd_wnd) [[unlikely]]
    return false;
  if (st.retransmit_first || st.resending || is_paced(st)) [[unlikely]]
    return false;
  if (bytes_between(c.last_ack_sent, c.rcv_nxt) > 2U * c.mss) [[unlikely]]
    return false;  // ACKs go in steps
  restart_after_idle(c, st, context);
  if (bytes > congestion_limit(c, st)) [[unlikely]]
    return false;
  const std::byte* text = nullptr;
  if (bytes != 0) {
    const Chunk& chunk = chunk_of(st, context.stores, st.cursor_chunk);
    if (bytes > chunk.bytes - st.cursor_offset) [[unlikely]]
      return false;
    text = chunk.data + st.cursor_offset;
  }
  // First all that changes here, then what it looks like: a byte written to `out` might be one of
  // ours, for all that a compiler knows, and everything would be read again.
  const Seq seq = c.snd_nxt;
  const Seq ack = c.rcv_nxt;
  const std::uint16_t window = acknowledge_with_window(c, ack, context);
  st.cursor_offset += bytes;
  st.last_send = st.unacked_since = tick_of(context.now);
  st.cwnd_limited = false;
  ++context.counters.TCPOrigDataSent;
  log_sent(c, st, context);
  c.snd_nxt = seq + (bytes + fin);
  if (bytes < c.mss) st.short_end = c.snd_nxt;
  if (st.rtt_at == Instant{}) {
    st.rtt_at = context.now;
    st.rtt_seq = c.snd_nxt;
  }
  if (fin != 0) c.set(Connection::kFinSent);
  if (c.send_timer != SendTimer::none) [[unlikely]]
    c.backoff = 0;  // it counted for another purpose
  start_send_timer(c, st, true, context);

  const auto flags = static_cast<std::uint8_t>(Flags::kAck | (bytes != 0 ? Flags::kPsh : 0U) | fin);
  const bool timestamps = c.has(Connection::kTimestamps);
  const std::uint32_t tsval = tsval_of(c, context.now);
  const std::uint32_t tsecr = c.ts_recent;
  out.pieces[0] = std::span(text, bytes);
  out.ack = ack;
  out.window = window;
  fill_fixed(seq, flags, context, out);
  out.payload_bytes = bytes;
  out.piece_count = bytes != 0 ? 1 : 0;
  if (timestamps) {
    out.options.has = Options::kTimestamps;
    out.options.tsval = tsval;
    out.options.tsecr = tsecr;
  }
  if (c.has(Connection::kEcn)) [[unlikely]] {
    if (c.ce_seen != 0) out.flags.bits |= Flags::kEce;
    if (bytes != 0) mark_new_text(c, out);
  }
  return true;
}

bool wants_to_send(const Connection& c, const Context& context) {
  return make_plan(c, context).kind != Kind::none;
}

}  // namespace millrace::tcp
