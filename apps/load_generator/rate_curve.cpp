// SPDX-License-Identifier: BSD-3-Clause
//
// Areas under straight lines, and back.
#include "apps/load_generator/rate_curve.h"

#include <algorithm>
#include <cmath>

namespace millrace::load {

double RateLine::time_of(double count) const {
  const double more = count - area;
  if (slope == 0) return start_s + more / per_second;
  // The root of per_second x + slope x^2 / 2 = more, in the form that loses no digits.
  const double root = std::sqrt(std::max(0.0, per_second * per_second + 2 * slope * more));
  const double divisor = per_second + root;
  return divisor > 0 ? start_s + 2 * more / divisor : start_s;
}

RateCurve::RateCurve(const std::vector<Knot>& knots) {
  double area = 0;
  for (std::size_t i = 1; i < knots.size(); ++i) {
    const Knot& from = knots[i - 1];
    const Knot& to = knots[i];
    const double length = to.at_s - from.at_s;
    if (length <= 0) continue;
    RateLine line{from.at_s, from.per_second, (to.per_second - from.per_second) / length, area, 0};
    area += length * (from.per_second + to.per_second) / 2;
    line.area_end = area;
    lines_.push_back(line);
    length_s_ = to.at_s;
  }
}

double RateCurve::arrivals_before(double at_s) const {
  double count = 0;
  for (const RateLine& line : lines_) {
    if (line.start_s >= at_s) break;
    const double end_s = &line == &lines_.back() ? length_s_ : (&line)[1].start_s;
    const double x = std::min(at_s, end_s) - line.start_s;
    count = line.area + x * (line.per_second + line.slope * x / 2);
  }
  return count;
}

double RateCurve::rate_at(double at_s) const {
  double rate = lines_.empty() ? 0 : lines_.front().per_second;
  for (const RateLine& line : lines_) {
    if (line.start_s >= at_s) break;
    rate = line.per_second + line.slope * (at_s - line.start_s);
  }
  return rate;
}

}  // namespace millrace::load
