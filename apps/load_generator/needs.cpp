// SPDX-License-Identifier: BSD-3-Clause
//
// Arithmetic before a run. An address has 64,512 ports towards each target, and a tuple that was
// closed by us is taken for 2MSL: rate x 2MSL tuples in the long run.
#include "apps/load_generator/needs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#include "apps/config/parse_value.h"
#include "apps/report/units.h"

namespace millrace::load {

namespace {

using report::group_digits;

constexpr double kPortsPerAddress = 64'512;
// Bytes, as bench/README.md measured them: with index and application state.
constexpr double kConnectionBytes = 256;
constexpr double kTimeWaitBytes = 40;
constexpr double kFixedBytes = 96.0 * 1024 * 1024;  // program, packet buffers, histograms

std::string digits(double count) {
  return group_digits(static_cast<std::uint64_t>(std::llround(count)));
}
std::string mib(double bytes) { return fmt::format("{} MiB", digits(bytes / 1048576)); }

/// MemAvailable of /proc/meminfo; 0: it does not say.
double available_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  double kib = 0;
  for (std::string rest; file >> key >> kib; std::getline(file, rest)) {
    if (key == "MemAvailable:") return kib * 1024;
  }
  return 0;
}

std::string load_text(const Job& job) {
  const LoadOptions& load = job.load;
  std::string text = fmt::format("{}, ", name_of(load.mode));
  if (load.closed) {
    text += fmt::format("closed loop of {} connections", digits(load.connections));
  } else {
    text += fmt::format("{}/s", count_text(mean_rate(load)));
    if (load.arrivals.kind != Arrivals::constant) {
      text += fmt::format(", {} arrivals", load.arrivals.text);
    }
    if (load.profile.kind != Profile::Kind::constant) text += ", " + load.profile.text;
  }
  text += fmt::format(" for {}", duration_text(load.duration));
  if (load.ramp_up > 0s || load.ramp_down > 0s) {
    text += fmt::format(" between ramps of {} and {}", duration_text(load.ramp_up),
                        duration_text(load.ramp_down));
  }
  return text;
}

CheckLine ports_line(const Job& job, const Plan& plan, const TcpOptions& tcp) {
  const double needed = tuples_of(job.load, tcp.two_msl);
  if (needed == 0) {
    return {true, "ports: a closed loop takes what there is; watch not_launched"};
  }
  double there = 0;
  double share_short = 1;  // the least of there / needed, of all targets
  double total = 0;
  for (const Target& target : plan.ask.targets) total += target.weight;
  for (const Target& target : plan.ask.targets) {
    const double own = kPortsPerAddress * static_cast<double>(target.local.size());
    there += own;
    share_short = std::min(share_short, own / (needed * target.weight / total));
  }
  std::string text = fmt::format("ports: {} tuples needed within 2MSL of {}, {} there",
                                 digits(needed), duration_text(tcp.two_msl), digits(there));
  if (share_short >= 1) return {true, text};
  const double addresses =
      std::ceil(static_cast<double>(plan.ask.targets.front().local.size()) / share_short);
  const double rate = mean_rate(job.load) * share_short;
  text += fmt::format(
      "; give {} addresses with --address, or --two-msl {}", digits(addresses),
      duration_text(Duration{
          static_cast<std::int64_t>(static_cast<double>(tcp.two_msl.count()) * share_short / 1e6) *
          1'000'000}));
  if (rate >= 1) text += fmt::format(", or --rate {}", digits(rate));
  return {false, text};
}

}  // namespace

double tuples_of(const LoadOptions& load, Duration two_msl) {
  if (load.mode != Mode::cps) return 2.0 * load.connections;
  if (load.closed) return 0;
  const Duration whole = load.ramp_up + load.duration + load.ramp_down;
  // Where the server closes, or a RST ends it, no TIME_WAIT is ours.
  const bool ours = load.closer == Closer::client;
  const double kept = ours ? most_arrivals_within(load, std::min(whole, two_msl)) : 0;
  const double under_way = most_arrivals_within(load, std::min(whole, Duration{1s}));
  return kept + std::min<double>(load.connections, under_way);
}

std::vector<CheckLine> needs_of(const std::vector<const Job*>& jobs, const std::vector<Plan>& plans,
                                const TcpOptions& tcp, const FleetConfig& fleet) {
  std::vector<CheckLine> lines;
  double tuples = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::string& name = jobs[i]->declared.name;
    lines.push_back(
        {true, fmt::format("job{}{}: {}", name.empty() ? "" : " ", name, load_text(*jobs[i]))});
    lines.push_back(ports_line(*jobs[i], plans[i], tcp));
    tuples += tuples_of(jobs[i]->load, tcp.two_msl);
  }
  const std::uint64_t connections = connections_of(jobs);
  const double time_wait = std::min<double>(
      tuples,
      tcp.max_time_wait == 0 ? std::max(262'144.0, 4.0 * tcp.max_connections) : tcp.max_time_wait);
  const double needed = kFixedBytes + kTimeWaitBytes * time_wait +
                        kConnectionBytes * static_cast<double>(connections);
  const double there = available_bytes();
  const bool fits = there == 0 || needed <= there;
  lines.push_back(
      {fits, fmt::format("memory: about {} needed for {} connections and {} TIME_WAIT "
                         "entries, {} there{}",
                         mib(needed), digits(static_cast<double>(connections)), digits(time_wait),
                         mib(there), fits ? "" : "; lower --connections or --max-time-wait")});
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  for (const EndConfig& end : fleet.ends) {
    const int most = *std::max_element(end.cores.begin(), end.cores.end());
    lines.push_back({most < cores, fmt::format("cores: {} asked for, the highest is {}, {} there",
                                               end.cores.size(), most, cores)});
    lines.push_back({true, fmt::format("device: {}", end.device)});
  }
  return lines;
}

}  // namespace millrace::load
