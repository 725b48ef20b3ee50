// SPDX-License-Identifier: BSD-3-Clause
//
// Experiment 2, the exhaustion knee. A client that closes first keeps each tuple for 2MSL, so it
// cannot open more than ports x addresses / 2MSL connections a second towards one place. Offered
// twice that, it opens at the full rate until every port waits, stands still until the first entry
// is over, and goes on like this; over time the arithmetic holds to the connection.
#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "apps/report/units.h"
#include "apps/time_wait/experiments.h"
#include "apps/time_wait/lab.h"
#include "apps/time_wait/openers.h"

namespace millrace::time_wait {
namespace {

constexpr double kPorts = 64'512;
constexpr double kWithin = 0.03;  // of what the arithmetic says
constexpr int kPeriods = 3;       // of 2MSL: the first fills, the others are measured

struct Case {
  Duration two_msl;
  std::uint32_t addresses;
  tcp::TimeWaitReuse reuse = tcp::TimeWaitReuse::none;
};

std::vector<Case> cases_of(const Scale& scale) {
  std::vector<Case> cases{{60s, 1}, {30s, 1}, {60s, 2}, {60s, 1, tcp::TimeWaitReuse::timestamp}};
  if (scale.full) cases.insert(cases.end(), {{120s, 1}, {240s, 1}, {60s, 16}, {240s, 16}});
  return cases;
}

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
double knee_of(const Case& c) { return kPorts * c.addresses / seconds(c.two_msl); }

std::string name_of(const Case& c) {
  return fmt::format("{} address{}, 2MSL {:.0f} s{}", c.addresses, c.addresses == 1 ? "" : "es",
                     seconds(c.two_msl),
                     c.reuse == tcp::TimeWaitReuse::none ? "" : ", reuse by timestamp");
}

struct Found {
  std::vector<double> rate;        // connections in each second
  std::vector<double> population;  // TIME_WAIT entries at its end
  double sustained = 0;            // per second, behind the first 2MSL
  std::uint64_t refused = 0;
};

Result<Found> run_case(const Case& c, std::uint64_t seed) {
  LabConfig lab_config;
  tcp::TcpConfig profile;
  profile.two_msl = c.two_msl;
  const double rate = 2 * knee_of(c);
  lab_config.client.profiles = {profile};
  lab_config.client.max_time_wait = 65'536 * c.addresses;
  lab_config.client.time_wait_reuse = c.reuse;
  lab_config.server.profiles = {profile};
  lab_config.seed = seed;
  Opener opener({.rate = rate, .addresses = c.addresses});
  Acceptor acceptor(Closes::second);
  auto lab = Lab::create(lab_config, opener, acceptor);
  if (!lab) return lab.error();
  Found found;
  std::uint64_t before = 0;
  const auto length = static_cast<int>(seconds(c.two_msl)) * kPeriods;
  const int first = length / kPeriods;
  for (int second = 0; second < length; ++second) {
    lab.value()->run_for(1s);
    const std::uint64_t now = opener.counts().connected;
    found.rate.push_back(static_cast<double>(now - before));
    found.population.push_back(
        static_cast<double>(lab.value()->client().states().of(tcp::State::time_wait)));
    if (second >= first) found.sustained += found.rate.back();
    before = now;
  }
  found.sustained /= length - first;
  found.refused = opener.counts().all_refused();
  return found;
}

void add_plots(Study& study, const std::string& name, const Found& f, double predicted) {
  Plot rate{.title = name + ": connections", .x_name = "second", .x_unit = Unit::seconds};
  for (std::size_t i = 0; i < f.rate.size(); ++i) rate.x.push_back(static_cast<double>(i) + 1);
  Plot population = rate;
  population.title = name + ": TIME_WAIT";
  rate.curves = {{"a second", f.rate},
                 {"predicted, sustained", std::vector<double>(f.rate.size(), predicted), true}};
  population.curves = {{"entries", f.population}};
  study.plots.push_back(std::move(rate));
  study.plots.push_back(std::move(population));
}

std::vector<std::string> predict(const Scale& scale) {
  std::vector<std::string> lines;
  for (const Case& c : cases_of(scale)) {
    if (c.reuse != tcp::TimeWaitReuse::none) {
      lines.push_back(fmt::format("{}: no knee below the ports in use", name_of(c)));
      continue;
    }
    lines.push_back(fmt::format("{}: {:.0f} ports / {:.0f} s = {:.0f} connections a second",
                                name_of(c), kPorts * c.addresses, seconds(c.two_msl), knee_of(c)));
  }
  return lines;
}

Result<Study> run(const Scale& scale, const Progress& progress) {
  Study study;
  study.title = "The exhaustion knee";
  Table table{{"case", "offered/s", "predicted/s", "sustained/s", "refused"}, {}};
  for (const Case& c : cases_of(scale)) {
    const auto found = run_case(c, scale.seed);
    if (!found) return found.error();
    const Found& f = found.value();
    const bool reuses = c.reuse != tcp::TimeWaitReuse::none;
    const double predicted = reuses ? 2 * knee_of(c) : knee_of(c);
    add_plots(study, name_of(c), f, predicted);
    table.rows.push_back({name_of(c), fmt::format("{:.0f}", 2 * knee_of(c)),
                          fmt::format("{:.0f}", predicted), fmt::format("{:.0f}", f.sustained),
                          report::group_digits(f.refused)});
    study.checks.push_back({name_of(c), fmt::format("{:.0f}/s sustained", predicted),
                            fmt::format("{:.0f}/s", f.sustained),
                            std::abs(f.sustained - predicted) <= kWithin * predicted});
    progress(fmt::format("{}: {:.0f}/s", name_of(c), f.sustained));
  }
  study.tables.push_back(std::move(table));
  study.explanation = {
      "A closed connection keeps its tuple for 2MSL at the end that closed first (RFC 9293 "
      "§3.6.1). Towards one address and port a client has as many tuples as it has ports on all of "
      "its addresses, so that many connections can be made in 2MSL and no more.",
      "At twice the sustainable rate all ports are gone after half of 2MSL. Then every open is "
      "refused until the first entries are over, half of 2MSL later; they go as fast as they came. "
      "The curve of connections is therefore a square wave and that of the population a plateau "
      "at the number of ports. A load that only just passes the knee shows the same at a flatter "
      "slope. What an operator sees is a server that is fine for half a minute and dead for half.",
      "Reuse by timestamps (RFC 6191) takes a tuple out of TIME_WAIT after a second, when the "
      "timestamps tell old segments from new: there the knee is gone. More addresses move it, a "
      "shorter 2MSL moves it at the price of what TIME_WAIT is for."};
  return study;
}

}  // namespace

const Experiment kExhaustion{"exhaustion", "connections per second against ports / 2MSL", predict,
                             run};

}  // namespace millrace::time_wait
