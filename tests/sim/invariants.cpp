// SPDX-License-Identifier: BSD-3-Clause
//
// Checks are against the state after an iteration, when what was due has been sent, unless buffers
// or the port held it back: such a connection is still in the dirty list.
#include "tests/sim/invariants.h"

#include <algorithm>
#include <array>

#include "tcp/connection/pacing.h"
#include "tcp/connection/path_model.h"
#include "tcp/connection/reassembly.h"
#include "tcp/connection/send_queue.h"
#include "tcp/connection/timers.h"

namespace millrace::sim {
namespace {

using tcp::Connection;
using tcp::SendTimer;
using tcp::Seq;
using tcp::State;

constexpr std::uint32_t bit(State s) { return 1U << static_cast<unsigned>(s); }

/// Where a connection can be after any number of RFC 9293 §3.3.2 edges, itself included.
constexpr std::uint32_t reachable(State s) {
  constexpr std::uint32_t over = bit(State::closed) | bit(State::time_wait);
  switch (s) {
    case State::closed:
      return bit(State::closed);
    case State::listen:
      return bit(State::listen);
    case State::syn_sent:
      return bit(State::syn_sent) | reachable(State::syn_received);
    case State::syn_received:
      return bit(State::syn_received) | reachable(State::established);
    case State::established:
      return bit(State::established) | bit(State::fin_wait_1) | bit(State::fin_wait_2) |
             bit(State::closing) | bit(State::close_wait) | bit(State::last_ack) | over;
    case State::fin_wait_1:
      return bit(State::fin_wait_1) | bit(State::fin_wait_2) | bit(State::closing) | over;
    case State::fin_wait_2:
      return bit(State::fin_wait_2) | over;
    case State::closing:
      return bit(State::closing) | over;
    case State::close_wait:
      return bit(State::close_wait) | bit(State::last_ack) | bit(State::closed);
    case State::last_ack:
      return bit(State::last_ack) | bit(State::closed);
    case State::time_wait:
      return over;
  }
  return 0;
}

bool is_synchronized(State s) {
  return s != State::closed && s != State::listen && s != State::syn_sent &&
         s != State::syn_received;
}

std::string number(std::uint64_t n) { return std::to_string(n); }

}  // namespace

std::string Invariants::check(Instant now) {
  paused_ = now - looked_ > kPause;
  looked_ = now;
  if (seen_.size() < impl_.connections.touched()) seen_.resize(impl_.connections.touched());
  for (std::uint32_t i = 0; i < impl_.connections.touched(); ++i) {
    const Connection& c = impl_.connections[i];
    const bool over = c.generation == 0 || tcp::is_over(c);
    if (seen_[i].state != State::closed && (over || seen_[i].generation != c.generation)) {
      watch_.has_ended(seen_[i].tuple, now);
    }
    if (over) {
      seen_[i].state = State::closed;
      continue;
    }
    std::string wrong = check_connection(c, seen_[i], i, now);
    if (!wrong.empty()) {
      return "connection in slot " + number(i) + ", " + std::string(name_of(c.state)) + ": " +
             wrong;
    }
  }
  if (std::string wrong = watch_.check(now); !wrong.empty()) return wrong;
  return check_counts();
}

std::string Invariants::check_connection(const Connection& c, Seen& seen, std::uint32_t index,
                                         Instant now) {
  if (seen.generation != c.generation) {
    seen = {};
    seen.generation = c.generation;
    seen.state = c.state;
    seen.tuple = impl_.tuple_of(c);
    if (impl_.resolve({index, 0}) != nullptr) return "8: generation 0 resolves";
  } else if ((reachable(seen.state) & bit(c.state)) == 0) {
    return "7: came from " + std::string(name_of(seen.state));
  }
  const std::uint64_t hash = impl_.hasher(impl_.tuple_of(c));
  const auto ref = impl_.index.find(
      hash, [&](tcp::EntryRef r) { return r == tcp::EntryRef(tcp::EntryKind::connection, index); });
  if (!ref.exists()) return "8: not in the index";
  std::string wrong;
  if (is_synchronized(c.state)) {
    wrong = check_sequences(c, seen);
    if (wrong.empty()) wrong = check_congestion(c, seen);
    if (wrong.empty()) wrong = check_loss(c, seen);
    if (wrong.empty()) wrong = check_scoreboard(c, now);
    if (wrong.empty()) wrong = check_model(c, now);
    if (wrong.empty()) wrong = check_reassembly(c);
  }
  if (wrong.empty()) wrong = check_send_queue(c);
  if (wrong.empty()) wrong = check_timers(c, seen, now);
  seen.state = c.state;
  seen.synchronized = is_synchronized(c.state);
  seen.snd_una = c.snd_una;
  seen.snd_nxt = c.snd_nxt;
  seen.rcv_nxt = c.rcv_nxt;
  seen.rcv_adv = c.rcv_adv;
  seen.allowance = c.congestion.cwnd;
  seen.phase = phase_of(c);
  seen.held_back = c.has(Connection::kDirty);
  seen.recovering = c.send != kNil && impl_.stores.send[c.send].in_recovery;
  if (c.send != kNil) {
    const std::int64_t with = std::int64_t{c.congestion.cwnd} + impl_.stores.send[c.send].inflation;
    seen.allowance = static_cast<std::uint32_t>(std::max<std::int64_t>(with, seen.allowance));
  }
  return wrong;
}

std::string Invariants::check_sequences(const Connection& c, Seen& seen) const {
  const Seq edge = c.snd_una + c.snd_wnd;
  seen.right_edge = seen.synchronized ? tcp::later_of(seen.right_edge, edge) : edge;
  if (after(c.snd_una, c.snd_nxt)) return "1: SND.UNA beyond SND.NXT";
  // Between two looks a window may have been offered, used and taken back (seeds 9107, 1844, with
  // nothing to say when looked at always); every frame is held against windows in W7 all the same.
  if (every_ && after(c.snd_nxt, seen.right_edge + 2)) {
    return "1, 4: SND.NXT " + number(tcp::bytes_between(seen.right_edge, c.snd_nxt)) +
           " beyond every window offered";
  }
  if (before(c.rcv_adv, c.rcv_nxt) && !c.has(Connection::kFinReceived)) {
    return "2: RCV.NXT beyond the advertised edge";
  }
  if (!seen.synchronized) return {};
  if (before(c.snd_una, seen.snd_una)) return "1: SND.UNA went back";
  if (before(c.snd_nxt, seen.snd_nxt)) return "1: SND.NXT went back";
  if (before(c.rcv_nxt, seen.rcv_nxt)) return "2: RCV.NXT went back";
  if (before(c.rcv_adv, seen.rcv_adv)) return "2: the advertised edge went back";
  return {};
}

/// The cursor stands where the next byte to go out lies: at the end of a chunk or at the start of
/// the next, which is the same.
bool Invariants::cursor_is_right(const Connection& c, const tcp::SendState& s) const {
  const Seq next = s.resending ? s.resend_next : c.snd_nxt;
  const std::uint64_t expected =
      std::min(tcp::bytes_between(c.snd_una, next), s.queued_bytes) + std::uint64_t{s.head_offset};
  std::uint64_t before = 0;
  for (std::uint32_t i = s.chunk_head; i != kNil; i = tcp::chunk_of(s, impl_.stores, i).next) {
    if (i == s.cursor_chunk) return before + s.cursor_offset == expected;
    before += tcp::chunk_of(s, impl_.stores, i).bytes;
  }
  return false;
}

std::string Invariants::check_send_queue(const Connection& c) const {
  const std::uint32_t flight = tcp::bytes_between(c.snd_una, c.snd_nxt);
  if (c.send == kNil) {
    return flight == 0 ? std::string() : "6: " + number(flight) + " in flight and no send state";
  }
  const tcp::SendState& s = impl_.stores.send[c.send];
  std::uint64_t chained = 0;
  for (std::uint32_t i = s.chunk_head; i != kNil; i = tcp::chunk_of(s, impl_.stores, i).next) {
    chained += tcp::chunk_of(s, impl_.stores, i).bytes;
    if (chained > (std::uint64_t{1} << 32)) return "6: the send queue is a circle";
  }
  if (chained != std::uint64_t{s.queued_bytes} + s.head_offset) {
    return "6: chunks hold " + number(chained) + " bytes, the queue says " +
           number(s.queued_bytes) + " after " + number(s.head_offset);
  }
  if (is_synchronized(c.state) && s.chunk_head != kNil && !cursor_is_right(c, s))
    return "6: the cursor is astray";
  const bool syn = c.state == State::syn_sent || c.state == State::syn_received;
  const std::uint32_t control = (syn ? 1U : 0U) + (c.has(Connection::kFinSent) ? 1U : 0U);
  if (flight > s.queued_bytes + control) {
    return "6: " + number(flight) + " in flight of " + number(s.queued_bytes) + " queued";
  }
  return {};
}

std::string Invariants::check_congestion(const Connection& c, const Seen& seen) const {
  if (c.mss == 0) return "15: MSS is 0";
  if (c.congestion.cwnd < c.mss) {
    return "15: cwnd " + number(c.congestion.cwnd) + " below one MSS of " + number(c.mss);
  }
  const Duration rto = tcp::retransmission_timeout(c, config_);
  if (rto < config_.min_rto || rto > config_.max_rto) {
    return "15: RTO of " + number(to_us(rto)) + " us";
  }
  // A probe and a FIN may go beyond; limited transmit is two segments.
  if (!every_ || !seen.synchronized || !before(seen.snd_nxt, c.snd_nxt)) return {};
  std::int64_t allowance = c.congestion.cwnd;
  if (c.send != kNil) allowance += std::max(impl_.stores.send[c.send].inflation, 0);
  allowance = std::max<std::int64_t>(allowance, seen.allowance) + 3 * std::int64_t{c.mss};
  const std::uint32_t flight = tcp::bytes_between(c.snd_una, c.snd_nxt);
  const std::uint32_t fresh = tcp::bytes_between(seen.snd_nxt, c.snd_nxt);
  // A probe of the tail may carry a segment of new text, whatever cwnd says (RFC 8985 §7.3).
  const bool probe = fresh <= c.mss && probes_with_new_text(c);
  // After a pause a worker hears and sends several times before one looks, and lets its timers fire
  // last: what a window inflated by duplicates let go may have been followed by what ended that.
  const bool recovering =
      seen.recovering || (c.send != kNil && impl_.stores.send[c.send].in_recovery);
  const bool unseen = paused_ && (recovering || gone_back(c));
  if (flight > allowance && fresh > 1 && !probe && !unseen) {  // a FIN alone is no burden
    return "4: " + number(flight) + " in flight, " + number(fresh) + " of them new, with cwnd " +
           number(c.congestion.cwnd) + " and MSS " + number(c.mss);
  }
  return {};
}

/// The retransmission timer has taken all that is in flight for lost.
bool Invariants::gone_back(const Connection& c) const {
  if (c.send == kNil) return false;
  return impl_.stores.send[c.send].resending || phase_of(c) == tcp::LossPhase::loss;
}

/// RFC 5681 §3.2, RFC 9438 §4.6: where loss was found the window is half of what was in flight, or
/// seven tenths.
std::string Invariants::check_loss(const Connection& c, const Seen& seen) const {
  if (!every_ || c.send == kNil || !seen.synchronized || c.snd_una != seen.snd_una) return {};
  const tcp::SendState& s = impl_.stores.send[c.send];
  const bool entered =
      phase_of(c) == tcp::LossPhase::recovery && seen.phase == tcp::LossPhase::open;
  if ((!s.in_recovery || seen.recovering) && !entered) return {};
  // A model of the path is not cut by a loss: what binds it is check_model()'s (draft §5.5.10).
  if (tcp::has_model(c, config_)) return {};
  const std::uint32_t flight = tcp::bytes_between(c.snd_una, c.snd_nxt);
  const bool cubic = algorithm_of(c, config_) == tcp::CongestionAlgorithm::cubic;
  const std::uint64_t share = cubic ? std::uint64_t{flight} * 7 / 10 : flight / 2;
  const std::uint64_t most = std::max<std::uint64_t>(share, 2U * c.mss);
  // PRR comes down to SSTHRESH step by step.
  if ((c.congestion.cwnd > most && !entered) || c.congestion.ssthresh > most) {
    return "15: cwnd " + number(c.congestion.cwnd) + " after a loss with " + number(flight) +
           " in flight";
  }
  return s.dup_acks < 3 && !entered ? "15: loss without three duplicates" : "";
}

/// Ranges are sorted, apart from each other, between RCV.NXT and the edge, and each has its pages.
std::string Invariants::check_reassembly(const Connection& c) const {
  if (!c.has_receive_state() || impl_.stores.receive[c.receive].reassembly == kNil) return {};
  const tcp::ReceiveState& r = impl_.stores.receive[c.receive];
  const auto* q =
      reinterpret_cast<const tcp::Reassembly*>(impl_.stores.blocks[r.reassembly].bytes.data());
  if (q->range_count == 0) return "5: an empty reassembly that is kept";
  if (q->range_count > tcp::kMaxRanges) return "5: too much";
  Seq free_from = c.rcv_nxt + 1;
  for (std::uint32_t i = 0; i < q->range_count; ++i) {
    const auto [left, right] = q->ranges[i];
    if (before(left, free_from)) return "5: ranges that touch, or out of order";
    if (!before(left, right)) return "5: an empty range";
    free_from = right + 1;
  }
  if (after(free_from - 1, c.rcv_adv)) return "5: a range beyond the window";
  if (q->page_count > c.rcv_wnd() / tcp::kBlockBytes + 2)
    return "5: more pages than the window has";
  std::uint32_t used = 0;
  for (const tcp::Reassembly::Table& t : q->tables) used += t.block != kNil ? t.used : 0U;
  return used == q->page_count ? "" : "5: tables that hold other pages";
}

std::string Invariants::check_timers(const Connection& c, const Seen& seen, Instant now) const {
  const auto deadline = tcp::earliest_deadline(c);
  // One that still has something to send gets its timer when it has sent.
  const bool held_back = c.has(Connection::kDirty);
  if (deadline && !held_back) {
    if (c.timer.place == kNil) return "10: a deadline and no timer in the wheel";
    // One that has passed is filed under the next tick.
    if (tick_before(*deadline, c.timer.filed) && c.timer.filed != impl_.wheel.base()) {
      return "10: filed " + number(c.timer.filed - *deadline) +
             " ticks after its deadline, of kind " + number(static_cast<unsigned>(c.send_timer)) +
             ", flags " + number(c.flags);
    }
    const Tick late = tick_of(now) - *deadline;
    const bool about_to_fire = c.timer.filed == impl_.wheel.base();
    // Filed a moment ago, with a deadline from before a full ring let it send: next in turn.
    const bool just_filed = seen.held_back;
    if (tick_before(*deadline, tick_of(now)) && late > ticks_for(10ms) && !about_to_fire &&
        !just_filed) {
      return "10: a timer " + number(late) + " ticks late";
    }
  }
  if (held_back) return {};
  bool needs = c.snd_una != c.snd_nxt;
  switch (c.state) {
    case State::syn_sent:
    case State::syn_received:
    case State::fin_wait_1:
    case State::closing:
    case State::last_ack:
      needs = true;
      break;
    case State::fin_wait_2:
      needs = c.has(Connection::kOwnerGone);
      break;
    case State::closed:
    case State::listen:
    case State::established:
    case State::close_wait:
    case State::time_wait:
      break;
  }
  if (std::string wrong = check_departure(c, now); !wrong.empty()) return wrong;
  // With nothing in flight, what waits for its time is woken by that.
  if (c.snd_una == c.snd_nxt && departure_of(c)) return {};
  if (needs && c.send_timer == SendTimer::none) return "9: nothing will ever wake it";
  return {};
}

/// When what pacing holds back may go: a time that may have passed, in the tick that follows it.
std::optional<Tick> Invariants::departure_of(const Connection& c) const {
  if (!tcp::is_paced(config_) || c.send == kNil || !is_synchronized(c.state)) return {};
  tcp::Counters unused;
  const Instant before = impl_.now - kTick;
  return departure_deadline(c, {config_, const_cast<tcp::Stores&>(impl_.stores), unused, before});
}

/// What pacing holds back has a place in the wheel at its time, and that is not far.
std::string Invariants::check_departure(const Connection& c, Instant now) const {
  const std::optional<Tick> at = departure_of(c);
  if (!at || impl_.stores.send[c.send].pace_at <= impl_.now) return {};
  if (impl_.stores.send[c.send].pace_at > now + 5s) return "10: a departure far away";
  if (c.timer.place == kNil) return "10: held back, and no timer in the wheel";
  if (tick_before(*at, c.timer.filed) && c.timer.filed != impl_.wheel.base()) {
    return "10: held back, and filed " + number(c.timer.filed - *at) + " ticks too late";
  }
  return {};
}

/// What the pool of connections holds, by what the other parts of the endpoint should say of it.
Invariants::Census Invariants::count_connections() const {
  Census n;
  for (std::uint32_t i = 0; i < impl_.connections.touched(); ++i) {
    const Connection& c = impl_.connections[i];
    // Objects that are over keep the wheel only where the TIME-WAIT store was full.
    if (c.timer.place != kNil) ++n.filed;
    const bool held = c.state == State::time_wait && c.timer.place != kNil;
    const bool live = c.generation != 0 && !tcp::is_over(c);
    if (!held && !live) continue;
    ++n.indexed;
    ++n.in_state[static_cast<std::size_t>(c.state)];
  }
  return n;
}

std::string Invariants::check_counts() const {
  Census n = count_connections();
  if (n.filed != impl_.wheel.armed()) {
    return "10: " + number(impl_.wheel.armed()) + " timers in the wheel, " + number(n.filed) +
           " connections filed";
  }
  n.in_state[static_cast<std::size_t>(State::time_wait)] += impl_.time_wait.size();
  for (const State s : {State::syn_sent, State::established, State::fin_wait_1, State::fin_wait_2,
                        State::close_wait, State::closing, State::last_ack, State::time_wait}) {
    if (n.in_state[static_cast<std::size_t>(s)] != impl_.states.of(s)) {
      return "12: " + number(n.in_state[static_cast<std::size_t>(s)]) + " are " +
             std::string(name_of(s)) + ", the count says " + number(impl_.states.of(s));
    }
  }
  for (std::uint16_t l = 0; l < impl_.listeners.open_count(); ++l) {
    if (impl_.half_open.size_of(l) > impl_.listeners[l].backlog) return "12: more than the backlog";
  }
  const std::uint64_t entries = n.indexed + impl_.half_open.size() + impl_.time_wait.size();
  if (impl_.index.size() != entries) {
    return "8: " + number(impl_.index.size()) + " entries in the index for " + number(entries);
  }
  return {};
}

std::string Invariants::check_empty() const {
  const tcp::Stores& s = impl_.stores;
  const auto left = [](const char* what, std::uint64_t n) {
    return "12: " + number(n) + " left of " + what;
  };
  if (impl_.connections.live() != 0) return left("connections", impl_.connections.live());
  if (s.send.live() != 0) return left("send states", s.send.live());
  if (s.receive.live() != 0) return left("receive states", s.receive.live());
  if (s.chunks.live() != 0) return left("chunks", s.chunks.live());
  if (s.blocks.live() != 0) return left("blocks", s.blocks.live());
  if (s.logs.live() != 0) return left("send logs", s.logs.live());
  if (s.loss.live() != 0) return left("loss states", s.loss.live());
  if (s.models.live() != 0) return left("models of paths", s.models.live());
  if (s.rate_logs.live() != 0) return left("rate logs", s.rate_logs.live());
  if (s.pairs.live() != 0) return left("IPv6 address pairs", s.pairs.live());
  if (impl_.half_open.size() != 0) return left("half-open entries", impl_.half_open.size());
  if (impl_.time_wait.size() != 0) return left("TIME-WAIT entries", impl_.time_wait.size());
  if (impl_.index.size() != 0) return left("index entries", impl_.index.size());
  if (impl_.wheel.armed() != 0) return left("armed timers", impl_.wheel.armed());
  return {};
}

}  // namespace millrace::sim
