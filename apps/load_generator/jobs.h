// SPDX-License-Identifier: BSD-3-Clause
//
// The jobs of a run: one that the command line describes, or several [[job]] tables of a file, each
// with a generator of its own on every core.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/load_generator/job_app.h"
#include "apps/load_generator/load_options.h"

namespace millrace::load {

struct Job {
  JobOptions declared;
  LoadOptions load;
  std::optional<Url> url;
  std::string path;  // of a loopback, in place of the URL
};

class Jobs {
 public:
  /// `declare` gives a job its defaults and its options.
  explicit Jobs(std::function<void(Job&)> declare) : declare_(std::move(declare)) {}

  /// One more for Command::add_job; an empty name: for a look.
  JobOptions& add(const std::string& name);
  /// Those of the file; without any the one that `only` says.
  [[nodiscard]] std::vector<const Job*> all(const Job& only) const;
  /// Settles the options of each. Errors name the job.
  [[nodiscard]] Status settle(Job& only);

 private:
  std::function<void(Job&)> declare_;
  std::vector<std::unique_ptr<Job>> jobs_;
  Job look_;
};

/// "job pages: " before an error's sentence; the error itself of a job without a name.
[[nodiscard]] Error of_job(const Job& job, Error error);

/// Connections of all jobs together.
[[nodiscard]] std::uint64_t connections_of(const std::vector<const Job*>& jobs);

/// The application of one core, a generator for each plan; appended to `generators`, too. The
/// plans' worker is set.
[[nodiscard]] std::unique_ptr<tcp::App> make_generators(std::vector<Plan>& plans,
                                                        std::size_t worker,
                                                        std::vector<Generator*>& generators);

}  // namespace millrace::load
