// SPDX-License-Identifier: BSD-3-Clause
//
// What the operator may choose about a connection: a profile. A listener or an active open names
// one of the endpoint's profiles, and a connection may be moved to another. No profile ever
// changes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tcp/base/time.h"
#include "tcp/congestion/congestion.h"

namespace millrace::tcp {

/// When a listener answers a SYN with a cookie instead of keeping a half-open entry (RFC 4987).
enum class SynCookieUse : std::uint8_t { never, when_full, always };

inline constexpr Duration kNoLinger{-1};

/// Profiles that one endpoint may have: a connection names its own in a byte.
inline constexpr std::size_t kMaxProfiles = 256;

/// Explicit congestion notification (RFC 3168): never; if the peer's SYN asks for it; or asked for
/// by our own SYNs as well. DCTCP is of no use without, and asks unless it is
/// never.
enum class EcnUse : std::uint8_t { never, when_asked, always };

struct TcpConfig {
  // Segments and options.
  std::uint16_t mtu = 1500;          // IP datagram bytes: our MSS is mtu - 40 (v4) or - 60 (v6)
  std::uint16_t max_segment = 0;     // our MSS is no larger, either way; 0: as the mtu allows
  std::uint16_t min_peer_mss = 216;  // a smaller MSS from the peer is raised to this; >= 48
  bool timestamps = true;            // RFC 7323
  bool window_scaling = true;        // RFC 7323
  bool sack = true;                  // RFC 2018
  EcnUse ecn = EcnUse::when_asked;   // RFC 3168
  // Buffers, in bytes. The receive buffer is the window that we offer, the send buffer what may be
  // queued and not acknowledged. 0: from the initial size to the largest, as the transfer asks for
  // (autotune.h). The largest receive buffer decides our window scale.
  std::uint32_t receive_buffer = 0;
  std::uint32_t receive_buffer_initial = 65'536;
  std::uint32_t receive_buffer_max = 6'291'456;
  std::uint32_t send_buffer = 0;
  std::uint32_t send_buffer_initial = 65'536;
  std::uint32_t send_buffer_max = 4'194'304;
  // Memory that out-of-order data of a connection may hold; 0: as much as its receive buffer has.
  std::uint32_t reassembly_bytes = 0;
  std::uint32_t max_segment_burst = 0;  // payload bytes per SegmentOut (TSO); 0: one segment

  // Retransmission (RFC 6298).
  Duration initial_rto = 1s;
  Duration min_rto = 200ms;
  Duration max_rto = 60s;
  std::uint8_t syn_retries = 5;    // SYN and SYN-ACK
  std::uint8_t data_retries = 10;  // data, FIN and zero-window probes without any answer

  // ACKs and small segments (RFC 1122 §4.2.3.2, RFC 9293 §3.7.4, §3.8.6).
  Duration delayed_ack = 40ms;  // 0: every segment is acknowledged at once
  bool nagle = true;
  bool coalesce_acks = false;  // one ACK per flush for data in order, however many segments came

  // Opening.
  SynCookieUse syn_cookies = SynCookieUse::when_full;
  /// Fast Open (RFC 7413): a listener gives cookies and takes text with them in a SYN, and an open
  /// asks for a cookie and uses it. Of a listener at most `fast_open_backlog` connections are not
  /// through their handshake; what comes beyond opens in the ordinary way.
  bool fast_open = false;
  std::uint16_t fast_open_backlog = 256;
  /// A listener tells of a connection when its first text has come, or when this time is over and
  /// the peer has answered one more SYN-ACK; 0: at once. Of who got a cookie it keeps nothing, so
  /// that only text brings it to the application.
  Duration defer_accept = 0s;

  // Closing.
  Duration two_msl = 60s;      // 0 to 240 s
  Duration fin_wait_2 = 60s;   // without an owner
  Duration user_timeout = 0s;  // RFC 5482; 0: by the retry limits alone
  /// How long close() may take to deliver what is queued: 0 resets at once, and when a longer time
  /// is over, what is left is discarded with a reset. kNoLinger: as long as the retries go on.
  Duration linger = kNoLinger;

  // Keepalive (RFC 9293 §3.8.4), off by default.
  bool keepalive = false;
  Duration keepalive_idle = 2h;
  Duration keepalive_interval = 75s;
  std::uint8_t keepalive_probes = 9;  // at most 60

  // RFC 5961 §7: at most one challenge ACK per connection in this time.
  Duration challenge_ack_interval = 500ms;

  std::uint8_t ttl = 64;
  std::uint8_t dscp = 0;
  CongestionAlgorithm congestion = CongestionAlgorithm::cubic;
  /// Of 100 segments, how many may be lost before BBR takes it for congestion: 1 to 50. More keeps
  /// the rate on links that lose at random, and takes more from others (draft-ietf-ccwg-bbr §2.5).
  std::uint8_t bbr_loss_percent = 2;
  /// Text leaves no faster than this many bytes a second, in small quanta; 0: as fast as windows
  /// allow, or as BBR paces it.
  std::uint64_t pacing = 0;

  friend bool operator==(const TcpConfig&, const TcpConfig&) = default;
};

/// What a connection begins with, and the most it may come to.
[[nodiscard]] inline std::uint32_t initial_receive_buffer(const TcpConfig& config) {
  return config.receive_buffer != 0 ? config.receive_buffer : config.receive_buffer_initial;
}
[[nodiscard]] inline std::uint32_t largest_receive_buffer(const TcpConfig& config) {
  return config.receive_buffer != 0 ? config.receive_buffer : config.receive_buffer_max;
}

}  // namespace millrace::tcp
