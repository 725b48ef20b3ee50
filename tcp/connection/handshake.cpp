// SPDX-License-Identifier: BSD-3-Clause
//
// What SYN options mean, and the two ways in which a Connection begins: ESTABLISHED from a
// Handshake, or SYN-SENT (RFC 9293 §3.5, §3.7.1, §3.10.1; RFC 7323 §1.3, §2; RFC 2018 §2; RFC
// 6928).
#include "tcp/connection/handshake.h"

#include <algorithm>
#include <bit>

#include "tcp/connection/closing.h"
#include "tcp/connection/path_model.h"
#include "tcp/connection/receive_window.h"
#include "tcp/connection/rtt.h"
#include "tcp/connection/send_queue.h"
#include "tcp/connection/timestamps.h"

namespace millrace::tcp {
namespace {

constexpr std::uint16_t kHeaders4 = 40;  // IPv4 and TCP without options
constexpr std::uint16_t kHeaders6 = 60;
constexpr std::uint16_t kTimestampOptionBytes = 12;  // with its padding
constexpr std::uint16_t kDefaultMss4 = 536;          // RFC 9293 §3.7.1, MUST-15
constexpr std::uint16_t kDefaultMss6 = 1220;

// What all connections begin with, whichever door they came through.
void begin(Connection& c, const TcpConfig& config) {
  c.flags &= Connection::kIpv6 | Connection::kDirty;
  if (!config.nagle) c.set(Connection::kNodelay);
  c.send_timer = SendTimer::none;
  c.acks_owed = 0;
  c.send = kNil;
  c.receive = Connection::kNoReceiveState | initial_receive_buffer(config);
  c.send_deadline = 0;
  c.ack_deadline = 0;
  c.srtt_us = 0;
  c.rttvar_us = 0;
  c.max_snd_wnd = 0;
  c.challenge_when = 0;
  c.reordering = 0;
  c.ce_seen = 0;
  c.cwr_owed = 0;
  c.edge_owed = 0;
  c.backoff = 0;
}

}  // namespace

std::uint8_t scale_for(std::uint32_t receive_buffer) {
  const int bits = std::bit_width(receive_buffer);
  return static_cast<std::uint8_t>(std::clamp(bits - 16, 0, int{kMaxWindowScale}));
}

std::uint16_t our_mss(const TcpConfig& config, bool ipv6) {
  const std::uint16_t headers = ipv6 ? kHeaders6 : kHeaders4;
  int mss = int{config.mtu} - headers;
  if (config.max_segment != 0) mss = std::min(mss, int{config.max_segment});
  return static_cast<std::uint16_t>(std::max(mss, 48));
}

std::uint16_t largest_payload(const Connection& c, const TcpConfig& config) {
  const std::uint16_t mss = our_mss(config, c.has(Connection::kIpv6));
  return c.has(Connection::kTimestamps) ? static_cast<std::uint16_t>(mss - kTimestampOptionBytes)
                                        : mss;
}

Options syn_options(const TcpConfig& config, bool ipv6, std::uint32_t tsval, const Options* peer,
                    std::uint32_t tsecr) {
  Options o;
  o.has = Options::kMss;
  o.mss = our_mss(config, ipv6);
  if (config.window_scaling && (peer == nullptr || peer->has_window_scale())) {
    o.has |= Options::kWindowScale;
    o.window_scale = our_scale(config);
  }
  if (config.sack && (peer == nullptr || peer->has_sack_permitted())) {
    o.has |= Options::kSackPermitted;
  }
  if (config.timestamps && (peer == nullptr || peer->has_timestamps())) {
    o.has |= Options::kTimestamps;
    o.tsval = tsval;
    o.tsecr = tsecr;
  }
  return o;
}

Handshake agree(const TcpConfig& config, bool ipv6, const Options& peer, bool ecn) {
  Handshake h;
  h.ecn = ecn;
  const std::uint16_t told = peer.has_mss() ? peer.mss : (ipv6 ? kDefaultMss6 : kDefaultMss4);
  h.peer_mss = std::max(told, config.min_peer_mss);
  h.timestamps = config.timestamps && peer.has_timestamps();
  if (h.timestamps) h.ts_recent = peer.tsval;
  h.sack = config.sack && peer.has_sack_permitted();
  h.window_scaling = config.window_scaling && peer.has_window_scale();
  if (h.window_scaling) {
    h.peer_scale = std::min(peer.window_scale, kMaxWindowScale);
    h.our_scale = our_scale(config);
  }
  return h;
}

void apply_agreement(Connection& c, const Handshake& h, const Context& context) {
  const bool ipv6 = c.has(Connection::kIpv6);
  std::uint16_t mss = std::min(h.peer_mss, our_mss(context.config, ipv6));
  if (h.timestamps) mss = static_cast<std::uint16_t>(mss - kTimestampOptionBytes);
  c.mss = mss;
  c.window_scales = static_cast<std::uint8_t>((h.our_scale << 4) | h.peer_scale);
  if (h.timestamps) c.set(Connection::kTimestamps);
  if (h.sack) c.set(Connection::kSack);
  if (h.ecn) c.set(Connection::kEcn);
  c.ts_recent = h.ts_recent;
  c.ts_recent_when = ts_age_clock(context.now) & kTsAgeMask;
}

void enter_established(Connection& c, bool retransmitted, const Context& context) {
  c.state = State::established;
  begin_congestion_control(c, context);
  c.send_timer = SendTimer::none;
  c.backoff = 0;
  if (retransmitted) {
    // The path lost or delayed our SYN: begin with one segment, and with an RTO of 3 s until there
    // is a sample (RFC 5681 §3.1, RFC 6298 §5.7).
    c.congestion.cwnd = c.mss;
    if (c.srtt_us == 0) c.rttvar_us = kCautiousRttvarUs;
  }
  c.send_deadline = tick_of(context.now);
  arm_idle_timer(c, context);
}

// Flattened, as input_syn_ack() is: the calls between their small steps cost 85 instructions a
// connection of both ends.
[[gnu::flatten]] void establish(Connection& c, const Handshake& h, const Context& context) {
  begin(c, context.config);
  c.ts_offset = h.ts_offset;
  apply_agreement(c, h, context);
  c.snd_una = c.snd_nxt = h.iss + 1;
  c.rcv_nxt = c.last_ack_sent = h.irs + 1;
  c.rcv_adv = c.rcv_nxt + h.rcv_wnd;
  c.snd_wl1 = c.rcv_nxt;
  c.snd_wnd = h.snd_wnd;
  c.max_snd_wnd = static_cast<std::uint16_t>(std::min(h.snd_wnd >> h.peer_scale, 0xffffU));
  if (h.rtt_us != 0) take_rtt_sample(c, h.rtt_us);
  enter_established(c, h.retransmitted, context);
}

bool open_active(Connection& c, Seq iss, std::uint32_t ts_offset, const Context& context) {
  begin(c, context.config);
  c.snd_una = c.snd_nxt = iss;  // first: a SendState begins with them
  c.send_deadline = tick_of(context.now);
  if (!ensure_send_state(c, context)) return false;
  c.state = State::syn_sent;
  c.set(Connection::kActiveOpen);
  c.ts_offset = ts_offset;
  c.snd_wnd = 0;
  c.snd_wl1 = Seq();
  c.rcv_nxt = c.last_ack_sent = Seq();
  c.rcv_adv = c.rcv_nxt + syn_window(context.config);
  c.ts_recent = 0;
  c.ts_recent_when = ts_age_clock(context.now) & kTsAgeMask;
  c.window_scales = 0;
  c.mss = kDefaultMss4;
  c.congestion = CongestionState{};
  SendState& st = context.stores.send[c.send];
  st.recover = iss;
  st.short_end = iss;
  st.resend_next = iss;
  st.retransmit_first = true;
  return true;
}

}  // namespace millrace::tcp
