// SPDX-License-Identifier: BSD-3-Clause
//
// Intervals of several results. Throws nlohmann::json::exception where a result lacks something:
// merge() makes a sentence of it.
#include "apps/report/merge_intervals.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "apps/report/hdr_codec.h"
#include "apps/report/histogram_json.h"

namespace millrace::report {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 7> kPhases{"init",      "search",  "ramp-up", "sustain",
                                                  "ramp-down", "collect", "done"};
/// As results of older versions have them: the index of what they are called now.
constexpr std::array<std::pair<std::string_view, std::size_t>, 3> kOldPhases{
    {{"ramp", 0}, {"run", 3}, {"drain", 5}}};

struct Part {
  const json* interval;
  double shift_s;  // to the common clock, whole
  std::size_t source;
};

std::size_t phase_rank(const json& interval) {
  const auto name = interval.at("phase").get<std::string>();
  for (const auto& [old, rank] : kOldPhases) {
    if (name == old) return rank;
  }
  return static_cast<std::size_t>(std::find(kPhases.begin(), kPhases.end(), name) -
                                  kPhases.begin());
}

/// The histograms of one kind, as one. Its figures are exact: the greatest value is known, and
/// percentiles are edges of bins.
json merge_digests(const std::vector<Part>& parts, const std::string& kind, Histogram& room) {
  room.clear();
  std::uint64_t greatest = 0;
  for (const Part& part : parts) {
    const json& digest = part.interval->at("latency").at(kind);
    greatest = std::max(greatest, digest.at("max").get<std::uint64_t>());
    const auto& hdr = digest.at("hdr").get_ref<const std::string&>();
    if (hdr.empty()) continue;
    if (const auto good = decode_hdr(hdr, room); !good) {
      throw std::invalid_argument("an interval's " + kind + ": " + good.error().sentence);
    }
  }
  Digest digest = digest_of(room);
  digest.max = greatest;
  for (std::uint64_t* p : {&digest.p50, &digest.p99, &digest.p99_9}) *p = std::min(*p, greatest);
  return to_json(digest);
}

json merge_parts(const std::vector<Part>& parts) {
  static thread_local Histogram room;
  json out = json::object();
  double start_s = 0;
  double end_s = 0;
  std::uint64_t lag_ns = 0;
  std::size_t phase = kPhases.size() - 1;
  json connections = json::object();
  json transactions = json::object();
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  json states = json::object();
  json pending = json::object();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const json& in = *parts[i].interval;
    const double from_s = in.at("start_s").get<double>() + parts[i].shift_s;
    start_s = i == 0 ? from_s : std::min(start_s, from_s);
    end_s = std::max(end_s, in.at("end_s").get<double>() + parts[i].shift_s);
    lag_ns = std::max(lag_ns, in.at("schedule_lag_ns").get<std::uint64_t>());
    phase = std::min(phase, phase_rank(in));
    add_numbers(connections, in.at("connections"));
    add_numbers(transactions, in.at("transactions"));
    received += in.at("received_bytes").get<std::uint64_t>();
    sent += in.at("sent_bytes").get<std::uint64_t>();
    // Of a source with two intervals in this second the later one says how it stood at the end.
    const bool last = i + 1 == parts.size() || parts[i + 1].source != parts[i].source;
    if (last) add_numbers(states, in.at("states"));
    if (last) add_numbers(pending, in.value("pending", json::object()));
  }
  json merged = {{"start_s", start_s},
                 {"end_s", end_s},
                 {"phase", kPhases.at(phase)},
                 {"connections", std::move(connections)},
                 {"transactions", std::move(transactions)},
                 {"received_bytes", received},
                 {"sent_bytes", sent},
                 {"schedule_lag_ns", lag_ns},
                 {"latency",
                  {{"connect", merge_digests(parts, "connect", room)},
                   {"last_byte", merge_digests(parts, "last_byte", room)}}},
                 {"states", std::move(states)}};
  if (!pending.empty()) merged["pending"] = std::move(pending);
  return merged;
}

}  // namespace

void add_numbers(json& to, const json& from) {
  for (const auto& [key, value] : from.items()) {
    json& mine = to[key];
    if (value.is_object()) {
      if (mine.is_null()) mine = json::object();
      add_numbers(mine, value);
    } else if (value.is_number_unsigned()) {
      mine = (mine.is_null() ? 0 : mine.get<std::uint64_t>()) + value.get<std::uint64_t>();
    }
  }
}

json merge_intervals(const std::vector<json>& results) {
  std::uint64_t first_ms = ~std::uint64_t{0};
  for (const json& result : results) {
    first_ms = std::min(first_ms, result.at("start").at("started_unix_ms").get<std::uint64_t>());
  }
  std::map<std::int64_t, std::vector<Part>> seconds;
  for (std::size_t source = 0; source < results.size(); ++source) {
    const json& result = results[source];
    const auto started_ms = result.at("start").at("started_unix_ms").get<std::uint64_t>();
    const double shift_s = std::round(static_cast<double>(started_ms - first_ms) / 1e3);
    for (const json& interval : result.at("intervals")) {
      const double middle_s =
          (interval.at("start_s").get<double>() + interval.at("end_s").get<double>()) / 2;
      const auto second = static_cast<std::int64_t>(std::floor(middle_s + shift_s));
      seconds[second].push_back({&interval, shift_s, source});
    }
  }
  std::vector<const std::vector<Part>*> rows;
  rows.reserve(seconds.size());
  for (const auto& [second, parts] : seconds) rows.push_back(&parts);
  std::vector<json> merged(rows.size());
  tbb::parallel_for(std::size_t{0}, rows.size(),
                    [&](std::size_t i) { merged[i] = merge_parts(*rows[i]); });
  return merged;
}

}  // namespace millrace::report
