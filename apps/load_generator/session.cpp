// SPDX-License-Identifier: BSD-3-Clause
//
// A run as the operator sees it.
#include "apps/load_generator/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "apps/config/exit_code.h"
#include "apps/config/interrupt.h"
#include "apps/config/parse_address.h"
#include "apps/config/shared_options.h"
#include "apps/load_generator/clerk.h"
#include "apps/load_generator/searcher.h"
#include "apps/report/result_file.h"
#include "apps/report/verdict.h"

namespace millrace::load {

namespace {

constexpr Duration kLook = 50ms;       // how often progress is looked at
constexpr Duration kReachWithin = 3s;  // for duplicate detection, and a link that comes up late
constexpr std::size_t kMostNeighbours = 512;  // half of what a neighbour table holds

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
  return std::all_of(plan.ask.targets.begin(), plan.ask.targets.end(), [&](const Target& target) {
    if (!fleet.reaches(0, target.address)) return false;
    if (fleet.ends() == 1) return true;
    const auto known = target.local.begin() +
                       static_cast<std::ptrdiff_t>(std::min(target.local.size(), kMostNeighbours));
    return std::all_of(target.local.begin(), known,
                       [&](const Address& client) { return fleet.reaches(1, client); });
  });
}

/// A segment that waits for a neighbour's address is no latency of the server's: the run begins
/// when packets can leave. If nobody answers it begins all the same, and the books show it.
void wait_until_reachable(Session& session, Summary& summary) {
  const auto all_reach = [&] {
    return std::all_of(session.generators.begin(), session.generators.end(),
                       [&](const Generator* g) { return all_reachable(session.fleet, g->plan()); });
  };
  const Instant until = session.fleet.now() + kReachWithin;
  bool reachable = false;
  while (!reachable && !interrupted() && session.fleet.now() < until) {
    reachable = all_reach();
    if (!reachable) (void)sleep_unless_interrupted(1ms);
  }
  if (!reachable && !interrupted()) {
    for (const Generator* generator : session.generators) {
      for (const Target& target : generator->plan().ask.targets) {
        if (session.fleet.reaches(0, target.address)) continue;
        std::string note = fmt::format("Nobody on the link answers for {} or its gateway.",
                                       address_text(target.address));
        if (!summary.notes.empty() && summary.notes.back() == note) continue;
        if (!session.quiet) std::printf("%s\n", note.c_str());
        summary.notes.push_back(std::move(note));
      }
    }
  }
}

/// What a reader of the result has to know of its TIME_WAIT (RFC 9293 §3.4.2, RFC 1337).
void add_time_wait_labels(Summary& summary) {
  if (summary.setup.two_msl_s == 0) {
    summary.notes.emplace_back(
        "2MSL is 0: there was no TIME_WAIT, which no safe TCP does without.");
  }
  if (summary.setup.time_wait_reuse == millrace::name_of(tcp::TimeWaitReuse::immediate)) {
    summary.notes.emplace_back(
        "TIME_WAIT reuse is immediate, which is unsafe: a new connection may be given an old "
        "one's bytes.");
  }
}

/// Runs until every generator is done, or a signal and the drain that follows it. The fleet has
/// stopped when this returns.
Summary watch(Session& session, std::vector<JobSummary> jobs) {
  Summary summary;
  summary.setup = combine(jobs);
  if (jobs.size() > 1 || !jobs.front().name.empty()) summary.jobs = std::move(jobs);
  summary.notes = session.fleet.notes();
  summary.notes.insert(summary.notes.end(), session.remarks.begin(), session.remarks.end());
  add_time_wait_labels(summary);
  if (!session.quiet) {
    for (const std::string& note : summary.notes) std::printf("%s\n", note.c_str());
  }
  for (Generator* generator : session.generators) generator->hold();
  session.fleet.start();
  wait_until_reachable(session, summary);
  Clerk clerk(session, summary);
  std::optional<Searcher> searcher;
  if (session.options.search) {
    summary.search.emplace();
    searcher.emplace(session, clerk, *summary.search);
  }
  for (Generator* generator : session.generators) generator->begin();
  Instant patience{};  // after a signal: how long the drain may take
  Instant now = session.fleet.now();
  while (true) {
    (void)sleep_unless_interrupted(kLook);
    now = session.fleet.now();
    if (interrupted() && !summary.interrupted) {
      summary.interrupted = true;
      patience = now + session.options.drain + 2s;
      for (Generator* generator : session.generators) generator->interrupt();
    }
    const bool over = clerk.phase() == Phase::done || (summary.interrupted && now > patience);
    if (over) break;
    clerk.note(now);
    if (searcher && !summary.interrupted) searcher->look(session.fleet.now());
  }
  (void)sleep_unless_interrupted(kLook);  // the last ACKs and resets leave first
  session.fleet.stop();
  clerk.finish(now);
  for (const Generator* generator : session.generators) {
    add_worker(summary, *generator);
    if (!summary.jobs.empty()) add_worker(summary.jobs[generator->plan().job].part, *generator);
  }
  add_fleet(summary, session.fleet);
  return summary;
}

}  // namespace

Result<int> run_session(Session& session, std::vector<JobSummary> jobs) {
  const Summary summary = watch(session, std::move(jobs));
  nlohmann::json result = to_json(summary);
  std::vector<report::Threshold> thresholds = session.options.thresholds;
  if (session.options.search) thresholds.push_back(*session.options.search);
  result["verdict"] = report::verdict_of(result, thresholds);
  if (!session.quiet) {
    std::fputs(to_text(summary).c_str(), stdout);
    std::fputs(report::verdict_text(result["verdict"]).c_str(), stdout);
  }
  // Each is written though another could not be: the run is not to be had again.
  const Status streamed = session.streams.end(result);
  Status written = Ok{};
  if (!session.options.json.empty()) written = report::write_json(session.options.json, result);
  if (!streamed) return streamed.error();
  if (!written) return written.error();
  std::fflush(stdout);
  if (summary.interrupted) return static_cast<int>(kExitInterrupted);
  return static_cast<int>(result["verdict"]["passed"] ? kExitGood : kExitVerdict);
}

}  // namespace millrace::load
