// SPDX-License-Identifier: BSD-3-Clause
//
// A line to its words: blanks and commas separate, brackets stand for themselves, # ends the line.
#include "tests/conformance/player/words.h"

#include <charconv>
#include <cmath>

#include "tests/conformance/player/script.h"

namespace millrace::script {
namespace {

[[nodiscard]] bool is_blank(char c) { return c == ' ' || c == '\t' || c == ',' || c == '\r'; }
[[nodiscard]] bool is_bracket(char c) { return c == '[' || c == ']'; }

}  // namespace

Words::Words(Place place, std::string_view line, bool ipv6)
    : place_(std::move(place)), ipv6_(ipv6) {
  std::size_t i = 0;
  while (i < line.size() && line[i] != '#') {
    if (is_blank(line[i])) {
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    if (line[i] == '"') {
      end = line.find('"', i + 1);
      if (end == std::string_view::npos) {
        words_.emplace_back(line.substr(i));
        next_ = words_.size() - 1;
        fail("a closing quote");
      }
      words_.emplace_back(line.substr(i, end - i));
      i = end + 1;
      continue;
    }
    if (!is_bracket(line[i])) {
      while (end < line.size() && !is_blank(line[end]) && !is_bracket(line[end]) &&
             line[end] != '#' && line[end] != '"') {
        ++end;
      }
    }
    words_.emplace_back(line.substr(i, end - i));
    i = end;
  }
}

std::string_view Words::peek() const {
  return at_end() ? std::string_view{} : std::string_view{words_[next_]};
}

std::string Words::take(std::string_view expected) {
  if (at_end()) fail(expected);
  return words_[next_++];
}

bool Words::accept(std::string_view word) {
  if (at_end() || words_[next_] != word) return false;
  ++next_;
  return true;
}

void Words::require(std::string_view word) {
  if (!accept(word)) fail("'" + std::string(word) + "'");
}

void Words::require_end() {
  if (!at_end()) fail("the end of the line");
}

std::string_view Words::of_family(std::string_view word) const {
  const std::size_t bar = word.find('|');
  if (bar == std::string_view::npos) return word;
  return ipv6_ ? word.substr(bar + 1) : word.substr(0, bar);
}

std::optional<std::int64_t> Words::to_number(std::string_view word) const {
  const std::string_view digits = of_family(word);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::int64_t Words::number(std::string_view expected, std::int64_t least, std::int64_t most) {
  const auto value = to_number(peek());
  if (!value || *value < least || *value > most) {
    fail(std::string(expected) + " (" + std::to_string(least) + " to " + std::to_string(most) +
         ")");
  }
  ++next_;
  return *value;
}

std::optional<Duration> Words::to_duration(std::string_view word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || value < 0) return std::nullopt;
  const std::string_view unit = word.substr(static_cast<std::size_t>(end - word.data()));
  double ns = 0;
  if (unit.empty() || unit == "s") {
    ns = value * 1e9;
  } else if (unit == "ms") {
    ns = value * 1e6;
  } else if (unit == "us") {
    ns = value * 1e3;
  } else if (unit == "min") {
    ns = value * 60e9;
  } else if (unit == "h") {
    ns = value * 3600e9;
  } else if (unit == "d") {
    ns = value * 86400e9;
  } else {
    return std::nullopt;
  }
  return Duration{std::llround(ns)};
}

Duration Words::duration(std::string_view expected) {
  const auto value = to_duration(peek());
  if (!value) fail(expected);
  ++next_;
  return *value;
}

std::string Words::quoted() {
  if (at_end() || words_[next_].front() != '"') fail("a quoted text");
  return words_[next_++].substr(1);
}

void Words::fail(std::string_view expected) const {
  const std::string found = at_end() ? "the end of the line" : "'" + words_[next_] + "'";
  throw ParseError(place_.path + ":" + std::to_string(place_.line) + ": expected " +
                   std::string(expected) + ", found " + found);
}

}  // namespace millrace::script
