// SPDX-License-Identifier: BSD-3-Clause
//
// The verdict on a run that is over, and what becomes of a run that failed.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "tests/sim/simulation.h"

namespace millrace::sim {
namespace {

using tcp::CloseReason;

/// Ends that are nobody's mistake on a bad network.
bool excused(CloseReason reason, bool harsh, bool may_break, bool may_miss, bool scarce) {
  switch (reason) {
    case CloseReason::graceful:
      return true;
    case CloseReason::reset:
    case CloseReason::aborted:
    case CloseReason::unread_data:
      return may_break || harsh;
    case CloseReason::refused:
      return harsh || may_miss;
    case CloseReason::keepalive:
      return may_break || harsh;  // a RST that was lost leaves nothing else to notice it by
    case CloseReason::timeout:
      return harsh;
    case CloseReason::no_memory:
      return scarce;
    case CloseReason::none:
    case CloseReason::unreachable:
      return false;
  }
  return false;
}

/// Everything was exchanged, and only the ACK of our FIN did not come before the peer's TIME-WAIT,
/// shorter than retransmissions may take or reopened, was over: then a RST comes, or nothing.
bool lost_its_last_ack(const Talk& t, const SidePlan& own, const SidePlan& peer,
                       const EndPlan& peers) {
  const bool brief = peers.tcp.two_msl < 30s || peers.reuse != tcp::TimeWaitReuse::none;
  return t.eof && t.sent == own.bytes && t.received == peer.bytes && brief;
}

std::string where(std::size_t index, int side) {
  return "connection " + std::to_string(index) + " on end " + std::to_string(side);
}

std::string tell(const Talk& t, const SidePlan& own) {
  std::ostringstream out;
  out << ": phase " << static_cast<int>(t.phase) << ", ending " << static_cast<int>(own.ending)
      << ", sent " << t.sent << " of " << own.bytes << (t.blocked ? ", blocked" : "")
      << ", received " << t.received << (t.unread ? ", unread" : "")
      << (t.eof ? ", at the end" : "") << (t.shut ? ", shut" : "")
      << (t.released ? ", released" : "") << ", open error " << static_cast<int>(t.open_error);
  return out.str();
}

}  // namespace

void Simulation::judge_connections(RunResult& result) {
  const bool harsh = plan_.harsh();
  for (std::size_t i = 0; i < plan_.connections.size() && failure_.empty(); ++i) {
    const ConnectionPlan& c = plan_.connections[i];
    // A SYN meets no listener where both ends open, unless both do so at the same time: one may
    // have aborted already, or its clock was told to jump.
    const bool may_miss = c.simultaneous && (c.may_break() || !plan_.faults.empty());
    bool graceful = true;
    for (int side = 0; side < 2; ++side) {
      const Talk& t = ends_[static_cast<std::size_t>(side)]->app->talks()[i];
      result.bytes += t.received;
      if (t.skipped) {
        graceful = false;
        break;
      }
      const bool opens = c.simultaneous || c.opener == side;
      if (t.phase == Talk::Phase::unborn && !opens) {
        // Nobody told this end: the opener must have an excuse.
        graceful = false;
        continue;
      }
      const auto own = static_cast<std::size_t>(side);
      if (t.phase != Talk::Phase::closed) {
        return fail("liveness: " + where(i, side) + " did not finish after healing" +
                    tell(t, c.side[own]));
      }
      graceful = graceful && t.reason == CloseReason::graceful;
      const bool brief = lost_its_last_ack(t, c.side[own], c.side[1 - own], plan_.end[1 - own]);
      if (!excused(t.reason, harsh || brief, c.may_break(), may_miss, plan_.scarce())) {
        return fail(where(i, side) + " ended as " + std::string(name_of(t.reason)));
      }
    }
    ++(graceful ? result.graceful : result.broken);
    if (!graceful || c.may_break()) continue;
    for (int side = 0; side < 2; ++side) {
      const Talk& t = ends_[static_cast<std::size_t>(side)]->app->talks()[i];
      const std::uint64_t expected = c.side[static_cast<std::size_t>(1 - side)].bytes;
      if (t.received != expected || !t.eof) {
        return fail("3: " + where(i, side) + " ended gracefully with " +
                    std::to_string(t.received) + " of " + std::to_string(expected) + " bytes" +
                    (t.eof ? "" : " and no end of stream"));
      }
    }
  }
}

/// Frames and objects: each is where it should be, and counted once.
void Simulation::judge_accounts() {
  for (int side = 0; side < 2 && failure_.empty(); ++side) {
    End& end = *ends_[static_cast<std::size_t>(side)];
    const WorkerStats stats = end.worker->stats();
    std::uint64_t judged = 0;
    for (const std::uint64_t n : stats.drops.count) judged += n;
    const std::string prefix = "end " + std::to_string(side) + ": ";
    if (judged != stats.rx_frames || stats.rx_frames != end.port->delivered()) {
      return fail(prefix + "19: " + std::to_string(end.port->delivered()) + " frames arrived, " +
                  std::to_string(stats.rx_frames) + " were seen, " + std::to_string(judged) +
                  " were judged");
    }
    if (const std::string left = end.invariants->check_empty(); !left.empty()) {
      return fail(prefix + left);
    }
    end.worker.reset();
    if (end.port->with_worker() != 0) {
      return fail(prefix + "13: " + std::to_string(end.port->with_worker()) +
                  " buffers did not come back");
    }
  }
}

RunResult Simulation::conclude() {
  RunResult result;
  result.simulated = now_ - kStart;
  result.frames = frames_;
  result.polls = polls_;
  if (failure_.empty()) judge_connections(result);
  if (failure_.empty() && !quiet()) fail("liveness: not quiet after all this time");
  if (failure_.empty()) judge_accounts();
  for (const auto& end : ends_) {
    for (const Talk& t : end->app->talks()) {
      note(&t.received, sizeof t.received);
      note(&t.reason, sizeof t.reason);
    }
  }
  result.trace_hash = trace_hash_;
  result.failure = failure_;
  return result;
}

namespace {

thread_local std::uint64_t running_seed = 0;

/// A broken invariant in the code under test ends the process: say at least which seed did it.
extern "C" void tell_seed(int) {
  char line[64] = "while running MILLRACE_SIM_SEED=";
  std::size_t at = std::strlen(line);
  char digits[20];
  std::size_t n = 0;
  for (std::uint64_t s = running_seed; s != 0; s /= 10)
    digits[n++] = static_cast<char>('0' + s % 10);
  while (n > 0) line[at++] = digits[--n];
  line[at++] = '\n';
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line, at);
}

}  // namespace

RunResult run_seed(std::uint64_t seed) {
  running_seed = seed;
  std::signal(SIGABRT, tell_seed);
  const Plan plan = make_plan(seed);
  Simulation simulation(plan);
  RunResult result = simulation.run();
  if (result.failure.empty()) return result;
  const char* build = std::getenv("MILLRACE_BUILD");
  const std::filesystem::path directory =
      std::filesystem::path(build != nullptr ? build : "build") / "sim";
  std::error_code ignored;
  std::filesystem::create_directories(directory, ignored);
  const std::string path = (directory / ("seed-" + std::to_string(seed) + ".pcap")).string();
  const bool written = simulation.capture().write(path);
  result.failure += "\n" + plan.describe() +
                    "\n  capture: " + (written ? path : "could not be written to " + path) +
                    "\n  replay: MILLRACE_SIM_SEED=" + std::to_string(seed) +
                    " test_sim --gtest_filter=Seeds.*";
  return result;
}

}  // namespace millrace::sim
