// SPDX-License-Identifier: BSD-3-Clause
//
// Draws for arrivals, sizes and choices: SplitMix64 (Steele, Lea, Flood 2014), eight bytes of state
// and a few cycles a draw. One seed and one stream number give the same numbers everywhere. No
// secrets come from here.
#pragma once

#include <cmath>
#include <cstdint>

namespace millrace::load {

class Random {
 public:
  Random() = default;
  /// Streams of one seed are far apart: each is drawn from a start of its own.
  Random(std::uint64_t seed, std::uint64_t stream)
      : state_(mix(mix(seed) + stream * 0xd1b5'4a32'd192'ed03)) {}

  [[nodiscard]] std::uint64_t next() { return mix(state_ += 0x9e37'79b9'7f4a'7c15); }
  /// Above 0, up to and with 1.
  [[nodiscard]] double unit() { return static_cast<double>((next() >> 11) + 1) * 0x1p-53; }
  /// 0 to `bound` - 1. Biased by less than bound / 2^32.
  [[nodiscard]] std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>((next() >> 32) * bound >> 32);
  }
  /// Of mean 1, by inversion.
  [[nodiscard]] double exponential() { return -std::log(unit()); }

 private:
  static std::uint64_t mix(std::uint64_t z) {
    z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
    return z ^ z >> 31;
  }

  std::uint64_t state_ = 0;
};

}  // namespace millrace::load
