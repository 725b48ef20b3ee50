// SPDX-License-Identifier: BSD-3-Clause
//
// The eight experiments. Each says what theory predicts before it runs, and holds what it found
// against that.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/time_wait/study.h"
#include "tcp/base/result.h"

namespace millrace::time_wait {

struct Scale {
  bool full = false;  // as large as the machine carries; otherwise within two minutes
  std::uint64_t seed = 1;
  std::uint64_t seeds = 0;  // runs of each case of `reuse`; 0: 48, or 1000 if full
};

/// Told of each part that is done, for a person who waits.
using Progress = std::function<void(const std::string& line)>;

struct Experiment {
  std::string_view name;
  std::string_view summary;
  /// What theory says, before anything is run.
  std::vector<std::string> (*predict)(const Scale& scale);
  /// Errors: environment (memory, permission, no such kernel). Predictions are the caller's to add.
  Result<Study> (*run)(const Scale& scale, const Progress& progress);
};

[[nodiscard]] std::span<const Experiment> experiments();

// Each in a file of its name.
extern const Experiment kPopulation;
extern const Experiment kExhaustion;
extern const Experiment kExpiry;
extern const Experiment kReuse;
extern const Experiment kCloser;
extern const Experiment kCapacityPolicies;
extern const Experiment kStorm;
extern const Experiment kLinux;

}  // namespace millrace::time_wait
