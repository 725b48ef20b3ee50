// SPDX-License-Identifier: BSD-3-Clause
//
// Lines of a histogram log.
#include "apps/report/hdr_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "apps/report/hdr_codec.h"

namespace millrace::report {

std::string hdr_log_head(std::uint64_t started_unix_ms, std::string_view writer) {
  const double started_s = static_cast<double>(started_unix_ms) / 1e3;
  const std::tm utc = fmt::gmtime(static_cast<std::time_t>(started_unix_ms / 1000));
  return fmt::format(
      "#[{}]\n"
      "#[Histogram log format version 1.3]\n"
      "#[StartTime: {:.3f} (seconds since epoch), {:%a %b %d %H:%M:%S} UTC {:%Y}]\n"
      "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
      writer, started_s, utc, utc);
}

std::string hdr_log_line(std::string_view tag, double start_s, double length_s,
                         const Histogram& histogram) {
  if (histogram.count() == 0) return {};
  return fmt::format("Tag={},{:.3f},{:.3f},{:.3f},{}\n", tag, start_s, length_s,
                     static_cast<double>(histogram.max()) / 1e6, encode_hdr(histogram));
}

}  // namespace millrace::report
