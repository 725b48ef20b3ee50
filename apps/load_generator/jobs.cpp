// SPDX-License-Identifier: BSD-3-Clause
//
// One job or several.
#include "apps/load_generator/jobs.h"

#include <fmt/format.h>

#include <utility>

namespace millrace::load {

JobOptions& Jobs::add(const std::string& name) {
  Job* job = &look_;
  if (name.empty()) {
    look_ = Job{};
  } else {
    jobs_.push_back(std::make_unique<Job>());
    job = jobs_.back().get();
  }
  job->declared.name = name;
  declare_(*job);
  return job->declared;
}

std::vector<const Job*> Jobs::all(const Job& only) const {
  if (jobs_.empty()) return {&only};
  std::vector<const Job*> all;
  for (const auto& job : jobs_) all.push_back(job.get());
  return all;
}

Status Jobs::settle(Job& only) {
  if (jobs_.size() > kMostJobs) {
    return Error{ErrorKind::usage,
                 fmt::format("{} jobs: expected at most {}", jobs_.size(), kMostJobs), ""};
  }
  if (jobs_.empty()) return settle_load_options(only.load);
  if (only.load.search) {
    return Error{ErrorKind::usage, "--search with [[job]] tables: expected one load",
                 "leave one of them out"};
  }
  for (const auto& job : jobs_) {
    if (auto good = settle_load_options(job->load); !good) return of_job(*job, good.error());
  }
  only.load.drain = jobs_.front()->load.drain;
  for (const auto& job : jobs_) only.load.drain = std::max(only.load.drain, job->load.drain);
  return Ok{};
}

Error of_job(const Job& job, Error error) {
  if (!job.declared.name.empty()) {
    error.sentence = fmt::format("job {}: {}", job.declared.name, error.sentence);
  }
  return error;
}

std::uint64_t connections_of(const std::vector<const Job*>& jobs) {
  std::uint64_t sum = 0;
  for (const Job* job : jobs) sum += job->load.connections;
  return sum;
}

std::unique_ptr<tcp::App> make_generators(std::vector<Plan>& plans, std::size_t worker,
                                          std::vector<Generator*>& generators) {
  std::vector<std::unique_ptr<Generator>> own;
  for (std::size_t job = 0; job < plans.size(); ++job) {
    plans[job].job = static_cast<std::uint32_t>(job);
    plans[job].share.worker = static_cast<std::uint32_t>(worker);
    own.push_back(std::make_unique<Generator>(plans[job]));
    generators.push_back(own.back().get());
  }
  if (own.size() == 1) return std::move(own.front());
  return std::make_unique<JobApp>(std::move(own));
}

}  // namespace millrace::load
