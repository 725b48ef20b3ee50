// SPDX-License-Identifier: BSD-3-Clause
//
// --search: the highest rate whose latency keeps to a bound, to one percent. Windows of one run,
// one rate each: the rate doubles until a window is bad, then the gap between the highest good and
// the lowest bad rate is halved until it is within the tolerance.
//
// A window is good if the percentile of what was intended in it is within the bound, at least 95 %
// of it was answered, nothing failed and everything was launched. One window may be bad by chance,
// so a rate is bad only when a second window of it is bad as well. What was found is then sustained
// for --duration, and judged again by the whole of that: the search proposes, the run confirms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/load_generator/latencies.h"
#include "apps/load_generator/ledger.h"
#include "apps/report/verdict.h"
#include "tcp/base/result.h"
#include "tcp/base/time.h"

namespace millrace::load {

inline constexpr double kSearchTolerance = 0.01;

struct SearchTry {
  double per_second = 0;
  double start_s = 0;  // of what counts, since the workers began
  double window_s = 0;
  std::uint64_t count = 0;     // answers to what was intended in it
  std::uint64_t found_ns = 0;  // the percentile
  std::uint64_t failed = 0;
  std::uint64_t not_launched = 0;
  bool good = false;
};

struct SearchResult {
  std::string target;           // as a threshold: ttlb.p99=500us
  double found_per_second = 0;  // 0: not even the lowest
  std::vector<SearchTry> tries;
};

/// "p99=500us" (of the last byte), "connect.p99.9=1ms".
[[nodiscard]] Result<report::Threshold> parse_search(std::string_view word);

/// The measure that a threshold of latency looks at.
[[nodiscard]] Measure measure_of(const report::Threshold& threshold);

/// Whether a window was good, with the figures that say so.
[[nodiscard]] SearchTry judge_window(const report::Threshold& target, double per_second,
                                     double window_s, const report::Histogram& found,
                                     const Ledger& books);

/// Which rate to try next.
class Bisection {
 public:
  explicit Bisection(double first) : rate_(first) {}

  /// To be tried; meaningless when it is over.
  [[nodiscard]] double rate() const { return rate_; }
  void note(bool good);
  [[nodiscard]] bool over() const { return over_; }
  /// The highest good rate; 0: there was none.
  [[nodiscard]] double found() const { return good_; }

 private:
  double rate_;
  double good_ = 0;
  double bad_ = 0;  // 0: none yet
  bool again_ = false;
  bool over_ = false;
};

}  // namespace millrace::load
