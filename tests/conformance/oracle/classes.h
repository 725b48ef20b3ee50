// SPDX-License-Identifier: BSD-3-Clause
//
// The classes that a cell of the state table is made of: each a row with the section whose boundary
// it stands on, and how to make a segment of five of them for a given connection. Knows nothing of
// the stack under test (tests/house/floors.txt).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/conformance/oracle/oracle.h"

namespace millrace::oracle {

enum class SeqClass : std::uint8_t { old, last_old, next, inside, last, beyond, far };
enum class TextClass : std::uint8_t { none, one, small, to_edge, past_edge };
enum class AckClass : std::uint8_t { too_old, oldest, duplicate, una, in_flight, nxt, unsent };
enum class TimeClass : std::uint8_t { absent, older, equal, newer };
enum class WindowClass : std::uint8_t { zero, small, usual };

struct ClassRow {
  std::string_view name;
  std::string_view section;
  std::string_view what;
};

inline constexpr std::size_t kFlagSets = 64;
inline constexpr std::array<ClassRow, 7> kSeqRows{{
    {"old", "RFC 9293 §3.10.7.4 first", "far behind RCV.NXT: an old duplicate"},
    {"last_old", "RFC 9293 table 6", "RCV.NXT-1: longer ones straddle old and new"},
    {"next", "RFC 5961 §3.2 2)", "RCV.NXT"},
    {"inside", "RFC 5961 §3.2 3)", "in the middle of the window"},
    {"last", "RFC 9293 table 6", "RCV.NXT+RCV.WND-1"},
    {"beyond", "RFC 9293 table 6", "RCV.NXT+RCV.WND: just outside, but for an ACK alone"},
    {"far", "RFC 9293 §3.4", "RCV.NXT+2^30"},
}};
inline constexpr std::array<ClassRow, 5> kTextRows{{
    {"none", "RFC 9293 table 6, rows 1 and 2", "no text"},
    {"one", "RFC 9293 table 6, rows 3 and 4", "one octet"},
    {"small", "RFC 9293 §3.8.6.3", "100 octets: less than asks for an ACK"},
    {"to_edge", "RFC 9293 table 6", "SYN, text and FIN end at the window's last octet"},
    {"past_edge", "RFC 9293 §3.10.7.4 seventh", "one octet more: the text's last, or the FIN"},
}};
inline constexpr std::array<ClassRow, 7> kAckRows{{
    {"too_old", "RFC 5961 §5.2", "SND.UNA-MAX.SND.WND-1"},
    {"oldest", "RFC 5961 §5.2", "SND.UNA-MAX.SND.WND"},
    {"duplicate", "RFC 9293 §3.10.7.4 fifth", "SND.UNA-1"},
    {"una", "RFC 9293 §3.10.7.4 fifth", "SND.UNA: nothing new, a window perhaps"},
    {"in_flight", "RFC 9293 §3.10.7.4 fifth", "between SND.UNA and SND.NXT"},
    {"nxt", "RFC 9293 §3.10.7.4 fifth", "SND.NXT: all, a FIN of ours too"},
    {"unsent", "RFC 9293 §3.10.7.4 fifth", "SND.NXT+1"},
}};
inline constexpr std::array<ClassRow, 4> kTimeRows{{
    {"absent", "RFC 7323 §3.2", "no option"},
    {"older", "RFC 7323 §5.3 R1", "TS.Recent-1"},
    {"equal", "RFC 7323 §5.3 R1", "TS.Recent"},
    {"newer", "RFC 7323 §5.3 R3", "TS.Recent+1"},
}};
inline constexpr std::array<ClassRow, 3> kWindowRows{{
    {"zero", "RFC 9293 table 6, rows 1 and 3", "nothing fits"},
    {"small", "RFC 9293 §3.8.6.2", "less than a full segment"},
    {"usual", "RFC 9293 table 6, rows 2 and 4", "several full segments"},
}};

/// Octets behind each class of window, ours.
inline constexpr std::uint32_t kUsualWindow = 4096, kSmallWindow = 300;
/// What the peer's header says for each class, in its scale. The usual one lets out whatever waits.
inline constexpr int kPeerShift = 3;
inline constexpr std::array<std::uint16_t, 3> kPeerWindows{0, 38, 1000};

/// One cell. `flags` is a set of kFin to kUrg.
struct Cell {
  SeqClass seq = SeqClass::next;
  TextClass text = TextClass::none;
  AckClass ack = AckClass::una;
  TimeClass time = TimeClass::equal;
  WindowClass receive = WindowClass::usual;  // RCV.WND when the segment arrives
  WindowClass send = WindowClass::usual;     // SEG.WND
  unsigned flags = kAck;
};

/// The segment of a cell. In CLOSED, LISTEN and SYN-SENT the variables that do not exist yet are
/// stood in for by what `tcb` holds.
[[nodiscard]] Segment make_segment(const Tcb& tcb, const Cell& cell);

[[nodiscard]] std::string flags_text(unsigned flags);
[[nodiscard]] std::string timers_text(unsigned timers);
[[nodiscard]] std::string told_text(unsigned told);
[[nodiscard]] std::string describe(const Cell& cell);
[[nodiscard]] std::string describe(const Segment& segment);
[[nodiscard]] std::string describe(const Emitted& emitted);
[[nodiscard]] std::string describe(const Tcb& tcb);

}  // namespace millrace::oracle
