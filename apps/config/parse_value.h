// SPDX-License-Identifier: BSD-3-Clause
//
// Words of the configuration into values: numbers with suffixes, durations, core lists, choices.
// Each takes the whole word and returns the value, or one sentence that names the word and says
// what was expected, with a spelling that would do. What belongs to the network is in
// parse_address.h, parse_device.h and parse_url.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tcp/base/result.h"
#include "tcp/base/time.h"

namespace millrace {

/// The error of all parsers: "'WORD' is not WHAT: expected EXPECTED", and the suggestion.
[[nodiscard]] Error bad_word(std::string_view word, std::string_view what,
                             std::string_view expected, std::string suggestion = "");

/// A whole number with k, M, G (powers of 1000) or Ki, Mi, Gi (of 1024): "10k", "1.5M".
[[nodiscard]] Result<std::uint64_t> parse_count(std::string_view word);
[[nodiscard]] Result<std::uint64_t> parse_count(std::string_view word, std::uint64_t least,
                                                std::uint64_t most);
/// Bytes: as parse_count, with B behind if one likes: "64", "2MiB", "10GB".
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view word);
/// Events per second: as parse_count, with /s behind if one likes: "10k", "2.5M/s".
[[nodiscard]] Result<double> parse_rate(std::string_view word);
/// "500ms", "10s", "1.5s", "2m", "1h", "250us", "0".
[[nodiscard]] Result<Duration> parse_duration(std::string_view word);
/// A Duration between two others.
[[nodiscard]] Result<Duration> parse_duration(std::string_view word, Duration least, Duration most);
/// "0,2-3": distinct cores, in the order given.
[[nodiscard]] Result<std::vector<int>> parse_cores(std::string_view word);
[[nodiscard]] Result<std::uint16_t> parse_port(std::string_view word);
/// on, off, yes, no, true, false, 1, 0.
[[nodiscard]] Result<bool> parse_switch(std::string_view word);
/// The index of `word` in `names`.
[[nodiscard]] Result<std::size_t> parse_choice(std::string_view word,
                                               std::span<const std::string> names);

/// As an operator would write it: "60s", "500ms".
[[nodiscard]] std::string duration_text(Duration duration);
/// "10k", "2.5M", "64": four significant digits at most.
[[nodiscard]] std::string count_text(double count);
/// "1.5 GiB", "64 B".
[[nodiscard]] std::string size_text(std::uint64_t bytes);

}  // namespace millrace
