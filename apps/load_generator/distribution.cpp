// SPDX-License-Identifier: BSD-3-Clause
//
// Draws by inversion; a normal one by Box and Muller.
#include "apps/load_generator/distribution.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "apps/config/parse_value.h"

namespace millrace::load {

namespace {

constexpr double kMostBytes = 10737418240;  // as the server answers
constexpr double kMostRequests = 1e9;
constexpr double kMostNs = 3600e9;
constexpr std::size_t kMostInList = 1024;

Error bad_distribution(std::string_view word) {
  return bad_word(word, "a value or a distribution",
                  "one value, uniform:A-B, exponential:MEAN, lognormal:MEDIAN/SIGMA, "
                  "pareto:LEAST/POWER or list:WEIGHT*VALUE,...",
                  "exponential:1k");
}

/// A number above zero, as a weight or a power.
bool parse_positive(std::string_view word, double& number) {
  const auto rate = parse_rate(word);
  if (rate) number = rate.value();
  return rate.ok();
}

}  // namespace

Distribution::Distribution(double value)
    : fixed_(static_cast<std::uint64_t>(value)), text_(fmt::format("{}", value)) {}

std::uint64_t Distribution::cut(double value) const {
  return static_cast<std::uint64_t>(std::llround(std::clamp(value, least_, most_)));
}

std::uint64_t Distribution::draw_varying(Random& random) const {
  switch (kind_) {
    case Kind::fixed:
      break;
    case Kind::uniform:
      // Each whole number from first to second is as likely.
      return cut(first_ + std::ceil(random.unit() * (second_ - first_ + 1)) - 1);
    case Kind::exponential:
      return cut(first_ * random.exponential());
    case Kind::lognormal: {
      const double radius = std::sqrt(2 * random.exponential());
      const double normal = radius * std::cos(2 * std::numbers::pi * random.unit());
      return cut(first_ * std::exp(second_ * normal));
    }
    case Kind::pareto:
      return cut(first_ * std::exp(random.exponential() / second_));
    case Kind::list: {
      const double u = random.unit();
      const auto found = std::lower_bound(list_.begin(), list_.end(), u,
                                          [](const Weighted& w, double x) { return w.up_to < x; });
      return cut(found == list_.end() ? list_.back().value : found->value);
    }
  }
  return fixed_;
}

double Distribution::mean() const {
  switch (kind_) {
    case Kind::fixed:
      return static_cast<double>(fixed_);
    case Kind::uniform:
      return (first_ + second_) / 2;
    case Kind::exponential:
      return first_;
    case Kind::lognormal:
      return first_ * std::exp(second_ * second_ / 2);
    case Kind::pareto:
      return second_ > 1 ? first_ * second_ / (second_ - 1)
                         : std::numeric_limits<double>::infinity();
    case Kind::list: {
      double sum = 0;
      double before = 0;
      for (const Weighted& w : list_) {
        sum += (w.up_to - before) * w.value;
        before = w.up_to;
      }
      return sum;
    }
  }
  return 0;
}

Result<Distribution> Distribution::parse(std::string_view word, const ParseOne& parse_one,
                                         double least, double most) {
  Distribution d;
  d.text_ = word;
  d.least_ = least;
  d.most_ = most;
  std::string_view values = word;
  const auto is = [&](std::string_view name, Kind kind) {
    if (!word.starts_with(name)) return false;
    d.kind_ = kind;
    values = word.substr(name.size());
    return true;
  };
  const auto bounded = [&](std::string_view text) -> Result<double> {
    auto value = parse_one(text);
    if (value && (value.value() < least || value.value() > most)) return bad_distribution(word);
    return value;
  };
  const bool two = is("uniform:", Kind::uniform) || is("lognormal:", Kind::lognormal) ||
                   is("pareto:", Kind::pareto);
  const bool other = two || is("exponential:", Kind::exponential) || is("list:", Kind::list);
  if (!other && word.find(':') != std::string_view::npos) return bad_distribution(word);
  if (d.kind_ == Kind::list) {
    double sum = 0;
    while (!values.empty()) {
      std::string_view part = values.substr(0, values.find(','));
      values.remove_prefix(std::min(part.size() + 1, values.size()));
      Weighted entry{1, 0};
      const std::size_t star = part.find('*');
      if (star != std::string_view::npos) {
        if (!parse_positive(part.substr(0, star), entry.up_to)) return bad_distribution(word);
        part.remove_prefix(star + 1);
      }
      const auto value = bounded(part);
      if (!value) return value.error();
      entry.value = value.value();
      entry.up_to = sum += entry.up_to;
      d.list_.push_back(entry);
    }
    if (d.list_.empty() || d.list_.size() > kMostInList) return bad_distribution(word);
    for (Weighted& entry : d.list_) entry.up_to /= sum;
    return d;
  }
  const std::size_t split = values.find(d.kind_ == Kind::uniform ? '-' : '/');
  if (two != (split != std::string_view::npos)) return bad_distribution(word);
  const auto first = bounded(values.substr(0, split));
  if (!first) return first.error();
  d.first_ = first.value();
  if (d.kind_ == Kind::fixed) d.fixed_ = d.cut(d.first_);
  if (d.kind_ == Kind::uniform) {
    const auto second = bounded(values.substr(split + 1));
    if (!second) return second.error();
    d.second_ = second.value();
    if (d.second_ < d.first_) return bad_distribution(word);
  } else if (two && !parse_positive(values.substr(split + 1), d.second_)) {
    return bad_distribution(word);
  }
  return d;
}

Result<Distribution> parse_size_distribution(std::string_view word) {
  const auto size = [](std::string_view text) -> Result<double> {
    const auto bytes = parse_size(text);
    if (!bytes) return bytes.error();
    return static_cast<double>(bytes.value());
  };
  return Distribution::parse(word, size, 0, kMostBytes);
}

Result<Distribution> parse_count_distribution(std::string_view word) {
  const auto count = [](std::string_view text) -> Result<double> {
    const auto number = parse_count(text);
    if (!number) return number.error();
    return static_cast<double>(number.value());
  };
  return Distribution::parse(word, count, 1, kMostRequests);
}

Result<Distribution> parse_time_distribution(std::string_view word) {
  const auto time = [](std::string_view text) -> Result<double> {
    const auto ns = parse_duration(text);
    if (!ns) return ns.error();
    return static_cast<double>(ns.value().count());
  };
  return Distribution::parse(word, time, 0, kMostNs);
}

}  // namespace millrace::load
