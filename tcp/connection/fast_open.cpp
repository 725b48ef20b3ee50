// SPDX-License-Identifier: BSD-3-Clause
//
// Both ends of Fast Open (RFC 7413 §4.2): see fast_open.h for how a connection differs from others
// and what is refused.
#include "tcp/connection/fast_open.h"

#include <algorithm>

#include "tcp/connection/ack.h"
#include "tcp/connection/calls.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/emission.h"
#include "tcp/connection/rtt.h"
#include "tcp/connection/send_queue.h"
#include "tcp/connection/timers.h"
#include "tcp/wire/emit.h"

namespace millrace::tcp {
namespace {

[[nodiscard]] FourTuple tuple_of(const Connection& c, const Context& context) {
  return c.has(Connection::kIpv6) ? unpack_v6(c.tuple, context.stores.pairs[c.tuple.local])
                                  : unpack_v4(c.tuple);
}

// Text of the queue that fits beside the SYN's options. MSS counts no options (RFC 9293 §3.7.1).
void attach_text(const Connection& c, SendState& st, std::uint16_t mss, const Context& context,
                 SegmentOut& out) {
  const bool ipv6 = c.has(Connection::kIpv6);
  const std::uint32_t segment = std::min(mss, our_mss(context.config, ipv6));
  const auto options = static_cast<std::uint32_t>(options_bytes(out.options));
  const std::uint32_t room = segment > options ? segment - options : 0;
  QueuePosition at{st.chunk_head, st.head_offset};
  out.payload_bytes = gather(st, context.stores, at, std::min(room, st.queued_bytes), out);
}

}  // namespace

// ---- the server's end

bool open_early(Connection& c, const Handshake& h, bool grants, const Context& context) {
  establish(c, h, context);
  c.send_timer = SendTimer::none;  // keepalive has its time later
  c.send_deadline = tick_of(context.now);
  if (!ensure_send_state(c, context)) return false;
  c.state = State::syn_received;
  c.snd_wl1 = h.irs;
  SendState& st = context.stores.send[c.send];
  st.retransmit_first = true;
  st.resend_next = grants ? c.snd_una : c.snd_una - 1;
  return true;
}

std::uint32_t take_early_text(Connection& c, std::size_t bytes) {
  const auto taken = static_cast<std::uint32_t>(std::min<std::size_t>(bytes, c.rcv_wnd()));
  c.rcv_nxt += taken;
  return taken;
}

bool take_repeated_syn(Connection& c, const SegmentIn& segment, const Context& context) {
  if (segment.flags.ack() || segment.seq != c.snd_wl1) return false;
  SendState& st = context.stores.send[c.send];
  const Tick since = tick_of(context.now) - st.last_send;
  if (since < ticks_for(context.config.challenge_ack_interval)) return true;
  st.retransmit_first = true;
  return true;
}

Drop check_early_ack(Connection& c, const SegmentIn& segment, const Context& context,
                     Outcome& outcome) {
  if (bytes_between(c.snd_una, segment.ack) > flight_bytes(c)) {
    outcome.reset_reply = true;
    outcome.reset_seq = segment.ack;
    return Drop::tcp_bad_ack;
  }
  SendState& st = context.stores.send[c.send];
  const bool repeated = c.backoff != 0;
  // After a SYN-ACK that went again it may be text that is timed.
  if (st.rtt_at != Instant{} && at_or_after(segment.ack, st.rtt_seq)) {
    take_rtt_sample(c, to_us(context.now - st.rtt_at));
    st.rtt_at = Instant{};
  }
  st.unanswered = 0;
  st.retransmit_first = false;
  c.state = State::established;
  c.send_timer = SendTimer::none;
  c.send_deadline = tick_of(context.now);
  c.backoff = 0;
  if (repeated) {
    // As in enter_established(): slower after a SYN-ACK that had to go again.
    c.congestion.cwnd = c.mss;
    if (c.srtt_us == 0) c.rttvar_us = kCautiousRttvarUs;
  }
  c.snd_wl1 = segment.seq;
  c.snd_wnd = std::uint32_t{segment.window} << c.peer_scale();
  c.max_snd_wnd = std::max(c.max_snd_wnd, segment.window);
  outcome.connected = true;
  const bool wants_fin = c.has(Connection::kFinQueued);
  if (wants_fin) enter_closing_state(c);
  if (flight_bytes(c) != 0) {
    start_send_timer(c, st, context);
  } else if (st.queued_bytes == 0 && !wants_fin) {
    release_send_state(c, context);
    arm_idle_timer(c, context);
  }
  if (segment.ack != c.snd_una) return check_ack(c, segment, context, outcome);
  outcome.writable = became_writable(c, context);
  return Drop::none;
}

void emit_early_syn_ack(Connection& c, SendState& st, const Context& context, SegmentOut& out) {
  fill_syn(c, true, context, out);
  out.seq = c.snd_una - 1;
  if (c.has(Connection::kEcn)) out.flags.bits |= Flags::kEce;
  if (context.config.fast_open && st.resend_next == c.snd_una) {
    context.stores.fast_open.keys.grant(tuple_of(c, context).remote, context.now, out.options);
  }
  st.retransmit_first = false;
  if (c.send_timer != SendTimer::retransmit) {
    st.rtt_at = context.now;
    st.rtt_seq = c.snd_una;
    st.unacked_since = tick_of(context.now);
    c.send_timer = SendTimer::retransmit;
    c.send_deadline = deadline_after(context.now, retransmission_timeout(c, context.config));
  } else {
    st.rtt_at = Instant{};  // Karn
    if (c.backoff != 0) {
      ++context.counters.RetransSegs;
      ++context.counters.TCPSynRetrans;
    }
  }
  st.last_send = tick_of(context.now);
}

// ---- the client's end

void add_fast_open(Connection& c, SendState& st, const Context& context, SegmentOut& out) {
  FastOpenPaths& paths = context.stores.fast_open.paths;
  const FastOpenPath* const path = paths.find(tuple_of(c, context), context.now);
  if (path != nullptr && FastOpenPaths::rests(*path, context.now)) return;
  out.options.has |= Options::kFastOpen;
  out.options.cookie_bytes = 0;
  if (path != nullptr && path->cookie_bytes != 0) {
    out.options.cookie_bytes = path->cookie_bytes;
    out.options.cookie = path->cookie;
    attach_text(c, st, path->mss, context, out);
  }
  st.resend_next = c.snd_una + 1 + out.payload_bytes;
}

void learn_fast_open(const Connection& c, const SegmentIn& segment, const Context& context) {
  const Seq end = context.stores.send[c.send].resend_next;
  if (end == c.snd_una) return;  // we did not ask
  FastOpenPaths& paths = context.stores.fast_open.paths;
  const FourTuple tuple = tuple_of(c, context);
  const Options& o = segment.options;
  const bool granted = o.has_fast_open() && o.cookie_bytes != 0;
  const bool had_text = end != c.snd_una + 1;
  const bool taken = had_text && after(segment.ack, c.snd_una + 1);
  if (granted) {
    const bool ipv6 = c.has(Connection::kIpv6);
    paths.learn(tuple, o, agree(context.config, ipv6, o, false).peer_mss, context.now);
  }
  if (taken) ++context.counters.TCPFastOpenActive;
  if (taken || granted) paths.succeeded(tuple, context.now);
  // If the SYN had to go again, this answers one without text.
  if (taken || !had_text || c.backoff != 0) return;
  ++context.counters.TCPFastOpenActiveFail;
  if (!granted && paths.failed(tuple, context.now)) ++context.counters.FastOpenPathsRested;
}

void syn_text_acknowledged(Connection& c, Seq ack, const Context& context, Outcome& outcome) {
  SendState& st = context.stores.send[c.send];
  drop_acknowledged(st, context.stores, bytes_between(c.snd_una, ack));
  c.snd_una = c.snd_nxt = ack;
  st.recover = ack - 1;
  st.ecn_recover = st.recover;
  st.short_end = ack;
  if (st.queued_bytes == 0 && !c.has(Connection::kFinQueued)) {
    release_send_state(c, context);
    arm_idle_timer(c, context);
  }
  if (became_writable(c, context)) outcome.writable = true;
}

void fast_open_failed(const Connection& c, SendState& st, const Context& context) {
  if (st.resend_next == c.snd_una || c.backoff != 0) return;
  if (st.resend_next != c.snd_una + 1) ++context.counters.TCPFastOpenActiveFail;
  if (context.stores.fast_open.paths.failed(tuple_of(c, context), context.now)) {
    ++context.counters.FastOpenPathsRested;
  }
}

}  // namespace millrace::tcp
