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

/// Ends that give up have tried this long: ten times, from 200 ms up to 8 s; a SYN five times from
/// one second.
constexpr Duration kLeastSilence = 18s;
constexpr unsigned kLeastTries = 5;
/// From a connection's last trouble until nobody has a reason to give up any more.
constexpr Duration kRecovery = 60s;

/// How long an end with these settings has been told nothing before it gives up for `reason`: less
/// a tenth, for timers are rounded and what was last heard may have been in its queue.
Duration least_silence(const tcp::TcpConfig& config, CloseReason reason) {
  if (reason == CloseReason::keepalive) {
    const Duration probes = config.keepalive_interval * config.keepalive_probes;
    return (config.keepalive_idle + probes) * 9 / 10;
  }
  // RFC 5482: not before the user timeout, but then however few tries there were.
  const bool limited = config.user_timeout > Duration{0};
  return limited ? std::min(kLeastSilence, config.user_timeout * 9 / 10) : kLeastSilence;
}

/// How often it has tried, likewise.
unsigned least_tries(const tcp::TcpConfig& config, CloseReason reason) {
  if (reason == CloseReason::keepalive) {
    return std::min<unsigned>(kLeastTries, config.keepalive_probes);
  }
  return config.user_timeout > Duration{0} ? 0 : kLeastTries;
}

std::string where(std::size_t index, int side) {
  return "connection " + std::to_string(index) + " on end " + std::to_string(side);
}

}  // namespace

/// What one end knows, for whoever reads the failure.
std::string Simulation::tell(std::size_t index, int side) const {
  constexpr std::string_view kPhases[] = {"unborn", "opening", "open", "closed"};
  constexpr std::string_view kEndings[] = {"half-close", "close last", "close early", "abort"};
  const Talk& t = talk(index, side);
  const SidePlan& own = plan_.connections[index].side[static_cast<std::size_t>(side)];
  const auto us = [](Instant at) { return at < kStart ? 0U : to_us(at - kStart); };
  std::ostringstream out;
  out << "\n  end " << side << ": " << kPhases[static_cast<std::size_t>(t.phase)] << " from "
      << us(t.began) << " to " << us(t.over) << " us, " << name_of(t.reason) << ", to "
      << kEndings[static_cast<std::size_t>(own.ending)] << ", sent " << t.sent << " of "
      << own.bytes << (t.blocked ? ", blocked" : "") << ", received " << t.received
      << (t.unread ? ", unread" : "") << (t.eof ? ", at the end" : "") << (t.shut ? ", shut" : "")
      << (t.released ? ", released at " + std::to_string(us(t.let_go)) + " until " +
                           std::to_string(us(t.ended))
                     : "")
      << (t.given_up ? ", given up" : "") << ", open error " << static_cast<int>(t.open_error)
      << ", heard at " << us(audit_->heard(index, side)) << ", progress at "
      << us(audit_->progress(index, side)) << ", tries " << audit_->tries(index, side)
      << ", recycled "
      << ends_[static_cast<std::size_t>(side)]->endpoint->counters().TCPTimeWaitOverflow;
  return out.str();
}

/// When the last fault was over, and the network healed.
Instant Simulation::end_of_trouble() const {
  Instant end = kStart + plan_.heal_at;
  for (const Fault& f : plan_.faults) end = std::max(end, kStart + f.at + f.length());
  return end;
}

/// How far the time of `side` leapt ahead between these two times: waiting ends as much earlier. Of
/// a clock that jumps its worker believes as much as there was nothing to do.
Duration Simulation::leapt(int side, Instant from, Instant to) const {
  const auto lead_at = [&](Instant at) {
    Duration lead{0};
    for (const auto& [since, ahead] : ends_[static_cast<std::size_t>(side)]->leads) {
      if (since <= at) lead = ahead;
    }
    return lead;
  };
  return lead_at(to) - lead_at(from);
}

/// `side` waited in TIME-WAIT for less than its peer needed for its last FIN: 2MSL is shorter here
/// than retransmission may take, or the entry had to make room, for a successor or in a full store.
bool Simulation::stayed_too_short(std::size_t index, int side) const {
  const Talk& gone = talk(index, side);
  const Talk& left = talk(index, 1 - side);
  const EndPlan& p = plan_.end[static_cast<std::size_t>(side)];
  if (gone.reason != CloseReason::graceful) return false;
  const Instant finished = audit_->finished(index, side);
  const Instant entered = finished == Instant{} ? gone.over : finished;
  if (left.over + leapt(side, entered, left.over) >= entered + p.tcp.two_msl) return true;
  if (p.scarcity > 0 && p.overflow != tcp::TimeWaitOverflow::refuse) return true;
  for (std::size_t i = index + 1; i < plan_.connections.size(); ++i) {
    if (plan_.connections[i].after == index) return talk(i, side).began > entered;
  }
  return false;
}

/// A RST tells that the other end has no such connection, or has it no longer.
bool Simulation::reset_is_right(std::size_t index, int side) const {
  const Talk& t = talk(index, side);
  const Talk& peer = talk(index, 1 - side);
  // Where a cookie stood for the SYN all but what follows at once is a stranger's.
  const tcp::SynCookieUse cookies = plan_.end[static_cast<std::size_t>(1 - side)].tcp.syn_cookies;
  if (cookies != tcp::SynCookieUse::never && audit_->strayed(index, 1 - side)) return true;
  if (peer.phase == Talk::Phase::unborn) {
    // Its half-open entry ran out of time, or it had no room.
    return t.over - t.began >= kLeastSilence ||
           plan_.end[static_cast<std::size_t>(1 - side)].is_scarce();
  }
  if (peer.phase != Talk::Phase::closed) return false;
  if (peer.reason == CloseReason::graceful) return stayed_too_short(index, 1 - side);
  return peer.over <= t.over;
}

/// `side` accepted by Fast Open, and broke off before its peer knew that it was there.
bool Simulation::ended_early(std::size_t index, int side) const {
  const Talk& t = talk(index, side);
  const Talk& peer = talk(index, 1 - side);
  const bool broke_off = t.phase == Talk::Phase::closed && t.reason != CloseReason::graceful;
  return plan_.end[0].tcp.fast_open && plan_.end[1].tcp.fast_open && broke_off && !peer.connected;
}

/// `side` had the connection at that time.
bool Simulation::is_there(std::size_t index, int side, Instant when) const {
  const Talk& t = talk(index, side);
  return t.phase == Talk::Phase::open || (t.phase == Talk::Phase::closed && t.over > when);
}

/// An abort that no plan asks for: close() with a limit of time had come to it, or the application
/// of an end without keepalive heard no more of a peer that was gone.
bool Simulation::abort_is_right(std::size_t index, int side) const {
  const Talk& t = talk(index, side);
  const EndPlan& own = plan_.end[static_cast<std::size_t>(side)];
  if (t.given_up) {
    return plan_.scarce() || !is_there(index, 1 - side, t.over) ||
           t.over < end_of_trouble() + kRecovery;
  }
  const Duration linger = own.tcp.linger;
  return linger >= Duration{0} && t.let_go != Instant{} && t.ended - t.let_go >= linger;
}

/// An end that gives up has heard nothing although it asked, and there is a reason for that.
bool Simulation::silence_is_right(std::size_t index, int side) const {
  const Talk& t = talk(index, side);
  const Talk& peer = talk(index, 1 - side);
  const EndPlan& there = plan_.end[static_cast<std::size_t>(1 - side)];
  const Instant heard = std::max(t.began, audit_->heard(index, side));
  const Instant progress = std::max(t.began, audit_->progress(index, side));
  // Where memory is short the peer may speak and still refuse what it is sent; a full backlog
  // refuses SYNs without a word. A listener that waits for text keeps nothing of who has a cookie
  // and says nothing, and a copy of the SYN may be half open there, with other numbers.
  const bool deferred = peer.phase == Talk::Phase::unborn && there.tcp.defer_accept > Duration{0} &&
                        there.tcp.syn_cookies != tcp::SynCookieUse::never;
  const bool refuses = there.is_scarce() || deferred || (!t.connected && there.backlog < 4096);
  const bool faultless = plan_.faults.empty();
  const tcp::TcpConfig& own = plan_.end[static_cast<std::size_t>(side)].tcp;
  // An end that is opening may hear the peer's SYN again and again while its own answers are lost.
  // And whatever the peer says, a user timeout asks for an ACK of what was sent (RFC 5482 §1).
  const bool limited = own.user_timeout > Duration{0} && t.reason == CloseReason::timeout;
  const Instant since = refuses || !t.connected || limited ? progress : heard;
  if (t.over - since + leapt(side, since, t.over) < least_silence(own, t.reason)) return false;
  if (faultless && !refuses && t.connected &&
      audit_->tries(index, side) < least_tries(own, t.reason)) {
    return false;
  }
  return !is_there(index, 1 - side, t.over) || refuses || t.over < end_of_trouble() + kRecovery;
}

/// Why an end's reason is not one that TCP permits here, or nothing.
std::string Simulation::unexcused(std::size_t index, int side) const {
  const Talk& t = talk(index, side);
  const Talk& peer = talk(index, 1 - side);
  const ConnectionPlan& c = plan_.connections[index];
  const SidePlan& own = c.side[static_cast<std::size_t>(side)];
  bool right = false;
  switch (t.reason) {
    case CloseReason::graceful:
      right = true;
      break;
    case CloseReason::aborted:
      right = own.ending == Ending::abort || abort_is_right(index, side);
      break;
    case CloseReason::unread_data:
      right = own.ending == Ending::close_early;
      break;
    case CloseReason::no_memory:
      right = plan_.end[static_cast<std::size_t>(side)].is_scarce();
      break;
    case CloseReason::reset:
      right = reset_is_right(index, side);
      break;
    case CloseReason::refused:
      // Somebody always listens, but not on the port of a simultaneous open.
      right = ended_early(index, 1 - side) && peer.over <= t.over;
      right =
          right || (c.simultaneous && (peer.phase == Talk::Phase::unborn || peer.began > t.began ||
                                       (peer.phase == Talk::Phase::closed && peer.over <= t.over)));
      break;
    case CloseReason::keepalive:
      right = silence_is_right(index, side);
      break;
    case CloseReason::timeout:
      // FIN-WAIT-2 without an owner has a time of its own.
      right = silence_is_right(index, side) || (own.ending == Ending::close_early && t.released);
      break;
    case CloseReason::none:
    case CloseReason::unreachable:
      break;
  }
  return right ? std::string() : "ended as " + std::string(name_of(t.reason));
}

/// A graceful end means that both FINs were acknowledged: every byte is where it should be.
std::string Simulation::judge_bytes(std::size_t index, int side) const {
  const Talk& t = talk(index, side);
  const Talk& peer = talk(index, 1 - side);
  if (peer.phase == Talk::Phase::unborn) return "ended gracefully without a peer";
  const SidePlan& own = plan_.connections[index].side[static_cast<std::size_t>(side)];
  if (own.ending == Ending::abort || own.ending == Ending::close_early) return {};
  if (t.sent != own.bytes) return "3: ended gracefully before it had sent everything";
  if (t.received == peer.sent && t.eof) return {};
  return "3: ended gracefully with " + std::to_string(t.received) + " of " +
         std::to_string(peer.sent) + " bytes" + (t.eof ? "" : " and no end of stream");
}

std::string Simulation::judge_end(std::size_t index, int side) const {
  const Talk& t = talk(index, side);
  if (t.phase != Talk::Phase::closed) return "liveness: did not finish after healing";
  if (plan_.is_unsafe(index)) return {};
  if (t.reason == CloseReason::graceful) return judge_bytes(index, side);
  return unexcused(index, side);
}

void Simulation::judge_connections(RunResult& result) {
  for (std::size_t i = 0; i < plan_.connections.size() && failure_.empty(); ++i) {
    const ConnectionPlan& c = plan_.connections[i];
    bool graceful = true;
    for (int side = 0; side < 2; ++side) {
      const Talk& t = talk(i, side);
      result.bytes += t.received;
      graceful = graceful && t.reason == CloseReason::graceful;
      const bool opens = c.simultaneous || c.opener == side;
      // An end that was never told has nothing to answer for; its opener has.
      if (t.skipped || (t.phase == Talk::Phase::unborn && !opens)) continue;
      if (const std::string wrong = judge_end(i, side); !wrong.empty()) {
        return fail(where(i, side) + ": " + wrong + tell(i, 0) + tell(i, 1));
      }
    }
    ++(graceful ? result.graceful : result.broken);
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
    // At least: what hits an address or a length of IPv6 shows in the checksum of TCP too.
    const auto dropped = [&](Drop reason) { return stats.drops.of(reason); };
    if (dropped(Drop::ip_bad_checksum) < end.damaged_ipv4) {
      return fail(prefix + "19: " + std::to_string(end.damaged_ipv4) +
                  " IPv4 headers were damaged, " + std::to_string(dropped(Drop::ip_bad_checksum)) +
                  " dropped for it");
    }
    if (dropped(Drop::tcp_bad_checksum) < end.damaged_segments) {
      return fail(prefix + "19: " + std::to_string(end.damaged_segments) +
                  " segments were damaged, " + std::to_string(dropped(Drop::tcp_bad_checksum)) +
                  " dropped for it");
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

RunResult run_plan(const Plan& plan, const std::string& name) {
  Simulation simulation(plan);
  RunResult result = simulation.run();
  if (result.failure.empty()) return result;
  const char* build = std::getenv("MILLRACE_BUILD");
  const std::filesystem::path directory =
      std::filesystem::path(build != nullptr ? build : "build") / "sim";
  std::error_code ignored;
  std::filesystem::create_directories(directory, ignored);
  const std::string path = (directory / (name + ".pcap")).string();
  const bool written = simulation.capture().write(path);
  result.failure += "\n" + plan.describe() +
                    "\n  capture: " + (written ? path : "could not be written to " + path);
  return result;
}

RunResult run_seed(std::uint64_t seed) {
  running_seed = seed;
  std::signal(SIGABRT, tell_seed);
  RunResult result = run_plan(make_plan(seed), "seed-" + std::to_string(seed));
  if (!result.failure.empty()) {
    result.failure += "\n  replay: MILLRACE_SIM_SEED=" + std::to_string(seed) +
                      " build/dev/test_sim --gtest_filter='Seeds.*'";
  }
  return result;
}

}  // namespace millrace::sim
