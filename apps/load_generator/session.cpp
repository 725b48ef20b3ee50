// SPDX-License-Identifier: BSD-3-Clause
//
// A run as the operator sees it.
#include "apps/load_generator/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "apps/config/exit_code.h"
#include "apps/config/interrupt.h"
#include "apps/config/parse_address.h"
#include "apps/report/units.h"

namespace millrace::load {

namespace {

constexpr Duration kLook = 50ms;       // how often progress is looked at
constexpr Duration kReachWithin = 3s;  // for duplicate detection, and a link that comes up late
constexpr std::size_t kMostNeighbours = 512;  // half of what a neighbour table holds
constexpr double kFailedLimit = 1e-5;         // 0.001 % of transactions
constexpr double kRateLimit = 0.95;

struct Look {
  Ledger ledger;
  Phase phase = Phase::done;  // the earliest of all generators
  std::uint64_t lag_ns = 0;
};

Look look_at(const std::vector<Generator*>& generators) {
  Look look;
  for (const Generator* generator : generators) {
    const Progress progress = generator->progress();
    look.ledger.add(progress.ledger);
    look.phase = std::min(look.phase, progress.phase);
    look.lag_ns = std::max(look.lag_ns, progress.schedule_lag_ns);
  }
  return look;
}

void add_states(tcp::StateCounts& to, const tcp::StateCounts& from) {
  for (std::size_t i = 0; i < tcp::kStateCount; ++i) to.count[i] += from.count[i];
}

tcp::StateCounts states_of(const Fleet& fleet) {
  tcp::StateCounts states;
  for (std::size_t end = 0; end < fleet.ends(); ++end) {
    for (std::size_t worker = 0; worker < fleet.workers(end); ++worker) {
      add_states(states, fleet.stats(end, worker).states);
    }
  }
  return states;
}

void add_fleet(Summary& summary, const Fleet& fleet) {
  for (std::size_t worker = 0; worker < fleet.workers(0); ++worker) {
    const StatsSnapshot stats = fleet.stats(0, worker);
    summary.unresolved_drops += stats.worker.unresolved_drops;
    for (std::size_t i = 0; i < kDropCount; ++i) {
      summary.drops.count[i] += stats.worker.drops.count[i];
    }
    auto* to = reinterpret_cast<std::uint64_t*>(&summary.counters);
    const auto* from = reinterpret_cast<const std::uint64_t*>(&stats.counters);
    for (std::size_t i = 0; i < tcp::kCounterNames.size(); ++i) to[i] += from[i];
  }
}

/// Whether packets can leave at both ends: ours to the target, and where the server is ours too,
/// its answers to the addresses that we ask from.
bool all_reachable(Fleet& fleet, const Plan& plan) {
  if (!fleet.reaches(0, plan.target)) return false;
  if (fleet.ends() == 1) return true;
  const auto known = plan.local.begin() +
                     static_cast<std::ptrdiff_t>(std::min(plan.local.size(), kMostNeighbours));
  return std::all_of(plan.local.begin(), known,
                     [&](const Address& client) { return fleet.reaches(1, client); });
}

/// A segment that waits for a neighbour's address is no latency of the server's: the run begins
/// when packets can leave. If nobody answers it begins all the same, and the books show it.
void begin_when_reachable(Session& session, Summary& summary) {
  const Plan& plan = session.generators.front()->plan();
  const Instant until = session.fleet.now() + kReachWithin;
  bool reachable = false;
  while (!reachable && !interrupted() && session.fleet.now() < until) {
    reachable = all_reachable(session.fleet, plan);
    if (!reachable) (void)sleep_unless_interrupted(1ms);
  }
  if (!reachable && !interrupted()) {
    summary.notes.push_back(fmt::format("Nobody on the link answers for {} or its gateway.",
                                        address_text(plan.target)));
    if (!session.quiet) std::printf("%s\n", summary.notes.back().c_str());
  }
  for (Generator* generator : session.generators) generator->begin();
}

/// Lines and intervals; one object, so that watch() stays a loop.
class Clerk {
 public:
  Clerk(Session& session, Summary& summary)
      : session_(session), summary_(summary), begun_(session.fleet.now()), last_(begun_) {
    if (!session.quiet) std::printf("%s\n", interval_header(session.options.mode).c_str());
  }

  /// Closes an interval if a second has passed, or if `force`.
  void note(const Look& look, Instant now, bool force) {
    const tcp::StateCounts states = states_of(session_.fleet);
    summary_.time_wait_peak = std::max(summary_.time_wait_peak, states.of(tcp::State::time_wait));
    if (look.phase <= Phase::run) {
      summary_.states_at_end_of_run = states;
      summary_.resident_bytes = report::resident_bytes();
    }
    lag_ns_ = std::max(lag_ns_, look.lag_ns);
    const double length_s = std::chrono::duration<double>(now - last_).count();
    if (length_s < 1.0 && !force) return;
    Interval interval;
    interval.end_s = std::chrono::duration<double>(now - begun_).count();
    interval.phase = look.phase;
    interval.ledger = look.ledger;
    interval.ledger.subtract(seen_);
    interval.states = states;
    interval.schedule_lag_ns = std::exchange(lag_ns_, 0);
    if (!session_.quiet) {
      std::printf("%s\n", interval_line(session_.options.mode, interval, length_s).c_str());
      std::fflush(stdout);
    }
    summary_.intervals.push_back(interval);
    seen_ = look.ledger;
    last_ = now;
  }

 private:
  Session& session_;
  Summary& summary_;
  Instant begun_;
  Instant last_;
  Ledger seen_;
  std::uint64_t lag_ns_ = 0;
};

}  // namespace

Summary watch(Session& session, Setup setup) {
  Summary summary;
  summary.setup = std::move(setup);
  summary.notes = session.fleet.notes();
  summary.notes.insert(summary.notes.end(), session.remarks.begin(), session.remarks.end());
  if (!session.quiet) {
    for (const std::string& note : summary.notes) std::printf("%s\n", note.c_str());
  }
  for (Generator* generator : session.generators) generator->hold();
  session.fleet.start();
  begin_when_reachable(session, summary);
  Clerk clerk(session, summary);
  Instant patience{};  // after a signal: how long the drain may take
  while (true) {
    (void)sleep_unless_interrupted(kLook);
    const Instant now = session.fleet.now();
    const Look look = look_at(session.generators);
    if (interrupted() && !summary.interrupted) {
      summary.interrupted = true;
      patience = now + session.options.drain + 2s;
      for (Generator* generator : session.generators) generator->interrupt();
    }
    const bool over = look.phase == Phase::done || (summary.interrupted && now > patience);
    clerk.note(look, now, over);
    if (over) break;
  }
  session.fleet.stop();
  for (const Generator* generator : session.generators) add_worker(summary, *generator);
  add_fleet(summary, session.fleet);
  return summary;
}

std::vector<std::string> broken_rules(const Summary& s) {
  std::vector<std::string> broken;
  const auto judge = [&](std::string_view what, const Book& book) {
    const std::uint64_t failed = book.total_failed();
    if (static_cast<double>(failed) <= kFailedLimit * static_cast<double>(book.launched)) return;
    broken.push_back(fmt::format("{} of {} {} failed: over 0.001 %", report::group_digits(failed),
                                 report::group_digits(book.launched), what));
  };
  judge("connections", s.ledger.connections);
  judge("transactions", s.ledger.transactions);
  const bool by_connection = s.setup.mode == Mode::cps;
  const bool by_schedule = !s.setup.closed && s.setup.mode != Mode::concurrent && !s.interrupted;
  const double achieved = by_connection ? s.connections_per_second() : s.transactions_per_second();
  if (by_schedule && achieved < kRateLimit * s.setup.rate) {
    broken.push_back(
        fmt::format("{:.0f}/s completed of {:.0f}/s offered: under 95 %", achieved, s.setup.rate));
  }
  return broken;
}

Result<int> conclude(const Session& session, const Summary& summary) {
  const std::vector<std::string> broken = broken_rules(summary);
  nlohmann::json result = to_json(summary);
  result["verdict"] = {{"valid", broken.empty()}, {"broken_rules", broken}};
  if (!session.quiet) {
    std::fputs(to_text(summary).c_str(), stdout);
    for (const std::string& rule : broken) std::printf("\n  not valid: %s\n", rule.c_str());
  }
  const std::string& path = session.options.json;
  if (path == "-") {
    std::printf("%s\n", result.dump(2).c_str());
  } else if (!path.empty()) {
    std::ofstream file(path);
    file << result.dump(2) << '\n';
    if (!file.flush()) {
      return Error{ErrorKind::environment, fmt::format("cannot write the result to '{}'", path),
                   "name a file in a directory that exists and is writable"};
    }
  }
  std::fflush(stdout);
  if (summary.interrupted) return static_cast<int>(kExitInterrupted);
  return static_cast<int>(broken.empty() ? kExitGood : kExitVerdict);
}

}  // namespace millrace::load
