// SPDX-License-Identifier: BSD-3-Clause
//
// Between cookies and handshakes: see cookie_open.h.
#include "tcp/endpoint/cookie_open.h"

#include "tcp/connection/timestamps.h"
#include "tcp/endpoint/isn.h"
#include "tcp/endpoint/listen.h"
#include "tcp/endpoint/segment_arrives.h"

namespace millrace::tcp {
namespace {

[[nodiscard]] std::uint32_t offset_of(const EndpointImpl& e, const FourTuple& tuple) {
  return timestamp_offset(e.config.secrets.numbers, tuple);
}

/// The handshake that `terms` stand for: as if their SYN had been kept.
[[nodiscard]] Handshake handshake_of(const EndpointImpl& e, const TcpConfig& config,
                                     const FourTuple& tuple, const CookieTerms& terms,
                                     const SegmentIn& ack) {
  Options syn;
  syn.has = Options::kMss;
  syn.mss = terms.peer_mss;
  if (terms.timestamps) syn.has |= Options::kTimestamps;
  if (terms.sack) syn.has |= Options::kSackPermitted;
  if (terms.window_scaling) syn.has |= Options::kWindowScale;
  syn.window_scale = terms.peer_scale;
  syn.tsval = ack.options.tsval;
  const bool ecn = terms.ecn && config.ecn != EcnUse::never;
  Handshake h = agree(config, !tuple.local.is_v4(), syn, ecn);
  h.iss = ack.ack - 1;
  h.irs = ack.seq - 1;
  h.snd_wnd = static_cast<std::uint32_t>(ack.window) << h.peer_scale;
  h.rcv_wnd = offered_window(config);
  if (h.timestamps) h.ts_offset = offset_of(e, tuple);
  return h;
}

}  // namespace

Drop send_cookie(EndpointImpl& e, const Listener& listener, const FourTuple& tuple,
                 const SegmentIn& syn, const Handshake& agreed) {
  CookieTerms terms;
  terms.peer_mss = agreed.peer_mss;
  SynAck what{.irs = syn.seq, .offered = Options::kMss};
  if (agreed.timestamps) {
    terms.timestamps = true;
    terms.sack = agreed.sack;
    terms.window_scaling = agreed.window_scaling;
    terms.ecn = what.ecn = agreed.ecn;
    terms.peer_scale = agreed.peer_scale;
    what.offered |= Options::kTimestamps;
    if (terms.sack) what.offered |= Options::kSackPermitted;
    if (terms.window_scaling) what.offered |= Options::kWindowScale;
    what.tsval = timestamp_clock(e.now) + offset_of(e, tuple);
    what.tsecr = agreed.ts_recent;
  }
  const SynCookies::Issued issued = e.cookies.issue(tuple, syn.seq, terms, what.tsval, e.now);
  what.iss = issued.iss;
  what.tsval = issued.tsval;
  if (!send_syn_ack(e, tuple, e.profile(listener.profile), what)) {
    ++e.counters.ListenDrops;
    return Drop::tcp_listen_overflow;
  }
  ++e.counters.SyncookiesSent;
  return Drop::none;
}

Drop on_cookie(EndpointImpl& e, std::uint16_t listener, EntryRef instead_of, std::uint64_t hash,
               const FourTuple& tuple, const SegmentIn& segment) {
  const auto terms = e.cookies.redeem(tuple, segment, e.now);
  const TcpConfig& config = e.profile(e.listeners[listener].profile);
  if (!terms) {
    ++e.counters.SyncookiesFailed;
    e.replies.push(reset_for(tuple, segment, config));
    return instead_of ? Drop::tcp_half_open_bad_ack : Drop::tcp_listen_bad_flags;
  }
  // The text that follows brings the cookie again.
  if (config.defer_accept != Duration::zero() && segment.length() == 0) return Drop::none;
  const std::uint32_t index = accept_connection(e, listener, instead_of, hash, tuple,
                                                handshake_of(e, config, tuple, *terms, segment));
  if (index == kNil) return Drop::tcp_no_memory;
  if (instead_of) {
    e.half_open.release(instead_of);
    --e.states.of(State::syn_received);
  }
  ++e.counters.SyncookiesRecv;
  return on_connection_segment(e, index, e.connections[index], segment);
}

}  // namespace millrace::tcp
