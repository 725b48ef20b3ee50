// SPDX-License-Identifier: BSD-3-Clause
//
// TIME-WAIT: entering, answering, reusing. Where RFC 6191 would let a SYN with timestamps replace a
// connection that had none whatever its sequence number, we ask for a higher sequence number: there
// is no older timestamp to compare with.
#include "tcp/endpoint/time_wait_rules.h"

#include <algorithm>

#include "tcp/connection/handshake.h"
#include "tcp/endpoint/lifecycle.h"
#include "tcp/endpoint/listen.h"

namespace millrace::tcp {
namespace {

/// True if `a` is an older timestamp than `b` (RFC 7323 §5.2).
[[nodiscard]] constexpr bool older(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) < 0;
}

/// RFC 6191 §2, RFC 9293 §3.6.1 (MAY-2).
[[nodiscard]] bool is_newer_incarnation(const TimeWaitState& s, const SegmentIn& segment) {
  const bool beyond = at_or_after(segment.seq, s.rcv_nxt);
  if (!s.has(TimeWaitState::kTimestamps) || !segment.options.has_timestamps()) return beyond;
  if (segment.options.tsval == s.ts_recent) return beyond;
  return older(s.ts_recent, segment.options.tsval);
}

[[nodiscard]] TimeWaitVerdict judge_syn(const TimeWaitState& s, const SegmentIn& segment) {
  if (segment.flags.ack()) {
    return {.drop = Drop::tcp_syn_challenged, .answer = true, .limited = true};
  }
  if (is_newer_incarnation(s, segment)) return {.reopen = true};
  return {.drop = Drop::tcp_time_wait_old, .answer = true};
}

/// False if the connection moved to a profile with another scale after its handshake. Its window
/// then reads as less than it is.
[[nodiscard]] bool scale_is_of_profile(const EndpointImpl& e, const Connection& c) {
  return c.our_scale() == our_scale(e.profile(c.profile));
}

[[nodiscard]] TimeWaitState state_of(const EndpointImpl& e, const Connection& c) {
  TimeWaitState s;
  s.snd_nxt = c.snd_nxt;
  s.rcv_nxt = c.rcv_nxt;
  s.ts_recent = c.ts_recent;
  s.window =
      static_cast<std::uint16_t>(std::min<std::uint32_t>(c.rcv_wnd() >> c.our_scale(), 0xffff));
  s.profile = c.profile;
  if (c.has(Connection::kTimestamps)) s.flags |= TimeWaitState::kTimestamps;
  if (c.has(Connection::kSack)) s.flags |= TimeWaitState::kSack;
  if (c.has(Connection::kActiveOpen)) s.flags |= TimeWaitState::kActiveOpen;
  if (c.our_scale() != 0 && scale_is_of_profile(e, c)) s.flags |= TimeWaitState::kScaled;
  return s;
}

/// Our scale follows from the profile; the entry knows only whether it was agreed on.
[[nodiscard]] int scale_of(const EndpointImpl& e, const TimeWaitState& s) {
  return s.has(TimeWaitState::kScaled) ? our_scale(e.profile(s.profile)) : 0;
}

void send_ack(EndpointImpl& e, const FourTuple& tuple, const TimeWaitState& s,
              std::uint32_t ts_offset) {
  const TcpConfig& config = e.profile(s.profile);
  Reply* const slot = e.replies.add();
  if (slot == nullptr) return;
  Reply& r = *slot;
  r.tuple = tuple;
  r.seq = s.snd_nxt;
  r.ack = s.rcv_nxt;
  r.window = s.window;
  r.flags = Flags{Flags::kAck};
  r.ttl = config.ttl;
  r.dscp = config.dscp;
  if (s.has(TimeWaitState::kTimestamps)) {
    r.options = Options::kTimestamps;
    r.tsval = timestamp_clock(e.now) + ts_offset;
    r.tsecr = s.ts_recent;
  }
}

void answer(EndpointImpl& e, std::uint64_t hash, const FourTuple& tuple, const TimeWaitState& s,
            bool limited) {
  const Duration interval = e.profile(s.profile).challenge_ack_interval;
  if (limited && !e.reply_limit.allow(hash, e.now, interval)) {
    ++e.counters.TCPACKSkippedTimeWait;
    return;
  }
  const std::uint32_t ts_offset =
      s.has(TimeWaitState::kTimestamps) ? timestamp_offset(e.config.secrets.numbers, tuple) : 0;
  send_ack(e, tuple, s, ts_offset);
}

void count(Counters& counters, Drop drop) {
  if (drop == Drop::tcp_paws) ++counters.PAWSTimewait;
}

/// Room by the operator's policy, or none.
[[nodiscard]] EntryRef insert_by_policy(EndpointImpl& e, const Connection& c,
                                        const TimeWaitState& s) {
  const auto insert = [&] {
    return c.has(Connection::kIpv6) ? e.time_wait.insert(e.tuple_of(c), s, e.now)
                                    : e.time_wait.insert_v4(c.tuple, s, e.now);
  };
  EntryRef ref = insert();
  if (ref) [[likely]]
    return ref;
  ++e.counters.TCPTimeWaitOverflow;
  if (e.config.time_wait_overflow != TimeWaitOverflow::recycle_oldest) return ref;
  // The oldest may be of the other family, so that its going makes no room yet.
  constexpr int kMaxEvictions = 8;
  for (int i = 0; i < kMaxEvictions && !ref; ++i) {
    const std::optional<TimeWaitGone> gone = e.time_wait.recycle_oldest();
    if (!gone) break;
    --e.states.of(State::time_wait);
    if ((gone->flags & TimeWaitState::kActiveOpen) != 0) e.ports.released(gone->tuple);
    ref = insert();
  }
  return ref;
}

/// The object itself keeps the tuple busy until 2MSL is over.
void hold(EndpointImpl& e, std::uint32_t index, Connection& c) {
  c.state = State::time_wait;
  c.send_timer = SendTimer::none;
  c.send_deadline = deadline_after(e.now, e.profile(c.profile).two_msl);
  e.wheel.arm(index, c.send_deadline);
  ++e.states.of(State::time_wait);
}

void reset_peer(EndpointImpl& e, const Connection& c) {
  Reply r;
  r.tuple = e.tuple_of(c);
  r.seq = c.snd_nxt;
  r.ack = c.rcv_nxt;
  r.flags = Flags{Flags::kRst | Flags::kAck};
  r.ttl = e.profile(c.profile).ttl;
  r.dscp = e.profile(c.profile).dscp;
  e.replies.push(r);
}

/// A newer SYN takes the place of the entry, if somebody listens.
Drop reopen(EndpointImpl& e, EntryRef ref, std::uint64_t hash, const FourTuple& tuple,
            const SegmentIn& segment) {
  const std::uint16_t listener = e.listeners.find(tuple.local, tuple.local_port);
  const TimeWaitState s = e.time_wait.state(ref);
  if (listener == kNoListener) {
    answer(e, hash, tuple, s, true);
    return Drop::tcp_time_wait_old;
  }
  const Drop drop = accept_syn(e, listener, hash, tuple, segment, Incarnation{ref, s.snd_nxt});
  if (drop != Drop::none) return drop;
  e.time_wait.release(ref);
  --e.states.of(State::time_wait);
  ++e.counters.TWRecycled;
  return Drop::none;
}

}  // namespace

TimeWaitVerdict judge_time_wait(const TimeWaitState& s, const SegmentIn& segment, int scale) {
  if (segment.flags.rst()) return {.drop = Drop::tcp_time_wait_rst};
  if (segment.flags.syn()) return judge_syn(s, segment);

  bool newer = false;
  if (s.has(TimeWaitState::kTimestamps)) {
    if (!segment.options.has_timestamps()) return {.drop = Drop::tcp_missing_timestamp};
    if (older(segment.options.tsval, s.ts_recent)) {
      return {.drop = Drop::tcp_paws, .answer = true, .limited = segment.length() == 0};
    }
    newer = at_or_before(segment.seq, s.rcv_nxt);
  }
  const std::uint32_t length = segment.length();
  const std::uint32_t window = std::uint32_t{s.window} << scale;
  const bool in_order = segment.seq == s.rcv_nxt || in_window(segment.seq, s.rcv_nxt, window);
  if (segment.flags.fin() && segment.flags.ack() && segment.seq + length == s.rcv_nxt &&
      at_or_before(segment.ack, s.snd_nxt)) {
    return {.answer = true, .restart = true, .newer_timestamp = newer};
  }
  if (!in_order) {
    return {.drop = Drop::tcp_time_wait_old, .answer = true, .limited = length == 0};
  }
  if (!segment.flags.ack()) return {.drop = Drop::tcp_no_ack};
  if (after(segment.ack, s.snd_nxt)) {
    return {.drop = Drop::tcp_bad_ack, .answer = true, .limited = true};
  }
  if (length != 0) return {.drop = Drop::tcp_data_after_fin};
  return {.newer_timestamp = newer};
}

void enter_time_wait(EndpointImpl& e, std::uint32_t index, Connection& c) {
  const TimeWaitState s = state_of(e, c);
  const bool owes_ack = c.acks_owed != 0;
  c.acks_owed = 0;
  if (e.profile(c.profile).two_msl == Duration::zero()) {
    ++e.counters.TimeWaitSkipped;
    if (owes_ack) send_ack(e, e.tuple_of(c), s, c.ts_offset);
    leave_network(e, index, c);
    c.state = State::closed;
    return;
  }
  const EntryRef ref = insert_by_policy(e, c, s);
  const bool is_reset = !ref && e.config.time_wait_overflow != TimeWaitOverflow::refuse;
  if (is_reset) {
    reset_peer(e, c);
    leave_network(e, index, c);
    c.state = State::closed;
    return;
  }
  if (owes_ack) send_ack(e, e.tuple_of(c), s, c.ts_offset);
  ++e.counters.TimeWaitEntered;
  if (!ref) {
    hold(e, index, c);
    return;
  }
  const bool replaced =
      e.index.replace(e.hash_of(index, c), EntryRef{EntryKind::connection, index}, ref);
  MR_CHECK(replaced);
  e.wheel.disarm(index);
  c.state = State::closed;
  ++e.states.of(State::time_wait);
}

Drop on_time_wait_segment(EndpointImpl& e, EntryRef ref, std::uint64_t hash, const FourTuple& tuple,
                          const SegmentIn& segment) {
  const TimeWaitState& s = e.time_wait.state(ref);
  const TimeWaitVerdict verdict = judge_time_wait(s, segment, scale_of(e, s));
  count(e.counters, verdict.drop);
  if (verdict.reopen) return reopen(e, ref, hash, tuple, segment);
  if (verdict.newer_timestamp) e.time_wait.set_ts_recent(ref, segment.options.tsval);
  if (verdict.restart) {
    ref = e.time_wait.restart(hash, ref, e.now);
    ++e.counters.TimeWaitRestarted;
  }
  if (verdict.answer) answer(e, hash, tuple, e.time_wait.state(ref), verdict.limited);
  return verdict.drop;
}

Drop on_held_segment(EndpointImpl& e, std::uint32_t index, Connection& c, std::uint64_t hash,
                     const FourTuple& tuple, const SegmentIn& segment) {
  const TimeWaitVerdict verdict = judge_time_wait(state_of(e, c), segment, c.our_scale());
  count(e.counters, verdict.drop);
  if (verdict.reopen) {
    // The store is full: what keeps the tuple busy is not given away either.
    answer(e, hash, tuple, state_of(e, c), true);
    return Drop::tcp_time_wait_old;
  }
  if (verdict.newer_timestamp) c.ts_recent = segment.options.tsval;
  if (verdict.restart) {
    c.send_deadline = deadline_after(e.now, e.profile(c.profile).two_msl);
    e.wheel.arm(index, c.send_deadline);
    ++e.counters.TimeWaitRestarted;
  }
  if (verdict.answer) answer(e, hash, tuple, state_of(e, c), verdict.limited);
  return verdict.drop;
}

void on_held_deadline(EndpointImpl& e, std::uint32_t index, Connection& c) {
  if (tick_before(tick_of(e.now), c.send_deadline)) {
    e.wheel.arm(index, c.send_deadline);
    return;
  }
  ++e.counters.TW;
  --e.states.of(State::time_wait);
  leave_network(e, index, c);
  c.state = State::closed;
  if (ending_of(c) == Ending::reading) ++e.states.of(State::closed);
  free_if_done(e, index, c);
}

bool may_reuse(const EndpointImpl& e, EntryRef ref) {
  switch (e.config.time_wait_reuse) {
    case TimeWaitReuse::none:
      return false;
    case TimeWaitReuse::timestamp:
      return e.time_wait.state(ref).has(TimeWaitState::kTimestamps) &&
             e.time_wait.age(ref, e.now) >= 1s;
    case TimeWaitReuse::sequence:
    case TimeWaitReuse::immediate:
      return true;
  }
  return false;
}

}  // namespace millrace::tcp
