// SPDX-License-Identifier: BSD-3-Clause
//
// The options that `load` and `loopback` share.
#include "apps/load_generator/load_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "apps/config/parse_value.h"
#include "apps/config/this_command.h"
#include "apps/report/machine.h"
#include "dataplane/backend.h"
#include "millrace_version.h"

namespace millrace::load {

namespace {

constexpr std::uint32_t kMostConnections = 50'000'000;
constexpr std::array<const char*, 4> kCloseModes{"client FIN", "server FIN", "client RST",
                                                 "server RST"};

/// 0 for no limit, else as a distribution.
Result<Distribution> parse_requests(std::string_view word) {
  if (word == "0") return Distribution(0);
  return parse_count_distribution(word);
}

void add_request_options(OptionSet& set, LoadOptions& o) {
  set.heading("Requests");
  set.value("method", "METHOD", "of the URL, and of what --ask names without one (default GET)",
            o.method, parse_method);
  set.repeated("ask", "REQUEST",
               "[WEIGHT] [METHOD] and a URL or a path of the URL, as \"3 POST /echo\"; may be "
               "repeated (default: the URL)",
               o.asks, parse_ask);
  set.has_spaces();
  set.repeated("header", "HEADER", "\"Name: value\", with every request; may be repeated",
               o.headers, parse_header);
  set.has_spaces();
  set.value("body", "SIZE",
            "of POST, PUT and PATCH: bytes, or a distribution: uniform:A-B, exponential:MEAN, "
            "lognormal:MEDIAN/SIGMA, pareto:LEAST/POWER, list:WEIGHT*SIZE,... (default 0)",
            o.body, parse_size_distribution);
  set.value("pipeline", "N", "requests without an answer on a connection (default 1)", o.pipeline,
            count_between(1, 64));
  set.value("think", "TIME",
            "between an answer and the connection's next request, a time or a distribution "
            "(default 0)",
            o.think, parse_time_distribution);
}

std::string target_text(const LoadOptions& o, const std::optional<Url>& url) {
  if (o.asks.empty()) return url ? url->text() : std::string();
  std::vector<std::string> words;
  for (const Ask& ask : o.asks) {
    Url asked = ask.url ? *ask.url : url.value_or(Url{});
    if (!ask.path.empty()) asked.path = ask.path;
    words.push_back(asked.text());
  }
  if (words.size() <= 2) return fmt::format("{}", fmt::join(words, " and "));
  return fmt::format("{} and {} more", words.front(), words.size() - 1);
}

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

RateCurve curve_of(const LoadOptions& o) {
  return with_ramps(o.profile.over(o.duration, o.rate), o.ramp_up, o.ramp_down);
}

}  // namespace

double mean_rate(const LoadOptions& o) {
  if (o.closed) return 0;
  const double length_s = seconds(o.duration);
  if (o.arrivals.kind == Arrivals::trace) {
    const auto& trace = *o.arrivals.trace;
    const auto from = std::lower_bound(trace.begin(), trace.end(), o.ramp_up);
    const auto to = std::lower_bound(from, trace.end(), o.ramp_up + o.duration);
    return static_cast<double>(to - from) / length_s;
  }
  return RateCurve(o.profile.over(o.duration, o.rate)).arrivals_before(length_s) / length_s;
}

double most_arrivals_within(const LoadOptions& o, Duration window) {
  if (o.closed) return 0;
  double most = 0;
  if (o.arrivals.kind == Arrivals::trace) {
    const auto& trace = *o.arrivals.trace;
    for (std::size_t first = 0, last = 0; last < trace.size(); ++last) {
      while (trace[last] - trace[first] >= window) ++first;
      most = std::max(most, static_cast<double>(last - first + 1));
    }
    return most;
  }
  // The curve is straight in pieces: a thousand places to look at are enough for a bound.
  constexpr int kPlaces = 1000;
  const RateCurve curve = curve_of(o);
  for (int i = 1; i <= kPlaces; ++i) {
    const double to_s = curve.length_s() * i / kPlaces;
    const double from_s = std::max(0.0, to_s - seconds(window));
    most = std::max(most, curve.arrivals_before(to_s) - curve.arrivals_before(from_s));
  }
  return most;
}

void add_job_options(OptionSet& set, LoadOptions& o) {
  const auto with_default = [](std::string_view text, std::string_view value) {
    return fmt::format("{} (default {})", text, value);
  };
  set.heading("Load");
  set.value("mode", "MODE", "cps, tps, concurrent or throughput (default cps)", o.mode,
            choice_of<Mode>({"cps", "tps", "concurrent", "throughput"}));
  set.value("rate", "RATE",
            with_default("connections (cps, concurrent) or transactions (tps) per second",
                         count_text(o.rate)),
            o.rate, parse_rate);
  set.value("arrivals", "WHICH",
            "constant (even distances), poisson, or the file of a trace: a time since the start a "
            "line, in seconds (0.000125) or with a unit (125000ns) (default constant)",
            o.arrivals, parse_arrivals);
  set.value("profile", "WHICH",
            "how the rate changes, in place of --rate: steps:1k,2k,4k (each with /TIME if they are "
            "not equal), ramp:1k-10k, sine:1k-10k/PERIOD, or a file of lines TIME,RATE "
            "(default constant)",
            o.profile, parse_profile);
  set.toggle("closed", "closed loop: the next one starts when one ends; no schedule", o.closed);
  set.value(
      "connections", "N",
      "connections held, or at most open at once in mode cps (default 100; 65,536 in mode cps)",
      o.connections, count_between(1, kMostConnections));
  set.value("requests-per-connection", "N",
            "0: no limit in tps and throughput, 1 in cps and concurrent; or a distribution, as "
            "uniform:1-20 (default 0)",
            o.requests_per_connection, parse_requests);
  set.value("close", "HOW",
            "how a connection ends that is done: client or server, by FIN; client-rst or "
            "server-rst (default client)",
            o.closer, choice_of<Closer>({"client", "server", "client-rst", "server-rst"}));
  add_request_options(set, o);
  set.heading("Time");
  set.value("ramp-up", "TIME",
            "before that: the rate (in a closed loop what is under way) grows from nothing; no "
            "figures are of it (default 0s)",
            o.ramp_up, duration_between(0s, 24h));
  set.value("duration", "TIME",
            with_default("that the load is sustained, which all figures are of; with a trace or a "
                         "file of rates as long as that",
                         duration_text(o.duration)),
            o.asked_duration, duration_between(1ms, 24h));
  set.value("ramp-down", "TIME", "behind that: back to nothing (default 0s)", o.ramp_down,
            duration_between(0s, 24h));
  set.value("connect-timeout", "TIME",
            with_default("of one handshake", duration_text(o.connect_timeout)), o.connect_timeout,
            duration_between(1ms, 1h));
  set.value("timeout", "TIME", with_default("of one transaction", duration_text(o.timeout)),
            o.timeout, duration_between(1ms, 1h));
  set.value("drain", "TIME",
            with_default("patience with what is under way at the end", duration_text(o.drain)),
            o.drain, duration_between(0s, 1h));
}

void add_result_options(OptionSet& set, LoadOptions& o) {
  set.heading("Search");
  set.value("search", "BOUND",
            "the highest rate with a latency within this, as p99=500us or connect.p99=1ms, to 1 %; "
            "begins at --rate, and what is found is sustained for --duration",
            o.search, parse_search);
  set.value("search-window", "TIME", "that a rate is tried for (default 2s)", o.search_window,
            duration_between(10ms, 1h));
  set.heading("Results");
  set.value("json", "FILE", "write result.json there; - for standard output", o.json, parse_text);
  set.value("ndjson", "FILE",
            "write start, an interval a second and end there as they come, one JSON object a line; "
            "- for standard output",
            o.ndjson, parse_text);
  set.value("hlog", "FILE",
            "write a log of histograms there, a line for each second and kind of latency, in "
            "HdrHistogram's format",
            o.hlog, parse_text);
  report::add_threshold_option(set, o.thresholds);
}

Status settle_load_options(LoadOptions& o) {
  if (o.mode == Mode::throughput) o.closed = true;
  const bool profiled = o.profile.kind != Profile::Kind::constant;
  const bool traced = o.arrivals.kind == Arrivals::trace;
  if (o.closed && (profiled || o.arrivals.kind != Arrivals::constant)) {
    return Error{ErrorKind::usage,
                 fmt::format("{} with a closed loop, which has no schedule",
                             profiled ? "--profile" : "--arrivals"),
                 o.mode == Mode::throughput ? "try --mode tps" : "leave --closed out"};
  }
  if (profiled && traced) {
    return Error{ErrorKind::usage, "--profile with a trace, whose rate is its own",
                 "leave one of --profile and --arrivals out"};
  }
  if (o.search && (o.closed || profiled || traced || o.mode == Mode::concurrent)) {
    return Error{ErrorKind::usage,
                 "--search with a closed loop, a profile, a trace or mode concurrent: expected one "
                 "rate of mode cps or tps",
                 "try --mode tps --search p99=500us"};
  }
  if (o.asked_duration) {
    o.duration = *o.asked_duration;
  } else if (traced) {
    const Duration ramps = o.ramp_up + o.ramp_down;
    o.duration = std::max(Duration{1ms}, length_of(*o.arrivals.trace) - ramps);
  } else if (const auto length = o.profile.length()) {
    o.duration = *length;
  }
  if (profiled && mean_rate(o) <= 0) {
    return Error{ErrorKind::usage, "--profile: its rate is nothing for the whole duration",
                 "give a longer --duration, or a profile with a rate"};
  }
  if (o.connections == 0) o.connections = o.mode == Mode::cps && !o.closed ? 65'536 : 100;
  const bool one_each = o.mode == Mode::cps || o.mode == Mode::concurrent;
  if (o.requests_per_connection.is_nothing() && one_each) {
    o.requests_per_connection = Distribution(1);
  }
  if (!o.think.is_nothing() && o.mode == Mode::tps && !o.closed) {
    return Error{ErrorKind::usage, "--think in mode tps, whose schedule says when to ask",
                 "add --closed, or try --mode cps --requests-per-connection 10"};
  }
  if (std::uint64_t{o.connections} * o.pipeline > kMostConnections) {
    return Error{ErrorKind::usage,
                 fmt::format("--connections {} with --pipeline {}: expected at most {} requests at "
                             "once",
                             o.connections, o.pipeline, kMostConnections),
                 "lower one of them"};
  }
  return Ok{};
}

std::uint64_t draw_seed(std::uint64_t given) {
  if (given != 0) return given;
  std::random_device kernel;
  // 53 bits: as much as readers of JSON keep of a number.
  const std::uint64_t high = kernel() & 0x1f'ffffU;
  return std::max<std::uint64_t>(1, high << 32 | kernel());
}

Result<Plan> make_plan(const LoadOptions& o, const std::optional<Url>& url, std::size_t workers) {
  auto requests = make_requests(
      {o.asks, o.method, o.headers, !o.body.is_nothing(), server_ends(o.closer)}, url);
  if (!requests) return requests.error();
  Plan plan;
  plan.mode = o.mode;
  plan.closed = o.closed;
  plan.search = o.search.has_value();
  plan.arrivals = o.arrivals.kind;
  plan.trace = o.arrivals.trace;
  plan.share.workers = static_cast<std::uint32_t>(workers);
  if (!o.closed && plan.arrivals != Arrivals::trace) {
    plan.curve = std::make_shared<RateCurve>(curve_of(o));
  }
  const auto share = (o.connections + workers - 1) / workers;
  plan.connections = static_cast<std::uint32_t>(std::max<std::size_t>(share, 1));
  plan.requests_per_connection = o.requests_per_connection;
  plan.ramp_up = o.ramp_up;
  plan.duration = o.duration;
  plan.ramp_down = o.ramp_down;
  plan.connect_timeout = o.connect_timeout;
  plan.timeout = o.timeout;
  plan.drain = o.drain;
  plan.pipeline = o.pipeline;
  plan.think = o.think;
  plan.body = o.body;
  plan.closer = o.closer;
  plan.ask = std::move(requests).value();
  return plan;
}

Setup make_setup(const LoadOptions& o, const std::optional<Url>& url) {
  Setup setup;
  setup.command = this_command();
  setup.version = fmt::format(
      "millrace {}, {}, {} build{}{}, {}", build::kVersion, build::kCompiler, build::kBuildType,
      build::kMarch.empty() ? "" : " for ", build::kMarch, dataplane_version());
  setup.machine = report::machine_text();
  setup.mode = o.mode;
  setup.closed = o.closed;
  setup.rate = mean_rate(o);
  setup.arrivals = o.closed ? "" : o.arrivals.text;
  setup.profile = o.closed ? "" : o.profile.text;
  setup.ramp_up_s = seconds(o.ramp_up);
  setup.sustain_s = seconds(o.duration);
  setup.ramp_down_s = seconds(o.ramp_down);
  setup.target = target_text(o, url);
  setup.connections = o.connections;
  const Distribution& requests = o.requests_per_connection;
  setup.requests_per_connection = static_cast<std::uint32_t>(
      std::lround(std::min(requests.mean(), static_cast<double>(kMostConnections))));
  setup.close_mode = kCloseModes.at(static_cast<std::size_t>(o.closer));
  if (!requests.is_fixed()) setup.varying["requests_per_connection"] = requests.text();
  if (!o.think.is_nothing()) setup.varying["think"] = o.think.text();
  if (!o.body.is_nothing()) setup.varying["body"] = o.body.text();
  setup.pipeline = o.pipeline;
  setup.headers = o.headers;
  for (const Ask& ask : o.asks) {
    Url asked = ask.url ? *ask.url : url.value_or(Url{});
    if (!ask.path.empty()) asked.path = ask.path;
    setup.asks.push_back({ask.weight, ask.method.empty() ? o.method : ask.method, asked.text()});
  }
  if (o.asks.empty() && o.method != "GET") {
    setup.asks.push_back({1, o.method, setup.target});
  }
  return setup;
}

}  // namespace millrace::load
