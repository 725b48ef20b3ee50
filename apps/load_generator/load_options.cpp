// SPDX-License-Identifier: BSD-3-Clause
//
// The options that `load` and `loopback` share.
#include "apps/load_generator/load_options.h"

#include <fmt/format.h>

#include <algorithm>

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

}  // namespace

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
  set.value("duration", "TIME", with_default("length of the run phase", duration_text(o.duration)),
            o.duration, duration_between(1ms, 24h));
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

void settle_load_options(LoadOptions& o) {
  if (o.mode == Mode::throughput) o.closed = true;
  if (o.connections == 0) o.connections = o.mode == Mode::cps && !o.closed ? 65'536 : 100;
  const bool one_each = o.mode == Mode::cps || o.mode == Mode::concurrent;
  if (o.requests_per_connection == 0 && one_each) o.requests_per_connection = 1;
}

Plan make_plan(const LoadOptions& o, const Url& target, std::size_t workers) {
  Plan plan;
  plan.mode = o.mode;
  plan.closed = o.closed;
  plan.rate = o.closed ? 0 : o.rate / static_cast<double>(workers);
  const auto share = (o.connections + workers - 1) / workers;
  plan.connections = static_cast<std::uint32_t>(std::max<std::size_t>(share, 1));
  plan.requests_per_connection = o.requests_per_connection;
  plan.duration = o.duration;
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
  setup.rate = o.closed ? 0 : o.rate;
  setup.target = target.text();
  setup.connections = o.connections;
  setup.requests_per_connection = o.requests_per_connection;
  setup.close_mode = o.closer == Closer::client ? "client FIN" : "server FIN";
  return setup;
}

}  // namespace millrace::load
