// SPDX-License-Identifier: BSD-3-Clause
//
// result.json: start, intervals, end, verdict and histogram bins. Names are stable; a change of
// meaning raises schema_version.
#include <fmt/format.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "apps/load_generator/summary.h"

namespace millrace::load {

namespace {

using nlohmann::json;

template <std::size_t N>
json by_name(const std::array<std::uint64_t, N>& counts,
             const std::array<std::string_view, N>& names) {
  json out = json::object();
  for (std::size_t i = 0; i < N; ++i) {
    if (counts[i] != 0) out[std::string(names[i])] = counts[i];
  }
  return out;
}

json book_json(const Book& book) {
  return {{"offered", book.offered},
          {"launched", book.launched},
          {"not_launched", by_name(book.not_launched, kNotLaunchedNames)},
          {"completed", book.completed},
          {"failed", by_name(book.failed, kFailedNames)}};
}

json histogram_json(const report::Histogram& h) {
  json percentiles = json::object();
  for (const double percent : {50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 99.999, 99.9999}) {
    percentiles[fmt::format("p{:g}", percent)] = h.percentile(percent);
  }
  json bins = json::array();
  for (std::size_t i = 0; i < report::Histogram::kBins; ++i) {
    if (h.count_at(i) == 0) continue;
    bins.push_back(
        {report::Histogram::lowest_of(i), report::Histogram::highest_of(i), h.count_at(i)});
  }
  return {{"unit", "ns"},
          {"count", h.count()},
          {"min", h.min()},
          {"max", h.max()},
          {"mean", h.mean()},
          {"saturated", h.saturated()},
          {"percentiles", percentiles},
          {"bins", bins}};
}

json states_json(const tcp::StateCounts& states) { return by_name(states.count, tcp::kStateNames); }

json interval_json(const Interval& interval) {
  static constexpr std::array<std::string_view, 4> kPhases{"ramp", "run", "drain", "done"};
  return {{"end_s", interval.end_s},
          {"phase", kPhases[static_cast<std::size_t>(interval.phase)]},
          {"connections", book_json(interval.ledger.connections)},
          {"transactions", book_json(interval.ledger.transactions)},
          {"received_bytes", interval.ledger.received_bytes},
          {"sent_bytes", interval.ledger.sent_bytes},
          {"schedule_lag_ns", interval.schedule_lag_ns},
          {"states", states_json(interval.states)}};
}

json setup_json(const Setup& setup) {
  return {{"command", setup.command},
          {"mode", name_of(setup.mode)},
          {"loop", setup.closed ? "closed" : "open"},
          {"rate_per_second", setup.rate},
          {"target", setup.target},
          {"connections", setup.connections},
          {"requests_per_connection", setup.requests_per_connection},
          {"client_addresses", setup.client_addresses},
          {"two_msl_s", setup.two_msl_s},
          {"time_wait_reuse", setup.time_wait_reuse},
          {"close_mode", setup.close_mode},
          {"latency_label", setup.latency_label},
          {"packet_path", setup.packet_path},
          {"cores", setup.cores},
          {"seed", setup.seed}};
}

template <std::size_t N>
json counters_json(const std::uint64_t* values, const std::array<std::string_view, N>& names) {
  json out = json::object();
  for (std::size_t i = 0; i < N; ++i) out[std::string(names[i])] = values[i];
  return out;
}

}  // namespace

json to_json(const Summary& s) {
  json intervals = json::array();
  for (const Interval& interval : s.intervals) intervals.push_back(interval_json(interval));
  std::array<std::uint64_t, tcp::kCounterNames.size()> counters{};
  std::memcpy(counters.data(), &s.counters, sizeof s.counters);
  return {
      {"schema_version", 1},
      {"start", setup_json(s.setup)},
      {"intervals", intervals},
      {"end",
       {{"run_s", s.run_s},
        {"interrupted", s.interrupted},
        {"connections_per_second", s.connections_per_second()},
        {"transactions_per_second", s.transactions_per_second()},
        {"received_bits_per_second", s.received_bits_per_second()},
        {"connections", book_json(s.ledger.connections)},
        {"transactions", book_json(s.ledger.transactions)},
        {"accounts_balance", s.ledger.connections.balances() && s.ledger.transactions.balances()},
        {"time_wait_peak", s.time_wait_peak},
        {"resident_bytes", s.resident_bytes},
        {"states_at_end_of_run", states_json(s.states_at_end_of_run)},
        {"counters", counters_json(counters.data(), tcp::kCounterNames)},
        {"drops", by_name(s.drops.count, kDropNames)},
        {"unresolved_drops", s.unresolved_drops},
        {"notes", s.notes}}},
      {"latency",
       {{"connect", histogram_json(s.latencies.connect)},
        {"connect_raw", histogram_json(s.latencies.connect_raw)},
        {"first_byte", histogram_json(s.latencies.first_byte)},
        {"last_byte", histogram_json(s.latencies.last_byte)},
        {"last_byte_raw", histogram_json(s.latencies.last_byte_raw)},
        {"schedule_lag", histogram_json(s.latencies.schedule_lag)}}}};
}

}  // namespace millrace::load
