// SPDX-License-Identifier: BSD-3-Clause
//
// Numbers, durations, core lists and choices. All arithmetic is on whole numbers: "1.5M" is exactly
// 1,500,000, and a fraction that leaves less than one unit is refused rather than rounded.
#include "apps/config/parse_value.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "apps/config/suggest.h"

namespace millrace {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t kKi = 1024;
constexpr std::array kCountUnits{Unit{"", 1},          Unit{"k", 1000},          Unit{"K", 1000},
                                 Unit{"M", 1'000'000}, Unit{"G", 1'000'000'000}, Unit{"Ki", kKi},
                                 Unit{"Mi", kKi* kKi}, Unit{"Gi", kKi* kKi* kKi}};
constexpr std::array kDurationUnits{Unit{"ns", 1},
                                    Unit{"us", 1000},
                                    Unit{"ms", 1'000'000},
                                    Unit{"s", 1'000'000'000},
                                    Unit{"m", 60'000'000'000},
                                    Unit{"h", 3'600'000'000'000}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A decimal number without sign or exponent, split from the suffix that follows it.
struct Decimal {
  std::uint64_t whole = 0;
  std::uint64_t fraction = 0;       // digits after the point, as a number
  std::uint64_t fraction_unit = 1;  // 10 to the power of their count
  std::string_view suffix;
};

bool read_digits(std::string_view& rest, std::uint64_t& number, std::uint64_t* power) {
  if (rest.empty() || !is_digit(rest.front())) return false;
  while (!rest.empty() && is_digit(rest.front())) {
    const auto digit = static_cast<std::uint64_t>(rest.front() - '0');
    if (__builtin_mul_overflow(number, std::uint64_t{10}, &number)) return false;
    if (__builtin_add_overflow(number, digit, &number)) return false;
    if (power != nullptr && __builtin_mul_overflow(*power, std::uint64_t{10}, power)) return false;
    rest.remove_prefix(1);
  }
  return true;
}

std::optional<Decimal> split_decimal(std::string_view word) {
  Decimal d;
  if (!read_digits(word, d.whole, nullptr)) return {};
  if (word.starts_with('.')) {
    word.remove_prefix(1);
    if (!read_digits(word, d.fraction, &d.fraction_unit)) return {};
  }
  d.suffix = word;
  return d;
}

std::optional<std::uint64_t> scaled(const Decimal& d, std::uint64_t factor) {
  std::uint64_t whole = 0;
  std::uint64_t part = 0;
  if (__builtin_mul_overflow(d.whole, factor, &whole)) return {};
  if (__builtin_mul_overflow(d.fraction, factor, &part)) return {};
  if (part % d.fraction_unit != 0) return {};
  if (__builtin_add_overflow(whole, part / d.fraction_unit, &whole)) return {};
  return whole;
}

std::optional<std::uint64_t> parse_with_units(std::string_view word, std::span<const Unit> units) {
  const auto decimal = split_decimal(word);
  if (!decimal) return {};
  for (const Unit& unit : units) {
    if (unit.name == decimal->suffix) return scaled(*decimal, unit.factor);
  }
  return {};
}

// The number at the start of what was written, for use in a suggestion; `otherwise` if there is
// none.
std::string leading_number(std::string_view word, std::string_view otherwise) {
  while (!word.empty() && (word.front() == ' ' || word.front() == '+')) word.remove_prefix(1);
  const auto decimal = split_decimal(word);
  if (!decimal || decimal->suffix.size() == word.size()) return std::string(otherwise);
  return std::string(word.substr(0, word.size() - decimal->suffix.size()));
}

Error bad_count(std::string_view word) {
  return bad_word(word, "a number", "digits with k, M, G, Ki, Mi or Gi behind if needed, as 10k",
                  "try " + leading_number(word, "10k"));
}

std::string core_range_text(int cores) {
  return cores == 1 ? std::string("core 0") : fmt::format("cores 0 to {}", cores - 1);
}

}  // namespace

Error bad_word(std::string_view word, std::string_view what, std::string_view expected,
               std::string suggestion) {
  std::string sentence = word.empty()
                             ? fmt::format("an empty word is not {}: expected {}", what, expected)
                             : fmt::format("'{}' is not {}: expected {}", word, what, expected);
  return {ErrorKind::usage, std::move(sentence), std::move(suggestion)};
}

Result<std::uint64_t> parse_count(std::string_view word) {
  if (const auto count = parse_with_units(word, kCountUnits)) return *count;
  return bad_count(word);
}

Result<std::uint64_t> parse_count(std::string_view word, std::uint64_t least, std::uint64_t most) {
  auto count = parse_count(word);
  if (!count || (count.value() >= least && count.value() <= most)) return count;
  return Error{ErrorKind::usage,
               fmt::format("{} is out of range: expected {} to {}", word, least, most),
               fmt::format("try {}", std::clamp(count.value(), least, most))};
}

Result<std::uint64_t> parse_size(std::string_view word) {
  std::string_view number = word;
  if (number.ends_with('B')) number.remove_suffix(1);
  if (const auto count = parse_with_units(number, kCountUnits)) return *count;
  return bad_word(word, "a size",
                  "bytes with kB, MB, GB, KiB, MiB or GiB behind if needed, as 2MiB",
                  "try " + leading_number(word, "2") + "MiB");
}

Result<double> parse_rate(std::string_view word) {
  std::string_view number = word;
  if (number.ends_with("/s")) number.remove_suffix(2);
  if (const auto count = parse_with_units(number, kCountUnits); count && *count > 0) {
    return static_cast<double>(*count);
  }
  // Less than one a second, or a fraction of one: 0.5, 2.5.
  const auto decimal = split_decimal(number);
  if (decimal && decimal->suffix.empty() && (decimal->whole > 0 || decimal->fraction > 0)) {
    return static_cast<double>(decimal->whole) +
           static_cast<double>(decimal->fraction) / static_cast<double>(decimal->fraction_unit);
  }
  return bad_word(word, "a rate",
                  "a number above zero per second, with k or M behind if needed, as 10k",
                  "try " + leading_number(word == "0" ? "" : word, "10k"));
}

Result<Duration> parse_duration(std::string_view word) {
  if (word == "0") return Duration{0};
  if (const auto ns = parse_with_units(word, kDurationUnits);
      ns && *ns < (std::uint64_t{1} << 62)) {
    return Duration{static_cast<std::int64_t>(*ns)};
  }
  return bad_word(word, "a duration", "a number with ns, us, ms, s, m or h behind, as 10s or 500ms",
                  "try " + leading_number(word, "10") + "s");
}

Result<Duration> parse_duration(std::string_view word, Duration least, Duration most) {
  auto duration = parse_duration(word);
  if (!duration || (duration.value() >= least && duration.value() <= most)) return duration;
  return Error{ErrorKind::usage,
               fmt::format("{} is out of range: expected {} to {}", word, duration_text(least),
                           duration_text(most)),
               "try " + duration_text(std::clamp(duration.value(), least, most))};
}

Result<std::vector<int>> parse_cores(std::string_view word) {
  const Error malformed =
      bad_word(word, "a list of cores", "numbers and ranges, as 0,2-3", "try 0");
  const auto online = static_cast<int>(sysconf(_SC_NPROCESSORS_CONF));
  std::vector<int> cores;
  std::string_view rest = word;
  bool more = true;
  while (more) {
    const std::size_t comma = rest.find(',');
    std::string_view part = rest.substr(0, comma);
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);
    std::uint64_t first = 0;
    if (!read_digits(part, first, nullptr)) return malformed;
    std::uint64_t last = first;
    if (part.starts_with('-')) {
      part.remove_prefix(1);
      last = 0;
      if (!read_digits(part, last, nullptr) || last < first) return malformed;
    }
    if (!part.empty()) return malformed;
    if (last >= static_cast<std::uint64_t>(online)) {
      return Error{ErrorKind::usage,
                   fmt::format("'{}' names core {}, which is not there: this machine has {}", word,
                               last, core_range_text(online)),
                   "try 0"};
    }
    for (auto core = static_cast<int>(first); core <= static_cast<int>(last); ++core) {
      if (std::find(cores.begin(), cores.end(), core) != cores.end()) {
        return Error{ErrorKind::usage, fmt::format("'{}' names core {} twice", word, core), ""};
      }
      cores.push_back(core);
    }
  }
  return cores;
}

Result<std::uint16_t> parse_port(std::string_view word) {
  std::uint64_t number = 0;
  std::string_view rest = word;
  if (read_digits(rest, number, nullptr) && rest.empty() && number >= 1 && number <= 65'535) {
    return static_cast<std::uint16_t>(number);
  }
  return bad_word(word, "a port", "a whole number from 1 to 65535", "try 80");
}

Result<bool> parse_switch(std::string_view word) {
  for (const std::string_view on : {"1", "true", "yes", "on"}) {
    if (word == on) return true;
  }
  for (const std::string_view off : {"0", "false", "no", "off"}) {
    if (word == off) return false;
  }
  return bad_word(word, "a switch", "true or false", "try true");
}

Result<std::size_t> parse_choice(std::string_view word, std::span<const std::string> names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == word) return i;
  }
  std::string suggestion = did_you_mean(word, names);
  if (suggestion.empty()) suggestion = "try " + names.front();
  std::string all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    all += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  }
  return bad_word(word, "one of the choices", all, std::move(suggestion));
}

std::string duration_text(Duration duration) {
  const auto ns = static_cast<std::uint64_t>(duration.count());
  if (ns == 0) return "0s";
  for (const Unit& unit : {kDurationUnits[3], kDurationUnits[2], kDurationUnits[1]}) {
    if (ns % unit.factor == 0) return fmt::format("{}{}", ns / unit.factor, unit.name);
  }
  return fmt::format("{}ns", ns);
}

std::string count_text(double count) {
  if (count >= 1e9) return fmt::format("{:.4g}G", count / 1e9);
  if (count >= 1e6) return fmt::format("{:.4g}M", count / 1e6);
  if (count >= 1e4) return fmt::format("{:.4g}k", count / 1e3);
  return fmt::format("{:.4g}", count);
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::array kNames{"B", "KiB", "MiB", "GiB", "TiB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kNames.size()) amount /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", amount, kNames[unit]);
}

}  // namespace millrace
