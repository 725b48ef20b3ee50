// SPDX-License-Identifier: BSD-3-Clause
//
// Congestion control: one interface over a closed set of algorithms. Each algorithm is a file of
// its own, named after its RFC; its state is a trivially copyable member of the union below, so
// that a connection carries it without a pointer and without a virtual call (RFC 5681, RFC 9438).
//
// All quantities are bytes and microseconds. The caller owns loss detection and recovery; this room
// only answers "how much may be in flight".
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tcp/base/seq.h"
#include "tcp/base/time.h"

namespace millrace::tcp {

/// BBR is told more than these functions have to tell (bbr.h), and needs more than the words hold:
/// here it only is chosen, and its window passed on. Without kModelTag it is CUBIC, which stands in
/// where there was no memory for a model.
enum class CongestionAlgorithm : std::uint8_t { newreno, cubic, dctcp, bbr };

/// What every algorithm shares, and its own words. At most 24 bytes of a connection.
struct CongestionState {
  std::uint32_t cwnd = 0;                // bytes
  std::uint32_t ssthresh = 0x7fff'ffff;  // bytes
  std::uint32_t words[4] = {};           // private to the algorithm
};
static_assert(sizeof(CongestionState) == 24);

/// words[3] of a connection with a model; with CUBIC it is never this: neither W_est nor
/// HyStart++'s counts come near.
inline constexpr std::uint32_t kModelTag = 0xffff'ffff;

struct AckSample {
  std::uint32_t acked_bytes = 0;   // newly acknowledged
  std::uint32_t flight_bytes = 0;  // outstanding before this ACK
  std::uint32_t mss = 0;
  std::uint32_t rtt_us = 0;    // measured by this ACK; 0: it measured nothing
  std::uint32_t srtt_us = 0;   // smoothed; 0: nothing was measured yet
  bool cwnd_limited = false;   // the window, not the application, held us back (RFC 7661)
  bool after_timeout = false;  // of data sent again after a timeout: L is 1 (RFC 3465 §2.3)
};

/// IW10: min(10 MSS, max(2 MSS, 14600)) (RFC 6928 §2).
[[nodiscard]] inline std::uint32_t initial_window(std::uint32_t mss) {
  return std::min(10 * mss, std::max(2 * mss, 14'600U));
}

void congestion_init(CongestionAlgorithm, CongestionState&, std::uint32_t mss);
/// A cumulative ACK of new data, outside recovery: inside, the window is the caller's.
void congestion_on_ack(CongestionAlgorithm, CongestionState&, const AckSample&, Instant now);
inline constexpr std::uint32_t kNothingLostYet = CongestionState{}.ssthresh;
/// False where there is nothing to learn from this ACK: a window that was not used does not grow,
/// and while nothing was ever lost no curve or threshold depends on it. That is most ACKs of short
/// exchanges.
[[nodiscard]] inline bool congestion_learns(const CongestionState& state, bool cwnd_limited) {
  return cwnd_limited || state.ssthresh != kNothingLostYet;
}
/// Loss found by duplicate ACKs: sets ssthresh; the caller inflates and deflates (RFC 6582).
void congestion_on_loss(CongestionAlgorithm, CongestionState&, std::uint32_t flight_bytes,
                        std::uint32_t mss, Instant now);
/// The path marked instead of dropping (RFC 3168 §6.1.2), told once a window: less may be in
/// flight.
void congestion_on_mark(CongestionAlgorithm, CongestionState&, std::uint32_t flight_bytes,
                        std::uint32_t mss, Instant now);
/// What an ACK of an ECN-capable connection acknowledges, and whether it echoes a mark: SEG.ACK and
/// SND.NXT tell windows apart (RFC 8257 §3.3). Only DCTCP listens.
void congestion_count_marks(CongestionAlgorithm, CongestionState&, std::uint32_t acked_bytes,
                            bool marked, Seq ack, Seq snd_nxt);
/// Retransmission timeout: ssthresh and one segment (RFC 5681 §3.1, equation 4).
void congestion_on_timeout(CongestionAlgorithm, CongestionState&, std::uint32_t flight_bytes,
                           std::uint32_t mss, bool first_timeout, Instant now);
/// The last loss or timeout was none (RFC 4015 §3, RFC 9438 §4.9): `before` is what it was then.
/// The window does not shrink by it.
void congestion_undo(CongestionState&, const CongestionState& before);
/// Sending resumes after idling longer than an RTO (RFC 5681 §4.1).
void congestion_on_idle_restart(CongestionAlgorithm, CongestionState&, std::uint32_t mss);

/// "newreno", "cubic", "dctcp", "bbr"; an unknown name gives nothing, and `congestion_names` lists
/// the known ones.
[[nodiscard]] std::optional<CongestionAlgorithm> congestion_from_name(std::string_view name);
[[nodiscard]] std::string_view congestion_name(CongestionAlgorithm);
[[nodiscard]] std::string_view congestion_names();

}  // namespace millrace::tcp
