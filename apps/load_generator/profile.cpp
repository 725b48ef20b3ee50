// SPDX-License-Identifier: BSD-3-Clause
//
// Profiles into knots. A sine is 64 straight lines a period: its rate is exact at their ends and
// within 0.13 % of its height between.
#include "apps/load_generator/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "apps/config/parse_value.h"
#include "apps/config/suggest.h"
#include "apps/load_generator/line_file.h"

namespace millrace::load {

namespace {

constexpr int kLinesPerPeriod = 64;
constexpr std::size_t kMostKnots = 1'000'000;

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

Error bad_profile(std::string_view word) {
  return bad_word(word, "a profile",
                  "steps:RATE,RATE... with /TIME behind if needed, ramp:RATE-RATE, "
                  "sine:RATE-RATE/PERIOD, constant, or a file of lines TIME,RATE",
                  "steps:1k,2k,4k");
}

/// A rate that may be nothing.
Result<double> parse_level(std::string_view word) {
  if (word == "0") return 0.0;
  return parse_rate(word);
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = std::min(text.find(at), text.size());
    parts.push_back(text.substr(0, end));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

Result<Profile> parse_steps(std::string_view word, std::string_view text) {
  Profile profile;
  profile.kind = Profile::Kind::steps;
  for (const std::string_view part : split(text, ',')) {
    const auto halves = split(part, '/');
    if (halves.size() > 2) return bad_profile(word);
    Profile::Step step;
    const auto rate = parse_level(halves[0]);
    if (!rate) return rate.error();
    step.per_second = rate.value();
    if (halves.size() == 2) {
      const auto length = parse_duration(halves[1], 1ms, 24h);
      if (!length) return length.error();
      step.length = length.value();
    }
    if (!profile.steps.empty() && (profile.steps.back().length == 0s) != (step.length == 0s)) {
      return bad_word(word, "a profile", "a time with every step or with none",
                      "steps:1k/10s,2k/10s");
    }
    profile.steps.push_back(step);
  }
  return profile;
}

/// "LOW-HIGH".
Status parse_range(std::string_view word, std::string_view text, Profile& profile) {
  const auto ends = split(text, '-');
  if (ends.size() != 2) return bad_profile(word);
  const auto low = parse_level(ends[0]);
  if (!low) return low.error();
  const auto high = parse_level(ends[1]);
  if (!high) return high.error();
  profile.low = low.value();
  profile.high = high.value();
  if (profile.low == 0 && profile.high == 0) return bad_profile(word);
  return Ok{};
}

Result<Profile> parse_sine(std::string_view word, std::string_view text) {
  Profile profile;
  profile.kind = Profile::Kind::sine;
  const auto halves = split(text, '/');
  if (halves.size() != 2) return bad_profile(word);
  if (auto good = parse_range(word, halves[0], profile); !good) return good.error();
  const auto period = parse_duration(halves[1], 10ms, 24h);
  if (!period) return period.error();
  profile.period = period.value();
  return profile;
}

Result<Knot> parse_knot(std::string_view text) {
  const auto halves = split(text, ',');
  const auto at = parse_offset(halves[0]);
  if (!at) return at.error();
  std::string_view rate = halves.size() == 2 ? halves[1] : "";
  rate.remove_prefix(std::min(rate.find_first_not_of(" \t"), rate.size()));
  const auto per_second = parse_level(rate);
  if (!per_second) return per_second.error();
  return Knot{seconds(at.value()), per_second.value()};
}

Result<Profile> read_profile(const std::string& path) {
  const auto lines = read_lines(path);
  if (!lines) return lines.error();
  Profile profile;
  profile.kind = Profile::Kind::knots;
  for (const Line& line : lines.value()) {
    const auto knot = parse_knot(line.text);
    if (!knot) return line_error(path, line, knot.error().sentence, knot.error().hint);
    if (!profile.knots.empty() && knot.value().at_s < profile.knots.back().at_s) {
      return line_error(path, line, "its time is before that of the line above it");
    }
    profile.knots.push_back(knot.value());
  }
  if (profile.knots.empty() || profile.knots.size() > kMostKnots) {
    return Error{ErrorKind::usage,
                 fmt::format("{} has {} lines: expected 1 to {} lines TIME,RATE", path,
                             profile.knots.size(), kMostKnots),
                 "0,1k and 10,2k, a line each"};
  }
  return profile;
}

void add_sine(const Profile& p, double length_s, std::vector<Knot>& knots) {
  const double mean = (p.low + p.high) / 2;
  const double height = (p.high - p.low) / 2;
  const double period_s = seconds(p.period);
  const double line_s = period_s / kLinesPerPeriod;
  const auto rate_at = [&](double t) {
    return std::max(0.0, mean + height * std::sin(2 * std::numbers::pi * t / period_s));
  };
  const auto lines = static_cast<std::size_t>(std::ceil(length_s / line_s));
  for (std::size_t i = 0; i < lines && i < kMostKnots; ++i) {
    const double t = static_cast<double>(i) * line_s;
    knots.push_back({t, rate_at(t)});
  }
  knots.push_back({length_s, rate_at(length_s)});
}

void add_steps(const Profile& p, double length_s, std::vector<Knot>& knots) {
  double at_s = 0;
  for (const Profile::Step& step : p.steps) {
    knots.push_back({at_s, step.per_second});
    at_s +=
        step.length > 0s ? seconds(step.length) : length_s / static_cast<double>(p.steps.size());
    knots.push_back({at_s, step.per_second});
  }
}

/// Ends `knots` at `length_s`: what is beyond is cut, what is missing has the last rate.
std::vector<Knot> cut(std::vector<Knot> knots, double length_s) {
  if (knots.front().at_s > 0) knots.insert(knots.begin(), {0, knots.front().per_second});
  const RateCurve whole(knots);
  const double rate = whole.length_s() < length_s || whole.lines().empty()
                          ? knots.back().per_second
                          : whole.rate_at(length_s);
  std::erase_if(knots, [&](const Knot& knot) { return knot.at_s >= length_s; });
  if (knots.empty()) knots.push_back({0, rate});
  if (whole.length_s() < length_s) knots.push_back({whole.length_s(), rate});
  knots.push_back({length_s, rate});
  return knots;
}

}  // namespace

std::optional<Duration> Profile::length() const {
  if (kind == Kind::steps && steps.front().length > 0s) {
    Duration sum{};
    for (const Step& step : steps) sum += step.length;
    return sum;
  }
  if (kind == Kind::knots && knots.back().at_s > 0) {
    return Duration{static_cast<std::int64_t>(knots.back().at_s * 1e9)};
  }
  return {};
}

std::vector<Knot> Profile::over(Duration duration, double rate) const {
  const double length_s = seconds(duration);
  std::vector<Knot> out;
  switch (kind) {
    case Kind::constant:
      return {{0, rate}, {length_s, rate}};
    case Kind::ramp:
      return {{0, low}, {length_s, high}};
    case Kind::sine:
      add_sine(*this, length_s, out);
      return out;
    case Kind::steps:
      add_steps(*this, length_s, out);
      return cut(std::move(out), length_s);
    case Kind::knots:
      return cut(knots, length_s);
  }
  return out;
}

Result<Profile> parse_profile(std::string_view word) {
  const auto after = [&](std::string_view name) { return word.substr(name.size()); };
  Result<Profile> profile = bad_profile(word);
  if (word == "constant") {
    profile = Profile{};
  } else if (word.starts_with("steps:")) {
    profile = parse_steps(word, after("steps:"));
  } else if (word.starts_with("ramp:")) {
    Profile ramp;
    ramp.kind = Profile::Kind::ramp;
    if (auto good = parse_range(word, after("ramp:"), ramp); !good) return good.error();
    profile = std::move(ramp);
  } else if (word.starts_with("sine:")) {
    profile = parse_sine(word, after("sine:"));
  } else if (word.find_first_of("./") != std::string_view::npos) {
    profile = read_profile(std::string(word));
  }
  if (!profile) return profile.error();
  if (profile.value().kind != Profile::Kind::constant) profile.value().text = word;
  return profile;
}

RateCurve with_ramps(const std::vector<Knot>& sustained, Duration ramp_up, Duration ramp_down) {
  const double up_s = seconds(ramp_up);
  std::vector<Knot> knots;
  if (ramp_up > 0s) knots.push_back({0, 0});
  for (const Knot& knot : sustained) knots.push_back({up_s + knot.at_s, knot.per_second});
  if (ramp_down > 0s) knots.push_back({knots.back().at_s + seconds(ramp_down), 0});
  return RateCurve(knots);
}

}  // namespace millrace::load
