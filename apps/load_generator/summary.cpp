// SPDX-License-Identifier: BSD-3-Clause
//
// The table that a run ends with, and its line each second.
#include "apps/load_generator/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/report/units.h"

namespace millrace::load {

namespace {

using report::group_digits;
using report::nice_bytes;
using report::nice_time;

double per_second(std::uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

template <std::size_t N>
std::string causes(const std::array<std::uint64_t, N>& counts,
                   const std::array<std::string_view, N>& names) {
  std::string text;
  for (std::size_t i = 0; i < N; ++i) {
    if (counts[i] == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", names[i], group_digits(counts[i]));
  }
  return text;
}

std::string book_rows(std::string_view name, const Book& book) {
  std::string text =
      fmt::format("  {:<14}{:>14}{:>14}{:>14}{:>14}{:>14}\n", name, group_digits(book.offered),
                  group_digits(book.launched), group_digits(book.total_not_launched()),
                  group_digits(book.completed), group_digits(book.total_failed()));
  const std::string missed = causes(book.not_launched, kNotLaunchedNames);
  const std::string failed = causes(book.failed, kFailedNames);
  if (!missed.empty()) text += fmt::format("    not launched: {}\n", missed);
  if (!failed.empty()) text += fmt::format("    failed: {}\n", failed);
  return text;
}

std::string latency_row(std::string_view name, const report::Histogram& h) {
  if (h.count() == 0) return {};
  std::string text = fmt::format("  {:<26}", name);
  for (const double percent : {50.0, 90.0, 99.0, 99.9, 99.99}) {
    text += fmt::format("{:>10}", nice_time(h.percentile(percent)));
  }
  return text + fmt::format("{:>10}\n", nice_time(h.max()));
}

std::string states_text(const tcp::StateCounts& states) {
  std::string text;
  for (std::size_t i = 0; i < tcp::kStateCount; ++i) {
    const auto state = static_cast<tcp::State>(i);
    if (states.of(state) == 0 || state == tcp::State::listen) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : "  ", tcp::name_of(state),
                        group_digits(states.of(state)));
  }
  return text;
}

std::string loop_text(const Setup& setup) {
  if (setup.closed) return "closed loop";
  std::string text = "open loop";
  if (setup.mixed) return text;
  if (!setup.arrivals.empty() && setup.arrivals != "constant")
    text += fmt::format(", {} arrivals", setup.arrivals);
  if (!setup.profile.empty() && setup.profile != "constant")
    text += fmt::format(", {}", setup.profile);
  return fmt::format("{} at {}/s", text, group_digits(static_cast<std::uint64_t>(setup.rate)));
}

}  // namespace

double Part::connections_per_second() const { return per_second(run_connections, run_s); }
double Part::transactions_per_second() const { return per_second(run_transactions, run_s); }
double Part::received_bits_per_second() const {
  return 8.0 * per_second(run_received_bytes, run_s);
}

void add_worker(Part& summary, const Generator& generator) {
  const Ledger& from = generator.ledger_at_start();
  const Ledger& to = generator.ledger_at_end();
  summary.ledger.add(generator.ledger());
  const bool by_connection = counts_connections(generator.plan().mode);
  summary.run_offered += by_connection ? to.connections.offered - from.connections.offered
                                       : to.transactions.offered - from.transactions.offered;
  summary.run_connections += to.connections.completed - from.connections.completed;
  summary.run_transactions += to.transactions.completed - from.transactions.completed;
  summary.run_received_bytes += to.received_bytes - from.received_bytes;
  const double length_s = std::chrono::duration<double>(generator.run_length()).count();
  summary.run_s = std::max(summary.run_s, length_s);
}

Setup combine(const std::vector<JobSummary>& jobs) {
  Setup all = jobs.front().setup;
  std::string names = jobs.front().name;
  for (std::size_t i = 1; i < jobs.size(); ++i) {
    const Setup& one = jobs[i].setup;
    names += ", " + jobs[i].name;
    all.mixed = all.mixed || one.mode != all.mode;
    all.rate += one.rate;
    all.connections += one.connections;
    all.client_addresses = std::max(all.client_addresses, one.client_addresses);
    if (one.requests_per_connection != all.requests_per_connection) all.requests_per_connection = 0;
    if (one.ends_by_reset()) all.close_mode = one.close_mode;
    if (one.arrivals != all.arrivals) all.arrivals.clear();
    if (one.profile != all.profile) all.profile.clear();
    all.closed = all.closed && one.closed;
    all.ramp_up_s = std::min(all.ramp_up_s, one.ramp_up_s);
    all.sustain_s = std::max(all.sustain_s, one.sustain_s);
    all.ramp_down_s = std::min(all.ramp_down_s, one.ramp_down_s);
  }
  if (jobs.size() > 1) {
    all.target = fmt::format("{} jobs ({})", jobs.size(), names);
    all.varying.clear();
    all.headers.clear();
    all.asks.clear();
    all.pipeline = 1;
    if (all.mixed) all.rate = 0;
  }
  return all;
}

std::string interval_header(Mode mode, bool by_reset) {
  const std::string_view unit = counts_connections(mode) ? "offered c/s" : "offered t/s";
  const std::string_view latency = mode == Mode::concurrent ? "connect p99" : "TTLB p99";
  return fmt::format("{:>6} {:>9} {:>12} {:>11} {:>11} {:>8} {:>9} {:>11} {:>9}  {}", "second",
                     "phase", unit, by_reset ? "reset/s" : "conn/s", "trans/s", "failed", "Mbit/s",
                     latency, "lag", "connections by state");
}

std::string interval_line(Mode mode, const Interval& interval, double length_s) {
  const Ledger& ledger = interval.ledger;
  const bool by_connection = counts_connections(mode);
  const Book& book = by_connection ? ledger.connections : ledger.transactions;
  const std::uint64_t failed =
      ledger.connections.total_failed() + ledger.transactions.total_failed();
  const auto rate = [&](std::uint64_t n) {
    return group_digits(static_cast<std::uint64_t>(std::llround(per_second(n, length_s))));
  };
  const report::Digest& latency = mode == Mode::concurrent ? interval.connect : interval.last_byte;
  const std::string p99 = latency.count == 0 ? "-" : nice_time(latency.p99);
  return fmt::format("{:>6.1f} {:>9} {:>12} {:>11} {:>11} {:>8} {:>9.1f} {:>11} {:>9}  {}",
                     interval.end_s, name_of(interval.phase), rate(book.offered),
                     rate(ledger.connections.completed), rate(ledger.transactions.completed),
                     group_digits(failed), 8.0 * per_second(ledger.received_bytes, length_s) / 1e6,
                     p99, nice_time(interval.schedule_lag_ns), states_text(interval.states));
}

namespace {

std::string jobs_text(const std::vector<JobSummary>& jobs) {
  if (jobs.empty()) return {};
  std::string text = fmt::format("\n  {:<18}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}\n", "job", "mode",
                                 "offered/s", "trans/s", "failed", "TTLB p50", "TTLB p99");
  for (const JobSummary& job : jobs) {
    const Part& part = job.part;
    const report::Histogram& h = part.latencies[Measure::last_byte];
    const std::uint64_t failed =
        part.ledger.connections.total_failed() + part.ledger.transactions.total_failed();
    text += fmt::format(
        "  {:<18}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}\n", job.name,
        job.setup.ends_by_reset() ? "reset" : name_of(job.setup.mode),
        group_digits(static_cast<std::uint64_t>(per_second(part.run_offered, part.run_s))),
        group_digits(static_cast<std::uint64_t>(part.transactions_per_second())),
        group_digits(failed), nice_time(h.percentile(50)), nice_time(h.percentile(99)));
  }
  return text;
}

}  // namespace

std::string to_text(const Summary& s) {
  std::string text = fmt::format(
      "\n{} of {}, {}, {:.1f} s{}\n",
      s.setup.mixed                                          ? "several modes"
      : s.setup.ends_by_reset() && s.setup.mode == Mode::cps ? "opening and resetting"
                                                             : name_of(s.setup.mode),
      s.setup.target, loop_text(s.setup), s.run_s, s.interrupted ? ", interrupted" : "");
  for (const std::string& note : s.notes) text += fmt::format("  {}\n", note);
  // RFC 9411: what is closed by RST is no rate of connections.
  text += fmt::format("\n  {:<26}{:>16}\n",
                      s.setup.ends_by_reset() ? "opened and reset, 1/s" : "connections per second",
                      group_digits(static_cast<std::uint64_t>(s.connections_per_second())));
  text += fmt::format("  {:<26}{:>16}\n", "requests per second",
                      group_digits(static_cast<std::uint64_t>(s.transactions_per_second())));
  text += fmt::format("  {:<26}{:>16.1f}\n", "received Mbit/s", s.received_bits_per_second() / 1e6);
  text +=
      fmt::format("  {:<26}{:>16}\n", "TIME_WAIT entries, peak", group_digits(s.time_wait_peak));
  text += fmt::format("  {:<26}{:>16}\n", "memory resident", nice_bytes(s.resident_bytes));

  text += fmt::format("\n  {:<26}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}\n",
                      s.setup.latency_label.empty() ? "latency" : s.setup.latency_label, "p50",
                      "p90", "p99", "p99.9", "p99.99", "max");
  text += latency_row("connect", s.latencies[Measure::connect]);
  text += latency_row("first byte", s.latencies[Measure::first_byte]);
  text += latency_row("last byte", s.latencies[Measure::last_byte]);
  text += latency_row("last byte, from request", s.latencies[Measure::last_byte_raw]);
  text += latency_row("close", s.latencies[Measure::close]);
  text += latency_row("schedule lag", s.latencies[Measure::schedule_lag]);

  text += jobs_text(s.jobs);
  if (s.search) {
    text += fmt::format("\n  searched for {} in {} windows: {}/s\n", s.search->target,
                        s.search->tries.size(),
                        group_digits(static_cast<std::uint64_t>(s.search->found_per_second)));
  }

  text += fmt::format("\n  {:<14}{:>14}{:>14}{:>14}{:>14}{:>14}\n", "accounted for", "offered",
                      "launched", "not launched", "completed", "failed");
  text += book_rows("connections", s.ledger.connections);
  text += book_rows("transactions", s.ledger.transactions);

  std::string drops;
  for (std::size_t i = 1; i < kDropCount; ++i) {
    if (s.drops.count[i] == 0) continue;
    drops += fmt::format("{}{} {}", drops.empty() ? "" : ", ", kDropNames[i],
                         group_digits(s.drops.count[i]));
  }
  if (!drops.empty()) text += fmt::format("\n  dropped frames: {}\n", drops);
  if (s.unresolved_drops != 0) {
    text += fmt::format("\n  segments whose neighbour did not answer in time: {}\n",
                        group_digits(s.unresolved_drops));
  }
  return text;
}

}  // namespace millrace::load
