// SPDX-License-Identifier: BSD-3-Clause
//
// result.json: start, intervals, end, verdict and histogram bins. Names are stable; a change of
// meaning raises schema_version.
#include <cstring>
#include <nlohmann/json.hpp>

#include "apps/load_generator/summary.h"
#include "apps/report/histogram_json.h"
#include "apps/report/result_file.h"

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

/// What the books have of now and not yet: with it those of an interval add up as well.
json pending_json(const Ledger& so_far) {
  const auto under_way = [](const Book& book) {
    return book.launched - book.completed - book.total_failed();
  };
  const Book& t = so_far.transactions;
  return {{"waiting", t.offered - t.launched - t.total_not_launched()},
          {"connections", under_way(so_far.connections)},
          {"transactions", under_way(t)}};
}

json states_json(const tcp::StateCounts& states) { return by_name(states.count, tcp::kStateNames); }

template <std::size_t N>
json counters_json(const std::uint64_t* values, const std::array<std::string_view, N>& names) {
  json out = json::object();
  for (std::size_t i = 0; i < N; ++i) out[std::string(names[i])] = values[i];
  return out;
}

json latency_json(const Latencies& latencies) {
  json out = json::object();
  for (std::size_t i = 0; i < kMeasures; ++i) {
    out[std::string(kMeasureNames[i])] = report::to_json(latencies.all()[i]);
  }
  return out;
}

/// What load was offered.
json load_json(const Setup& setup) {
  json load = {{"mode", setup.mixed ? "mixed" : name_of(setup.mode)},
               {"loop", setup.closed ? "closed" : "open"},
               {"rate_per_second", setup.rate},
               {"target", setup.target},
               {"connections", setup.connections},
               {"requests_per_connection", setup.requests_per_connection},
               {"close_mode", setup.close_mode},
               {"ramp_up_s", setup.ramp_up_s},
               {"sustain_s", setup.sustain_s},
               {"ramp_down_s", setup.ramp_down_s}};
  if (!setup.varying.empty()) load["distributions"] = setup.varying;
  if (setup.pipeline > 1) load["pipeline"] = setup.pipeline;
  if (!setup.headers.empty()) load["headers"] = setup.headers;
  for (const Setup::Asked& ask : setup.asks) {
    load["requests"].push_back({{"weight", ask.weight}, {"method", ask.method}, {"url", ask.url}});
  }
  if (!setup.arrivals.empty()) load["arrivals"] = setup.arrivals;
  if (!setup.profile.empty()) load["profile"] = setup.profile;
  return load;
}

json search_json(const SearchResult& search) {
  json tries = json::array();
  for (const SearchTry& t : search.tries) {
    tries.push_back({{"rate_per_second", t.per_second},
                     {"start_s", t.start_s},
                     {"window_s", t.window_s},
                     {"count", t.count},
                     {"found_ns", t.found_ns},
                     {"failed", t.failed},
                     {"not_launched", t.not_launched},
                     {"good", t.good}});
  }
  return {{"target", search.target},
          {"tolerance", kSearchTolerance},
          {"found_per_second", search.found_per_second},
          {"tries", std::move(tries)}};
}

json part_json(const Part& part) {
  return {{"run_s", part.run_s},
          {"run_offered", part.run_offered},
          {"run_connections", part.run_connections},
          {"run_transactions", part.run_transactions},
          {"run_received_bytes", part.run_received_bytes},
          {"connections_per_second", part.connections_per_second()},
          {"transactions_per_second", part.transactions_per_second()},
          {"received_bits_per_second", part.received_bits_per_second()},
          {"connections", book_json(part.ledger.connections)},
          {"transactions", book_json(part.ledger.transactions)},
          {"received_bytes", part.ledger.received_bytes},
          {"sent_bytes", part.ledger.sent_bytes},
          {"accounts_balance",
           part.ledger.connections.balances() && part.ledger.transactions.balances()}};
}

}  // namespace

json start_json(const Setup& setup) {
  json start = load_json(setup);
  start.update({{"command", setup.command},
                {"version", setup.version},
                {"machine", setup.machine},
                {"started_unix_ms", setup.started_unix_ms},
                {"client_addresses", setup.client_addresses},
                {"two_msl_s", setup.two_msl_s},
                {"time_wait_reuse", setup.time_wait_reuse},
                {"latency_label", setup.latency_label},
                {"packet_path", setup.packet_path},
                {"cores", setup.cores},
                {"seed", setup.seed}});
  return start;
}

json interval_json(const Interval& interval) {
  return {{"start_s", interval.start_s},
          {"end_s", interval.end_s},
          {"phase", name_of(interval.phase)},
          {"connections", book_json(interval.ledger.connections)},
          {"transactions", book_json(interval.ledger.transactions)},
          {"received_bytes", interval.ledger.received_bytes},
          {"sent_bytes", interval.ledger.sent_bytes},
          {"pending", pending_json(interval.so_far)},
          {"schedule_lag_ns", interval.schedule_lag_ns},
          {"latency",
           {{"connect", report::to_json(interval.connect)},
            {"last_byte", report::to_json(interval.last_byte)}}},
          {"states", states_json(interval.states)}};
}

json end_json(const Summary& s) {
  std::array<std::uint64_t, tcp::kCounterNames.size()> counters{};
  std::memcpy(counters.data(), &s.counters, sizeof s.counters);
  json end = part_json(s);
  end.update({{"interrupted", s.interrupted},
              {"time_wait_peak", s.time_wait_peak},
              {"resident_bytes", s.resident_bytes},
              {"states_at_end_of_run", states_json(s.states_at_end_of_run)},
              {"counters", counters_json(counters.data(), tcp::kCounterNames)},
              {"drops", by_name(s.drops.count, kDropNames)},
              {"unresolved_drops", s.unresolved_drops},
              {"notes", s.notes}});
  return end;
}

json to_json(const Summary& s) {
  json intervals = json::array();
  for (const Interval& interval : s.intervals) intervals.push_back(interval_json(interval));
  json result = {{"schema_version", report::kSchemaVersion},
                 {"start", start_json(s.setup)},
                 {"intervals", std::move(intervals)},
                 {"end", end_json(s)},
                 {"latency", latency_json(s.latencies)}};
  if (s.search) result["search"] = search_json(*s.search);
  for (const JobSummary& job : s.jobs) {
    result["jobs"].push_back({{"name", job.name},
                              {"start", load_json(job.setup)},
                              {"end", part_json(job.part)},
                              {"latency", latency_json(job.part.latencies)}});
  }
  return result;
}

}  // namespace millrace::load
