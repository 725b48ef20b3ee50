// SPDX-License-Identifier: BSD-3-Clause
//
// Figures as people read them: grouped digits, times and sizes with three significant digits.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::report {

/// 1234567 as "1,234,567".
[[nodiscard]] std::string group_digits(std::uint64_t value);
/// Nanoseconds as "870 ns", "12.3 us", "4.56 ms", "7.89 s".
[[nodiscard]] std::string nice_time(std::uint64_t nanoseconds);
/// Bytes as "512 B", "1.50 MiB".
[[nodiscard]] std::string nice_bytes(std::uint64_t bytes);
/// Resident memory of this process, hugepages included; 0 if /proc does not say.
[[nodiscard]] std::uint64_t resident_bytes();

}  // namespace millrace::report
