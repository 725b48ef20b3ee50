// SPDX-License-Identifier: BSD-3-Clause
//
// The options that `load` and `loopback` share: what load to offer, how long, and where results go.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/config/options.h"
#include "apps/config/parse_url.h"
#include "apps/load_generator/arrivals.h"
#include "apps/load_generator/plan.h"
#include "apps/load_generator/profile.h"
#include "apps/load_generator/search.h"
#include "apps/load_generator/summary.h"
#include "apps/report/verdict.h"

namespace millrace::load {

struct LoadOptions {
  Mode mode = Mode::cps;
  double rate = 1000;  // of the mode's unit per second, all cores together
  bool closed = false;
  std::uint32_t connections = 0;         // 0: by the mode
  Distribution requests_per_connection;  // 0: by the mode
  std::uint32_t pipeline = 1;
  Distribution think;
  Distribution body;
  std::string method = "GET";
  std::vector<Ask> asks;
  std::vector<std::string> headers;
  std::optional<report::Threshold> search;
  Duration search_window = 2s;
  ArrivalsChoice arrivals;
  Profile profile;
  std::optional<Duration> asked_duration;
  Duration duration = 10s;  // if none was asked for; settled: that the load is sustained
  Duration ramp_up{};
  Duration ramp_down{};
  Duration connect_timeout = 3s;
  Duration timeout = 10s;
  Duration drain = 5s;
  Closer closer = Closer::client;
  std::string json;
  std::string ndjson;
  std::string hlog;
  std::vector<report::Threshold> thresholds;

  [[nodiscard]] bool writes_to_stdout() const {
    return json == "-" || ndjson == "-" || hlog == "-";
  }
};

/// What a job may say of itself, and what the whole run alone does: where results go.
void add_job_options(OptionSet& set, LoadOptions& options);
void add_result_options(OptionSet& set, LoadOptions& options);

/// Fills in what depends on the mode, the profile and the trace; throughput is a closed loop.
/// Errors: options that contradict each other.
[[nodiscard]] Status settle_load_options(LoadOptions& options);

/// What draws begin with: the seed that was given, or one of the kernel's where that is 0. Results
/// name it.
[[nodiscard]] std::uint64_t draw_seed(std::uint64_t given);

/// Per second, of all workers, while the load is sustained; 0 in a closed loop.
[[nodiscard]] double mean_rate(const LoadOptions& options);
/// The most arrivals in any stretch of `window`; 0 in a closed loop.
[[nodiscard]] double most_arrivals_within(const LoadOptions& options, Duration window);

/// The plan of the first of `workers` workers; the caller adds the local addresses, and the worker.
/// `url` is what stands for a request that names none. Errors: no URL at all, heads too long.
[[nodiscard]] Result<Plan> make_plan(const LoadOptions& options, const std::optional<Url>& url,
                                     std::size_t workers);

/// What of a result's setup the options decide.
[[nodiscard]] Setup make_setup(const LoadOptions& options, const std::optional<Url>& url);

}  // namespace millrace::load
