// SPDX-License-Identifier: BSD-3-Clause
//
// The largest of the values of late, in constant memory: the best three of a window, each younger
// and smaller than the one before it (K. Nichols). When the best leaves the window the next takes
// its place, so the answer is at most a quarter of a window older than it should be.
//
// Time is whatever the caller counts: rounds, cycles. It may wrap.
#pragma once

#include <cstdint>

namespace millrace::tcp {

class WindowedMax {
 public:
  [[nodiscard]] std::uint64_t get() const { return best_[0].value; }

  void reset(std::uint64_t value, std::uint32_t time) {
    best_[0] = best_[1] = best_[2] = {value, time};
  }

  /// Takes `value` at `time`; what is older than `window` counts no more.
  std::uint64_t update(std::uint64_t value, std::uint32_t time, std::uint32_t window) {
    const Entry fresh{value, time};
    if (value >= best_[0].value || time - best_[2].time > window) {
      reset(value, time);
      return value;
    }
    if (value >= best_[1].value) {
      best_[1] = best_[2] = fresh;
    } else if (value >= best_[2].value) {
      best_[2] = fresh;
    }
    age(fresh, window);
    return best_[0].value;
  }

 private:
  struct Entry {
    std::uint64_t value = 0;
    std::uint32_t time = 0;
  };

  void age(const Entry& fresh, std::uint32_t window) {
    const std::uint32_t span = fresh.time - best_[0].time;
    if (span > window) {
      best_[0] = best_[1];
      best_[1] = best_[2];
      best_[2] = fresh;
      if (fresh.time - best_[0].time > window) {
        best_[0] = best_[1];
        best_[1] = best_[2];
        best_[2] = fresh;
      }
    } else if (best_[1].time == best_[0].time && span > window / 4) {
      best_[1] = best_[2] = fresh;
    } else if (best_[2].time == best_[1].time && span > window / 2) {
      best_[2] = fresh;
    }
  }

  Entry best_[3];
};

}  // namespace millrace::tcp
