// SPDX-License-Identifier: BSD-3-Clause
//
// The rows of the state table: the eleven states of RFC 9293 §3.3.2 as a connection usually is in
// them, and further rows for what a state alone does not tell. And the numbering of cells.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/conformance/oracle/classes.h"

namespace millrace::tcp::test {

/// What waits to be sent, or was sent and not acknowledged, when the segment arrives.
enum class Sending : std::uint8_t {
  nothing,
  in_flight,  // 1000 octets in two segments
  and_queue,  // these, and 600 behind them that the window keeps back
  persist,    // the window is zero and 600 wait
};

struct Situation {
  std::string_view name;
  oracle::State state;
  bool passive = true;       // opened by the peer
  bool reader = true;        // the application has said shutdown(), not close(), if anything
  bool timestamps = true;    // agreed on
  bool scaled = false;       // our window needs a scale (RFC 7323 §2.3)
  bool ack_pending = false;  // 100 octets have come that a delayed ACK waits for
  Sending sending = Sending::nothing;
};

inline constexpr std::size_t kMainRows = 11;
inline constexpr std::array kSituations{
    Situation{.name = "CLOSED", .state = oracle::State::closed},
    Situation{.name = "LISTEN", .state = oracle::State::listen},
    Situation{.name = "SYN-SENT", .state = oracle::State::syn_sent, .passive = false},
    Situation{.name = "SYN-RECEIVED", .state = oracle::State::syn_received},
    Situation{
        .name = "ESTABLISHED", .state = oracle::State::established, .sending = Sending::and_queue},
    Situation{
        .name = "FIN-WAIT-1", .state = oracle::State::fin_wait_1, .sending = Sending::in_flight},
    Situation{.name = "FIN-WAIT-2", .state = oracle::State::fin_wait_2},
    Situation{
        .name = "CLOSE-WAIT", .state = oracle::State::close_wait, .sending = Sending::and_queue},
    Situation{.name = "CLOSING", .state = oracle::State::closing, .sending = Sending::in_flight},
    Situation{.name = "LAST-ACK", .state = oracle::State::last_ack, .sending = Sending::in_flight},
    Situation{.name = "TIME-WAIT", .state = oracle::State::time_wait},
    // ---- further rows
    Situation{.name = "SYN-RECEIVED of a simultaneous open",
              .state = oracle::State::syn_received,
              .passive = false},
    Situation{.name = "ESTABLISHED, idle", .state = oracle::State::established, .passive = false},
    Situation{.name = "ESTABLISHED, without timestamps",
              .state = oracle::State::established,
              .timestamps = false,
              .sending = Sending::and_queue},
    Situation{.name = "ESTABLISHED, delayed ACK pending",
              .state = oracle::State::established,
              .ack_pending = true},
    Situation{.name = "ESTABLISHED, window probe due",
              .state = oracle::State::established,
              .sending = Sending::persist},
    Situation{.name = "FIN-WAIT-1, nobody reads",
              .state = oracle::State::fin_wait_1,
              .reader = false,
              .sending = Sending::in_flight},
    Situation{
        .name = "FIN-WAIT-2, nobody reads", .state = oracle::State::fin_wait_2, .reader = false},
    Situation{.name = "CLOSING, nobody reads",
              .state = oracle::State::closing,
              .reader = false,
              .sending = Sending::in_flight},
    Situation{.name = "LAST-ACK, nobody reads",
              .state = oracle::State::last_ack,
              .reader = false,
              .sending = Sending::in_flight},
    Situation{.name = "TIME-WAIT, without timestamps",
              .state = oracle::State::time_wait,
              .timestamps = false},
    Situation{.name = "ESTABLISHED, our window scaled",
              .state = oracle::State::established,
              .scaled = true,
              .sending = Sending::and_queue},
    Situation{
        .name = "TIME-WAIT, our window scaled", .state = oracle::State::time_wait, .scaled = true},
};

/// Cells of one row: 64 flag sets, 7 sequence, 5 text, 7 ACK and 4 timestamp classes, 3 windows
/// of ours and 3 of the peer's.
inline constexpr std::uint64_t kCellsPerRow = 64ULL * 7 * 5 * 7 * 4 * 3 * 3;
inline constexpr std::uint64_t kCells = kSituations.size() * kCellsPerRow;

struct Place {
  std::size_t row = 0;
  oracle::Cell cell;
};
[[nodiscard]] Place place_of(std::uint64_t number);

}  // namespace millrace::tcp::test
