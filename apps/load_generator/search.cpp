// SPDX-License-Identifier: BSD-3-Clause
//
// The search for a rate.
#include "apps/load_generator/search.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/config/parse_value.h"

namespace millrace::load {

namespace {

constexpr double kAnswered = 0.95;
constexpr double kLowest = 1;
constexpr double kHighest = 50e6;

}  // namespace

Result<report::Threshold> parse_search(std::string_view word) {
  const bool bare = word.starts_with('p') || word.starts_with("max");
  auto threshold = report::parse_threshold(bare ? fmt::format("ttlb.{}", word) : std::string(word));
  if (!threshold || threshold.value().of != report::Threshold::Of::latency) {
    return bad_word(word, "what to search for",
                    "a bound of latency, as p99=500us or connect.p99.9=1ms", "p99=500us");
  }
  return threshold;
}

Measure measure_of(const report::Threshold& threshold) {
  const auto found = std::find(kMeasureNames.begin(), kMeasureNames.end(), threshold.measure);
  return static_cast<Measure>(found - kMeasureNames.begin());
}

SearchTry judge_window(const report::Threshold& target, double per_second, double window_s,
                       const report::Histogram& found, const Ledger& books) {
  SearchTry t;
  t.per_second = per_second;
  t.window_s = window_s;
  t.count = found.count();
  t.found_ns = target.percent >= 100 ? found.max() : found.percentile(target.percent);
  t.failed = books.connections.total_failed() + books.transactions.total_failed();
  t.not_launched = books.connections.total_not_launched() + books.transactions.total_not_launched();
  const bool answered = static_cast<double>(t.count) >= kAnswered * per_second * window_s;
  t.good = t.count > 0 && answered && static_cast<double>(t.found_ns) <= target.limit &&
           t.failed == 0 && t.not_launched == 0;
  return t;
}

void Bisection::note(bool good) {
  if (!good && !again_) {
    again_ = true;  // the same rate once more
    return;
  }
  again_ = false;
  (good ? good_ : bad_) = rate_;
  if (bad_ == 0) {
    rate_ = good_ * 2;
  } else {
    rate_ = good_ == 0 ? bad_ / 2 : (good_ + bad_) / 2;
  }
  const bool close = bad_ != 0 && good_ != 0 && bad_ - good_ <= kSearchTolerance * good_;
  over_ = close || rate_ < kLowest || rate_ > kHighest;
}

}  // namespace millrace::load
