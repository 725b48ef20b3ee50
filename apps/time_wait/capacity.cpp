// SPDX-License-Identifier: BSD-3-Clause
//
// Experiment 6, the three capacity policies under overload. A store for a third of what rate x 2MSL
// asks for: `refuse` keeps the tuple busy and the connection's memory with it, `recycle` ends the
// oldest entry early, `reset` ends the new connection with a RST.
#include <fmt/format.h>

#include <array>
#include <chrono>

#include "apps/report/units.h"
#include "apps/time_wait/experiments.h"
#include "apps/time_wait/lab.h"
#include "apps/time_wait/openers.h"

namespace millrace::time_wait {
namespace {

constexpr std::uint32_t kCapacity = 20'000;
constexpr std::uint32_t kMostConnections = 30'000;
constexpr double kRate = 1000;
constexpr Duration kTwoMsl = 60s;
constexpr int kSeconds = 90;

constexpr std::array kPolicies{tcp::TimeWaitOverflow::refuse, tcp::TimeWaitOverflow::recycle_oldest,
                               tcp::TimeWaitOverflow::reset};
constexpr std::array<std::string_view, 3> kNames{"refuse", "recycle", "reset"};

struct Found {
  std::vector<double> rate;
  std::vector<double> population;
  OpenerCounts counts;
  std::uint64_t overflows = 0;
  std::uint64_t resets_sent = 0;
  double peak = 0;
};

Result<Found> run_policy(tcp::TimeWaitOverflow policy, std::uint64_t seed) {
  LabConfig config;
  tcp::TcpConfig profile;
  profile.two_msl = kTwoMsl;
  config.client.profiles = {profile};
  config.client.max_time_wait = kCapacity;
  config.client.max_connections = kMostConnections;
  config.client.time_wait_overflow = policy;
  config.client.time_wait_reuse = tcp::TimeWaitReuse::none;
  config.seed = seed;
  Opener opener({.rate = kRate, .addresses = 4});
  Acceptor acceptor(Closes::second);
  auto lab = Lab::create(config, opener, acceptor);
  if (!lab) return lab.error();
  Lab& l = *lab.value();
  Found found;
  std::uint64_t before = 0;
  for (int second = 0; second < kSeconds; ++second) {
    l.run_for(1s);
    found.rate.push_back(static_cast<double>(opener.counts().connected - before));
    before = opener.counts().connected;
    found.population.push_back(static_cast<double>(l.client().states().of(tcp::State::time_wait)));
    found.peak = std::max(found.peak, found.population.back());
  }
  found.counts = opener.counts();
  found.overflows = l.client().counters().TCPTimeWaitOverflow;
  found.resets_sent = l.client().counters().OutRsts;
  return found;
}

std::vector<std::string> predict(const Scale&) {
  const double two_msl = std::chrono::duration<double>(kTwoMsl).count();
  return {
      fmt::format("{:.0f}/s x {:.0f} s ask for {:.0f} entries; the store has {}", kRate, two_msl,
                  kRate * two_msl, report::group_digits(kCapacity)),
      fmt::format(
          "refuse: entries in the store and in connections together, {} at most; then opens "
          "fail until the first go",
          report::group_digits(kCapacity + kMostConnections)),
      fmt::format("recycle: every connection is made; an entry stays {:.0f} s instead of {:.0f}",
                  kCapacity / kRate, two_msl),
      "reset: every connection is made; what finds the store full ends with a RST"};
}

void check(Study& study, std::string claim, std::string predicted, std::uint64_t found, bool held) {
  study.checks.push_back(
      {std::move(claim), std::move(predicted), report::group_digits(found), held});
}

void judge(Study& study, tcp::TimeWaitOverflow policy, const Found& f) {
  const auto offered = f.counts.offered;
  const auto peak = static_cast<std::uint64_t>(f.peak);
  switch (policy) {
    case tcp::TimeWaitOverflow::refuse:
      check(study, "refuse: opens refused", "more than none", f.counts.all_refused(),
            f.counts.all_refused() > 0);
      check(study, "refuse: most entries",
            "at most " + report::group_digits(kCapacity + kMostConnections), peak,
            peak > kCapacity && peak <= kCapacity + kMostConnections);
      check(study, "refuse: resets", "0", f.resets_sent, f.resets_sent == 0);
      break;
    case tcp::TimeWaitOverflow::recycle_oldest:
      check(study, "recycle: opens refused", "0", f.counts.all_refused(),
            f.counts.all_refused() == 0);
      check(study, "recycle: most entries", report::group_digits(kCapacity), peak,
            peak == kCapacity);
      check(study, "recycle: ended early",
            "all but those that fit: " + report::group_digits(f.counts.closed - kCapacity),
            f.overflows, f.overflows == f.counts.closed - kCapacity);
      break;
    case tcp::TimeWaitOverflow::reset:
      check(study, "reset: opens refused", "0", f.counts.all_refused(),
            f.counts.all_refused() == 0);
      check(study, "reset: most entries", report::group_digits(kCapacity), peak, peak == kCapacity);
      check(study, "reset: RSTs sent",
            "one for each overflow: " + report::group_digits(f.overflows), f.resets_sent,
            f.overflows > 0 && f.resets_sent == f.overflows);
      break;
  }
  check(study, std::string(kNames[static_cast<std::size_t>(policy)]) + ": opens accounted for",
        report::group_digits(offered), f.counts.connected + f.counts.all_refused(),
        offered - f.counts.connected - f.counts.all_refused() <= 10);
}

Result<Study> run(const Scale& scale, const Progress& progress) {
  Study study;
  study.title = "Capacity policies under overload";
  Table table{
      {"policy", "offered", "connected", "refused", "most entries", "overflows", "resets sent"},
      {}};
  Plot entries{.title = "TIME_WAIT entries", .x_name = "second", .x_unit = Unit::seconds};
  Plot rates{.title = "Connections a second", .x_name = "second", .x_unit = Unit::seconds};
  for (int i = 1; i <= kSeconds; ++i) entries.x.push_back(i);
  rates.x = entries.x;
  for (const tcp::TimeWaitOverflow policy : kPolicies) {
    const std::string name(kNames[static_cast<std::size_t>(policy)]);
    const auto found = run_policy(policy, scale.seed);
    if (!found) return found.error();
    const Found& f = found.value();
    entries.curves.push_back({name, f.population});
    rates.curves.push_back({name, f.rate});
    table.rows.push_back({name, report::group_digits(f.counts.offered),
                          report::group_digits(f.counts.connected),
                          report::group_digits(f.counts.all_refused()),
                          report::group_digits(static_cast<std::uint64_t>(f.peak)),
                          report::group_digits(f.overflows), report::group_digits(f.resets_sent)});
    judge(study, policy, f);
    progress(fmt::format("{}: {} connected, {} refused", name, f.counts.connected,
                         f.counts.all_refused()));
  }
  study.tables.push_back(std::move(table));
  study.plots = {std::move(entries), std::move(rates)};
  study.explanation = {
      "A bounded store has to do something when it is full, and each answer gives up something "
      "else. `recycle` gives up the age of entries: with the store a third of what rate x 2MSL "
      "needs, each stays a third of 2MSL, and the protection against old segments shrinks with it. "
      "Each such end is counted as TCPTimeWaitOverflow.",
      "`refuse` gives up opens: the tuple stays busy, held by the connection itself at four times "
      "the memory, and when those are used up as well opens fail until 2MSL of the first is over. "
      "It is the policy of who would rather stop than be wrong.",
      "`reset` gives up the orderly end: whoever finds the store full is ended with a RST, so "
      "nothing has to be remembered. What the peer had not read by then is lost to it."};
  return study;
}

}  // namespace

const Experiment kCapacityPolicies{"capacity", "refuse, recycle and reset when TIME_WAIT is full",
                                   predict, run};

}  // namespace millrace::time_wait
