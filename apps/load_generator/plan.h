// SPDX-License-Identifier: BSD-3-Clause
//
// What a load run is to do, decided before it starts and shared read-only by its workers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/load_generator/distribution.h"
#include "apps/load_generator/requests.h"
#include "apps/load_generator/schedule.h"
#include "tcp/base/address.h"
#include "tcp/base/time.h"

namespace millrace::load {

enum class Mode : std::uint8_t {
  cps,         // new connections per second; each does its requests and is closed
  tps,         // transactions per second over connections that stay
  concurrent,  // connections opened and held until the end, one request each
  throughput,  // every connection asks again as soon as it has its answer
};
[[nodiscard]] std::string_view name_of(Mode mode);
/// Whether what a mode offers are connections; else transactions.
[[nodiscard]] inline bool counts_connections(Mode mode) {
  return mode == Mode::cps || mode == Mode::concurrent;
}

/// Who ends a connection that has done what it was for, and how.
enum class Closer : std::uint8_t { client, server, client_reset, server_reset };
[[nodiscard]] inline bool server_ends(Closer closer) {
  return closer == Closer::server || closer == Closer::server_reset;
}

/// A connection's user word: the job above, the client below.
inline constexpr unsigned kJobShift = 26;
inline constexpr std::size_t kMostJobs = 16;

struct Plan {
  std::uint32_t job = 0;
  Mode mode = Mode::cps;
  bool closed = false;  // closed loop: the next one starts when one ends
  bool search = false;  // rates come from steer() until settle()
  // Open loop: when the mode's unit is due, of all workers together. Ramps are part of both.
  Arrivals arrivals = Arrivals::constant;
  std::shared_ptr<const RateCurve> curve;              // constant, poisson
  std::shared_ptr<const std::vector<Duration>> trace;  // trace
  Schedule::Share share;
  std::uint64_t seed = 0;                   // of the draws
  std::uint32_t connections = 100;          // held (tps, concurrent, throughput) or at most open
  Distribution requests_per_connection{1};  // 0: no limit (tps, throughput)
  std::uint32_t pipeline = 1;               // requests without an answer on a connection, at most
  Distribution think;                       // ns, between an answer and the next request
  Distribution body;                        // bytes, of requests that have one
  Duration ramp_up{};
  Duration duration = 10s;  // that the load is sustained
  Duration ramp_down{};
  Duration connect_timeout = 3s;
  Duration timeout = 10s;  // of one transaction, from its request
  Duration drain = 5s;
  bool fast_open = false;  // a connection's first request goes with its SYN
  Closer closer = Closer::client;
  RequestPlan ask;
};

/// Of random numbers: each worker of each job has its own.
[[nodiscard]] inline std::uint64_t stream_of(const Plan& plan) {
  return std::uint64_t{plan.job} << 8 | plan.share.worker;
}

}  // namespace millrace::load
