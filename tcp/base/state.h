// SPDX-License-Identifier: BSD-3-Clause
//
// The connection states of RFC 9293 §3.3.2 and why a connection ended.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::tcp {

enum class State : std::uint8_t {
  closed,
  listen,
  syn_sent,
  syn_received,
  established,
  fin_wait_1,
  fin_wait_2,
  close_wait,
  closing,
  last_ack,
  time_wait,
};
inline constexpr std::size_t kStateCount = 11;

/// The handshake is over and the end is not: ESTABLISHED to LAST-ACK.
[[nodiscard]] constexpr bool is_under_way(State s) {
  return s >= State::established && s <= State::last_ack;
}

/// Names as `ss` prints them.
inline constexpr std::array<std::string_view, kStateCount> kStateNames{
    "CLOSED",     "LISTEN",     "SYN-SENT", "SYN-RECV", "ESTAB",    "FIN-WAIT-1",
    "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",  "LAST-ACK", "TIME-WAIT"};

[[nodiscard]] constexpr std::string_view name_of(State s) {
  return kStateNames[static_cast<std::size_t>(s)];
}

/// Live objects per state, TIME_WAIT and half-open entries included; `closed` counts connections
/// that are gone from the network but still hold bytes that the application has not read.
struct StateCounts {
  std::array<std::uint64_t, kStateCount> count{};

  [[nodiscard]] std::uint64_t& of(State s) { return count[static_cast<std::size_t>(s)]; }
  [[nodiscard]] std::uint64_t of(State s) const { return count[static_cast<std::size_t>(s)]; }
};

enum class CloseReason : std::uint8_t {
  none,         // still open
  graceful,     // FIN in both directions, acknowledged
  reset,        // RST from the peer after the handshake
  refused,      // RST in answer to our SYN
  timeout,      // retransmission or user timeout
  keepalive,    // the peer stopped answering probes
  unreachable,  // ICMP error while opening (RFC 5927 §4), or a timeout that such errors foretold
  aborted,      // by our own application
  unread_data,  // we closed with data unread or data came after: RST sent (RFC 9293 §3.6.1)
  no_memory,    // shed under memory pressure
};
inline constexpr std::array<std::string_view, 10> kCloseReasonNames{
    "none",      "graceful",    "reset",   "refused",     "timeout",
    "keepalive", "unreachable", "aborted", "unread_data", "no_memory"};
[[nodiscard]] constexpr std::string_view name_of(CloseReason r) {
  return kCloseReasonNames[static_cast<std::size_t>(r)];
}

/// What ICMP said of the way to the peer without ending the connection (RFC 9293 §3.9.2.2).
enum class SoftError : std::uint8_t { none, unreachable, time_exceeded };

}  // namespace millrace::tcp
