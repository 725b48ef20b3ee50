// SPDX-License-Identifier: BSD-3-Clause
//
// What a result is worth. Rules of RFC 9411 say whether it is valid at all; thresholds ([slo],
// --slo) say whether it is good enough for the operator. Both look at result.json, so that a result
// that was merged from several is judged as one that was measured.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/config/options.h"
#include "tcp/base/result.h"

namespace millrace::report {

/// One bound: a percentile or the greatest of a latency may not be above it, the failed share
/// neither, the rate not below.
struct Threshold {
  enum class Of : unsigned char { latency, failed, rate, rate_share };
  std::string text;  // as it was given
  Of of = Of::latency;
  std::string measure;  // a name of result.json's latency
  double percent = 0;   // 100: the greatest
  double limit = 0;     // ns, a share of one, or per second
};

/// "ttlb.p99=2ms", "connect.max=1s", "failed=0.1%", "rate=95%" (of what was asked for), "rate=10k".
[[nodiscard]] Result<Threshold> parse_threshold(std::string_view word);
/// --slo
void add_threshold_option(OptionSet& set, std::vector<Threshold>& thresholds);

/// RFC 9411 §7's rules that the result breaks, a sentence each: failed transactions and connections
/// and those that a RST ended at most 0.001 %, and the rate not below 95 % of what was asked for.
[[nodiscard]] std::vector<std::string> broken_rules(const nlohmann::json& result);

/// The verdict of result.json. "passed": valid, and every threshold met.
[[nodiscard]] nlohmann::json verdict_of(const nlohmann::json& result,
                                        std::span<const Threshold> thresholds);
/// What a judged threshold looked at, in its unit, for people.
[[nodiscard]] std::string found_text(const nlohmann::json& threshold);
/// A line for each rule broken and each threshold, for people.
[[nodiscard]] std::string verdict_text(const nlohmann::json& verdict);

}  // namespace millrace::report
