// SPDX-License-Identifier: BSD-3-Clause
//
// A percentile of one run is compared with that of another, never averaged.
#include "apps/report/compare.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "apps/config/exit_code.h"
#include "apps/report/result_file.h"
#include "apps/report/units.h"

namespace millrace::report {
namespace {

using nlohmann::json;

// What both runs have to have in common. The seed and the command may differ.
constexpr std::array<std::string_view, 13> kSame{
    "mode",        "loop",          "rate_per_second", "target",     "connections",
    "cores",       "two_msl_s",     "time_wait_reuse", "close_mode", "requests_per_connection",
    "packet_path", "latency_label", "client_addresses"};

constexpr std::array<std::string_view, 5> kLatencies{"connect", "first_byte", "last_byte",
                                                     "last_byte_raw", "schedule_lag"};
constexpr std::array<std::string_view, 4> kPercentiles{"p50", "p99", "p99.9", "p99.99"};

// The same, but older results lack them.
constexpr std::array<std::string_view, 4> kSameIfKnown{"arrivals", "profile", "ramp_up_s",
                                                       "ramp_down_s"};

void warn_of_differences(const json& before, const json& after, std::vector<std::string>& out) {
  for (const std::string_view key : kSame) {
    const json one = before["start"].value(std::string(key), json());
    const json two = after["start"].value(std::string(key), json());
    if (one != two) out.push_back(fmt::format("{} was {}, and is {}", key, one.dump(), two.dump()));
  }
  for (const std::string_view key : kSameIfKnown) {
    const json one = before["start"].value(std::string(key), json());
    const json two = after["start"].value(std::string(key), json());
    if (one == two || one.is_null() || two.is_null()) continue;
    out.push_back(fmt::format("{} was {}, and is {}", key, one.dump(), two.dump()));
  }
}

void warn_of_run(std::string_view which, const json& result, std::vector<std::string>& out) {
  if (result["end"].value("interrupted", false)) {
    out.push_back(fmt::format("{} was interrupted", which));
  }
  if (result.contains("verdict")) {
    for (const json& rule : result["verdict"].value("broken_rules", json::array())) {
      out.push_back(fmt::format("{} is not valid: {}", which, rule.get<std::string>()));
    }
  }
}

double total_of(const json& causes) {
  double sum = 0;
  for (const json& count : causes) sum += count.get<double>();
  return sum;
}

std::string value_text(const std::string& unit, double value) {
  const auto whole = static_cast<std::uint64_t>(std::llround(value));
  if (unit == "ns") return nice_time(whole);
  if (unit == "bytes") return nice_bytes(whole);
  if (unit == "Mbit/s") return fmt::format("{:.1f}", value);
  return group_digits(whole);
}

// "1.25" of what it was; nothing where that was nothing.
std::string ratio_text(const Pair& pair) {
  if (pair.before == 0) return pair.after == 0 ? "1.00" : "-";
  return fmt::format("{:.2f}", pair.after / pair.before);
}

}  // namespace

Comparison compare(const json& before, const json& after) {
  Comparison c;
  warn_of_differences(before, after, c.warnings);
  warn_of_run("the first", before, c.warnings);
  warn_of_run("the second", after, c.warnings);
  const json& one = before["end"];
  const json& two = after["end"];
  const auto figure = [&](std::string name, std::string unit, const char* key, double scale = 1) {
    c.figures.push_back({std::move(name), std::move(unit), one.value(key, 0.0) * scale,
                         two.value(key, 0.0) * scale});
  };
  const auto by_reset = [](const json& result) {
    return result["start"].value("close_mode", "").ends_with("RST");
  };
  // RFC 9411: what is closed by RST is no rate of connections.
  figure(by_reset(before) || by_reset(after) ? "opened, closed or reset" : "connections per second",
         "1/s", "connections_per_second");
  figure("requests per second", "1/s", "transactions_per_second");
  figure("received Mbit/s", "Mbit/s", "received_bits_per_second", 1e-6);
  figure("TIME_WAIT entries, peak", "", "time_wait_peak");
  figure("memory resident", "bytes", "resident_bytes");
  for (const char* book : {"connections", "transactions"}) {
    for (const char* what : {"not_launched", "failed"}) {
      c.figures.push_back({fmt::format("{}, {}", book, what), "",
                           total_of(one.value(book, json()).value(what, json::object())),
                           total_of(two.value(book, json()).value(what, json::object()))});
    }
  }
  for (const std::string_view latency : kLatencies) {
    const json none = json::object();
    const json left =
        before["latency"].value(std::string(latency), none).value("percentiles", none);
    const json right =
        after["latency"].value(std::string(latency), none).value("percentiles", none);
    for (const std::string_view percentile : kPercentiles) {
      const std::string key(percentile);
      c.figures.push_back({fmt::format("{}, {}", latency, percentile), "ns", left.value(key, 0.0),
                           right.value(key, 0.0)});
    }
  }
  return c;
}

std::string to_text(const Comparison& comparison) {
  std::string text;
  for (const std::string& warning : comparison.warnings) {
    text += fmt::format("  not comparable: {}\n", warning);
  }
  if (!text.empty()) text += '\n';
  text += fmt::format("  {:<30}{:>16}{:>16}{:>10}\n", "", "first", "second", "ratio");
  for (const Pair& pair : comparison.figures) {
    text +=
        fmt::format("  {:<30}{:>16}{:>16}{:>10}\n", pair.name, value_text(pair.unit, pair.before),
                    value_text(pair.unit, pair.after), ratio_text(pair));
  }
  return text;
}

json to_json(const Comparison& comparison) {
  json figures = json::array();
  for (const Pair& pair : comparison.figures) {
    figures.push_back({{"name", pair.name},
                       {"unit", pair.unit},
                       {"first", pair.before},
                       {"second", pair.after},
                       {"ratio", pair.before == 0 ? json() : json(pair.after / pair.before)}});
  }
  return {{"warnings", comparison.warnings}, {"figures", figures}};
}

Command compare_command() {
  struct Options {
    std::string before;
    std::string after;
    bool json = false;
  };
  auto o = std::make_shared<Options>();
  Command command{"compare",
                  "two results beside each other",
                  "millrace compare before.json after.json",
                  {},
                  nullptr};
  command.options.heading("Results");
  command.options.positional("before", "BEFORE", "a result.json", o->before, parse_text);
  command.options.positional("after", "AFTER", "another", o->after, parse_text);
  command.options.toggle("json", "JSON instead of a table", o->json);
  command.run = [o]() -> Result<int> {
    if (o->after.empty()) {
      return Error{ErrorKind::usage, "compare expects two results",
                   "try millrace compare before.json after.json"};
    }
    const auto before = read_result(o->before);
    if (!before) return before.error();
    const auto after = read_result(o->after);
    if (!after) return after.error();
    const Comparison found = compare(before.value(), after.value());
    std::fputs(o->json ? (to_json(found).dump(2) + "\n").c_str() : to_text(found).c_str(), stdout);
    return kExitGood;
  };
  return command;
}

}  // namespace millrace::report
