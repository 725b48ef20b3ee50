// SPDX-License-Identifier: BSD-3-Clause
//
// Runs of transmissions in order of time, and so of SND.NXT: a run is over before the next begins,
// and all that it sent, again or first, lies below its end. So it may be forgotten once SND.UNA is
// there.
#include "tcp/connection/delivery_rate.h"

#include <algorithm>

namespace millrace::tcp {
namespace {

static_assert(kRateRuns % 2 == 0);

[[nodiscard]] RateRun& run_at(RateLog& log, std::uint32_t i) {
  return log.runs[(log.head + i) % kRateRuns];
}
[[nodiscard]] const RateRun& run_at(const RateLog& log, std::uint32_t i) {
  return log.runs[(log.head + i) % kRateRuns];
}

// Every two runs become one.
void thin_out(RateLog& log) {
  for (std::uint32_t i = 0; 2 * i + 1 < log.count; ++i) {
    RateRun both = run_at(log, 2 * i);
    const RateRun& second = run_at(log, 2 * i + 1);
    both.end = second.end;
    both.ended = second.ended;
    both.tx_in_flight = second.tx_in_flight;
    both.is_app_limited |= second.is_app_limited;
    run_at(log, i) = both;
  }
  log.count /= 2;
}

void keep_latest(RateSampler& s, RateLogs& logs) {
  if (s.log == kNil) s.log = logs.create();
  if (s.log == kNil) return;  // what was sent before gives no sample
  RateLog& log = logs[s.log];
  if (log.count == kRateRuns) thin_out(log);
  run_at(log, log.count++) = s.latest;
}

[[nodiscard]] bool covers(const RateRun& run, Seq seq) {
  return at_or_before(run.first, seq) && before(seq, run.end);
}

// The run in which the byte at `seq` was first sent.
[[nodiscard]] const RateRun* find_first_sent(const RateSampler& s, const RateLogs& logs, Seq seq) {
  if (!s.has_run) return nullptr;
  if (covers(s.latest, seq)) return &s.latest;
  if (s.log == kNil) return nullptr;
  const RateLog& log = logs[s.log];
  std::uint32_t low = 0;
  std::uint32_t high = log.count;
  while (low < high) {
    const std::uint32_t middle = (low + high) / 2;
    if (after(run_at(log, middle).end, seq)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  if (low == log.count) return nullptr;
  const RateRun& run = run_at(log, low);
  return covers(run, seq) ? &run : nullptr;
}

// The run that was open at `at`.
[[nodiscard]] const RateRun* find_open_at(const RateSampler& s, const RateLogs& logs, Instant at) {
  // A copy's time is known in steps of a microsecond, rounded down.
  const Instant about = at + Duration{std::int64_t{2} << kStampShift};
  if (!s.has_run) return nullptr;
  if (about >= s.latest.began) return &s.latest;
  if (s.log == kNil) return nullptr;
  const RateLog& log = logs[s.log];
  for (std::uint32_t i = log.count; i != 0; --i) {
    if (about >= run_at(log, i - 1).began) return &run_at(log, i - 1);
  }
  return nullptr;
}

// When the byte before `end` left.
[[nodiscard]] Instant sent_at(const RateRun& run, Seq end) {
  const std::uint32_t all = bytes_between(run.first, run.end);
  const std::uint32_t part = bytes_between(run.first, end);
  if (all == 0 || part >= all) return run.ended;
  const auto lasted = static_cast<unsigned __int128>((run.ended - run.began).count());
  return run.began + Duration{static_cast<std::int64_t>(lasted * part / all)};
}

// What a part of a run that ends at `end` found in flight, itself included.
[[nodiscard]] std::uint32_t in_flight_at(const RateRun& run, Seq end) {
  const std::uint32_t beyond = bytes_between(end, run.end);
  return run.tx_in_flight > beyond ? run.tx_in_flight - beyond : 0;
}

void take_newest(RateSampler& s, const RateRun& run, Instant send_time, std::uint32_t tx_in_flight,
                 Instant now, bbr::RateSample& rs, Duration& interval) {
  rs.has_data = true;
  rs.prior_delivered = run.delivered;
  rs.is_app_limited = run.is_app_limited;
  rs.tx_in_flight = tx_in_flight;
  rs.lost = s.lost - run.lost;
  const Duration send_elapsed = send_time - run.first_send_time;
  const Duration ack_elapsed = now - run.delivered_time;
  interval = std::max(send_elapsed, ack_elapsed);
  s.first_send_time = send_time;
}

}  // namespace

void rate_on_sent(RateSampler& s, const Departure& d, RateLogs& logs) {
  if (d.inflight_before == 0) s.first_send_time = s.delivered_time = d.now;
  const bool app_limited = s.app_limited != 0;
  const bool goes_on = s.has_run && d.inflight_before != 0 &&
                       d.now - s.latest.began <= d.longest_run &&
                       s.delivered_time - s.latest.delivered_time <= d.longest_run &&
                       s.latest.is_app_limited == app_limited;
  if (!goes_on) {
    if (s.has_run && after(s.latest.end, d.snd_una)) keep_latest(s, logs);
    s.latest = RateRun{};
    s.latest.first = d.nxt_before;
    s.latest.delivered = s.delivered;
    s.latest.delivered_time = s.delivered_time;
    s.latest.first_send_time = s.first_send_time;
    s.latest.lost = s.lost;
    s.latest.is_app_limited = app_limited;
    s.latest.began = s.latest.ended = d.now;
    s.has_run = true;
  }
  if (d.nxt != d.nxt_before) s.latest.ended = d.now;
  s.latest.end = d.nxt;
  s.latest.tx_in_flight = d.inflight;
}

bbr::RateSample rate_on_ack(RateSampler& s, const RateAck& ack, const RateLogs& logs) {
  bbr::RateSample rs;
  rs.newly_acked = ack.bytes;
  if (ack.bytes == 0) return rs;
  s.delivered += ack.bytes;
  s.delivered_time = ack.now;
  Duration interval{0};
  Instant newest{};
  if (ack.once) {
    if (const RateRun* run = find_first_sent(s, logs, ack.once_end - 1)) {
      newest = sent_at(*run, ack.once_end);
      // Of a run's midst only its beginning is sure: a round trip may look longer, never shorter.
      rs.rtt = ack.now - (ack.once_end == run->end ? run->ended : run->began);
      s.min_rtt = std::min(s.min_rtt, rs.rtt);
      take_newest(s, *run, newest, in_flight_at(*run, ack.once_end), ack.now, rs, interval);
    }
  }
  // An ACK of a copy may be of what was sent first: one that comes too early is.
  if (ack.again && s.min_rtt != bbr::kNoRtt && ack.again_age >= s.min_rtt) {
    const Instant left = ack.now - ack.again_age;
    const RateRun* run = find_open_at(s, logs, left);
    if (run != nullptr && (!rs.has_data || left > newest)) {
      take_newest(s, *run, left, run->tx_in_flight, ack.now, rs, interval);
    }
  }
  if (s.app_limited != 0 && s.delivered > s.app_limited) s.app_limited = 0;
  if (!rs.has_data) return rs;
  rs.delivered = s.delivered - rs.prior_delivered;
  // "No reliable rate sample" of less than a round trip.
  if (interval < s.min_rtt || interval <= Duration::zero()) return rs;
  const auto bits = static_cast<unsigned __int128>(rs.delivered) * 1'000'000'000U;
  rs.delivery_rate =
      static_cast<std::uint64_t>(bits / static_cast<std::uint64_t>(interval.count()));
  return rs;
}

bbr::LostPacket rate_on_lost(RateSampler& s, Seq& first, Seq end, const Instant* copy_sent,
                             const RateLogs& logs) {
  bbr::LostPacket packet;
  const RateRun* run =
      copy_sent != nullptr ? find_open_at(s, logs, *copy_sent) : find_first_sent(s, logs, first);
  const bool in_part = copy_sent == nullptr && run != nullptr && before(run->end, end);
  const Seq until = in_part ? run->end : end;
  packet.bytes = bytes_between(first, until);
  first = until;
  s.lost += packet.bytes;
  if (run == nullptr) return packet;
  packet.known = true;
  packet.lost = s.lost - run->lost;
  packet.is_app_limited = run->is_app_limited;
  packet.tx_in_flight = copy_sent != nullptr ? run->tx_in_flight : in_flight_at(*run, until);
  packet.tx_in_flight = std::max(packet.tx_in_flight, packet.bytes);
  return packet;
}

void rate_forget(RateSampler& s, Seq una, bool all, RateLogs& logs) {
  if (all) s.has_run = false;
  if (s.log == kNil) return;
  RateLog& log = logs[s.log];
  while (log.count != 0 && (all || at_or_before(run_at(log, 0).end, una))) {
    log.head = (log.head + 1) % kRateRuns;
    --log.count;
  }
  if (log.count != 0) return;
  logs.free(s.log);
  s.log = kNil;
}

}  // namespace millrace::tcp
