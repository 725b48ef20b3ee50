// SPDX-License-Identifier: BSD-3-Clause
//
// The bytes of every stream: each connection and direction reads the same table from a place of its
// own, and the table's length is prime, so that a byte that is lost, repeated, out of place or of
// another stream does not match.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "tests/support/random.h"

namespace millrace::sim {

class Pattern {
 public:
  static constexpr std::size_t kPeriod = 65'521;

  explicit Pattern(std::uint64_t seed) : table_(2 * kPeriod) {
    test::Random random(seed);
    for (std::size_t i = 0; i < kPeriod; ++i) {
      table_[i] = table_[i + kPeriod] = static_cast<std::byte>(random.next() >> 56);
    }
  }

  /// At most `bytes`, from `position` of the stream that `side` sends on connection `index`. May be
  /// shorter; never empty unless `bytes` is 0. Lives as long as the pattern.
  [[nodiscard]] std::span<const std::byte> at(std::size_t index, int side, std::uint64_t position,
                                              std::uint64_t bytes) const {
    const std::uint64_t place = index * 7919 + static_cast<std::uint64_t>(side) * 31'337 + position;
    return std::span(table_).subspan(place % kPeriod, std::min<std::uint64_t>(bytes, kPeriod));
  }
  [[nodiscard]] bool matches(std::size_t index, int side, std::uint64_t position,
                             std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const auto expected = at(index, side, position, bytes.size());
      if (std::memcmp(expected.data(), bytes.data(), expected.size()) != 0) return false;
      position += expected.size();
      bytes = bytes.subspan(expected.size());
    }
    return true;
  }

 private:
  std::vector<std::byte> table_;
};

}  // namespace millrace::sim
