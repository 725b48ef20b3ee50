// SPDX-License-Identifier: BSD-3-Clause
//
// From classes to numbers, and from numbers to words.
#include "tests/conformance/oracle/classes.h"

#include <algorithm>

namespace millrace::oracle {
namespace {

[[nodiscard]] std::uint32_t seq_of(const Tcb& t, SeqClass c) {
  switch (c) {
    case SeqClass::old:
      return t.rcv_nxt - 2000;
    case SeqClass::last_old:
      return t.rcv_nxt - 1;
    case SeqClass::next:
      return t.rcv_nxt;
    case SeqClass::inside:
      return t.rcv_nxt + std::max(t.rcv_wnd / 2, 1U);
    case SeqClass::last:
      return t.rcv_nxt + t.rcv_wnd - 1;
    case SeqClass::beyond:
      return t.rcv_nxt + t.rcv_wnd;
    case SeqClass::far:
      return t.rcv_nxt + (1U << 30);
  }
  return 0;
}

[[nodiscard]] std::uint32_t ack_of(const Tcb& t, AckClass c) {
  switch (c) {
    case AckClass::too_old:
      return t.snd_una - t.max_snd_wnd - 1;
    case AckClass::oldest:
      return t.snd_una - t.max_snd_wnd;
    case AckClass::duplicate:
      return t.snd_una - 1;
    case AckClass::una:
      return t.snd_una;
    case AckClass::in_flight:
      return t.snd_una + (t.snd_nxt - t.snd_una) / 2;
    case AckClass::nxt:
      return t.snd_nxt;
    case AckClass::unsent:
      return t.snd_nxt + 1;
  }
  return 0;
}

/// Octets of payload; `controls` is what SYN and FIN take of the sequence space. Where the edge of
/// the window is out of reach, other lengths than the rest.
[[nodiscard]] std::uint32_t text_of(const Tcb& t, TextClass c, std::uint32_t seq,
                                    std::uint32_t controls) {
  const std::uint32_t to_edge = t.rcv_nxt + t.rcv_wnd - seq;
  const bool reachable = to_edge > controls && to_edge < 16'384;
  switch (c) {
    case TextClass::none:
      return 0;
    case TextClass::one:
      return 1;
    case TextClass::small:
      return 100;
    case TextClass::to_edge:
      return reachable ? to_edge - controls : 1460;
    case TextClass::past_edge:
      return reachable ? to_edge - controls + 1 : 2921;
  }
  return 0;
}

template <std::size_t N>
[[nodiscard]] std::string bits(unsigned set, const std::array<const char*, N>& names) {
  std::string text;
  for (std::size_t i = 0; i < N; ++i) {
    if ((set >> i & 1U) == 0) continue;
    if (!text.empty()) text += ',';
    text += names[i];
  }
  return text.empty() ? "-" : text;
}

}  // namespace

Segment make_segment(const Tcb& tcb, const Cell& cell) {
  Segment s;
  s.flags = cell.flags;
  s.seq = seq_of(tcb, cell.seq);
  s.ack = ack_of(tcb, cell.ack);
  s.text = text_of(tcb, cell.text, s.seq, s.length());
  s.window = kPeerWindows[static_cast<std::size_t>(cell.send)];
  s.timestamp = cell.time != TimeClass::absent;
  s.tsval = tcb.ts_recent + static_cast<std::uint32_t>(cell.time) -
            static_cast<std::uint32_t>(TimeClass::equal);
  return s;
}

std::string flags_text(unsigned flags) {
  return bits<6>(flags, {"FIN", "SYN", "RST", "PSH", "ACK", "URG"});
}
std::string timers_text(unsigned timers) {
  return bits<7>(timers, {"retransmission", "delayed_ack", "keepalive", "persist", "fin_wait_2",
                          "2msl", "2msl_anew"});
}
std::string told_text(unsigned told) {
  return bits<6>(told, {"open", "end", "reset", "refused", "graceful", "unread"});
}

std::string describe(const Cell& c) {
  const auto name = [](const auto& rows, auto value) {
    return std::string(rows[static_cast<std::size_t>(value)].name);
  };
  return flags_text(c.flags) + " seq=" + name(kSeqRows, c.seq) +
         " text=" + name(kTextRows, c.text) + " ack=" + name(kAckRows, c.ack) +
         " time=" + name(kTimeRows, c.time) + " rcv_wnd=" + name(kWindowRows, c.receive) +
         " seg_wnd=" + name(kWindowRows, c.send);
}

std::string describe(const Segment& s) {
  return "<SEQ=" + std::to_string(s.seq) + "><ACK=" + std::to_string(s.ack) +
         "><CTL=" + flags_text(s.flags) + "> text " + std::to_string(s.text) + " window " +
         std::to_string(s.window) + (s.timestamp ? " tsval " + std::to_string(s.tsval) : "");
}

std::string describe(const Emitted& e) {
  return "<SEQ=" + std::to_string(e.seq) + "><ACK=" + std::to_string(e.ack) +
         "><CTL=" + flags_text(e.flags) + "> text " + std::to_string(e.text) + " window " +
         std::to_string(e.window) + (e.timestamp ? " tsecr " + std::to_string(e.tsecr) : "");
}

std::string describe(const Tcb& t) {
  const auto n = [](std::uint32_t value) { return std::to_string(value); };
  return std::string(kStateNames[static_cast<std::size_t>(t.state)]) + " SND.UNA=" + n(t.snd_una) +
         " SND.NXT=" + n(t.snd_nxt) + " SND.WND=" + n(t.snd_wnd) + " SND.WL1=" + n(t.snd_wl1) +
         " MAX.SND.WND=" + n(t.max_snd_wnd) + " unsent=" + n(t.unsent) +
         " RCV.NXT=" + n(t.rcv_nxt) + " RCV.WND=" + n(t.rcv_wnd) + " unread=" + n(t.unread) +
         " TS.Recent=" + n(t.ts_recent) + (t.timestamps ? "" : " (no timestamps)");
}

}  // namespace millrace::oracle
