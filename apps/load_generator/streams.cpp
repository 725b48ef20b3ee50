// SPDX-License-Identifier: BSD-3-Clause
//
// NDJSON and the histogram log, line by line.
#include "apps/load_generator/streams.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "apps/report/hdr_log.h"
#include "apps/report/result_file.h"

namespace millrace::load {

namespace {

Error cannot_write(const std::string& path, int cause) {
  return {ErrorKind::environment,
          fmt::format("cannot write to '{}': {}", path, std::strerror(cause)),
          "name a file in a directory that exists and is writable"};
}

std::string line_of(std::string_view type, nlohmann::json body) {
  body["type"] = type;
  body["schema_version"] = report::kSchemaVersion;
  return body.dump() + '\n';
}

}  // namespace

Status Streams::Output::open(const std::string& at, const char* how) {
  path = at;
  if (path.empty()) return Ok{};
  file.reset(path == "-" ? stdout : std::fopen(path.c_str(), how));
  if (file == nullptr) return cannot_write(path, errno);
  return Ok{};
}

void Streams::Output::write(const std::string& text) {
  if (file == nullptr || broken) return;
  broken = std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() ||
           std::fflush(file.get()) != 0;
}

Status Streams::Output::close() {
  if (file == nullptr) return Ok{};
  const bool failed = broken || std::fflush(file.get()) != 0;
  file.reset();
  if (failed) return cannot_write(path, errno == 0 ? EIO : errno);
  return Ok{};
}

Result<Streams> Streams::open(const LoadOptions& o) {
  const std::array<const std::string*, 3> paths{&o.json, &o.ndjson, &o.hlog};
  if (std::count_if(paths.begin(), paths.end(), [](const auto* p) { return *p == "-"; }) > 1) {
    return Error{ErrorKind::usage,
                 "standard output can take one of --json, --ndjson and --hlog, not several",
                 "name a file instead of -"};
  }
  if (!o.json.empty() && o.json != "-") {
    Output probe;  // said now, not when the run is over; what is there stays until then
    if (auto good = probe.open(o.json, "ae"); !good) return good.error();
  }
  Streams streams;
  if (auto good = streams.ndjson_.open(o.ndjson); !good) return good.error();
  if (auto good = streams.hlog_.open(o.hlog); !good) return good.error();
  return streams;
}

void Streams::start(const Setup& setup) {
  if (ndjson_.file != nullptr) ndjson_.write(line_of("start", {{"start", start_json(setup)}}));
  if (hlog_.file != nullptr) {
    hlog_.write(report::hdr_log_head(setup.started_unix_ms, setup.version));
  }
}

void Streams::interval(const Interval& interval, const Latencies& latencies) {
  if (ndjson_.file != nullptr) {
    ndjson_.write(line_of("interval", {{"interval", interval_json(interval)}}));
  }
  if (hlog_.file == nullptr) return;
  std::string lines;
  for (std::size_t i = 0; i < kMeasures; ++i) {
    lines += report::hdr_log_line(kMeasureTags[i], interval.start_s,
                                  interval.end_s - interval.start_s, latencies.all()[i]);
  }
  hlog_.write(lines);
}

Status Streams::end(const nlohmann::json& result) {
  if (ndjson_.file != nullptr) {
    ndjson_.write(line_of(
        "end",
        {{"end", result["end"]}, {"latency", result["latency"]}, {"verdict", result["verdict"]}}));
  }
  if (auto good = ndjson_.close(); !good) return good.error();
  return hlog_.close();
}

}  // namespace millrace::load
