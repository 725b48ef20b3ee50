// SPDX-License-Identifier: BSD-3-Clause
//
// Passive opens until the third segment of the handshake. Data in a SYN are not acknowledged (but
// for Fast Open, fast_open_accept.h), so the peer sends them again; a SYN with other numbers than
// the one answered is challenged and does not replace it (RFC 5961 §4).
#include "tcp/endpoint/listen.h"

#include <algorithm>

#include "tcp/connection/ecn.h"
#include "tcp/connection/input.h"
#include "tcp/connection/receive_window.h"
#include "tcp/endpoint/cookie_open.h"
#include "tcp/endpoint/fast_open_accept.h"
#include "tcp/endpoint/lifecycle.h"
#include "tcp/endpoint/segment_arrives.h"

namespace millrace::tcp {
namespace {

[[nodiscard]] std::uint32_t our_timestamp(const EndpointImpl& e, const HalfOpenState& s) {
  return timestamp_clock(e.now) + s.ts_offset;
}

void send_syn_ack(EndpointImpl& e, const FourTuple& tuple, const HalfOpenState& s) {
  SynAck what{.iss = s.iss, .irs = s.irs, .offered = Options::kMss, .tsecr = s.ts_recent};
  if (s.has(HalfOpenState::kTimestamps)) {
    what.offered |= Options::kTimestamps;
    what.tsval = our_timestamp(e, s);
  }
  what.ecn = s.has(HalfOpenState::kEcn);
  static_assert(HalfOpenState::kFastOpen == Options::kFastOpen);
  what.offered |= s.flags & HalfOpenState::kFastOpen;
  if (s.has(HalfOpenState::kSack)) what.offered |= Options::kSackPermitted;
  if (s.has(HalfOpenState::kWindowScaling)) what.offered |= Options::kWindowScale;
  send_syn_ack(e, tuple, e.profile(s.profile), what);
}

/// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, not more often than a challenge may be: false if too soon.
bool send_ack(EndpointImpl& e, std::uint64_t hash, const FourTuple& tuple, const HalfOpenState& s) {
  const TcpConfig& config = e.profile(s.profile);
  if (!e.reply_limit.allow(hash, e.now, config.challenge_ack_interval)) return false;
  Reply r;
  r.tuple = tuple;
  r.seq = s.iss + 1;
  r.ack = s.irs + 1;
  const int scale = s.has(HalfOpenState::kWindowScaling) ? s.window_scales >> 4 : 0;
  r.window = static_cast<std::uint16_t>(offered_window(config) >> scale);
  r.flags = Flags{Flags::kAck};
  r.ttl = config.ttl;
  r.dscp = config.dscp;
  if (s.has(HalfOpenState::kTimestamps)) {
    r.options = Options::kTimestamps;
    r.tsval = our_timestamp(e, s);
    r.tsecr = s.ts_recent;
  }
  return e.replies.push(r);
}

void remove(EndpointImpl& e, EntryRef ref, std::uint64_t hash) {
  const bool was_there = e.index.erase(hash, ref);
  MR_CHECK(was_there);
  e.half_open.release(ref);
  --e.states.of(State::syn_received);
}

/// First check (RFC 9293 §3.10.7.4): sequence number, with PAWS before it (RFC 7323 §5.3).
[[nodiscard]] Drop check_sequence(const HalfOpenState& s, const TcpConfig& config,
                                  const SegmentIn& segment) {
  if (s.has(HalfOpenState::kTimestamps) && !segment.flags.rst()) {
    if (!segment.options.has_timestamps()) return Drop::tcp_missing_timestamp;
    if (static_cast<std::int32_t>(segment.options.tsval - s.ts_recent) < 0) return Drop::tcp_paws;
  }
  const Seq rcv_nxt = s.irs + 1;
  const std::uint32_t window = offered_window(config);
  const std::uint32_t length = segment.length();
  if (in_window(segment.seq, rcv_nxt, window)) return Drop::none;
  if (length > 1 && in_window(segment.seq + (length - 1), rcv_nxt, window)) return Drop::none;
  return Drop::tcp_out_of_window;
}

/// Second check: only an exact RST is believed (RFC 5961 §3).
Drop on_reset(EndpointImpl& e, EntryRef ref, std::uint64_t hash, const FourTuple& tuple,
              const SegmentIn& segment) {
  const HalfOpenState& s = e.half_open.state(ref);
  if (segment.seq != s.irs + 1) {
    if (before(segment.seq, s.irs + 1)) return Drop::tcp_out_of_window;  // only its text was inside
    if (send_ack(e, hash, tuple, s)) ++e.counters.TCPChallengeACK;
    return Drop::tcp_rst_challenged;
  }
  ++e.counters.EmbryonicRsts;
  ++e.counters.AttemptFails;
  remove(e, ref, hash);
  return Drop::tcp_half_open_reset;
}

[[nodiscard]] Handshake handshake_of(const EndpointImpl& e, EntryRef ref,
                                     const SegmentIn& segment) {
  const HalfOpenState& s = e.half_open.state(ref);
  Handshake h;
  h.iss = s.iss;
  h.irs = s.irs;
  h.peer_mss = s.peer_mss;
  h.timestamps = s.has(HalfOpenState::kTimestamps);
  h.sack = s.has(HalfOpenState::kSack);
  h.ecn = s.has(HalfOpenState::kEcn);
  h.window_scaling = s.has(HalfOpenState::kWindowScaling);
  if (h.window_scaling) {
    h.peer_scale = s.window_scales & 0x0f;
    h.our_scale = static_cast<std::uint8_t>(s.window_scales >> 4);
  }
  h.snd_wnd = static_cast<std::uint32_t>(segment.window) << h.peer_scale;
  h.rcv_wnd = offered_window(e.profile(s.profile));
  h.ts_recent = s.ts_recent;
  h.ts_offset = s.ts_offset;
  h.rtt_us = e.half_open.rtt_us(ref, e.now);
  h.retransmitted = e.half_open.was_resent(ref);
  return h;
}

}  // namespace

std::uint32_t offered_window(const TcpConfig& config) { return syn_window(config); }

bool send_syn_ack(EndpointImpl& e, const FourTuple& tuple, const TcpConfig& config,
                  const SynAck& what) {
  Options peer;
  peer.has = what.offered;
  Reply* const slot = e.replies.add();
  if (slot == nullptr) return false;
  Reply& r = *slot;
  r.tuple = tuple;
  r.seq = what.iss;
  r.ack = what.irs + 1;
  r.window = static_cast<std::uint16_t>(offered_window(config));
  r.flags = Flags{Flags::kSyn | Flags::kAck};
  if (what.ecn) r.flags.bits |= Flags::kEce;
  r.ttl = config.ttl;
  r.dscp = config.dscp;
  r.take_options(syn_options(config, !tuple.local.is_v4(), what.tsval, &peer, what.tsecr));
  r.options |= what.offered & Options::kFastOpen;  // the cookie is made when it is sent
  return true;
}

void count_accepted(EndpointImpl& e, std::uint16_t listener, std::uint32_t index,
                    const Connection& c) {
  Listener& l = e.listeners[listener];
  ++e.counters.PassiveOpens;
  l.accepted = l.accepted_in == e.iteration ? l.accepted + 1 : 1;
  l.accepted_in = e.iteration;
  e.events.add(e.id_of(index, c), 0, EventKind::accepted).listener = ListenerId{listener};
}

FlowNumbers numbers_for(const EndpointImpl& e, const FourTuple& tuple,
                        const Incarnation& previous) {
  return previous.entry
             ? flow_numbers_beyond(e.config.secrets.numbers, tuple, e.now, previous.old_snd_nxt)
             : flow_numbers(e.config.secrets.numbers, tuple, e.now);
}

// Flattened: its small steps have other callers as well.
[[gnu::flatten]] std::uint32_t accept_connection(EndpointImpl& e, std::uint16_t listener,
                                                 EntryRef replaces, std::uint64_t hash,
                                                 const FourTuple& tuple, const Handshake& h) {
  const std::uint32_t index = create_connection(e, tuple, e.listeners[listener].profile, 0);
  if (index == kNil) {
    ++e.counters.ListenOverflows;
    ++e.counters.ListenDrops;
    return kNil;
  }
  Connection& c = e.connections[index];
  const EntryRef ref{EntryKind::connection, index};
  const bool indexed = replaces ? e.index.replace(hash, replaces, ref) : e.index.insert(hash, ref);
  if (!indexed) {
    discard_connection(e, index);
    ++e.counters.ListenDrops;
    return kNil;
  }
  establish(c, h, e.context_of(c));
  ++e.states.of(State::established);
  count_accepted(e, listener, index, c);
  return index;
}

Drop on_listener_segment(EndpointImpl& e, std::uint16_t listener, std::uint64_t hash,
                         const FourTuple& tuple, const SegmentIn& segment) {
  if (segment.flags.rst()) return Drop::tcp_no_connection_rst;
  if (segment.flags.ack()) {
    if (!segment.flags.syn() && e.cookies.outstanding(e.now)) {
      return on_cookie(e, listener, {}, hash, tuple, segment);
    }
    e.replies.push(reset_for(tuple, segment, e.profile(e.listeners[listener].profile)));
    return Drop::tcp_listen_bad_flags;
  }
  if (!segment.flags.syn()) return Drop::tcp_listen_bad_flags;
  return accept_syn(e, listener, hash, tuple, segment, {});
}

Drop accept_syn(EndpointImpl& e, std::uint16_t listener, std::uint64_t hash, const FourTuple& tuple,
                const SegmentIn& segment, Incarnation previous) {
  if (e.shedding.refuses) [[unlikely]] {
    ++e.counters.TCPMemoryRefused;
    ++e.counters.ListenDrops;
    return Drop::tcp_no_memory;
  }
  const Listener& l = e.listeners[listener];
  const TcpConfig& config = e.profile(l.profile);
  const Handshake h =
      agree(config, !tuple.local.is_v4(), segment.options, is_ecn_question(config, segment.flags));
  const std::uint32_t accepted = l.accepted_in == e.iteration ? l.accepted : 0;
  const bool backlog_full = e.half_open.size_of(listener) + accepted >= l.backlog;
  const bool full = backlog_full || e.half_open.full();
  // A tuple that comes out of TIME_WAIT needs a sequence number that no cookie can be.
  if (!previous.entry && wants_cookie(config, full)) {
    return send_cookie(e, l, tuple, segment, h);
  }
  if (full) {
    if (backlog_full) ++e.counters.ListenOverflows;
    ++e.counters.ListenDrops;
    return backlog_full ? Drop::tcp_listen_overflow : Drop::tcp_half_open_full;
  }
  FastOpenVerdict fast_open;
  if (config.fast_open) [[unlikely]] {
    fast_open = try_fast_open(e, listener, hash, tuple, segment, h, previous);
    if (fast_open.accepted) return Drop::none;
  }
  const FlowNumbers numbers = numbers_for(e, tuple, previous);
  HalfOpenState s;
  s.iss = numbers.isn;
  s.ts_offset = numbers.ts_offset;
  s.irs = segment.seq;
  s.ts_recent = h.ts_recent;
  s.peer_mss = h.peer_mss;
  s.listener = listener;
  s.profile = l.profile;
  s.window_scales = static_cast<std::uint8_t>((h.our_scale << 4) | h.peer_scale);
  if (h.timestamps) s.flags |= HalfOpenState::kTimestamps;
  if (h.sack) s.flags |= HalfOpenState::kSack;
  if (h.window_scaling) s.flags |= HalfOpenState::kWindowScaling;
  if (h.ecn) s.flags |= HalfOpenState::kEcn;
  if (fast_open.grants) s.flags |= HalfOpenState::kFastOpen;

  const EntryRef ref = e.half_open.insert(tuple, s, e.now);
  MR_CHECK(ref.exists());
  const bool indexed =
      previous.entry ? e.index.replace(hash, previous.entry, ref) : e.index.insert(hash, ref);
  if (!indexed) {
    e.half_open.release(ref);
    ++e.counters.ListenDrops;
    return Drop::tcp_no_memory;
  }
  ++e.states.of(State::syn_received);
  send_syn_ack(e, tuple, s);
  return Drop::none;
}

Drop on_half_open_segment(EndpointImpl& e, EntryRef ref, std::uint64_t hash, const FourTuple& tuple,
                          const SegmentIn& segment) {
  const HalfOpenState& s = e.half_open.state(ref);
  const TcpConfig& config = e.profile(s.profile);
  const Flags flags = segment.flags;
  if (flags.syn() && !flags.ack() && !flags.rst() && segment.seq == s.irs) {
    if (e.reply_limit.allow(hash, e.now, config.challenge_ack_interval)) {
      e.half_open.resent(ref);
      send_syn_ack(e, tuple, s);
    }
    return Drop::tcp_half_open_duplicate;
  }
  if (const Drop drop = check_sequence(s, config, segment); drop != Drop::none) {
    if (drop == Drop::tcp_paws) ++e.counters.PAWSEstab;
    if (drop != Drop::tcp_missing_timestamp && !flags.rst()) send_ack(e, hash, tuple, s);
    return drop;
  }
  if (flags.rst()) return on_reset(e, ref, hash, tuple, segment);
  if (flags.syn()) {
    if (send_ack(e, hash, tuple, s)) {
      ++e.counters.TCPSYNChallenge;
      ++e.counters.TCPChallengeACK;
    }
    return Drop::tcp_syn_challenged;
  }
  if (!flags.ack()) return Drop::tcp_no_ack;
  if (segment.ack != s.iss + 1) {
    if (e.cookies.outstanding(e.now)) return on_cookie(e, s.listener, ref, hash, tuple, segment);
    e.replies.push(reset_for(tuple, segment, config));
    return Drop::tcp_half_open_bad_ack;
  }
  if (segment.length() == 0 && e.half_open.defers(ref)) {
    e.half_open.defer(ref);  // and its text will come with the same acknowledgment
    return Drop::none;
  }
  const std::uint32_t index =
      accept_connection(e, s.listener, ref, hash, tuple, handshake_of(e, ref, segment));
  if (index == kNil) return Drop::tcp_no_memory;
  e.half_open.release(ref);
  --e.states.of(State::syn_received);
  return on_connection_segment(e, index, e.connections[index], segment);
}

bool advance_half_open(EndpointImpl& e) {
  if (e.half_open.size() == 0) return true;
  const std::size_t count = e.half_open.due(e.now, e.due);
  for (const HalfOpen::Due& due : std::span(e.due).first(count)) {
    const FourTuple tuple = e.half_open.tuple(due.ref);
    if (due.expired) {
      ++e.counters.AttemptFails;
      remove(e, due.ref, e.hasher(tuple));
      continue;
    }
    ++e.counters.RetransSegs;
    ++e.counters.TCPSynRetrans;
    send_syn_ack(e, tuple, e.half_open.state(due.ref));
  }
  return count < e.due.size();
}

void drop_half_open_of(EndpointImpl& e, std::uint16_t listener) {
  std::array<EntryRef, 256> some;
  for (;;) {
    const std::size_t count = e.half_open.list(listener, some);
    for (const EntryRef ref : std::span(some).first(count)) {
      remove(e, ref, e.hasher(e.half_open.tuple(ref)));
    }
    if (count < some.size()) return;
  }
}

}  // namespace millrace::tcp
