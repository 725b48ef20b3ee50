// SPDX-License-Identifier: BSD-3-Clause
//
// What a load run found, for people (a table) and for programs (result.json). Figures are of
// what was sustained unless they say otherwise; both books are of the whole run and balance.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/load_generator/generator.h"
#include "apps/load_generator/search.h"
#include "apps/report/histogram_json.h"
#include "tcp/base/counters.h"
#include "tcp/base/drop.h"
#include "tcp/base/state.h"

namespace millrace::load {

/// One second of the run, from published figures.
struct Interval {
  double start_s = 0;  // since the workers began
  double end_s = 0;
  Phase phase = Phase::init;
  Ledger ledger;  // what this interval added
  Ledger so_far;  // all until its end
  tcp::StateCounts states;
  std::uint64_t schedule_lag_ns = 0;  // worst
  report::Digest connect;
  report::Digest last_byte;
};

/// How the run was made: everything a reader needs to compare it with another.
struct Setup {
  std::string command;
  std::string version;
  std::string machine;
  std::uint64_t started_unix_ms = 0;  // when the workers began
  Mode mode = Mode::cps;
  bool mixed = false;  // jobs of several modes; `mode` is the first one's
  bool closed = false;
  double rate = 0;       // of all workers together, the mean while it is sustained
  std::string arrivals;  // as given; empty in a closed loop
  std::string profile;
  double ramp_up_s = 0;
  double sustain_s = 0;
  double ramp_down_s = 0;
  std::string target;
  std::uint32_t connections = 0;
  std::uint32_t requests_per_connection = 0;
  std::uint32_t client_addresses = 0;
  double two_msl_s = 60;
  std::string time_wait_reuse;
  std::string close_mode = "client FIN";
  std::map<std::string, std::string> varying;  // distributions by what they are of
  std::uint32_t pipeline = 1;
  std::vector<std::string> headers;
  struct Asked {
    double weight = 1;
    std::string method;
    std::string url;
  };
  std::vector<Asked> asks;  // empty: GET of the target alone

  [[nodiscard]] bool ends_by_reset() const { return close_mode.ends_with("RST"); }
  std::string latency_label;  // "in process, one core": not a network latency
  std::string packet_path;    // driver, steering, offloads
  std::vector<int> cores;
  std::uint64_t seed = 0;
};

/// Books and latencies of a job, or of all of them.
struct Part {
  double run_s = 0;  // that the load was sustained, measured
  Ledger ledger;
  std::uint64_t run_offered = 0;       // while it was sustained, of what the mode counts
  std::uint64_t run_connections = 0;   // completed within it
  std::uint64_t run_transactions = 0;  // likewise
  std::uint64_t run_received_bytes = 0;
  Latencies latencies;

  [[nodiscard]] double connections_per_second() const;
  [[nodiscard]] double transactions_per_second() const;
  [[nodiscard]] double received_bits_per_second() const;
};

struct JobSummary {
  std::string name;
  Setup setup;
  Part part;
};

struct Summary : Part {
  Setup setup;
  bool interrupted = false;
  std::optional<SearchResult> search;
  std::vector<JobSummary> jobs;  // empty: there was one without a name
  std::vector<Interval> intervals;
  tcp::StateCounts states_at_end_of_run;
  tcp::Counters counters;  // the generator's end
  DropCounters drops;
  std::uint64_t unresolved_drops = 0;  // segments whose neighbour did not answer in time
  std::uint64_t time_wait_peak = 0;    // most entries seen at once, all ends
  std::uint64_t resident_bytes = 0;    // when the last was offered
  std::vector<std::string> notes;
};

/// Adds a worker's books and run time.
void add_worker(Part& part, const Generator& generator);
/// What all jobs have in common, and what adds up; of one, that one.
[[nodiscard]] Setup combine(const std::vector<JobSummary>& jobs);

/// One aligned line for a second of a run.
[[nodiscard]] std::string interval_header(Mode mode, bool by_reset = false);
[[nodiscard]] std::string interval_line(Mode mode, const Interval& interval, double length_s);

[[nodiscard]] std::string to_text(const Summary& summary);
/// result.json, but for its verdict; then its parts, which the stream has a line each for.
[[nodiscard]] nlohmann::json to_json(const Summary& summary);
[[nodiscard]] nlohmann::json start_json(const Setup& setup);
[[nodiscard]] nlohmann::json interval_json(const Interval& interval);
[[nodiscard]] nlohmann::json end_json(const Summary& summary);

}  // namespace millrace::load
