// SPDX-License-Identifier: BSD-3-Clause
//
// Four doors lead to a connection: an active open, a half-open entry, a SYN cookie and a Fast Open
// cookie. Each produces one value, Handshake, and one function makes a Connection of it. What SYN
// options mean is decided here alone (RFC 9293 §3.7.1, RFC 7323 §1.3, RFC 2018 §2).
#pragma once

#include <cstdint>

#include "tcp/base/packed_tuple.h"
#include "tcp/base/seq.h"
#include "tcp/base/time.h"
#include "tcp/connection/config.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// What both ends agreed, and where the sequence spaces begin.
struct Handshake {
  Seq iss;                       // our SYN; SND.NXT will be ISS + 1
  Seq irs;                       // the peer's SYN; RCV.NXT will be IRS + 1
  std::uint32_t snd_wnd = 0;     // bytes, from the segment that completed the handshake, scaled
  std::uint32_t rcv_wnd = 0;     // bytes, as our SYN or SYN-ACK advertised it
  std::uint16_t peer_mss = 536;  // as clamped; 1220 for IPv6 without the option
  bool timestamps = false, sack = false, window_scaling = false, ecn = false;
  std::uint8_t peer_scale = 0, our_scale = 0;
  std::uint32_t ts_recent = 0;
  std::uint32_t ts_offset = 0;
  std::uint32_t rtt_us = 0;    // of the handshake; 0: not measured
  bool retransmitted = false;  // our SYN or SYN-ACK: slower start (RFC 5681 §3.1, RFC 6298 §5.7)
};

/// Our window scale for `receive_buffer` bytes: the least shift that makes it fit 16 bits.
[[nodiscard]] std::uint8_t scale_for(std::uint32_t receive_buffer);
/// The scale that we offer: by the largest that the buffer may become.
[[nodiscard]] inline std::uint8_t our_scale(const TcpConfig& config) {
  return scale_for(largest_receive_buffer(config));
}

/// MSS we announce: mtu - 40 or mtu - 60, or max_segment if that is less.
[[nodiscard]] std::uint16_t our_mss(const TcpConfig& config, bool ipv6);

/// Payload bytes of the largest segment that our MSS lets the peer send, options that were agreed
/// already deducted.
[[nodiscard]] std::uint16_t largest_payload(const Connection& c, const TcpConfig& config);

/// Options of our SYN, or of our SYN-ACK in answer to `peer` (only what the peer offered).
[[nodiscard]] Options syn_options(const TcpConfig& config, bool ipv6, std::uint32_t tsval,
                                  const Options* peer, std::uint32_t tsecr);

/// The agreement that follows from the peer's SYN or SYN-ACK options and our configuration; `ecn`:
/// its flags agree to that (ecn.h). Leaves iss, irs, snd_wnd, rcv_wnd, ts_offset and rtt_us to the
/// caller.
[[nodiscard]] Handshake agree(const TcpConfig& config, bool ipv6, const Options& peer, bool ecn);

/// `c` becomes ESTABLISHED by `h`. Tuple, profile, generation, user and family are left alone.
void establish(Connection& c, const Handshake& h, const Context& context);

/// Steps that the active open shares: what was agreed goes into `c`; then ESTABLISHED, with a fresh
/// congestion window, slower if our SYN had been `retransmitted`.
void apply_agreement(Connection& c, const Handshake& h, const Context& context);
void enter_established(Connection& c, bool retransmitted, const Context& context);

/// `c` becomes SYN-SENT with `iss`; the SYN goes out at the next flush. False: no SendState free.
[[nodiscard]] bool open_active(Connection& c, Seq iss, std::uint32_t ts_offset,
                               const Context& context);

}  // namespace millrace::tcp
