// SPDX-License-Identifier: BSD-3-Clause
//
// The options that `load` and `loopback` share.
#include "apps/load_generator/load_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "apps/config/parse_value.h"
#include "apps/config/this_command.h"
#include "apps/report/machine.h"
#include "dataplane/backend.h"
#include "millrace_version.h"

namespace millrace::load {

namespace {

constexpr std::uint32_t kMostConnections = 50'000'000;

std::string request_text(const Url& target, bool last) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: millrace\r\n{}\r\n", target.path,
                     target.host_header(), last ? "Connection: close\r\n" : "");
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

void add_load_options(OptionSet& set, LoadOptions& o) {
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
            "0: no limit in tps and throughput, 1 in cps and concurrent (default 0)",
            o.requests_per_connection, count_between(0, 1'000'000'000));
  set.value("close", "END", "who closes first: client or server (default client)", o.closer,
            choice_of<Closer>({"client", "server"}));
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
  if (o.requests_per_connection == 0 && one_each) o.requests_per_connection = 1;
  return Ok{};
}

std::uint64_t draw_seed(std::uint64_t given) {
  if (given != 0) return given;
  std::random_device kernel;
  // 53 bits: as much as readers of JSON keep of a number.
  const std::uint64_t high = kernel() & 0x1f'ffffU;
  return std::max<std::uint64_t>(1, high << 32 | kernel());
}

Plan make_plan(const LoadOptions& o, const Url& target, std::size_t workers) {
  Plan plan;
  plan.mode = o.mode;
  plan.closed = o.closed;
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
  plan.server_closes = o.closer == Closer::server;
  plan.target = target.address;
  plan.target_port = target.port;
  plan.request = request_text(target, false);
  plan.last_request = request_text(target, plan.server_closes);
  return plan;
}

Setup make_setup(const LoadOptions& o, const Url& target) {
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
  setup.target = target.text();
  setup.connections = o.connections;
  setup.requests_per_connection = o.requests_per_connection;
  setup.close_mode = o.closer == Closer::client ? "client FIN" : "server FIN";
  return setup;
}

}  // namespace millrace::load
