// SPDX-License-Identifier: BSD-3-Clause
//
// SYNs with cookies: see fast_open_accept.h.
#include "tcp/endpoint/fast_open_accept.h"

#include "tcp/connection/fast_open.h"
#include "tcp/endpoint/lending.h"
#include "tcp/endpoint/lifecycle.h"

namespace millrace::tcp {
namespace {

/// The connection by `h`, with an accepted event and the text of its SYN. False, and nothing done,
/// if there is no room for it.
[[nodiscard]] bool accept_early(EndpointImpl& e, std::uint16_t listener, std::uint64_t hash,
                                const FourTuple& tuple, const SegmentIn& syn, const Handshake& h,
                                bool grants, EntryRef replaces) {
  const std::uint32_t index = create_connection(e, tuple, e.listeners[listener].profile, 0);
  if (index == kNil) return false;
  Connection& c = e.connections[index];
  const EntryRef ref{EntryKind::connection, index};
  if (!open_early(c, h, grants, e.context_of(c)) ||
      !(replaces ? e.index.replace(hash, replaces, ref) : e.index.insert(hash, ref))) {
    discard_connection(e, index);
    return false;
  }
  e.fast_open_pending.add(index, listener);
  count_accepted(e, listener, index, c);
  ++e.states.of(State::syn_received);
  const std::uint32_t taken = take_early_text(c, syn.payload.size());
  if (taken != 0) lend(e, index, c, syn.payload.first(taken));
  mark_dirty(e, index, c);
  return true;
}

[[nodiscard]] Handshake handshake_of(const EndpointImpl& e, const TcpConfig& config,
                                     const FourTuple& tuple, const SegmentIn& syn,
                                     const Handshake& agreed, const Incarnation& previous) {
  const FlowNumbers numbers = numbers_for(e, tuple, previous);
  Handshake h = agreed;
  h.iss = numbers.isn;
  h.ts_offset = numbers.ts_offset;
  h.irs = syn.seq;
  h.snd_wnd = syn.window;  // never scaled in a SYN (RFC 7323 §2.2)
  h.rcv_wnd = offered_window(config);
  return h;
}

}  // namespace

FastOpenVerdict try_fast_open(EndpointImpl& e, std::uint16_t listener, std::uint64_t hash,
                              const FourTuple& tuple, const SegmentIn& syn, const Handshake& agreed,
                              const Incarnation& previous) {
  const Options& option = syn.options;
  if (!option.has_fast_open()) return {};
  if (option.cookie_bytes == 0) {
    ++e.counters.TCPFastOpenCookieReqd;
    return {.grants = true};
  }
  const CookieVerdict verdict = e.stores.fast_open.keys.judge(tuple.remote, option, e.now);
  if (verdict == CookieVerdict::wrong) {
    ++e.counters.TCPFastOpenPassiveFail;
    return {.grants = true};
  }
  const bool old = verdict == CookieVerdict::good_but_old;
  if (old) ++e.counters.TCPFastOpenPassiveAltKey;
  const TcpConfig& config = e.profile(e.listeners[listener].profile);
  if (!e.fast_open_pending.has_room(listener, config.fast_open_backlog, e.now)) {
    ++e.counters.TCPFastOpenListenOverflow;
    return {.grants = old};
  }
  if (syn.payload.empty() && config.defer_accept != Duration::zero()) return {.grants = old};
  const Handshake h = handshake_of(e, config, tuple, syn, agreed, previous);
  if (!accept_early(e, listener, hash, tuple, syn, h, old, previous.entry)) {
    ++e.counters.TCPFastOpenPassiveFail;
    return {.grants = old};
  }
  ++e.counters.TCPFastOpenPassive;
  return {.accepted = true};
}

void left_early(EndpointImpl& e, std::uint32_t index, const Outcome& outcome) {
  const bool reset = !outcome.connected && outcome.reason != CloseReason::timeout;
  if (reset) {
    e.fast_open_pending.hold(index, e.now);
  } else {
    e.fast_open_pending.remove(index);
  }
}

}  // namespace millrace::tcp
