// SPDX-License-Identifier: BSD-3-Clause
//
// `millrace merge`.
#include "apps/report/merge.h"

#include <fmt/format.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "apps/config/exit_code.h"
#include "apps/config/this_command.h"
#include "apps/report/books.h"
#include "apps/report/histogram_json.h"
#include "apps/report/merge_intervals.h"
#include "apps/report/result_file.h"
#include "apps/report/units.h"

namespace millrace::report {
namespace {

using nlohmann::json;

// What makes a run another one. Rate, connections, addresses and cores add up; machines, devices
// and targets may differ, and all are named.
constexpr std::array<std::string_view, 7> kSame{
    "mode",         "loop", "close_mode", "requests_per_connection", "two_msl_s", "time_wait_reuse",
    "latency_label"};
// The same, where both results have it.
constexpr std::array<std::string_view, 2> kSameIfKnown{"arrivals", "profile"};
constexpr std::array<std::string_view, 4> kJoined{"version", "machine", "target", "packet_path"};
constexpr std::array<std::string_view, 3> kSummed{"rate_per_second", "connections",
                                                  "client_addresses"};
constexpr std::array<std::string_view, 7> kOfASource{
    "command", "version", "machine", "packet_path", "cores", "seed", "started_unix_ms"};

Error refuse(const std::string& one, const std::string& other, const std::string& why) {
  return {ErrorKind::usage, fmt::format("{} and {} cannot be merged: {}", one, other, why), ""};
}

std::uint64_t started_ms(const json& result) {
  return result.at("start").at("started_unix_ms").get<std::uint64_t>();
}

double ended_ms(const json& result) {
  const json& intervals = result.at("intervals");
  const double length_s = intervals.empty() ? 0.0 : intervals.back().at("end_s").get<double>();
  return static_cast<double>(started_ms(result)) + 1e3 * length_s;
}

Status check(const std::vector<json>& results, std::span<const std::string> names) {
  const json& first = results.front();
  for (std::size_t i = 1; i < results.size(); ++i) {
    for (const std::string_view key : kSame) {
      const json& one = first.at("start").at(std::string(key));
      const json& two = results[i].at("start").at(std::string(key));
      if (one == two) continue;
      return refuse(names[0], names[i],
                    fmt::format("{} is {} and {}", key, one.dump(), two.dump()));
    }
    for (const std::string_view key : kSameIfKnown) {
      const json one = first.at("start").value(std::string(key), json());
      const json two = results[i].at("start").value(std::string(key), json());
      if (one == two || one.is_null() || two.is_null()) continue;
      return refuse(names[0], names[i],
                    fmt::format("{} is {} and {}", key, one.dump(), two.dump()));
    }
    for (std::size_t j = 0; j < i; ++j) {
      const json& one = results[j];
      const json& two = results[i];
      if (one.at("start") == two.at("start") && one.at("end") == two.at("end")) {
        return refuse(names[j], names[i], "they are the same result");
      }
      const bool apart = ended_ms(one) < static_cast<double>(started_ms(two)) ||
                         ended_ms(two) < static_cast<double>(started_ms(one));
      if (apart) return refuse(names[j], names[i], "one had ended before the other began");
    }
  }
  return Ok{};
}

/// Values that differ, one behind the other.
json joined(const std::vector<json>& results, const std::string& key) {
  std::vector<std::string> seen;
  for (const json& result : results) {
    const auto value = result.at("start").at(key).get<std::string>();
    if (std::find(seen.begin(), seen.end(), value) == seen.end()) seen.push_back(value);
  }
  return fmt::format("{}", fmt::join(seen, "; "));
}

/// What each of the merged was: of one that was merged itself, those that it was made of.
json sources_of(const std::vector<json>& results) {
  json sources = json::array();
  for (const json& result : results) {
    const json& start = result.at("start");
    if (const auto merged = start.find("merged_from"); merged != start.end()) {
      for (const json& source : *merged) sources.push_back(source);
      continue;
    }
    json source = json::object();
    for (const std::string_view key : kOfASource) {
      source[std::string(key)] = start.at(std::string(key));
    }
    for (const char* key : {"run_s", "connections_per_second", "transactions_per_second"}) {
      source[key] = result.at("end").at(key);
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

json merge_start(const std::vector<json>& results) {
  json start = results.front().at("start");
  start["command"] = this_command();
  start["merged_from"] = sources_of(results);
  for (const std::string_view key : kJoined) {
    start[std::string(key)] = joined(results, std::string(key));
  }
  for (std::size_t i = 1; i < results.size(); ++i) {
    const json& other = results[i].at("start");
    for (const std::string_view name : kSummed) {
      const std::string key(name);
      const json& more = other.at(key);
      if (start[key].is_number_float() || more.is_number_float()) {
        start[key] = start[key].get<double>() + more.get<double>();
      } else {
        start[key] = start[key].get<std::uint64_t>() + more.get<std::uint64_t>();
      }
    }
    start["started_unix_ms"] =
        std::min(start["started_unix_ms"].get<std::uint64_t>(), started_ms(results[i]));
    for (const json& core : other.at("cores")) start["cores"].push_back(core);
  }
  return start;
}

bool balances(const json& book) {
  const auto launched = book.at("launched").get<std::uint64_t>();
  return book.at("offered") == launched + sum_of(book.at("not_launched")) &&
         launched == book.at("completed").get<std::uint64_t>() + sum_of(book.at("failed"));
}

/// The most entries at once: seen together in some second, or in one of the runs alone.
std::uint64_t time_wait_peak(const std::vector<json>& results, const json& intervals) {
  std::uint64_t most = 0;
  for (const json& result : results) {
    most = std::max(most, result.at("end").at("time_wait_peak").get<std::uint64_t>());
  }
  for (const json& interval : intervals) {
    most = std::max(most, interval.at("states").value("TIME-WAIT", std::uint64_t{0}));
  }
  return most;
}

void set_rates(json& end, double run_s) {
  const auto per_second = [&](const char* key, double scale) {
    return run_s > 0 ? scale * static_cast<double>(end.at(key).get<std::uint64_t>()) / run_s : 0.0;
  };
  end["connections_per_second"] = per_second("run_connections", 1);
  end["transactions_per_second"] = per_second("run_transactions", 1);
  end["received_bits_per_second"] = per_second("run_received_bytes", 8);
  end["run_s"] = run_s;
}

json merge_end(const std::vector<json>& results, std::span<const std::string> names,
               const json& intervals) {
  json end = json::object();
  double run_s = 0;
  bool interrupted = false;
  json notes = json::array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    const json& other = results[i].at("end");
    add_numbers(end, other);
    run_s = std::max(run_s, other.at("run_s").get<double>());
    interrupted = interrupted || other.at("interrupted").get<bool>();
    for (const json& note : other.at("notes")) {
      notes.push_back(fmt::format("{}: {}", names[i], note.get<std::string>()));
    }
  }
  set_rates(end, run_s);
  end["interrupted"] = interrupted;
  end["notes"] = std::move(notes);
  end["accounts_balance"] = balances(end.at("connections")) && balances(end.at("transactions"));
  end["time_wait_peak"] = time_wait_peak(results, intervals);
  return end;
}

Result<json> merge_latency(const std::vector<json>& results, std::span<const std::string> names) {
  std::vector<std::string> kinds;
  for (const auto& [kind, histogram] : results.front().at("latency").items()) kinds.push_back(kind);
  std::vector<json> merged(kinds.size());
  std::vector<std::optional<Error>> errors(kinds.size());
  tbb::parallel_for(std::size_t{0}, kinds.size(), [&](std::size_t k) {
    Histogram all;
    for (std::size_t i = 0; i < results.size(); ++i) {
      const auto one = histogram_from(results[i].at("latency").at(kinds[k]));
      if (!one) {
        errors[k] = Error{ErrorKind::usage,
                          fmt::format("{}: its latency {} cannot be merged: {}", names[i], kinds[k],
                                      one.error().sentence),
                          ""};
        return;
      }
      all.merge(one.value());
    }
    merged[k] = to_json(all);
  });
  json out = json::object();
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    if (errors[k]) return *errors[k];
    out[kinds[k]] = std::move(merged[k]);
  }
  return out;
}

/// A job of several machines: as a result, but that jobs say less of themselves.
Result<json> merge_job(const std::vector<json>& parts, std::span<const std::string> names) {
  json job = parts.front();
  json end = json::object();
  double run_s = 0;
  double rate = 0;
  std::uint64_t connections = 0;
  for (const json& part : parts) {
    add_numbers(end, part.at("end"));
    run_s = std::max(run_s, part.at("end").at("run_s").get<double>());
    rate += part.at("start").at("rate_per_second").get<double>();
    connections += part.at("start").at("connections").get<std::uint64_t>();
  }
  job["start"]["rate_per_second"] = rate;
  job["start"]["connections"] = connections;
  set_rates(end, run_s);
  end["accounts_balance"] = balances(end.at("connections")) && balances(end.at("transactions"));
  job["end"] = std::move(end);
  auto latency = merge_latency(parts, names);
  if (!latency) return latency.error();
  job["latency"] = std::move(latency).value();
  return job;
}

/// Job by job; nothing where no result has any.
Result<json> merge_jobs(const std::vector<json>& results, std::span<const std::string> names) {
  const json none = json::array();
  const json first = results.front().value("jobs", none);
  json merged = json::array();
  for (std::size_t j = 0; j < first.size(); ++j) {
    std::vector<json> parts;
    for (std::size_t i = 0; i < results.size(); ++i) {
      const json jobs = results[i].value("jobs", none);
      if (jobs.size() != first.size() || jobs.at(j).at("name") != first.at(j).at("name")) {
        return refuse(names[0], names[i], "their jobs differ");
      }
      parts.push_back(jobs.at(j));
    }
    auto job = merge_job(parts, names);
    if (!job) return job.error();
    merged.push_back(std::move(job).value());
  }
  return merged;
}

/// What the first was judged by.
std::vector<Threshold> thresholds_of(const json& result) {
  std::vector<Threshold> thresholds;
  for (const json& t : result.at("verdict").at("thresholds")) {
    auto threshold = parse_threshold(t.at("threshold").get<std::string>());
    if (threshold) thresholds.push_back(std::move(threshold).value());
  }
  return thresholds;
}

Result<json> merge_checked(const std::vector<json>& results, std::span<const std::string> names,
                           std::vector<Threshold> thresholds) {
  if (auto good = check(results, names); !good) return good.error();
  auto latency = merge_latency(results, names);
  if (!latency) return latency.error();
  json intervals = merge_intervals(results);
  json out = {{"schema_version", kSchemaVersion},
              {"start", merge_start(results)},
              {"end", merge_end(results, names, intervals)}};
  out["intervals"] = std::move(intervals);
  out["latency"] = std::move(latency).value();
  auto jobs = merge_jobs(results, names);
  if (!jobs) return jobs.error();
  if (!jobs.value().empty()) out["jobs"] = std::move(jobs).value();
  if (thresholds.empty()) thresholds = thresholds_of(results.front());
  out["verdict"] = verdict_of(out, thresholds);
  return out;
}

}  // namespace

Result<json> merge(const std::vector<json>& results, std::span<const std::string> names,
                   std::vector<Threshold> thresholds) {
  try {
    return merge_checked(results, names, std::move(thresholds));
  } catch (const std::exception& e) {
    return Error{ErrorKind::usage,
                 fmt::format("one of {} is no whole result: {}", fmt::join(names, ", "), e.what()),
                 "give what this version of millrace load --json wrote"};
  }
}

Result<std::vector<json>> read_results(std::span<const std::string> paths) {
  std::vector<json> results(paths.size());
  std::vector<std::optional<Error>> errors(paths.size());
  tbb::parallel_for(std::size_t{0}, paths.size(), [&](std::size_t i) {
    auto result = read_result(paths[i]);
    if (result) {
      results[i] = std::move(result).value();
    } else {
      errors[i] = result.error();
    }
  });
  for (const auto& error : errors) {
    if (error) return *error;
  }
  return results;
}

Command merge_command() {
  struct Options {
    std::vector<std::string> paths;
    std::string output = "-";
    std::vector<Threshold> thresholds;
  };
  auto o = std::make_shared<Options>();
  Command command;
  command.name = "merge";
  command.summary = "results of several machines that ran together, as one";
  command.example = "millrace merge east.json west.json -o both.json";
  command.options.heading("Results");
  command.options.positionals("results", "RESULT", "files that --json wrote", o->paths, parse_text);
  command.options.value("output", "FILE", "where to write; - for standard output, the default",
                        o->output, parse_text);
  command.options.letter("o");
  add_threshold_option(command.options, o->thresholds);
  command.run = [o]() -> Result<int> {
    if (o->paths.size() < 2) {
      return Error{ErrorKind::usage, "merge expects two results or more",
                   "try millrace merge east.json west.json -o both.json"};
    }
    const auto results = read_results(o->paths);
    if (!results) return results.error();
    const auto merged = merge(results.value(), o->paths, o->thresholds);
    if (!merged) return merged.error();
    if (auto good = write_json(o->output, merged.value()); !good) return good.error();
    const json& verdict = merged.value()["verdict"];
    if (o->output != "-") {
      const json& end = merged.value()["end"];
      std::printf("%zu results: %s connections, %s transactions completed in %.1f s\n",
                  o->paths.size(),
                  group_digits(end["run_connections"].get<std::uint64_t>()).c_str(),
                  group_digits(end["run_transactions"].get<std::uint64_t>()).c_str(),
                  end["run_s"].get<double>());
      std::fputs(verdict_text(verdict).c_str(), stdout);
    }
    return static_cast<int>(verdict["passed"] ? kExitGood : kExitVerdict);
  };
  return command;
}

}  // namespace millrace::report
