// SPDX-License-Identifier: BSD-3-Clause
//
// --profile: how the rate changes while it is sustained, in place of --rate.
//
//   steps:1k,2k,4k         each for an equal share of the duration
//   steps:1k/10s,2k/20s    each for its own time
//   ramp:1k-10k            a straight line over the duration
//   sine:1k-10k/30s        from the mean up, in a period of 30 s
//   FILE                   lines TIME,RATE: straight lines between them, two of one time are a step
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/load_generator/rate_curve.h"
#include "tcp/base/result.h"
#include "tcp/base/time.h"

namespace millrace::load {

struct Profile {
  enum class Kind : std::uint8_t { constant, steps, ramp, sine, knots };

  struct Step {
    double per_second = 0;
    Duration length{};  // zero: a share of the duration
  };

  Kind kind = Kind::constant;
  std::string text = "constant";  // as it was given
  std::vector<Step> steps;
  double low = 0;  // ramp: the first
  double high = 0;
  Duration period{};
  std::vector<Knot> knots;

  /// How long it is of itself; nothing if it takes the duration that it gets.
  [[nodiscard]] std::optional<Duration> length() const;
  /// The rate over `duration`, from a knot at 0 to one at its end. `rate` where it is constant.
  /// What ends before keeps its last rate.
  [[nodiscard]] std::vector<Knot> over(Duration duration, double rate) const;
};

/// Reads a file of rates; errors name its line.
[[nodiscard]] Result<Profile> parse_profile(std::string_view word);

/// The curve of a whole run: from nothing up to the first rate in `ramp_up`, `sustained`, from its
/// last rate down to nothing in `ramp_down`.
[[nodiscard]] RateCurve with_ramps(const std::vector<Knot>& sustained, Duration ramp_up,
                                   Duration ramp_down);

}  // namespace millrace::load
