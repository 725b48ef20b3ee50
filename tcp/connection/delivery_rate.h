// SPDX-License-Identifier: BSD-3-Clause
//
// How fast the path delivers (draft-ietf-ccwg-bbr §4.1, by its names): each ACK gives the rate over
// the time since what it acknowledges was sent, the longer of how long sending it took and how long
// acknowledging it took.
//
// The draft keeps a record for each packet. Here one stands for a run of them, all that was sent
// within a 32nd of a round trip and no such gap between ACKs, and has what its first packet would
// have: what had been delivered and when is a true pair for any moment, so the rate of
// acknowledging is exact, of an interval up to a run longer. When within the run a byte was sent is
// interpolated, which the rate of sending may be wrong by: 3 % at most, where sending limits
// (test_delivery_rate.cpp compares with records of each packet). What is sent again counts to the
// run that was open when it went.
//
// A run that is not known, because there was no memory or too many were open, gives no sample. A
// connection without SACK is sampled by what SND.UNA moves over alone: duplicate ACKs can be
// forged.
#pragma once

#include <array>
#include <cstdint>

#include "tcp/base/pool.h"
#include "tcp/base/seq.h"
#include "tcp/base/time.h"
#include "tcp/congestion/bbr.h"

namespace millrace::tcp {

/// P, of the packets of one run.
struct RateRun {
  Seq first;  // SND.NXT when it began, and
  Seq end;    // when it ended
  // As they were when the first of it was sent:
  std::uint64_t delivered = 0;     // P.delivered
  Instant delivered_time{};        // P.delivered_time
  Instant first_send_time{};       // P.first_send_time
  std::uint32_t lost = 0;          // P.lost
  bool is_app_limited = false;     // P.is_app_limited
  std::uint32_t tx_in_flight = 0;  // P.tx_in_flight of its last packet
  Instant began{};                 // P.send_time of its first packet, and
  Instant ended{};                 // of its last new one
};
static_assert(sizeof(RateRun) <= 64);

inline constexpr std::uint32_t kRateRuns = 48;
/// The runs in flight before the latest. Cold, in a pool of its own.
struct RateLog {
  std::uint32_t head = 0;
  std::uint32_t count = 0;
  std::array<RateRun, kRateRuns> runs;
};

/// C, as far as rates are concerned.
struct RateSampler {
  std::uint64_t delivered = 0;     // C.delivered
  std::uint64_t app_limited = 0;   // C.app_limited; 0: not
  Instant delivered_time{};        // C.delivered_time
  Instant first_send_time{};       // C.first_send_time
  Duration min_rtt = bbr::kNoRtt;  // C.min_rtt
  std::uint32_t lost = 0;          // C.lost; it wraps, and only differences count
  std::uint32_t log = kNil;
  bool has_run = false;  // `latest` is of something in flight
  RateRun latest;
};

using RateLogs = Pool<RateLog>;

/// Something went out, new or again; all is in bytes of sequence space.
struct Departure {
  Seq snd_una;
  Seq nxt_before;  // SND.NXT before it: it was text sent again if that is still where it is
  Seq nxt;
  std::uint32_t inflight_before = 0;
  std::uint32_t inflight = 0;
  Duration longest_run{0};
  Instant now;
};
/// OnPacketSent()
void rate_on_sent(RateSampler& sampler, const Departure& departure, RateLogs& logs);

/// What one ACK delivered.
struct RateAck {
  std::uint32_t bytes = 0;  // newly delivered, by SND.UNA or by SACK
  bool once = false;        // some of it was sent but once,
  Seq once_end;             // the end of the highest of that
  bool again = false;       // some of it was a copy,
  Duration again_age{0};    // the latest of which left so long ago
  Instant now;
};
/// UpdateRateSample() for all of it, and GenerateRateSample(). SND.UNA is still where it was.
[[nodiscard]] bbr::RateSample rate_on_ack(RateSampler& sampler, const RateAck& ack,
                                          const RateLogs& logs);

/// The part of the lost text [first, end) that was sent in one run, as HandleLostPacket() wants it;
/// moves `first` behind it. `copy_sent`: not what was sent first but a copy that left then.
[[nodiscard]] bbr::LostPacket rate_on_lost(RateSampler& sampler, Seq& first, Seq end,
                                           const Instant* copy_sent, const RateLogs& logs);

/// MarkConnectionAppLimited()
inline void mark_app_limited(RateSampler& sampler, std::uint32_t inflight) {
  const std::uint64_t index = sampler.delivered + inflight;
  sampler.app_limited = index == 0 ? 1 : index;
}

/// Everything before `una` has been acknowledged. With nothing in flight the log goes back.
void rate_forget(RateSampler& sampler, Seq una, bool all, RateLogs& logs);

}  // namespace millrace::tcp
