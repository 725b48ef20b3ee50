// SPDX-License-Identifier: BSD-3-Clause
//
// What varies from request to request: sizes, counts, times.
//
//   1KiB                      always this
//   uniform:100-2000          each from 100 to 2000 as likely
//   exponential:1KiB          of this mean
//   lognormal:1KiB/1.5        of this median, its logarithm with this standard deviation
//   pareto:1KiB/1.2           from 1 KiB up, the share above x as x to the power of -1.2
//   list:3*64,1*1MiB          these, with their weights (1 where none is given)
//
// What is drawn beyond the bounds of the option is cut to them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/load_generator/random.h"
#include "tcp/base/result.h"

namespace millrace::load {

class Distribution {
 public:
  enum class Kind : std::uint8_t { fixed, uniform, exponential, lognormal, pareto, list };
  struct Weighted {
    double up_to = 0;  // of the weights, as a share of all: drawn are those up to this
    double value = 0;
  };

  Distribution() = default;
  /// Always `value`.
  explicit Distribution(double value);

  /// Whole, within the bounds. No draw where it is fixed.
  [[nodiscard]] std::uint64_t draw(Random& random) const {
    return kind_ == Kind::fixed ? fixed_ : draw_varying(random);
  }
  [[nodiscard]] bool is_fixed() const { return kind_ == Kind::fixed; }
  /// True of the fixed 0: nothing at all.
  [[nodiscard]] bool is_nothing() const { return is_fixed() && fixed_ == 0; }
  /// Of what is drawn, but for what the bounds cut; infinite for a pareto of 1 or below.
  [[nodiscard]] double mean() const;
  /// As it was given.
  [[nodiscard]] const std::string& text() const { return text_; }

  /// Parses one number of a distribution: a size, a count, a time.
  using ParseOne = std::function<Result<double>(std::string_view)>;
  [[nodiscard]] static Result<Distribution> parse(std::string_view word, const ParseOne& parse_one,
                                                  double least, double most);

 private:
  [[nodiscard]] std::uint64_t draw_varying(Random& random) const;
  [[nodiscard]] std::uint64_t cut(double value) const;

  Kind kind_ = Kind::fixed;
  std::uint64_t fixed_ = 0;
  double first_ = 0;   // uniform: least; mean, median, least
  double second_ = 0;  // uniform: most; standard deviation, power
  double least_ = 0;
  double most_ = 0;
  std::vector<Weighted> list_;
  std::string text_ = "0";
};

[[nodiscard]] Result<Distribution> parse_size_distribution(std::string_view word);
/// At least 1.
[[nodiscard]] Result<Distribution> parse_count_distribution(std::string_view word);
/// In nanoseconds.
[[nodiscard]] Result<Distribution> parse_time_distribution(std::string_view word);

}  // namespace millrace::load
