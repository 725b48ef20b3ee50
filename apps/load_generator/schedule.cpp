// SPDX-License-Identifier: BSD-3-Clause
//
// The start of a schedule, and its rarer steps.
#include "apps/load_generator/schedule.h"

namespace millrace::load {

Schedule::Schedule(Instant start, const RateCurve& curve, Arrivals arrivals, Share share,
                   Random random)
    : start_(start),
      end_(start + Duration{static_cast<std::int64_t>(curve.length_s() * 1e9)}),
      arrivals_(arrivals),
      lines_(curve.lines().data()),
      lines_left_(curve.lines().size()),
      random_(random) {
  begin(share);
}

Schedule::Schedule(Instant start, Instant end, double per_second, Arrivals arrivals, Share share,
                   Random random)
    : start_(start), end_(end), arrivals_(arrivals), random_(random) {
  line_.per_second = per_second;
  line_.area_end = per_second * std::chrono::duration<double>(end - start).count();
  begin(share);
}

Schedule::Schedule(Instant start, const std::vector<Duration>& offsets, Duration length,
                   Share share)
    : start_(start),
      end_(start + length),
      arrivals_(Arrivals::trace),
      offsets_(offsets.data()),
      offset_(share.worker),
      offsets_end_(offsets.size()),
      stride_(share.workers) {
  next_ = offset_ < offsets_end_ ? start_ + offsets_[offset_] : end_;
}

void Schedule::begin(Share share) {
  step_ = share.workers;
  count_ = arrivals_ == Arrivals::poisson ? step_ * random_.exponential() : share.worker;
  place();
}

bool Schedule::next_line() {
  if (lines_left_ == 0) return false;
  line_ = *lines_++;
  --lines_left_;
  return true;
}

void Schedule::step_trace() {
  offset_ += stride_;
  next_ = offset_ < offsets_end_ ? start_ + offsets_[offset_] : end_;
}

}  // namespace millrace::load
