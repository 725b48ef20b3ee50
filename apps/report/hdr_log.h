// SPDX-License-Identifier: BSD-3-Clause
//
// A log of interval histograms as HdrHistogram's log readers and viewers expect it (format 1.3):
// one line for each interval and tag. Values are nanoseconds; the column of the greatest value is
// in milliseconds, as those tools have it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "apps/report/histogram.h"

namespace millrace::report {

/// What a log begins with. `started_unix_ms`: the time that line stamps count from.
[[nodiscard]] std::string hdr_log_head(std::uint64_t started_unix_ms, std::string_view writer);

/// A line for what came from `start_s` on, `length_s` long. Nothing for an empty histogram.
[[nodiscard]] std::string hdr_log_line(std::string_view tag, double start_s, double length_s,
                                       const Histogram& histogram);

}  // namespace millrace::report
