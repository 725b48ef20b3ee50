// SPDX-License-Identifier: BSD-3-Clause
//
// Seeded random numbers for tests: 32 bits wide, the same on every platform.
#pragma once

#include <cstdint>
#include <random>

namespace millrace::tcp {

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::uint32_t operator()() { return static_cast<std::uint32_t>(engine_()); }
  std::uint32_t below(std::uint32_t bound) { return (*this)() % bound; }
  bool one_in(std::uint32_t n) { return below(n) == 0; }

 private:
  std::mt19937 engine_;
};

}  // namespace millrace::tcp
