// SPDX-License-Identifier: BSD-3-Clause
//
// Histograms in result.json: whole, with every bin, and as the short form that an interval has.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "apps/report/histogram.h"
#include "tcp/base/result.h"

namespace millrace::report {

/// Figures, percentiles and [lowest, highest, count] of each bin that is not empty.
[[nodiscard]] nlohmann::json to_json(const Histogram& histogram);

/// The histogram that to_json() wrote: the very same. Errors say what is wrong, not where.
[[nodiscard]] Result<Histogram> histogram_from(const nlohmann::json& from);

/// What is kept of a second: figures, and the histogram itself in HdrHistogram's encoding, so that
/// percentiles of several can be had without averaging any.
struct Digest {
  std::uint64_t count = 0;
  std::uint64_t p50 = 0;
  std::uint64_t p99 = 0;
  std::uint64_t p99_9 = 0;
  std::uint64_t max = 0;
  std::string hdr;  // empty without values
};
[[nodiscard]] Digest digest_of(const Histogram& histogram);
[[nodiscard]] nlohmann::json to_json(const Digest& digest);

}  // namespace millrace::report
