// SPDX-License-Identifier: BSD-3-Clause
//
// The random numbers of tests/support, 32 bits wide, as indices, ticks and sequence numbers are.
#pragma once

#include <cstdint>

#include "tests/support/random.h"

namespace millrace::tcp {

class Random {
 public:
  explicit Random(std::uint64_t seed) : random_(seed) {}
  std::uint32_t operator()() { return static_cast<std::uint32_t>(random_.next()); }
  std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(random_.below(bound));
  }
  bool one_in(std::uint32_t n) { return below(n) == 0; }

 private:
  millrace::test::Random random_;
};

}  // namespace millrace::tcp
