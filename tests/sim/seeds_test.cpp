// SPDX-License-Identifier: BSD-3-Clause
//
// Many runs from many seeds, side by side on all cores. MILLRACE_SIM_SEEDS says how many (1,000),
// MILLRACE_SIM_FIRST where they begin (1); MILLRACE_SIM_SEED runs one and tells about it.
//
// These runs are smaller than T1 of the programme asks for, 1 to 20 connections and some hundred
// KiB in place of 1,000 connections, so that a thousand of them fit into minutes. Everything else
// is as there: 60 s of simulated time and more, the whole fault matrix, healing, and all
// invariants.
#include <gtest/gtest.h>
#include <tbb/parallel_for.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <mutex>

#include "tests/sim/simulation.h"

namespace millrace::sim {
namespace {

/// So many seeds that fail tell as much as all of them would.
constexpr std::uint64_t kEnough = 10;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != 0 ? std::strtoull(value, nullptr, 10) : otherwise;
}

void tell(const RunResult& r) {
  std::cout << "  simulated " << r.simulated / 1s << " s, " << r.frames << " frames, " << r.polls
            << " polls, " << r.bytes << " bytes verified, " << r.graceful
            << " connections ended gracefully, " << r.broken << " otherwise\n  trace " << std::hex
            << r.trace_hash << std::dec << "\n";
}

TEST(Seeds, EveryStreamIsExactAndEveryConnectionEnds) {
  if (const std::uint64_t seed = from_environment("MILLRACE_SIM_SEED", 0); seed != 0) {
    std::cout << make_plan(seed).describe() << "\n";
    const RunResult r = run_seed(seed);
    tell(r);
    EXPECT_TRUE(r.failure.empty()) << r.failure;
    return;
  }
  const std::uint64_t first = from_environment("MILLRACE_SIM_FIRST", 1);
  const std::uint64_t seeds = from_environment("MILLRACE_SIM_SEEDS", 1000);
  std::mutex mutex;
  RunResult sum;
  std::atomic<std::uint64_t> failures = 0;
  tbb::parallel_for(first, first + seeds, [&](std::uint64_t seed) {
    if (failures >= kEnough) return;
    const RunResult r = run_seed(seed);
    const std::lock_guard lock(mutex);
    sum.simulated += r.simulated;
    sum.frames += r.frames;
    sum.bytes += r.bytes;
    sum.polls += r.polls;
    sum.graceful += r.graceful;
    sum.broken += r.broken;
    if (r.failure.empty()) return;
    ++failures;
    ADD_FAILURE() << "seed " << seed << " " << r.failure;
  });
  std::cout << seeds << " seeds, " << failures << " failed\n";
  tell(sum);
  EXPECT_EQ(failures, 0U);
  EXPECT_GT(sum.graceful, sum.broken);  // else the runs would prove little
}

TEST(Seeds, TheSameSeedGivesTheSameTrace) {
  const std::uint64_t first = from_environment("MILLRACE_SIM_FIRST", 1);
  const std::uint64_t seeds = from_environment("MILLRACE_SIM_SEEDS", 1000);
  const std::uint64_t repeated = std::max<std::uint64_t>(seeds / 100, 3);
  tbb::parallel_for(first, first + repeated, [&](std::uint64_t seed) {
    const RunResult a = run_seed(seed * 100);
    const RunResult b = run_seed(seed * 100);
    EXPECT_EQ(a.trace_hash, b.trace_hash) << "seed " << seed * 100;
    EXPECT_EQ(a.polls, b.polls) << "seed " << seed * 100;
  });
}

}  // namespace
}  // namespace millrace::sim
