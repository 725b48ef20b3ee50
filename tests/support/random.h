// SPDX-License-Identifier: BSD-3-Clause
//
// Random numbers for tests: SplitMix64 (Steele, Lea and Flood, 2014). One seed gives the same
// numbers on every machine and library, which std:: distributions do not promise.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace millrace::test {

class Random {
 public:
  /// Neighbouring seeds give streams that have nothing in common.
  explicit Random(std::uint64_t seed) : state_(seed) { state_ = next() ^ std::rotl(seed, 32); }

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// 0 to n - 1; n is at least 1.
  std::uint64_t below(std::uint64_t n) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * n) >> 64);
  }
  /// low to high, both included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low + below(high - low + 1);
  }
  /// 0 to 1.
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  bool chance(double probability) { return unit() < probability; }
  /// low to high, every order of magnitude as likely as the next; low is at least 1.
  std::uint64_t magnitude(std::uint64_t low, std::uint64_t high) {
    const double a = std::log(static_cast<double>(low));
    const double b = std::log(static_cast<double>(high));
    const auto v = static_cast<std::uint64_t>(std::exp(a + (b - a) * unit()));
    return v < low ? low : v > high ? high : v;
  }
  template <typename T, std::size_t N>
  T pick(const T (&values)[N]) {
    return values[below(N)];
  }
  /// A generator of its own for some part, so that parts do not shift each other's numbers.
  Random fork(std::uint64_t part) {
    return Random(next() ^ std::rotl(part * 0xd6e8feb86659fd93, 17));
  }

 private:
  std::uint64_t state_;
};

}  // namespace millrace::test
