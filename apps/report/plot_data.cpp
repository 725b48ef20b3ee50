// SPDX-License-Identifier: BSD-3-Clause
//
// Columns for the plots. What is not there is null: a logarithmic axis has no place for zero, and a
// second without an answer has no latency.
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "apps/report/books.h"
#include "apps/report/histogram_json.h"
#include "apps/report/page.h"

namespace millrace::report {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 5> kSpectra{"connect", "first_byte", "last_byte",
                                                   "last_byte_raw", "close"};
constexpr int kPointsPerDecade = 40;

json positive(const json& value) {
  return value.is_number() && value.get<double>() > 0 ? value : json();
}

/// Points at 1, ... 10, ... 100, ...: one of x values is above the latency there.
json spectrum_of(const json& latency) {
  std::vector<Histogram> histograms;
  std::uint64_t most = 1;
  for (const std::string_view kind : kSpectra) {
    auto h = histogram_from(latency.at(std::string(kind)));
    histograms.push_back(h ? std::move(h).value() : Histogram());
    most = std::max(most, histograms.back().count());
  }
  json x = json::array();
  std::vector<json> columns(kSpectra.size(), json::array());
  for (int point = 0;; ++point) {
    const double one_of = std::pow(10.0, static_cast<double>(point) / kPointsPerDecade);
    x.push_back(one_of);
    for (std::size_t i = 0; i < kSpectra.size(); ++i) {
      const Histogram& h = histograms[i];
      const bool known = h.count() > 0 && one_of <= static_cast<double>(h.count()) * 1.06;
      columns[i].push_back(known ? positive(h.percentile(100.0 * (1.0 - 1.0 / one_of))) : json());
    }
    if (one_of >= static_cast<double>(most)) break;
  }
  json out = {{"one_of", std::move(x)}};
  for (std::size_t i = 0; i < kSpectra.size(); ++i) {
    out[std::string(kSpectra[i])] = std::move(columns[i]);
  }
  return out;
}

}  // namespace

json plot_data(const json& result) {
  json out = json::object();
  const std::array<const char*, 15> kColumns{
      "second",       "offered",     "connections",  "transactions", "mbit",
      "not_launched", "failed",      "ttlb_p50",     "ttlb_p99",     "ttlb_p99_9",
      "ttlb_max",     "connect_p99", "schedule_lag", "time_wait",    "established"};
  for (const char* column : kColumns) out[column] = json::array();
  const char* offered = book_of_rate(result);
  for (const json& i : result.at("intervals")) {
    const double length_s = i.at("end_s").get<double>() - i.at("start_s").get<double>();
    // A last moment of the run makes no rate.
    if (length_s < 0.2 && result.at("intervals").size() > 1) continue;
    const auto rate = [&](const json& count) { return count.get<double>() / length_s; };
    const json& connections = i.at("connections");
    const json& transactions = i.at("transactions");
    const json& ttlb = i.at("latency").at("last_byte");
    out["second"].push_back(i.at("end_s"));
    out["offered"].push_back(rate(i.at(offered).at("offered")));
    out["connections"].push_back(rate(connections.at("completed")));
    out["transactions"].push_back(rate(transactions.at("completed")));
    out["mbit"].push_back(8e-6 * rate(i.at("received_bytes")));
    out["not_launched"].push_back(sum_of(connections.at("not_launched")) +
                                  sum_of(transactions.at("not_launched")));
    out["failed"].push_back(sum_of(connections.at("failed")) + sum_of(transactions.at("failed")));
    out["ttlb_p50"].push_back(positive(ttlb.at("p50")));
    out["ttlb_p99"].push_back(positive(ttlb.at("p99")));
    out["ttlb_p99_9"].push_back(positive(ttlb.at("p99.9")));
    out["ttlb_max"].push_back(positive(ttlb.at("max")));
    out["connect_p99"].push_back(positive(i.at("latency").at("connect").at("p99")));
    out["schedule_lag"].push_back(positive(i.at("schedule_lag_ns")));
    out["time_wait"].push_back(i.at("states").value("TIME-WAIT", 0));
    out["established"].push_back(i.at("states").value("ESTAB", 0));
  }
  out["spectrum"] = spectrum_of(result.at("latency"));
  return out;
}

}  // namespace millrace::report
