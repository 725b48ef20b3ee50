// SPDX-License-Identifier: BSD-3-Clause
//
// The hand that goes round the connections while memory is short. "The longest first" needs no
// list: a round finds the longest stand, the next one ends who stood half as long or longer.
#include "tcp/endpoint/pressure.h"

#include <algorithm>

#include "tcp/connection/calls.h"
#include "tcp/connection/reassembly.h"
#include "tcp/connection/send_queue.h"
#include "tcp/connection/unread.h"
#include "tcp/endpoint/impl.h"
#include "tcp/endpoint/lending.h"
#include "tcp/endpoint/lifecycle.h"

namespace millrace::tcp {
namespace {

constexpr std::uint32_t kLooks = 64;  // connections looked at in a call
constexpr std::uint32_t kEnds = 8;    // of these, ended at most
constexpr std::uint32_t kAhead = 8;   // fetched before they are looked at
constexpr Duration kRest = 1s;
constexpr Tick kLeast = ticks_for(kStandsStill);

template <typename T>
void judge(bool& pressed, const Pool<T>& pool, std::uint32_t leaving = 0) {
  const std::uint32_t live = pool.live() - leaving;
  pressed = pressed ? live > relieved_at(pool.capacity()) : live >= pressed_from(pool.capacity());
}

/// Connections that may have no owner any more; others with one are among them.
[[nodiscard]] std::uint64_t may_be_orphans(const EndpointImpl& e) {
  return e.states.of(State::fin_wait_1) + e.states.of(State::fin_wait_2) +
         e.states.of(State::closing) + e.states.of(State::last_ack);
}

template <typename T>
[[nodiscard]] bool is_used_up(const Pool<T>& pool) {
  return pool.live() == pool.capacity();
}

void begin_round(Shedding& s) {
  s.looked = 0;
  s.longest = 0;
  s.out_of_order_blocks = s.out_of_order_receivers = 0;
}

/// `leaving`: connections that were ended a moment ago and have their objects yet.
void judge_pools(EndpointImpl& e, std::uint32_t leaving) {
  Shedding& s = e.shedding;
  const bool before = s.pressed.any();
  judge(s.pressed.blocks, e.stores.blocks);
  judge(s.pressed.send, e.stores.send);
  judge(s.pressed.receive, e.stores.receive);
  judge(s.pressed.connections, e.connections, leaving);
  // Who has as many connections as there is room for is in no trouble while somebody owns them.
  if (may_be_orphans(e) < e.connections.capacity() / 8) s.pressed.connections = false;
  s.refuses =
      is_used_up(e.stores.blocks) || is_used_up(e.stores.send) || is_used_up(e.stores.receive);
  if (before == s.pressed.any()) return;
  s.watch = s.high_marks;
  if (before) return;
  s.watch.blocks = 0;  // to be asked again in any case
  ++e.counters.TCPMemoryPressures;
  s.sweep = Sweep::look;
  s.rests_until = e.now;
  begin_round(s);
}

[[nodiscard]] bool holds_blocks(const SendState& st, const Stores& stores) {
  return st.loss != kNil ||
         (st.chunk_head != kNil && (chunk_of(st, stores, st.chunk_head).block != kNil ||
                                    chunk_of(st, stores, st.chunk_tail).block != kNil));
}

struct Stand {
  Tick ticks = 0;  // without progress; 0: it moves, or its end would help nobody
  bool unread = false;
};

/// None, where a clock that jumped back makes it look long.
[[nodiscard]] Tick elapsed(Tick since, Tick now) {
  constexpr Tick kNotYet = 0xf000'0000;
  return now - since < kNotYet ? now - since : 0;
}

/// How long an orphan has been in FIN-WAIT-2.
[[nodiscard]] Tick time_in_fin_wait_2(const EndpointImpl& e, const Connection& c) {
  if (c.send_timer != SendTimer::fin_wait_2) return 0;
  const Tick whole = ticks_for(e.profile(c.profile).fin_wait_2);
  const Tick left = c.send_deadline - tick_of(e.now);
  return left < whole ? whole - left : 0;
}

[[nodiscard]] Stand stand_of(const EndpointImpl& e, const Connection& c) {
  const Pressed& pressed = e.shedding.pressed;
  const Tick now = tick_of(e.now);
  Stand stand;
  const bool opening = c.state == State::syn_sent || c.state == State::syn_received;
  const bool orphan = pressed.connections && c.has(Connection::kOwnerGone);
  if (c.send != kNil && !opening) {
    const SendState& st = e.stores.send[c.send];
    const bool waits = st.queued_bytes != 0 || flight_bytes(c) != 0;
    const bool helps = orphan || pressed.send || (pressed.blocks && holds_blocks(st, e.stores));
    if (waits && helps) stand.ticks = elapsed(st.unacked_since, now);
  } else if (orphan) {
    stand.ticks = time_in_fin_wait_2(e, c);
  }
  if (c.has_receive_state() && (pressed.blocks || pressed.receive)) {
    const ReceiveState& r = e.stores.receive[c.receive];
    const Tick ticks = elapsed(r.taken_at, now);
    if (r.unread_bytes != 0 && ticks > stand.ticks) stand = {ticks, true};
  }
  return stand;
}

/// Counts the out-of-order data of a connection, or drops them.
void see_out_of_order(EndpointImpl& e, Connection& c) {
  Shedding& s = e.shedding;
  if (!c.has_receive_state()) return;
  ReceiveState& r = e.stores.receive[c.receive];
  if (r.reassembly == kNil) return;
  if (s.sweep == Sweep::drop_out_of_order && (s.pressed.blocks || s.pressed.receive)) {
    ++e.counters.OfoPruned;
    forget_out_of_order(r, e.stores);
    release_receive_state_if_empty(c, e.context_of(c));
    return;
  }
  s.out_of_order_blocks += reassembly_of(r, e.stores).page_count + 2;  // a table, at least
  if (r.unread_bytes == 0) ++s.out_of_order_receivers;
}

void end_for_memory(EndpointImpl& e, std::uint32_t index, Connection& c, bool unread) {
  if (c.has(Connection::kOwnerGone)) {
    ++e.counters.TCPEvictedOrphan;
  } else if (unread) {
    ++e.counters.TCPEvictedUnread;
  } else {
    ++e.counters.TCPEvictedStalled;
  }
  stop_reading(e, index, c);
  abort_by_endpoint(e, index, c, CloseReason::no_memory);
}

/// True if the connection was ended.
bool look_at(EndpointImpl& e, std::uint32_t index) {
  Connection& c = e.connections[index];
  if (c.generation == 0 || is_over(c)) return false;
  Shedding& s = e.shedding;
  see_out_of_order(e, c);
  const Stand stand = stand_of(e, c);
  if (s.sweep == Sweep::end_who_stand && stand.ticks >= s.least) {
    end_for_memory(e, index, c, stand.unread);
    return true;
  }
  s.longest = std::max(s.longest, stand.ticks);
  return false;
}

/// Without their out-of-order data all pools would be relieved.
[[nodiscard]] bool out_of_order_is_too_much(const EndpointImpl& e) {
  const Shedding& s = e.shedding;
  const auto excess = [](const auto& pool) { return pool.live() - relieved_at(pool.capacity()); };
  if (s.pressed.send || s.pressed.connections) return false;
  return (!s.pressed.blocks || s.out_of_order_blocks >= excess(e.stores.blocks)) &&
         (!s.pressed.receive || s.out_of_order_receivers >= excess(e.stores.receive));
}

/// A round is over: what is the next one to do? Nothing for a while, if nothing can be gained.
void end_round(EndpointImpl& e) {
  Shedding& s = e.shedding;
  const bool helps = s.out_of_order_blocks != 0 && (s.pressed.blocks || s.pressed.receive);
  const bool stands = s.longest >= kLeast;
  if (out_of_order_is_too_much(e) || (helps && !stands)) {
    s.sweep = Sweep::drop_out_of_order;
  } else if (stands) {
    s.sweep = Sweep::end_who_stand;
    s.least = std::max(s.longest / 2, kLeast);
  } else {
    s.sweep = Sweep::look;
    s.rests_until = e.now + kRest;
  }
  begin_round(s);
}

}  // namespace

Watermarks high_marks_of(const Stores& stores, const Pool<Connection>& connections) {
  return {.blocks = pressed_from(stores.blocks.capacity()),
          .send = pressed_from(stores.send.capacity()),
          .receive = pressed_from(stores.receive.capacity()),
          .connections = pressed_from(connections.capacity())};
}

void shed_some(EndpointImpl& e) {
  Shedding& s = e.shedding;
  judge_pools(e, 0);
  if (!s.pressed.any() || e.now < s.rests_until) return;
  const std::uint32_t objects = e.connections.touched();
  std::uint32_t ended = 0;
  for (std::uint32_t i = 0; i < kLooks && ended < kEnds; ++i) {
    if (s.looked >= objects) {
      end_round(e);
      if (e.now < s.rests_until) return;
    }
    if (s.hand >= objects) s.hand = 0;
    if (s.hand + kAhead < objects) e.connections.prefetch(s.hand + kAhead);
    ++s.looked;
    if (look_at(e, s.hand++)) ++ended;
    judge_pools(e, ended);
    if (!s.pressed.any()) return;
  }
}

}  // namespace millrace::tcp
