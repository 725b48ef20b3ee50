// SPDX-License-Identifier: BSD-3-Clause
//
// The rate over the time of a run: straight lines between knots, and their integral, which says
// when the k-th arrival is due. Built before a run, shared by its workers.
#pragma once

#include <cstddef>
#include <vector>

namespace millrace::load {

/// The rate at a moment. Two knots of one time are a step.
struct Knot {
  double at_s = 0;
  double per_second = 0;
};

/// One straight line of it; `area` counts the arrivals before it and `area_end` those before its
/// end.
struct RateLine {
  double start_s = 0;
  double per_second = 0;
  double slope = 0;  // per second and second
  double area = 0;
  double area_end = 0;

  /// When the arrival is due that has `count` before it; area <= count < area_end.
  [[nodiscard]] double time_of(double count) const;
};

class RateCurve {
 public:
  RateCurve() = default;
  /// `knots` in order of time, the first at 0.
  explicit RateCurve(const std::vector<Knot>& knots);

  [[nodiscard]] const std::vector<RateLine>& lines() const { return lines_; }
  [[nodiscard]] double length_s() const { return length_s_; }
  /// Arrivals before `at_s`.
  [[nodiscard]] double arrivals_before(double at_s) const;
  /// Rate at `at_s`: that before a step, at the step.
  [[nodiscard]] double rate_at(double at_s) const;

 private:
  std::vector<RateLine> lines_;
  double length_s_ = 0;
};

}  // namespace millrace::load
