// SPDX-License-Identifier: BSD-3-Clause
//
// The line that `millrace serve` prints each second, for people or as JSON.
#pragma once

#include <string>

#include "apps/http_server/server.h"
#include "dataplane/stats.h"

namespace millrace::http {

/// All counts of an instance at one time.
struct Snapshot {
  Instant at{};
  ServerStats server;
  StatsSnapshot fleet;
};

[[nodiscard]] std::string line_header();
/// What happened from `before` to `now`; seconds count from `start`.
[[nodiscard]] std::string line_text(const Snapshot& before, const Snapshot& now, Instant start);
[[nodiscard]] std::string line_json(const Snapshot& before, const Snapshot& now, Instant start);
/// What the run came to.
[[nodiscard]] std::string totals_text(const Snapshot& end, Instant start);

}  // namespace millrace::http
