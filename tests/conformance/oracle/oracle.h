// SPDX-License-Identifier: BSD-3-Clause
//
// A second opinion on SEGMENT ARRIVES: what one segment does to one connection, written from the
// text of RFC 9293 §3.10.7, RFC 7323 §5 and RFC 5961 §3 to §5 and from nothing else. It shares no
// code with the stack that it judges, and this room may not include any (tests/house/floors.txt).
//
// Where the RFCs leave a choice, or say what no careful implementation does, the oracle takes the
// one that choices.h lists, and the verdict says which choices it leaned on.
//
// Refuses: time (timers are kinds, not deadlines), loss recovery, congestion control, SACK.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::oracle {

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
inline constexpr std::size_t kStates = 11;
inline constexpr std::array<std::string_view, kStates> kStateNames{
    "CLOSED",     "LISTEN",     "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
    "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",  "LAST-ACK",     "TIME-WAIT"};

// Control bits, as in the header (RFC 9293 §3.1).
inline constexpr unsigned kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32;

// Which timers run (RFC 9293 §3.8, §3.6.1; RFC 1122 §4.2.3). 2MSL is that of TIME-WAIT,
// and the last says that it began anew.
inline constexpr unsigned kRetransmission = 1, kDelayedAck = 2, kKeepalive = 4, kPersist = 8;
inline constexpr unsigned kFinWait2 = 16, kTwoMsl = 32, kTwoMslAnew = 64;

// What the application is told.
inline constexpr unsigned kTellOpen = 1;       // the connection is established
inline constexpr unsigned kTellEnd = 2;        // the peer's stream has ended
inline constexpr unsigned kTellReset = 4;      // over: reset by the peer
inline constexpr unsigned kTellRefused = 8;    // over: refused before it was established
inline constexpr unsigned kTellGraceful = 16;  // over: closed by both sides
inline constexpr unsigned kTellUnread = 32;    // over: data came that nobody will read

/// Why a segment went no further; `none` for one that was processed to the end.
enum class Why : std::uint8_t {
  none,
  closed,             // CLOSED: answered with a reset
  closed_rst,         // CLOSED or LISTEN: a reset, discarded
  listen_ack,         // LISTEN: an ACK, answered with a reset
  listen_no_syn,      // LISTEN: nothing to begin with
  syn_sent_bad_ack,   // SYN-SENT: acknowledges what was not sent
  syn_sent_no_syn,    // SYN-SENT: neither SYN nor an acceptable reset
  timestamp_old,      // PAWS
  timestamp_missing,  // agreed on, and absent
  not_acceptable,     // first check: outside the window
  duplicate,          // first check: nothing in it is new
  window_closed,      // first check: data at RCV.NXT, and RCV.WND is zero
  reset,              // second check: the connection is over
  rst_challenged,     // second check: a reset in the window, not at RCV.NXT
  syn_challenged,     // fourth check
  syn_repeated,       // the SYN that made this connection, again
  syn_received_back,  // SYN-RECEIVED: back to LISTEN
  bad_ack,            // fifth check: beyond SND.NXT, or too old
  no_ack,             // fifth check: there is none
  data_after_fin,     // seventh check: text beyond the peer's FIN
  data_after_close,   // seventh check: text that nobody will read
  time_wait_rst,      // TIME-WAIT: a reset, ignored
  time_wait_old,      // TIME-WAIT: not a retransmitted FIN
};
inline constexpr std::array<std::string_view, 23> kWhyNames{"none",
                                                            "closed",
                                                            "closed_rst",
                                                            "listen_ack",
                                                            "listen_no_syn",
                                                            "syn_sent_bad_ack",
                                                            "syn_sent_no_syn",
                                                            "timestamp_old",
                                                            "timestamp_missing",
                                                            "not_acceptable",
                                                            "duplicate",
                                                            "window_closed",
                                                            "reset",
                                                            "rst_challenged",
                                                            "syn_challenged",
                                                            "syn_repeated",
                                                            "syn_received_back",
                                                            "bad_ack",
                                                            "no_ack",
                                                            "data_after_fin",
                                                            "data_after_close",
                                                            "time_wait_rst",
                                                            "time_wait_old"};

/// The variables of RFC 9293 §3.3.1 and RFC 7323 §4.3, §5, and what decides about sending.
struct Tcb {
  State state = State::closed;
  bool passive = false;   // from LISTEN: a reset in SYN-RECEIVED goes back there
  bool reader = true;     // somebody will read what comes (RFC 9293 §3.6.1)
  bool fin_sent = false;  // the last octet before SND.NXT is our FIN
  bool timestamps = false;
  bool keepalive = false;
  std::uint8_t snd_shift = 0;  // Snd.Wind.Shift
  std::uint8_t rcv_shift = 0;  // Rcv.Wind.Shift
  std::uint32_t iss = 0, snd_una = 0, snd_nxt = 0, snd_wnd = 0, snd_wl1 = 0, snd_wl2 = 0;
  std::uint32_t max_snd_wnd = 0;  // RFC 5961 §5.2
  std::uint32_t unsent = 0;       // queued behind SND.NXT
  std::uint32_t snd_mss = 0;
  std::uint32_t irs = 0, rcv_nxt = 0, rcv_wnd = 0;
  std::uint32_t fresh_wnd = 0;  // RCV.WND of a connection that begins
  std::uint32_t rcv_mss = 0;    // what we told the peer
  std::uint32_t unread = 0;     // taken in and not read
  std::uint32_t ts_recent = 0;
  std::uint32_t last_ack_sent = 0;
};

struct Segment {
  std::uint32_t seq = 0, ack = 0;
  unsigned flags = 0;
  std::uint32_t text = 0;    // octets of payload
  std::uint16_t window = 0;  // as in the header
  bool timestamp = false;
  std::uint32_t tsval = 0;

  [[nodiscard]] bool has(unsigned bits) const { return (flags & bits) == bits; }
  /// SEG.LEN
  [[nodiscard]] std::uint32_t length() const {
    return text + (has(kSyn) ? 1U : 0U) + (has(kFin) ? 1U : 0U);
  }
};

/// A segment that goes out. PSH is not told; nor the window and timestamp of a reset.
struct Emitted {
  unsigned flags = 0;
  std::uint32_t seq = 0, ack = 0, text = 0;
  std::uint16_t window = 0;  // as in the header
  bool timestamp = false;
  std::uint32_t tsecr = 0;
  friend bool operator==(const Emitted&, const Emitted&) = default;
};

inline constexpr std::size_t kMaxEmitted = 4;
struct Verdict {
  State state = State::closed;
  Why why = Why::none;
  unsigned timers = 0;
  unsigned told = 0;
  std::uint32_t rcv_nxt = 0, snd_una = 0, ts_recent = 0;  // zero in CLOSED and LISTEN
  std::uint32_t delivered = 0;                            // octets shown to the application
  std::size_t emitted = 0;
  std::array<Emitted, kMaxEmitted> out{};
  std::uint32_t choices = 0;  // bit i: choice i of choices.h decided something
};

/// What RFC 9293 §3.10.7 makes of `segment`. `fresh_iss` is the ISN if a new connection begins.
[[nodiscard]] Verdict segment_arrives(const Tcb& tcb, const Segment& segment,
                                      std::uint32_t fresh_iss);

}  // namespace millrace::oracle
