// SPDX-License-Identifier: BSD-3-Clause
//
// What a core does when nothing comes: polls on, pauses between looks so that its sibling on the
// same core runs faster, or sleeps. Whoever sleeps finds what has come later by as much, so the
// default is to poll; a sleep is short enough that a device's queue does not run over and no stall
// is counted (worker.h), and ends when something is due.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "tcp/base/time.h"

namespace millrace {

enum class Idle : std::uint8_t { poll, pause, sleep };

/// How long to sleep after each look. The first sleeps are the shortest.
class Rest {
 public:
  static constexpr std::uint32_t kPatience = 1000;  // looks in a row that found nothing
  static constexpr Duration kShortest = 10us;
  static constexpr Duration kLongest = 250us;

  /// Whether a core that found something, or not, has seen nothing for so long that it may rest.
  [[nodiscard]] bool is_due(bool busy) {
    if (busy) {
      idle_looks_ = 0;
      next_ = kShortest;
    } else if (idle_looks_ < kPatience) {
      ++idle_looks_;
    }
    return idle_looks_ == kPatience;
  }
  /// Until when, at `now`; not at all if something is due then.
  [[nodiscard]] Duration length(Instant now, std::optional<Instant> due) {
    const Duration sleep = next_;
    next_ = std::min(2 * next_, kLongest);
    return due ? std::clamp(*due - now, Duration{0}, sleep) : sleep;
  }

 private:
  std::uint32_t idle_looks_ = 0;
  Duration next_ = kShortest;
};

}  // namespace millrace
