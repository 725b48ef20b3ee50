// SPDX-License-Identifier: BSD-3-Clause
//
// Figures as people read them.
#include "apps/report/units.h"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <string_view>

namespace millrace::report {

namespace {

std::string three_digits(double value, std::string_view unit) {
  const int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, unit);
}

}  // namespace

std::string group_digits(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string nice_time(std::uint64_t nanoseconds) {
  if (nanoseconds < 1000) return fmt::format("{} ns", nanoseconds);
  const double us = static_cast<double>(nanoseconds) / 1e3;
  if (us < 1e3) return three_digits(us, "us");
  if (us < 1e6) return three_digits(us / 1e3, "ms");
  return three_digits(us / 1e6, "s");
}

std::string nice_bytes(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 4> kUnits{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024.0;
  std::size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  return three_digits(value, kUnits[unit]);
}

std::uint64_t resident_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  std::uint64_t kib = 0;
  while (status >> word) {
    if (word != "VmRSS:" && word != "HugetlbPages:") continue;
    std::uint64_t value = 0;
    status >> value;
    kib += value;
  }
  return kib * 1024;
}

}  // namespace millrace::report
