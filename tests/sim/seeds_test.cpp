// SPDX-License-Identifier: BSD-3-Clause
//
// Many runs from many seeds, side by side on all cores. MILLRACE_SIM_SEEDS says how many (1,000),
// MILLRACE_SIM_FIRST where they begin (1); MILLRACE_SIM_SEED runs one and tells about it.
//
// README.md says which invariants are checked where, and how to read a failure.
#include <gtest/gtest.h>
#include <tbb/parallel_for.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>

#include "tcp/wire/bytes.h"
#include "tests/sim/simulation.h"
#include "tests/support/frame_view.h"

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

/// Two ends that each wait for the other's end wait for ever: a run that must fail.
Plan hopeless_plan() {
  Plan p = calm_plan(42);
  ConnectionPlan c;
  for (SidePlan& s : c.side) {
    s.bytes = 3'000;
    s.ending = Ending::close_last;
  }
  p.connections.push_back(c);
  return p;
}

TEST(Failures, AreWrittenAsCapturesThatCanBeRead) {
  const RunResult r = run_plan(hopeless_plan(), "hopeless");
  EXPECT_NE(r.failure.find("liveness"), std::string::npos) << r.failure;
  const std::string mark = "capture: ";
  const std::size_t at = r.failure.find(mark);
  ASSERT_NE(at, std::string::npos) << r.failure;
  const std::string path = r.failure.substr(at + mark.size());
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  const auto word = [&](std::size_t i) {
    return load_raw<std::uint32_t>(reinterpret_cast<const std::byte*>(bytes.data() + i));
  };
  ASSERT_GE(bytes.size(), 24U) << path;
  EXPECT_EQ(word(0), 0xa1b23c4dU);  // nanoseconds, little-endian
  EXPECT_EQ(word(20), 1U);          // Ethernet
  std::uint64_t frames = 0;
  std::uint64_t text = 0;
  std::size_t next = 24;
  while (next + 16 <= bytes.size()) {
    const std::size_t length = word(next + 8);
    EXPECT_EQ(word(next + 12), length);
    ASSERT_LE(next + 16 + length, bytes.size());
    const auto frame = std::as_bytes(std::span(bytes)).subspan(next + 16, length);
    if (const auto view = view_frame(frame)) text += view->segment.payload.size();
    ++frames;
    next += 16 + length;
  }
  EXPECT_EQ(next, bytes.size());
  EXPECT_EQ(frames, r.frames);
  EXPECT_EQ(text, 6'000U);  // a calm run: each byte once
  std::filesystem::remove(path);
}

TEST(Failures, ReplayByTheirSeed) {
  const Plan plan = hopeless_plan();
  const RunResult a = run_plan(plan, "hopeless-a");
  const RunResult b = run_plan(plan, "hopeless-b");
  EXPECT_EQ(a.trace_hash, b.trace_hash);
  EXPECT_EQ(a.failure.substr(0, a.failure.find("capture")),
            b.failure.substr(0, b.failure.find("capture")));
}

}  // namespace
}  // namespace millrace::sim
