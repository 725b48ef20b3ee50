// SPDX-License-Identifier: BSD-3-Clause
//
// Rules and thresholds.
#include "apps/report/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/config/parse_value.h"
#include "apps/report/books.h"
#include "apps/report/histogram_json.h"
#include "apps/report/units.h"

namespace millrace::report {
namespace {

using nlohmann::json;

constexpr double kFailedLimit = 1e-5;  // 0.001 %
constexpr double kRateLimit = 0.95;
constexpr std::size_t kMostDigits = 20;  // of a share: more mean nothing, and hundreds overflow

struct MeasureName {
  std::string_view word;  // as RFC 9411 and the histogram logs have it
  std::string_view key;   // in result.json
};
constexpr std::array kMeasures{
    MeasureName{"connect", "connect"}, MeasureName{"connect_raw", "connect_raw"},
    MeasureName{"ttfb", "first_byte"}, MeasureName{"ttfb_raw", "first_byte_raw"},
    MeasureName{"ttlb", "last_byte"},  MeasureName{"ttlb_raw", "last_byte_raw"},
    MeasureName{"close", "close"},     MeasureName{"lag", "schedule_lag"},
};

Error no_threshold(std::string_view word) {
  return bad_word(word, "a threshold",
                  "LATENCY.pN=TIME or LATENCY.max=TIME of connect, ttfb, ttlb, close or lag (_raw "
                  "behind: from the actual start), failed=SHARE or rate=RATE or rate=SHARE",
                  "ttlb.p99=2ms");
}

/// "0.1%" or a number from 0 to 1.
bool parse_share(std::string_view word, double& share) {
  const bool percent = word.ends_with('%');
  if (percent) word.remove_suffix(1);
  if (word.empty() || word.find_first_not_of("0123456789.") != std::string_view::npos) return false;
  if (std::count(word.begin(), word.end(), '.') > 1 || word == ".") return false;
  if (word.size() > kMostDigits) return false;
  share = std::stod(std::string(word)) / (percent ? 100.0 : 1.0);
  return share <= 1;
}

/// "p99.9" or "max".
bool parse_percent(std::string_view word, double& percent) {
  if (word == "max") {
    percent = 100;
    return true;
  }
  if (!word.starts_with('p') || word.size() < 2) return false;
  double share = 0;
  if (!parse_share(fmt::format("{}%", word.substr(1)), share)) return false;
  percent = std::stod(std::string(word.substr(1)));
  return percent > 0;
}

double achieved_rate(const json& result) {
  return result["end"].value(
      rates_connections(result) ? "connections_per_second" : "transactions_per_second", 0.0);
}

/// What was to be reached: the rate that was asked for, or where arrivals vary, what they came to
/// while the load was sustained.
double offered_rate(const json& result) {
  const json& end = result["end"];
  const double run_s = end.value("run_s", 0.0);
  if (const auto search = result.find("search"); search != result.end()) {
    return search->value("found_per_second", 0.0);
  }
  const bool even = result["start"].value("arrivals", "constant") == "constant";
  if (even || !end.contains("run_offered") || run_s <= 0) {
    return result["start"].value("rate_per_second", 0.0);
  }
  return end.value("run_offered", 0.0) / run_s;
}

/// What the threshold looks at; nothing where there is none of it.
json found_of(const Threshold& t, const json& result) {
  switch (t.of) {
    case Threshold::Of::latency: {
      const auto h = histogram_from(result["latency"].value(t.measure, json()));
      if (!h || h.value().count() == 0) return {};
      return t.percent >= 100 ? h.value().max() : h.value().percentile(t.percent);
    }
    case Threshold::Of::failed: {
      const json& book = result["end"][book_of_rate(result)];
      const auto launched = book.value("launched", std::uint64_t{0});
      if (launched == 0) return {};
      return static_cast<double>(sum_of(book["failed"])) / static_cast<double>(launched);
    }
    case Threshold::Of::rate:
      return achieved_rate(result);
    case Threshold::Of::rate_share: {
      const double asked = result["start"].value("rate_per_second", 0.0);
      if (asked <= 0) return {};
      return achieved_rate(result) / asked;
    }
  }
  return {};
}

bool is_least(const Threshold& t) {
  return t.of == Threshold::Of::rate || t.of == Threshold::Of::rate_share;
}

std::string_view unit_of(const Threshold& t) {
  switch (t.of) {
    case Threshold::Of::latency:
      return "ns";
    case Threshold::Of::rate:
      return "1/s";
    case Threshold::Of::failed:
    case Threshold::Of::rate_share:
      return "share";
  }
  return "";
}

}  // namespace

std::string found_text(const json& threshold) {
  const json& found = threshold.at("found");
  const auto unit = threshold.at("unit").get<std::string>();
  if (found.is_null()) return "nothing to look at";
  if (unit == "ns") return nice_time(found.get<std::uint64_t>());
  if (unit == "share") return fmt::format("{:.4g} %", 100 * found.get<double>());
  return group_digits(static_cast<std::uint64_t>(std::llround(found.get<double>()))) + "/s";
}

namespace {

void judge_book(const json& result, const char* name, std::vector<std::string>& broken) {
  const json& book = result["end"][name];
  const auto launched = book["launched"].get<std::uint64_t>();
  const auto over = [&](std::uint64_t count) {
    return static_cast<double>(count) > kFailedLimit * static_cast<double>(launched);
  };
  const std::uint64_t failed = sum_of(book["failed"]);
  if (over(failed)) {
    broken.push_back(fmt::format("{} of {} {} failed: over 0.001 %", group_digits(failed),
                                 group_digits(launched), name));
  }
  const std::uint64_t resets = book["failed"].value("reset", std::uint64_t{0}) +
                               book["failed"].value("refused", std::uint64_t{0});
  if (std::string_view(name) == "connections" && over(resets)) {
    broken.push_back(fmt::format("{} of {} connections ended by an unexpected RST: over 0.001 %",
                                 group_digits(resets), group_digits(launched)));
  }
}

/// Of a result, or of one of its jobs.
void judge_rate(const json& result, bool interrupted, const std::string& whose,
                std::vector<std::string>& broken) {
  const json& start = result["start"];
  const std::string mode = start.value("mode", "");
  const double asked = offered_rate(result);
  const bool by_schedule =
      start.value("loop", "") == "open" && mode != "concurrent" && !interrupted;
  const double achieved = achieved_rate(result);
  if (by_schedule && achieved < kRateLimit * asked) {
    broken.push_back(fmt::format("{}{:.0f}/s completed of {:.0f}/s offered: under 95 %", whose,
                                 achieved, asked));
  }
  if (mode == "cps" && start.value("close_mode", "").ends_with("RST")) {
    broken.push_back(whose + "closed by RST: this is no rate of connections (RFC 9411)");
  }
}

}  // namespace

Result<Threshold> parse_threshold(std::string_view word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) return no_threshold(word);
  const std::string_view what = word.substr(0, equals);
  const std::string_view bound = word.substr(equals + 1);
  Threshold t;
  t.text = word;
  if (what == "failed") {
    t.of = Threshold::Of::failed;
    if (!parse_share(bound, t.limit)) return no_threshold(word);
    return t;
  }
  if (what == "rate") {
    t.of = bound.ends_with('%') ? Threshold::Of::rate_share : Threshold::Of::rate;
    if (t.of == Threshold::Of::rate_share) {
      if (!parse_share(bound, t.limit)) return no_threshold(word);
      return t;
    }
    const auto rate = parse_rate(bound);
    if (!rate) return rate.error();
    t.limit = rate.value();
    return t;
  }
  const std::size_t dot = what.find('.');
  const auto named = std::find_if(kMeasures.begin(), kMeasures.end(), [&](const MeasureName& m) {
    return m.word == what.substr(0, dot);
  });
  if (dot == std::string_view::npos || named == kMeasures.end()) return no_threshold(word);
  if (!parse_percent(what.substr(dot + 1), t.percent)) return no_threshold(word);
  const auto limit = parse_duration(bound);
  if (!limit) return limit.error();
  t.measure = named->key;
  t.limit = static_cast<double>(limit.value().count());
  return t;
}

void add_threshold_option(OptionSet& set, std::vector<Threshold>& thresholds) {
  set.pairs("slo", "WHAT=LIMIT",
            "a threshold: ttlb.p99=2ms (also connect, ttfb, close, lag; p50 to p99.9999 or max), "
            "failed=0.1%, rate=95% or rate=10k; missed ones are named, exit code 4",
            thresholds, parse_threshold);
}

std::vector<std::string> broken_rules(const json& result) {
  std::vector<std::string> broken;
  judge_book(result, "connections", broken);
  judge_book(result, "transactions", broken);
  const bool interrupted = result["end"].value("interrupted", false);
  const auto search = result.find("search");
  if (search != result.end() && !interrupted && search->value("found_per_second", 0.0) <= 0) {
    broken.push_back(fmt::format("no rate was found with {}", search->value("target", "")));
  }
  if (const auto jobs = result.find("jobs"); jobs != result.end()) {
    for (const json& job : *jobs) {
      judge_rate(job, interrupted, fmt::format("job {}: ", job.value("name", "")), broken);
    }
  } else {
    judge_rate(result, interrupted, "", broken);
  }
  return broken;
}

json verdict_of(const json& result, std::span<const Threshold> thresholds) {
  const std::vector<std::string> broken = broken_rules(result);
  bool passed = broken.empty();
  json judged = json::array();
  for (const Threshold& t : thresholds) {
    const json found = found_of(t, result);
    const bool met = !found.is_null() && (is_least(t) ? found.get<double>() >= t.limit
                                                      : found.get<double>() <= t.limit);
    passed = passed && met;
    judged.push_back({{"threshold", t.text},
                      {"unit", unit_of(t)},
                      {"limit", t.limit},
                      {"found", found},
                      {"met", met}});
  }
  return {{"passed", passed},
          {"valid", broken.empty()},
          {"broken_rules", broken},
          {"thresholds", std::move(judged)}};
}

std::string verdict_text(const json& verdict) {
  std::string text;
  for (const json& rule : verdict["broken_rules"]) {
    text += fmt::format("\n  not valid: {}\n", rule.get<std::string>());
  }
  if (!verdict["thresholds"].empty()) text += '\n';
  for (const json& t : verdict["thresholds"]) {
    text +=
        fmt::format("  threshold {:<7}{:<24}found {}\n", t["met"].get<bool>() ? "met" : "missed",
                    t["threshold"].get<std::string>(), found_text(t));
  }
  return text;
}

}  // namespace millrace::report
