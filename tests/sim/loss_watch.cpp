// SPDX-License-Identifier: BSD-3-Clause
//
// The scoreboard and the send log of a connection: what must hold of them whenever one looks.
#include "tcp/connection/path_model.h"
#include "tcp/connection/scoreboard.h"
#include "tests/sim/invariants.h"

namespace millrace::sim {
namespace {

using tcp::Connection;
using tcp::Seq;

std::string number(std::uint64_t n) { return std::to_string(n); }

/// Ends and times of the runs that are logged ascend.
std::string check_log(const Connection& c, const tcp::SendLog& log, Instant now) {
  if (log.count > tcp::kLoggedRuns) return "6: too many runs in the send log";
  Seq end = c.snd_una;
  Stamp older = 0xffff'ffff;
  for (std::uint32_t i = 0; i < log.count; ++i) {
    const tcp::SentRun& run = log.runs[(log.head + i) % tcp::kLoggedRuns];
    if (!after(run.end, end) || after(run.end, c.snd_nxt)) return "6: runs of the log out of order";
    const Stamp age = stamp_of(now) - run.ended;
    if (age > stamp_of(now) - run.began) return "6: a run of the log that ended before it began";
    if (age > older) return "6: times of the log out of order";
    older = age;
    end = run.end;
  }
  return {};
}

}  // namespace

tcp::LossPhase Invariants::phase_of(const Connection& c) const {
  if (c.send == kNil) return tcp::LossPhase::open;
  const tcp::SendState& s = impl_.stores.send[c.send];
  return s.loss == kNil ? tcp::LossPhase::open : impl_.stores.loss[s.loss].phase;
}

/// The last that was sent is a probe of new text that nobody has answered.
bool Invariants::probes_with_new_text(const Connection& c) const {
  if (c.send == kNil || impl_.stores.send[c.send].loss == kNil) return false;
  const tcp::Tlp& tlp = impl_.stores.loss[impl_.stores.send[c.send].loss].tlp;
  return tlp.open && !tlp.is_again && tlp.end == c.snd_nxt;
}

std::string Invariants::check_scoreboard(const Connection& c, Instant now) const {
  if (c.send == kNil) return {};
  const tcp::SendState& s = impl_.stores.send[c.send];
  if (s.log != kNil) {
    if (std::string wrong = check_log(c, impl_.stores.logs[s.log], now); !wrong.empty())
      return wrong;
  }
  if (s.loss == kNil) return {};
  if (s.in_recovery || s.resending) return "6: two ways of recovery at once";
  auto& stores = const_cast<tcp::Stores&>(impl_.stores);
  tcp::Scoreboard board = stores.loss[s.loss].board;
  if (before(board.covered, c.snd_una) || after(board.covered, c.snd_nxt)) {
    return "6: the scoreboard covers " +
           number(static_cast<std::uint32_t>(distance(c.snd_una, board.covered))) + " of " +
           number(bytes_between(c.snd_una, c.snd_nxt)) + " in flight";
  }
  std::uint32_t missing = 0;
  std::uint32_t lost = 0;
  std::uint32_t again = 0;
  Seq end = c.snd_una;
  for (std::uint32_t i = 0; i < board.count; ++i) {
    const tcp::Piece& p = piece_at(board, stores, i);
    if (before(p.first, end) || !before(p.first, p.end)) return "6: pieces that overlap";
    const std::uint32_t bytes = bytes_between(p.first, p.end);
    missing += bytes;
    if (p.lost) lost += bytes;
    if (p.retransmitted) again += bytes;
    end = p.end;
  }
  if (after(end, board.covered)) return "6: a piece beyond what is covered";
  const std::uint32_t sacked = bytes_between(c.snd_una, board.covered) - missing;
  if (sacked != board.sacked_bytes || lost != board.lost_bytes ||
      again != board.retransmitted_bytes) {
    return "6: the scoreboard says " + number(board.sacked_bytes) + ", " +
           number(board.lost_bytes) + ", " + number(board.retransmitted_bytes) +
           " SACKed, lost, sent again; the pieces " + number(sacked) + ", " + number(lost) + ", " +
           number(again);
  }
  if (s.inflation != pipe_relief(board)) return "4: what does not count as in flight is wrong";
  return {};
}

/// What a model of the path may say, and that its window keeps to it.
std::string Invariants::check_model(const Connection& c, Instant now) const {
  if (!tcp::has_model(c, config_)) return {};
  const tcp::PathModel& m = impl_.stores.models[c.congestion.words[0]];
  const tcp::bbr::Bbr& b = m.bbr;
  if (m.rate.delivered_time > now || m.rate.first_send_time > now) return "15: BBR in the future";
  if (b.pacing_rate == 0 || b.send_quantum < 2U * c.mss) return "15: BBR cannot send";
  if (b.bw > b.max_bw) return "15: BBR's rate is more than it ever measured";
  if (m.rate.log != kNil) {
    const tcp::RateLog& log = impl_.stores.rate_logs[m.rate.log];
    if (log.count == 0 || log.count > tcp::kRateRuns)
      return "6: a rate log of no runs, or too many";
    const tcp::RateRun* last = nullptr;
    for (std::uint32_t i = 0; i < log.count; ++i) {
      const tcp::RateRun& run = log.runs[(log.head + i) % tcp::kRateRuns];
      if (run.ended < run.began || before(run.end, run.first)) return "6: a run turned round";
      if (last != nullptr && (run.began < last->ended || before(run.first, last->end) ||
                              run.delivered < last->delivered)) {
        return "6: runs of the rate log out of order";
      }
      last = &run;
    }
  }
  return {};
}

}  // namespace millrace::sim
