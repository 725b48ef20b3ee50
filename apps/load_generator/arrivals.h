// SPDX-License-Identifier: BSD-3-Clause
//
// --arrivals: constant, poisson, or the file of a trace. A trace has one arrival a line, its time
// since the start in seconds (0.000125) or with a unit (125000ns), in order. Several workers replay
// it together, each every n-th of its lines.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/load_generator/schedule.h"
#include "tcp/base/result.h"

namespace millrace::load {

struct ArrivalsChoice {
  Arrivals kind = Arrivals::constant;
  std::string text = "constant";                            // as it was given
  std::shared_ptr<const std::vector<Duration>> trace = {};  // of kind trace, not empty
};

/// Reads the file of a trace. Errors name its line.
[[nodiscard]] Result<ArrivalsChoice> parse_arrivals(std::string_view word);

/// The time that covers a trace: just behind its last arrival, at least 1 ms.
[[nodiscard]] Duration length_of(const std::vector<Duration>& trace);

}  // namespace millrace::load
