// SPDX-License-Identifier: BSD-3-Clause
//
// SEGMENT ARRIVES as tables: one row for each state, one function for each of the eight checks of
// RFC 9293 §3.10.7.4, in their order, with RFC 7323 §5.3 (R1 to R3) before and behind the first.
#include "tests/conformance/oracle/oracle.h"

#include <algorithm>

#include "tests/conformance/oracle/choices.h"

namespace millrace::oracle {
namespace {

// ---- sequence numbers (RFC 9293 §3.4)

[[nodiscard]] std::int32_t ahead(std::uint32_t from, std::uint32_t to) {
  return static_cast<std::int32_t>(to - from);
}
[[nodiscard]] bool less(std::uint32_t a, std::uint32_t b) { return ahead(a, b) > 0; }
[[nodiscard]] bool at_most(std::uint32_t a, std::uint32_t b) { return ahead(a, b) >= 0; }

// ---- the table of states

enum class OnRst : std::uint8_t { back, reset, finished, ignore };
enum class OnSyn : std::uint8_t { back, challenge };
enum class OnAck : std::uint8_t { opens, slides, closes_to_fw2, closes_to_tw, closes, is_old };
enum class OnText : std::uint8_t { take, ignore };

struct Row {
  State state;
  OnRst rst;        // second check
  OnSyn syn;        // fourth check
  OnAck ack;        // fifth check
  OnText text;      // sixth and seventh check
  State after_fin;  // eighth check
};

// RFC 9293 §3.10.7.4, read column by column. FIN-WAIT-1 with its FIN acknowledged has become
// FIN-WAIT-2 by the fifth check, so that the eighth finds the row below.
constexpr Row kRows[] = {
    {State::syn_received, OnRst::back, OnSyn::back, OnAck::opens, OnText::take, State::close_wait},
    {State::established, OnRst::reset, OnSyn::challenge, OnAck::slides, OnText::take,
     State::close_wait},
    {State::fin_wait_1, OnRst::reset, OnSyn::challenge, OnAck::closes_to_fw2, OnText::take,
     State::closing},
    {State::fin_wait_2, OnRst::reset, OnSyn::challenge, OnAck::slides, OnText::take,
     State::time_wait},
    {State::close_wait, OnRst::reset, OnSyn::challenge, OnAck::slides, OnText::ignore,
     State::close_wait},
    {State::closing, OnRst::finished, OnSyn::challenge, OnAck::closes_to_tw, OnText::ignore,
     State::closing},
    {State::last_ack, OnRst::finished, OnSyn::challenge, OnAck::closes, OnText::ignore,
     State::last_ack},
    {State::time_wait, OnRst::ignore, OnSyn::challenge, OnAck::is_old, OnText::ignore,
     State::time_wait},
};

[[nodiscard]] const Row& row_of(State s) {
  return *std::find_if(std::begin(kRows), std::end(kRows),
                       [s](const Row& r) { return r.state == s; });
}

// ---- one arrival

class Arrival {
 public:
  Arrival(const Tcb& tcb, const Segment& segment, std::uint32_t fresh_iss)
      : t_(tcb), s_(segment), fresh_iss_(fresh_iss) {
    ack_later_ = t_.state >= State::syn_received && t_.rcv_nxt != t_.last_ack_sent;
  }

  Verdict run() {
    switch (t_.state) {
      case State::closed:
        in_closed();
        break;
      case State::listen:
        in_listen();
        break;
      case State::syn_sent:
        in_syn_sent();
        break;
      default:
        in_others();
        break;
    }
    return finish();
  }

 private:
  enum class Next : bool { stop, go_on };
  using Step = Next (Arrival::*)();

  // §3.10.7.1
  void in_closed() {
    if (s_.has(kRst)) return drop(Why::closed_rst);
    reset_reply();
    drop(Why::closed);
  }

  // §3.10.7.2
  void in_listen() {
    if (s_.has(kRst)) return drop(Why::closed_rst);
    if (s_.has(kAck)) {
      reset_reply();
      return drop(Why::listen_ack);
    }
    if (!s_.has(kSyn)) return drop(Why::listen_no_syn);
    open_passively();
  }

  void open_passively() {
    if (s_.text != 0 || s_.has(kFin)) take(Choice::syn_only);
    t_ = Tcb{.state = State::syn_received,
             .passive = true,
             .timestamps = s_.timestamp,
             .rcv_shift = t_.rcv_shift,
             .iss = fresh_iss_,
             .snd_una = fresh_iss_,
             .snd_nxt = fresh_iss_ + 1,
             .irs = s_.seq,
             .rcv_nxt = s_.seq + 1,
             .rcv_wnd = t_.fresh_wnd,
             .ts_recent = s_.timestamp ? s_.tsval : 0};
    send_syn_ack();
  }

  // §3.10.7.3
  void in_syn_sent() {
    if (s_.has(kAck) && (at_most(s_.ack, t_.iss) || less(t_.snd_nxt, s_.ack))) {
      if (!s_.has(kRst)) reset_reply();
      return drop(Why::syn_sent_bad_ack);
    }
    if (s_.has(kRst)) {
      if (!s_.has(kAck)) return drop(Why::syn_sent_bad_ack);
      return end(kTellRefused, Why::reset);
    }
    if (!s_.has(kSyn)) return drop(Why::syn_sent_no_syn);
    t_.irs = s_.seq;
    t_.rcv_nxt = s_.seq + 1;
    t_.snd_wnd = s_.window;  // RFC 7323 §2.2: the window of a SYN is never scaled
    t_.max_snd_wnd = s_.window;
    t_.snd_wl1 = s_.seq;
    t_.timestamps = t_.timestamps && s_.timestamp;
    t_.ts_recent = t_.timestamps ? s_.tsval : 0;
    t_.last_ack_sent = t_.rcv_nxt;
    if (!s_.has(kAck)) {
      if (s_.length() != 1) {
        take(Choice::syn_only);
        drop(Why::window_closed);
      }
      t_.state = State::syn_received;
      send_syn_ack();
      return;
    }
    t_.snd_una = s_.ack;
    t_.snd_wl2 = s_.ack;
    t_.state = State::established;
    v_.told |= kTellOpen;
    ack_now_ = true;
    ++s_.seq;  // its text follows the SYN
    s_.flags &= ~kSyn;
    walk({&Arrival::seventh_text, &Arrival::eighth_fin});
  }

  // §3.10.7.4
  void in_others() {
    if (t_.state == State::time_wait) return in_time_wait();
    // The SYN that made a passive SYN-RECEIVED, again: so is its SYN,ACK.
    if (t_.state == State::syn_received && t_.passive && s_.seq == t_.irs &&
        (s_.flags & (kSyn | kAck | kRst)) == kSyn) {
      take(Choice::syn_repeated);
      send_syn_ack();
      return drop(Why::syn_repeated);
    }
    walk({&Arrival::timestamp_present, &Arrival::first_paws, &Arrival::first_sequence,
          &Arrival::second_rst, &Arrival::offer_timestamp, &Arrival::fourth_syn,
          &Arrival::fifth_ack, &Arrival::seventh_text, &Arrival::eighth_fin});
  }

  // TIME-WAIT remembers less (§3.6.1): resets are ignored (RFC 1337), a SYN may begin anew (RFC
  // 6191), the peer's FIN is acknowledged again; the rest goes through the checks of all states.
  void in_time_wait() {
    if (s_.has(kRst)) {
      take(Choice::rst_1337);
      return drop(Why::time_wait_rst);
    }
    if (s_.has(kSyn)) {
      if (!s_.has(kAck) && begins_anew()) return open_passively();
      ack_now_ = true;
      return drop(s_.has(kAck) ? Why::syn_challenged : Why::time_wait_old);
    }
    const bool fin_again =
        s_.has(kFin | kAck) && s_.seq + s_.length() == t_.rcv_nxt && at_most(s_.ack, t_.snd_nxt);
    if (fin_again && timestamp_is_good()) {
      ack_now_ = two_msl_anew_ = true;  // §3.10.7.4 fifth: the one thing that can arrive
      if (t_.timestamps) t_.ts_recent = s_.tsval;
      return;
    }
    walk({&Arrival::timestamp_present, &Arrival::first_paws, &Arrival::time_wait_sequence,
          &Arrival::time_wait_beyond, &Arrival::offer_timestamp, &Arrival::fifth_ack,
          &Arrival::seventh_text});
  }
  [[nodiscard]] bool timestamp_is_good() const {
    return !t_.timestamps || (s_.timestamp && !less(s_.tsval, t_.ts_recent));
  }
  // RFC 6191 §2.
  [[nodiscard]] bool begins_anew() {
    const bool beyond = at_most(t_.rcv_nxt, s_.seq);  // the last one seen was RCV.NXT-1
    if (t_.timestamps && s_.timestamp) {
      return less(t_.ts_recent, s_.tsval) || (t_.ts_recent == s_.tsval && beyond);
    }
    if (!t_.timestamps && s_.timestamp && !beyond) take(Choice::anew_by_sequence);
    return beyond;
  }
  Next time_wait_sequence() {
    if (s_.seq == t_.rcv_nxt || inside(s_.seq)) return Next::go_on;
    if (acceptable()) take(Choice::time_wait_begin);
    ack_now_ = true;
    return stop(Why::time_wait_old);
  }
  // What claims to lie beyond the peer's FIN is ignored before it is looked at.
  Next time_wait_beyond() {
    if (s_.length() == 0 || !s_.has(kAck) || less(t_.snd_nxt, s_.ack)) return Next::go_on;
    take(Choice::time_wait_beyond);
    return stop(Why::data_after_fin);
  }

  void walk(std::initializer_list<Step> steps) {
    for (const Step step : steps) {
      if ((this->*step)() == Next::stop) return;
    }
  }

  // RFC 7323 §3.2: a segment that is no reset and lacks what was agreed on is silently dropped.
  Next timestamp_present() {
    if (!t_.timestamps || s_.timestamp || s_.has(kRst)) return Next::go_on;
    return stop(Why::timestamp_missing);
  }

  // RFC 7323 §5.3 R1; resets are exempt (§5.2).
  Next first_paws() {
    if (!t_.timestamps || s_.has(kRst) || !less(s_.tsval, t_.ts_recent)) return Next::go_on;
    ack_now_ = true;
    return stop(Why::timestamp_old);
  }

  // RFC 9293 table 6.
  [[nodiscard]] bool inside(std::uint32_t seq) const { return seq - t_.rcv_nxt < t_.rcv_wnd; }
  [[nodiscard]] bool acceptable() const {
    const std::uint32_t length = s_.length();
    if (length == 0) return t_.rcv_wnd == 0 ? s_.seq == t_.rcv_nxt : inside(s_.seq);
    if (t_.rcv_wnd == 0) return false;
    return inside(s_.seq) || inside(s_.seq + length - 1);
  }
  [[nodiscard]] Why why_not_acceptable() const {
    const std::uint32_t length = s_.length();
    if (s_.has(kRst)) return Why::not_acceptable;
    const bool synchronized = t_.state != State::syn_received || !t_.passive;
    if (s_.has(kSyn) && synchronized) return Why::syn_challenged;  // RFC 5961 §4.2: wherever it is
    if (synchronized && less(s_.seq, t_.rcv_nxt) && at_most(s_.seq + length, t_.rcv_nxt))
      return Why::duplicate;
    return Why::not_acceptable;
  }

  // The SYN,ACK of a simultaneous open (§3.5 figure 7): it begins at IRS, before the window.
  [[nodiscard]] bool is_crossed_syn_ack() {
    if (t_.state != State::syn_received || t_.passive || s_.seq != t_.irs) return false;
    if (!s_.has(kSyn | kAck) || s_.has(kRst) || s_.length() != 1 || !opens()) return false;
    take(Choice::crossed_syn_ack);
    ++s_.seq;
    s_.flags &= ~kSyn;
    return true;
  }

  Next first_sequence() {
    if (acceptable()) return Next::go_on;
    if (is_crossed_syn_ack()) return Next::go_on;
    if (t_.rcv_wnd == 0 && s_.seq == t_.rcv_nxt) {
      take(Choice::zero_window_allowance);
      return Next::go_on;
    }
    const bool one_of_six = t_.state != State::syn_received && t_.state != State::time_wait;
    if (one_of_six && !s_.has(kRst) && s_.length() == 0 && s_.seq == t_.rcv_nxt + t_.rcv_wnd) {
      take(Choice::ack_at_right_edge);
      return Next::go_on;
    }
    if (!s_.has(kRst)) ack_now_ = true;
    return stop(why_not_acceptable());
  }

  // RFC 5961 §3.2, then the column of the table.
  Next second_rst() {
    if (!s_.has(kRst)) return Next::go_on;
    const Row& row = row_of(t_.state);
    if (s_.seq != t_.rcv_nxt) {
      if (!inside(s_.seq)) return stop(Why::not_acceptable);
      ack_now_ = true;
      return stop(Why::rst_challenged);
    }
    end(row.rst == OnRst::back ? (t_.passive ? 0 : kTellRefused) : kTellReset, Why::reset);
    if (row.rst == OnRst::back && t_.passive) t_.state = State::listen;
    return Next::stop;
  }

  // RFC 7323 §5.3 R3; a reset changes nothing (§5.2). Remembered once the ACK has been accepted.
  Next offer_timestamp() {
    offered_ = t_.timestamps && s_.tsval != t_.ts_recent && at_most(s_.seq, t_.last_ack_sent);
    return Next::go_on;
  }
  void remember_timestamp() {
    if (offered_) t_.ts_recent = s_.tsval;
    offered_ = false;
  }

  // RFC 5961 §4.2; RFC 9293: a passive SYN-RECEIVED goes back to LISTEN.
  Next fourth_syn() {
    if (!s_.has(kSyn)) return Next::go_on;
    if (row_of(t_.state).syn == OnSyn::back && t_.passive) take(Choice::syn_received_stays);
    ack_now_ = true;
    return stop(Why::syn_challenged);
  }

  [[nodiscard]] bool opens() const {
    return less(t_.snd_una, s_.ack) && at_most(s_.ack, t_.snd_nxt);
  }

  Next fifth_ack() {
    if (!s_.has(kAck)) return stop(Why::no_ack);
    const OnAck what = row_of(t_.state).ack;
    if (what == OnAck::opens && !opens()) {
      take(Choice::syn_received_resets);
      reset_reply();
      return stop(Why::bad_ack);
    }
    // RFC 5961 §5.2
    const bool too_old = less(s_.ack, t_.snd_una - t_.max_snd_wnd);
    if (too_old && what == OnAck::is_old) take(Choice::time_wait_old_ack);
    if (less(t_.snd_nxt, s_.ack) || (too_old && what != OnAck::is_old)) {
      ack_now_ = true;
      return stop(Why::bad_ack);
    }
    if (what == OnAck::opens) {
      t_.state = State::established;
      v_.told |= kTellOpen;
      t_.snd_wl1 = s_.seq - 1;  // so that the window below is taken
    }
    remember_timestamp();
    slide();
    return close(what);
  }

  void slide() {
    const bool is_new = less(t_.snd_una, s_.ack);
    if (is_new) t_.snd_una = s_.ack;
    if (less(s_.ack, t_.snd_una)) return;
    if (!less(t_.snd_wl1, s_.seq) && !(t_.snd_wl1 == s_.seq && at_most(t_.snd_wl2, s_.ack))) {
      if (!is_new) return;
      take(Choice::window_of_new_ack);
    }
    t_.snd_wnd = std::uint32_t{s_.window} << t_.snd_shift;
    t_.max_snd_wnd = std::max(t_.max_snd_wnd, t_.snd_wnd);
    t_.snd_wl1 = s_.seq;
    t_.snd_wl2 = s_.ack;
  }

  // Our FIN may be acknowledged now: the rows of the closing states.
  Next close(OnAck what) {
    const bool fin_acked = t_.fin_sent && t_.snd_una == t_.snd_nxt;
    switch (what) {
      case OnAck::closes_to_fw2:
        if (fin_acked) t_.state = State::fin_wait_2;
        return Next::go_on;
      case OnAck::closes_to_tw:
        if (fin_acked) {
          t_.state = State::time_wait;
          tell_graceful();
        }
        return note_beyond_fin();
      case OnAck::closes:
        if (fin_acked) {
          tell_graceful();
          end(0, Why::none);
          return Next::stop;
        }
        return note_beyond_fin();
      case OnAck::opens:
      case OnAck::slides:
      case OnAck::is_old:
        return Next::go_on;
    }
    return Next::go_on;
  }

  // What of the segment lies in the window (§3.10.7.4: tailor it).
  Next seventh_text() {
    if (row_of(t_.state).text == OnText::ignore) {
      return note_beyond_fin();
    }
    const std::int32_t old = ahead(s_.seq, t_.rcv_nxt);
    if (s_.length() != 0 && t_.rcv_wnd == 0 && old >= 0) {
      ack_now_ = true;  // first check: only RST, ACK and URG were let through
      return stop(Why::window_closed);
    }
    if (s_.length() != 0 && old < 0) {
      if (!t_.reader && s_.text != 0) return reset_unread();
      ack_now_ = true;  // RFC 5681 §4.2: out of order, acknowledged at once
      ack_alone_ = s_.text != 0;
      return Next::stop;
    }
    const auto skipped = std::min(static_cast<std::uint32_t>(std::max(old, 0)), s_.text);
    const std::uint32_t fresh = std::min(s_.text - skipped, t_.rcv_wnd);
    if (fresh == 0) return Next::go_on;
    if (!t_.reader) return reset_unread();
    v_.delivered = fresh;
    t_.unread += fresh;
    t_.rcv_nxt += fresh;
    t_.rcv_wnd -= fresh;
    // RFC 9293 §3.8.6.3: at least every second full-sized segment.
    if (t_.rcv_nxt - t_.last_ack_sent >= 2 * t_.rcv_mss) {
      ack_now_ = true;
    } else {
      ack_later_ = true;
    }
    return Next::go_on;
  }

  // Nothing comes after the peer's FIN: text is ignored, and so is what claims to be another FIN.
  Next note_beyond_fin() {
    if (s_.length() == 0 || !less(t_.rcv_nxt, s_.seq + s_.length())) return Next::stop;
    if (s_.has(kFin)) take(Choice::second_fin);
    return stop(Why::data_after_fin);
  }

  // §3.6.1; the reset as §3.10.5 has it.
  Next reset_unread() {
    take(Choice::data_after_close);
    const std::uint32_t edge = t_.snd_una + t_.snd_wnd;
    if (less(edge, t_.snd_nxt)) take(Choice::reset_in_window);
    emit({.flags = kRst, .seq = less(edge, t_.snd_nxt) ? edge : t_.snd_nxt});
    end(kTellUnread, Why::data_after_close);
    return Next::stop;
  }

  Next eighth_fin() {
    if (!s_.has(kFin) || t_.rcv_wnd == 0) return Next::go_on;
    if (s_.seq + s_.text != t_.rcv_nxt) return Next::go_on;
    ++t_.rcv_nxt;
    --t_.rcv_wnd;
    ack_now_ = true;
    if (t_.unread == 0 && t_.reader) v_.told |= kTellEnd;
    t_.state = row_of(t_.state).after_fin;
    if (t_.state == State::time_wait) tell_graceful();
    return Next::go_on;
  }

  // ---- what comes out

  void take(Choice c) { v_.choices |= 1U << static_cast<unsigned>(c); }
  // The last thing that is told of a connection: not before all has been read.
  void tell_graceful() {
    if (t_.unread == 0) v_.told |= kTellGraceful;
  }
  void drop(Why why) { v_.why = why; }
  Next stop(Why why) {
    drop(why);
    return Next::stop;
  }
  void end(unsigned told, Why why) {
    v_.told |= told;
    drop(why);
    t_.state = State::closed;
    ack_now_ = ack_later_ = false;
  }
  void emit(const Emitted& e) { v_.out[v_.emitted++] = e; }

  // §3.5.2: the reset for a segment that has no place.
  void reset_reply() {
    if (s_.has(kAck)) return emit({.flags = kRst, .seq = s_.ack});
    emit({.flags = kRst | kAck, .seq = 0, .ack = s_.seq + s_.length()});
  }
  void send_syn_ack() {
    emit({.flags = kSyn | kAck,
          .seq = t_.iss,
          .ack = t_.rcv_nxt,
          .window = static_cast<std::uint16_t>(std::min(t_.rcv_wnd, 0xffffU)),
          .timestamp = t_.timestamps,
          .tsecr = t_.timestamps ? t_.ts_recent : 0});
  }
  // One ACK for each two full segments, if so much has come: all but the last.
  void send_steps() {
    const std::uint32_t step = 2 * (t_.rcv_mss - (t_.timestamps ? 12 : 0));
    while (t_.rcv_nxt - t_.last_ack_sent > step) {
      take(Choice::acks_in_steps);
      t_.last_ack_sent += step;
      send_ack(0, t_.last_ack_sent);
      ack_now_ = true;
    }
  }
  // SND.NXT, or the peer's right edge where that is nearer by a step of its window or more.
  [[nodiscard]] std::uint32_t ack_from() {
    const std::uint32_t edge = t_.snd_una + t_.snd_wnd;
    const std::int32_t beyond = ahead(edge, t_.snd_nxt);
    if (beyond < std::int32_t{1} << t_.snd_shift) return t_.snd_nxt;
    take(Choice::ack_in_window);
    return edge;
  }
  void send_ack(std::uint32_t text, std::uint32_t ack) {
    const std::uint32_t unit = 1U << t_.rcv_shift;
    std::uint32_t window = t_.rcv_wnd + (t_.rcv_nxt - ack);
    if (window % unit != 0) {
      take(Choice::window_rounded_up);
      window += unit - window % unit;
    }
    emit({.flags = kAck,
          .seq = text == 0 ? ack_from() : t_.snd_nxt,
          .ack = ack,
          .text = text,
          .window = static_cast<std::uint16_t>(std::min(window >> t_.rcv_shift, 0xffffU)),
          .timestamp = t_.timestamps,
          .tsecr = t_.timestamps ? t_.ts_recent : 0});
    ack_now_ = ack_later_ = false;
  }

  // §3.8.6.2.1, with Nagle's algorithm off: all of it, a full segment, or half the greatest window.
  void send_unsent() {
    if (t_.state != State::established && t_.state != State::close_wait) return;
    const std::int32_t usable = ahead(t_.snd_nxt, t_.snd_una + t_.snd_wnd);
    if (t_.unsent == 0 || usable <= 0) return;
    const std::uint32_t some = std::min(t_.unsent, static_cast<std::uint32_t>(usable));
    if (some < t_.unsent && some < t_.snd_mss && some < t_.max_snd_wnd / 2) return;
    send_ack(some, t_.rcv_nxt);
    t_.snd_nxt += some;
    t_.unsent -= some;
  }

  [[nodiscard]] unsigned timers() const {
    const unsigned ack = ack_later_ ? kDelayedAck : 0;
    switch (t_.state) {
      case State::closed:
      case State::listen:
        return 0;
      case State::time_wait:
        return kTwoMsl | (two_msl_anew_ ? kTwoMslAnew : 0);
      default:
        break;
    }
    if (t_.snd_una != t_.snd_nxt) return ack | kRetransmission;
    if (t_.unsent != 0) return ack | kPersist;
    if (t_.state == State::fin_wait_2 && !t_.reader) return ack | kFinWait2;
    return ack | (t_.keepalive ? kKeepalive : 0);
  }

  Verdict finish() {
    if (offered_) take(Choice::timestamp_after_ack);
    if (ack_now_ && t_.state != State::time_wait) send_steps();
    if (ack_alone_ && t_.unsent != 0) {
      take(Choice::duplicate_ack_alone);
      send_ack(0, t_.rcv_nxt);
    }
    send_unsent();
    if (ack_now_) send_ack(0, t_.rcv_nxt);
    v_.state = t_.state;
    v_.timers = timers();
    const bool none = t_.state == State::closed || t_.state == State::listen;
    if (none) return v_;
    v_.snd_una = t_.snd_una;
    if (t_.state == State::syn_sent) return v_;  // the peer's have no value yet
    v_.rcv_nxt = t_.rcv_nxt;
    v_.ts_recent = t_.ts_recent;
    return v_;
  }

  Tcb t_;
  Segment s_;
  std::uint32_t fresh_iss_;
  Verdict v_;
  bool offered_ = false;  // a timestamp that TS.Recent may take
  bool ack_now_ = false;
  bool ack_later_ = false;
  bool ack_alone_ = false;
  bool two_msl_anew_ = false;
};

}  // namespace

Verdict segment_arrives(const Tcb& tcb, const Segment& segment, std::uint32_t fresh_iss) {
  return Arrival(tcb, segment, fresh_iss).run();
}

}  // namespace millrace::oracle
