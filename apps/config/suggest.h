// SPDX-License-Identifier: BSD-3-Clause
//
// The nearest spelling of a word: what a typo was probably meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace millrace {

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, or nothing if none is near enough to be what was meant.
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// "did you mean X?" with `prefix` put before X; empty if no candidate is near.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string> candidates,
                                       std::string_view prefix = "");

}  // namespace millrace
