// SPDX-License-Identifier: BSD-3-Clause
//
// Segment text and FIN (RFC 9293 §3.10.7.4, seventh and eighth check; RFC 5681 §4.2 for when gaps
// are acknowledged). Text in order is lent to the application as it lies; it is copied only where
// something is out of order or unread already.
#include "tcp/connection/text.h"

#include <algorithm>

#include "tcp/connection/ack_policy.h"
#include "tcp/connection/calls.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/dsack.h"
#include "tcp/connection/reassembly.h"
#include "tcp/connection/unread.h"

namespace millrace::tcp {
namespace {

// Cuts off what came before and what lies beyond the window (RFC 9293 §3.10.7.4: "trimming off any
// portions that lie outside the window").
void trim_to_window(const Connection& c, Text& text) {
  if (before(text.seq, c.rcv_nxt)) {
    const std::uint32_t old = bytes_between(text.seq, c.rcv_nxt);
    if (old > text.bytes.size()) text.fin = false;  // the FIN is old as well
    text.bytes = text.bytes.subspan(std::min<std::size_t>(old, text.bytes.size()));
    text.seq = c.rcv_nxt;
  }
  const std::size_t room =
      before(text.seq, c.rcv_adv) ? bytes_between(text.seq, c.rcv_adv) : std::size_t{0};
  if (text.bytes.size() + (text.fin ? 1 : 0) > room) {
    text.fin = false;
    text.bytes = text.bytes.first(std::min(text.bytes.size(), room));
  }
}

// Nothing lies beyond the FIN: what claims to is cut off. False if that is all there was.
[[nodiscard]] bool trim_to_fin(const ReceiveState& r, Text& text) {
  if (!r.fin_known) return true;
  if (after(text.seq, r.fin)) return false;
  const std::size_t room = bytes_between(text.seq, r.fin);
  if (text.bytes.size() <= room) return true;
  text.bytes = text.bytes.first(room);
  return room != 0;
}

// Text at RCV.NXT while something is unread or out of order. Stored bytes win over those of the
// segment, since they were accepted first: the segment only fills the holes before and between.
Drop fill_holes(Connection& c, const Text& text, const Context& context, Outcome& outcome) {
  ReceiveState& r = context.stores.receive[c.receive];
  const Seq end = text.end();
  const bool filled = r.reassembly != kNil;
  const SackBlock held = first_held(r, text.seq, end, context.stores);
  note_twice(c, held.left, held.right, context);
  bool lacking = false;
  const std::uint32_t unread_before = r.unread_bytes;
  while (before(c.rcv_nxt, end) && !lacking) {
    Seq hole_end = end;
    if (r.reassembly != kNil) {
      hole_end = earlier_of(end, reassembly_of(r, context.stores).ranges[0].left);
    }
    const std::span<const std::byte> piece =
        text.bytes.subspan(bytes_between(text.seq, c.rcv_nxt), bytes_between(c.rcv_nxt, hole_end));
    if (r.unread_bytes == 0 && piece.size() == text.bytes.size() &&
        (r.reassembly == kNil || before(end, reassembly_of(r, context.stores).ranges[0].left))) {
      outcome.lent = piece;
      c.rcv_nxt = end;
      break;
    }
    const std::size_t kept = append_unread(r, context.stores, piece);
    c.rcv_nxt += static_cast<std::uint32_t>(kept);
    if (kept == piece.size()) {
      if (r.reassembly != kNil) c.rcv_nxt += absorb(r, c.rcv_nxt, context.stores);
    } else if (r.reassembly != kNil) {
      // What is next comes before what comes later, or the stream would never go on: give that
      // back.
      ++context.counters.TCPOFODrop;
      forget_out_of_order(r, context.stores);
    } else {
      lacking = true;
    }
  }
  outcome.readable = r.unread_bytes != unread_before;
  if (c.rcv_nxt == text.seq) return Drop::tcp_no_memory;
  if (filled) {
    ack_whole(c);
  } else {
    (void)ack_progress(c, bytes_between(text.seq, c.rcv_nxt), context);
  }
  return Drop::none;
}

Drop take_in_order(Connection& c, const Text& text, const Context& context, Outcome& outcome) {
  if (!c.has_receive_state()) {
    outcome.lent = text.bytes;
    c.rcv_nxt += static_cast<std::uint32_t>(text.bytes.size());
    (void)ack_progress(c, static_cast<std::uint32_t>(text.bytes.size()), context);
    return Drop::none;
  }
  const Drop drop = fill_holes(c, text, context, outcome);
  if (drop == Drop::tcp_no_memory) ++context.counters.TCPOFODrop;
  release_receive_state_if_empty(c, context);
  return drop;
}

// A FIN before its turn is remembered, unless bytes beyond it have been accepted already.
void remember_fin(ReceiveState& r, Seq fin, Stores& stores) {
  if (r.fin_known) return;
  if (r.reassembly != kNil) {
    const Reassembly& q = reassembly_of(r, stores);
    if (after(q.ranges[q.range_count - 1].right, fin)) return;
  }
  r.fin = fin;
  r.fin_known = true;
}

Drop keep_for_later(Connection& c, const Text& text, const Context& context) {
  owe_ack(c);  // at once, one for each: the sender counts them (RFC 5681 §4.2)
  if (!ensure_receive_state(c, context)) return Drop::tcp_no_memory;
  ReceiveState& r = context.stores.receive[c.receive];
  Drop drop = Drop::none;
  if (!text.bytes.empty()) {
    const SackBlock held = first_held(r, text.seq, text.end(), context.stores);
    note_twice(c, held.left, held.right, context);
    if (keep_out_of_order(r, text.seq, text.bytes, context)) {
      ++context.counters.TCPOFOQueue;
    } else {
      ++context.counters.TCPOFODrop;
      drop = Drop::tcp_out_of_order_full;
    }
  }
  if (text.fin && drop == Drop::none) {
    remember_fin(r, text.end(), context.stores);
  }
  release_receive_state_if_empty(c, context);
  return drop;
}

}  // namespace

void process_fin(Connection& c, const Context& context, Outcome& outcome) {
  c.rcv_nxt += 1;
  note_fin(c, context);
  ack_progress_now(c);
  outcome.peer_closed = true;
  if (c.has_receive_state()) {
    forget_out_of_order(context.stores.receive[c.receive], context.stores);
    release_receive_state_if_empty(c, context);
  }
  switch (c.state) {
    case State::established:
      c.state = State::close_wait;
      return;
    case State::fin_wait_1:
      c.state = State::closing;  // had our FIN been acknowledged, this were FIN-WAIT-2
      return;
    case State::fin_wait_2:
      return enter_time_wait(c, context, outcome);
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::syn_received:
    case State::close_wait:
    case State::closing:
    case State::last_ack:
    case State::time_wait:
      return;
  }
}

Drop take_text(Connection& c, Text text, const Context& context, Outcome& outcome) {
  if (text.bytes.empty() && !text.fin) return Drop::none;
  // "This should not occur, since a FIN has been received": ignored.
  if (!may_receive(c.state)) return Drop::tcp_data_after_fin;
  note_twice(c, text.seq, earlier_of(text.end(), c.rcv_nxt), context);
  trim_to_window(c, text);
  if (c.has_receive_state() && !trim_to_fin(context.stores.receive[c.receive], text)) {
    return Drop::tcp_data_after_fin;
  }
  if (text.bytes.empty() && !text.fin) {
    owe_ack(c);  // a window probe: tell again how things stand
    return Drop::tcp_window_closed;
  }
  if (c.has(Connection::kOwnerGone) && !text.bytes.empty()) {
    // RFC 9293 §3.6.1: nobody will read it, and the peer must learn that.
    ++context.counters.TCPAbortOnData;
    abort_connection(c, CloseReason::unread_data, context, outcome);
    return Drop::tcp_data_after_close;
  }
  if (text.seq != c.rcv_nxt) return keep_for_later(c, text, context);
  Drop drop = Drop::none;
  if (!text.bytes.empty()) drop = take_in_order(c, text, context, outcome);
  const bool fin_is_next = text.fin && c.rcv_nxt == text.end();
  const bool fin_was_kept = c.has_receive_state() && context.stores.receive[c.receive].fin_known &&
                            context.stores.receive[c.receive].fin == c.rcv_nxt;
  if (drop == Drop::none && (fin_is_next || fin_was_kept)) process_fin(c, context, outcome);
  return drop;
}

}  // namespace millrace::tcp
