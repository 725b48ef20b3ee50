// SPDX-License-Identifier: BSD-3-Clause
//
// Edit distance with transpositions (optimal string alignment) over words of a command line.
#include "apps/config/suggest.h"

#include <algorithm>
#include <vector>

namespace millrace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> d((a.size() + 1) * width);
  for (std::size_t i = 0; i <= a.size(); ++i) d[i * width] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = a[i - 1] == b[j - 1] ? 0 : 1;
      std::size_t& here = d[i * width + j];
      here = std::min({d[(i - 1) * width + j] + 1, d[i * width + j - 1] + 1,
                       d[(i - 1) * width + j - 1] + replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        here = std::min(here, d[(i - 2) * width + j - 2] + 1);
      }
    }
  }
  return d.back();
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  // Up to a third of the word may be wrong; beyond that a guess would only confuse.
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::string best;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  // A word cut short, or written on: "max-conn" for "max-connections".
  if (best.empty() && word.size() >= 3) {
    for (const std::string& candidate : candidates) {
      if (candidate.starts_with(word)) return candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates,
                         std::string_view prefix) {
  const std::string found = nearest(word, candidates);
  if (found.empty()) return {};
  return "did you mean " + std::string(prefix) + found + "?";
}

}  // namespace millrace
