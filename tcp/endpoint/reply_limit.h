// SPDX-License-Identifier: BSD-3-Clause
//
// How often one tuple that has no connection of its own (half-open, TIME-WAIT) is answered with
// what a stranger could provoke: challenge ACKs and repeated SYN-ACKs. Per tuple and never for all
// together, because a shared budget tells one peer what another does (CVE-2016-5696). Two tuples
// that meet in a place here evict each other, which makes more answers, never fewer; the place is
// secret.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tcp/base/time.h"

namespace millrace::tcp {

class ReplyLimit {
 public:
  /// True, and remembered, if this tuple was not answered within `interval`.
  [[nodiscard]] bool allow(std::uint64_t hash, Instant now, Duration interval) {
    Place& place = places_[(hash >> 32) % kPlaces];
    const auto who = static_cast<std::uint32_t>(hash) | 1U;
    const Tick ticks = ticks_for(interval);
    const Tick left = place.until - tick_of(now);  // far more than `ticks` if it has passed
    if (place.who == who && left != 0 && left <= ticks) return false;
    place = {who, tick_of(now) + ticks};
    return true;
  }

 private:
  static constexpr std::size_t kPlaces = 4096;
  struct Place {
    std::uint32_t who = 0;
    Tick until = 0;
  };
  std::array<Place, kPlaces> places_{};
};

}  // namespace millrace::tcp
