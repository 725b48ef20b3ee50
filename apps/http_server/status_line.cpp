// SPDX-License-Identifier: BSD-3-Clause
//
// Differences of two snapshots, in columns.
#include "apps/http_server/status_line.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/inspect/instance.h"
#include "apps/report/units.h"

namespace millrace::http {
namespace {

using report::group_digits;

std::string whole(double rate) {
  return group_digits(static_cast<std::uint64_t>(std::llround(rate)));
}

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

// Per second, since the snapshot before.
struct Rates {
  double connections;
  double requests;
  double in_mbit;
  double out_mbit;
};

Rates rates_of(const Snapshot& before, const Snapshot& now) {
  const double length = std::max(seconds(now.at - before.at), 1e-9);
  const auto per_second = [length](std::uint64_t from, std::uint64_t to) {
    return static_cast<double>(to - from) / length;
  };
  return {per_second(before.server.connections, now.server.connections),
          per_second(before.server.requests, now.server.requests),
          per_second(before.fleet.port.rx_bytes, now.fleet.port.rx_bytes) * 8e-6,
          per_second(before.fleet.port.tx_bytes, now.fleet.port.tx_bytes) * 8e-6};
}

std::string states_text(const tcp::StateCounts& states) {
  std::string text;
  for (std::size_t i = 0; i < tcp::kStateCount; ++i) {
    const auto state = static_cast<tcp::State>(i);
    if (states.of(state) == 0 || state == tcp::State::listen) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : "  ", tcp::name_of(state),
                        group_digits(states.of(state)));
  }
  return text.empty() ? "-" : text;
}

// Frames dropped since the snapshot before, by reason.
template <typename Each>
void each_new_drop(const Snapshot& before, const Snapshot& now, const Each& each) {
  for (std::size_t i = 1; i < kDropCount; ++i) {
    const std::uint64_t count =
        now.fleet.worker.drops.count[i] - before.fleet.worker.drops.count[i];
    if (count != 0) each(kDropNames[i], count);
  }
}

}  // namespace

std::string line_header() {
  return fmt::format("{:>6} {:>10} {:>12} {:>11} {:>11}   {}", "time", "conn/s", "requests/s",
                     "Mbit/s in", "Mbit/s out", "connections by state; frames dropped");
}

std::string line_text(const Snapshot& before, const Snapshot& now, Instant start) {
  const Rates r = rates_of(before, now);
  std::string text = fmt::format("{:>5.0f}s {:>10} {:>12} {:>11.1f} {:>11.1f}   {}",
                                 seconds(now.at - start), whole(r.connections), whole(r.requests),
                                 r.in_mbit, r.out_mbit, states_text(now.fleet.states));
  const char* separator = "; ";
  each_new_drop(before, now, [&](std::string_view name, std::uint64_t count) {
    text += fmt::format("{}{} {}", separator, name, group_digits(count));
    separator = "  ";
  });
  return text;
}

std::string line_json(const Snapshot& before, const Snapshot& now, Instant start) {
  const Rates r = rates_of(before, now);
  nlohmann::json states = nlohmann::json::object();
  for (std::size_t i = 0; i < tcp::kStateCount; ++i) {
    const auto state = static_cast<tcp::State>(i);
    if (now.fleet.states.of(state) == 0) continue;
    states[std::string(inspect::long_name(state))] = now.fleet.states.of(state);
  }
  nlohmann::json drops = nlohmann::json::object();
  each_new_drop(before, now,
                [&](std::string_view name, std::uint64_t n) { drops[std::string(name)] = n; });
  const nlohmann::json line = {
      {"seconds", seconds(now.at - start)}, {"connections_per_second", r.connections},
      {"requests_per_second", r.requests},  {"in_mbit_per_second", r.in_mbit},
      {"out_mbit_per_second", r.out_mbit},  {"connections", now.server.connections},
      {"requests", now.server.requests},    {"states", std::move(states)},
      {"drops", std::move(drops)}};
  return line.dump();
}

std::string totals_text(const Snapshot& end, Instant start) {
  const ServerStats& s = end.server;
  std::string text =
      fmt::format("{} requests on {} connections in {:.1f} s", group_digits(s.requests),
                  group_digits(s.connections), seconds(end.at - start));
  std::string answers;
  for (std::size_t hundred = 2; hundred < s.answers.size(); ++hundred) {
    if (s.answers[hundred] == 0) continue;
    answers += fmt::format("{}{}xx {}", answers.empty() ? "" : "  ", hundred,
                           group_digits(s.answers[hundred]));
  }
  if (!answers.empty()) text += "; answers: " + answers;
  const std::pair<const char*, std::uint64_t> troubles[] = {{"bad requests", s.bad_requests},
                                                            {"slow heads", s.slow_heads},
                                                            {"stalled", s.stalled},
                                                            {"out of memory", s.out_of_memory}};
  for (const auto& [name, count] : troubles) {
    if (count != 0) text += fmt::format("; {}: {}", name, group_digits(count));
  }
  return text;
}

}  // namespace millrace::http
