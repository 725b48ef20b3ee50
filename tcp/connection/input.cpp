// SPDX-License-Identifier: BSD-3-Clause
//
// SEGMENT ARRIVES in the synchronized states and SYN-RECEIVED (RFC 9293 §3.10.7.4), in the RFC's
// order, each check a function. RFC 7323 §5 (PAWS) comes before the first check, RFC 5961 amends
// the second, fourth and fifth.
//
// A segment that fails a check changes counters and, where an answer is due, what is owed: nothing
// else. TS.Recent therefore moves only after the fifth check.
#include "tcp/connection/input.h"

#include "tcp/connection/ack.h"
#include "tcp/connection/ack_policy.h"
#include "tcp/connection/autotune.h"
#include "tcp/connection/calls.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/ecn.h"
#include "tcp/connection/fast_open.h"
#include "tcp/connection/handshake.h"
#include "tcp/connection/input_syn_sent.h"
#include "tcp/connection/send_queue.h"
#include "tcp/connection/text.h"
#include "tcp/connection/timestamps.h"

namespace millrace::tcp {
namespace {

// RFC 7323 §3.2, §5.3 (R1): an old timestamp, or none where they were agreed. RST is exempt.
Drop check_timestamp(Connection& c, const SegmentIn& segment, const Context& context) {
  if (!c.has(Connection::kTimestamps) || segment.flags.rst()) return Drop::none;
  if (!segment.options.has_timestamps()) return Drop::tcp_missing_timestamp;
  if (!ts_before(segment.options.tsval, c.ts_recent)) return Drop::none;
  if (ts_recent_expired(c, context.now)) return Drop::none;
  ++context.counters.PAWSEstab;
  answer_unacceptable(c, segment, context);
  return Drop::tcp_paws;
}

// A peer that has filled our window sends its ACKs from the window's right edge, SND.NXT. Table 6
// lets them in only once all it sent has come; while a part of that is lost we would be deaf to it,
// as we would not be with a window of zero (MUST-66). So an ACK alone, there and no further, is
// taken in every synchronized state.
[[nodiscard]] bool is_ack_of_full_window(const Connection& c, const SegmentIn& segment,
                                         std::uint32_t window) {
  return c.state != State::syn_received && !segment.flags.rst() &&
         segment.seq == c.rcv_nxt + window;
}

// RFC 9293 table 6. A closed window still lets ACKs, urgent data and RSTs of a segment at RCV.NXT
// through (MUST-66): its text falls to trimming.
[[nodiscard]] bool acceptable(const Connection& c, const SegmentIn& segment) {
  const std::uint32_t window = c.rcv_wnd();
  if (segment.seq == c.rcv_nxt) return true;
  if (in_window(segment.seq, c.rcv_nxt, window)) return true;
  const std::uint32_t length = segment.length();
  if (length == 0) return is_ack_of_full_window(c, segment, window);
  return in_window(segment.seq + (length - 1), c.rcv_nxt, window);
}

// A simultaneous open ends with each side's SYN-ACK (RFC 9293 §3.5, figure 8), whose sequence
// number is one before RCV.NXT. Without its SYN it is acceptable.
[[nodiscard]] bool ends_simultaneous_open(const Connection& c, const SegmentIn& segment,
                                          const Context& context) {
  constexpr std::uint8_t kMask = Flags::kSyn | Flags::kAck | Flags::kRst | Flags::kFin;
  return c.state == State::syn_received && !is_early(c) && segment.seq + 1 == c.rcv_nxt &&
         (segment.flags.bits & kMask) == (Flags::kSyn | Flags::kAck) && segment.payload.empty() &&
         at_or_after(segment.ack, c.snd_nxt) && at_or_before(segment.ack, end_of_syn(c, context));
}

// Fourth, check the SYN bit (RFC 5961 §4.2): challenged whatever its sequence number. Only where a
// SYN has opened the connection already may it come again.
Drop challenge_syn(Connection& c, const SegmentIn& segment, const Context& context) {
  if (is_early(c) && take_repeated_syn(c, segment, context)) return Drop::tcp_half_open_duplicate;
  if (owe_challenge_ack(c, context)) ++context.counters.TCPSYNChallenge;
  return Drop::tcp_syn_challenged;
}

// First, check the sequence number.
Drop check_sequence(Connection& c, const SegmentIn& segment, const Context& context) {
  if (acceptable(c, segment)) return Drop::none;
  if (segment.flags.rst()) return Drop::tcp_out_of_window;
  if (segment.flags.syn()) return challenge_syn(c, segment, context);
  const bool old = at_or_before(segment.seq + segment.length(), c.rcv_nxt);
  if (old && segment.length() != 0) ++context.counters.DelayedACKLost;
  answer_unacceptable(c, segment, context);
  return old ? Drop::tcp_duplicate : Drop::tcp_out_of_window;
}

// Second, check the RST bit (RFC 5961 §3.2): exactly at RCV.NXT, else challenged.
Drop check_reset(Connection& c, const SegmentIn& segment, const Context& context,
                 Outcome& outcome) {
  if (segment.seq != c.rcv_nxt) {
    // It began before the window, and only its text reached in: nothing a stranger need hear of.
    if (before(segment.seq, c.rcv_nxt)) return Drop::tcp_out_of_window;
    (void)owe_challenge_ack(c, context);
    return Drop::tcp_rst_challenged;
  }
  // SYN-RECEIVED after an active open: refused. One that is early was accepted before.
  const bool opening = c.state == State::syn_received && !is_early(c);
  finish(c, opening ? CloseReason::refused : CloseReason::reset, context, outcome);
  return Drop::tcp_reset;
}

// Fifth, check the ACK field, in SYN-RECEIVED.
Drop check_ack_of_syn(Connection& c, const SegmentIn& segment, const Context& context,
                      Outcome& outcome) {
  if (is_early(c)) return check_early_ack(c, segment, context, outcome);
  if (before(segment.ack, c.snd_nxt) || after(segment.ack, end_of_syn(c, context))) {
    outcome.reset_reply = true;
    outcome.reset_seq = segment.ack;
    return Drop::tcp_bad_ack;
  }
  const int scale = segment.flags.syn() ? 0 : c.peer_scale();
  syn_acknowledged(c, segment, std::uint32_t{segment.window} << scale, Emptied::release, context,
                   outcome);
  if (segment.ack != c.snd_una) syn_text_acknowledged(c, segment.ack, context, outcome);
  return Drop::none;
}

// RFC 7323 §5.3 (R3) with Last.ACK.sent (§4.3).
inline void update_ts_recent(Connection& c, const SegmentIn& segment, const Context& context) {
  if (!c.has(Connection::kTimestamps) || after(segment.seq, c.last_ack_sent)) return;
  const std::uint32_t tsval = segment.options.tsval;
  if (ts_before(tsval, c.ts_recent) && !ts_recent_expired(c, context.now)) [[unlikely]]
    return;
  c.ts_recent = tsval;
  c.ts_recent_when = ts_age_clock(context.now) & kTsAgeMask;
}

// Fifth check for an ACK of all that was sent, outside recovery. True if a waiting writer may
// write.
inline bool take_expected_ack(Connection& c, const SegmentIn& segment, Emptied emptied,
                              const Context& context) {
  update_send_window(c, segment);
  if (c.send != kNil) return all_acknowledged(c, segment, emptied, context);
  if (c.send_timer == SendTimer::keepalive) arm_idle_timer(c, context);
  return false;
}

// A FIN without text whose turn it is, with nothing unread or out of order.
[[nodiscard]] bool is_next_fin(const Connection& c, const SegmentIn& segment) {
  return may_receive(c.state) && segment.seq == c.rcv_nxt && !c.has_receive_state() &&
         c.rcv_wnd() != 0;
}

Drop input_synchronized(Connection& c, const SegmentIn& segment, const Context& context,
                        Outcome& outcome) {
  Drop drop = check_timestamp(c, segment, context);
  if (drop != Drop::none) return drop;
  const bool both_open = ends_simultaneous_open(c, segment, context);
  if (!both_open) {
    drop = check_sequence(c, segment, context);
    if (drop != Drop::none) return drop;
    if (segment.flags.rst()) return check_reset(c, segment, context, outcome);
    // Third, check security: there are no security compartments here.
    if (segment.flags.syn()) return challenge_syn(c, segment, context);
  }
  if (!segment.flags.ack()) return Drop::tcp_no_ack;
  if (c.state == State::syn_received) {
    drop = check_ack_of_syn(c, segment, context, outcome);
  } else {
    drop = check_ack(c, segment, context, outcome);
  }
  if (drop != Drop::none || outcome.closed) return drop;
  update_ts_recent(c, segment, context);
  // Sixth, check the URG bit: urgent bytes stay in line where they are (RFC 9293 §3.8.5, RFC 6093).
  if (segment.payload.empty()) {
    if (!segment.flags.fin()) return Drop::none;
    if (is_next_fin(c, segment)) {
      process_fin(c, context, outcome);
      return Drop::none;
    }
  }
  if (c.has(Connection::kEcn)) ecn_arrived(c, segment, context);
  return take_text(c, {segment.seq, segment.payload, segment.flags.fin()}, context, outcome);
}

}  // namespace

[[gnu::flatten]] bool input_expected(Connection& c, const SegmentIn& segment,
                                     const Context& context) {
  const Emptied emptied = segment.payload.empty() ? Emptied::release : Emptied::keep;
  const bool writable = take_expected_ack(c, segment, emptied, context);
  update_ts_recent(c, segment, context);
  const auto bytes = static_cast<std::uint32_t>(segment.payload.size());
  if (bytes == 0) return writable;
  c.rcv_nxt += bytes;
  if (ack_progress(c, bytes, context)) note_receive_rtt(c, segment, context);
  return writable;
}

[[gnu::flatten]] bool input_expected_end(Connection& c, const SegmentIn& segment,
                                         const Context& context) {
  const bool fin = segment.flags.fin();
  bool writable = false;
  if (c.state == State::last_ack || (c.state == State::fin_wait_1 && fin)) {
    // Nobody will ask any more how long the round trip was, or how large the window.
    c.snd_una = segment.ack;
    release_send_state(c, context);
  } else {
    // A FIN is often answered with ours.
    const Emptied emptied = c.state == State::established ? Emptied::keep : Emptied::release;
    writable = take_expected_ack(c, segment, emptied, context);
  }
  if (c.state == State::last_ack) {
    c.state = State::closed;
    c.acks_owed = 0;
    stop_timers(c);
    return false;
  }
  if (c.state == State::fin_wait_1) {
    c.state = State::fin_wait_2;
    if (!fin) arm_idle_timer(c, context);
  }
  update_ts_recent(c, segment, context);
  if (!fin) return writable;
  c.rcv_nxt += 1;
  note_fin(c, context);
  ack_progress_now(c);
  if (c.state == State::established) {
    c.state = State::close_wait;
  } else {
    c.state = State::time_wait;
    stop_timers(c);
  }
  return writable;
}

Drop on_segment(Connection& c, const SegmentIn& segment, const Context& context, Outcome& outcome) {
  switch (c.state) {
    case State::syn_sent:
      return input_syn_sent(c, segment, context, outcome);
    case State::syn_received:
    case State::established:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::close_wait:
    case State::closing:
    case State::last_ack:
      return input_synchronized(c, segment, context, outcome);
    // These belong to the endpoint: CLOSED may still hold unread bytes, TIME-WAIT its last ACK.
    case State::closed:
    case State::listen:
    case State::time_wait:
      return Drop::tcp_no_connection;
  }
  return Drop::tcp_no_connection;
}

}  // namespace millrace::tcp
