// SPDX-License-Identifier: BSD-3-Clause
//
// What buffers that follow the transfer are for: 100 Mbit/s over a round trip of 100 ms hold 1.25
// MB, twenty times the initial buffers. The queue in front of the bottleneck takes what slow start
// overshoots, so that windows alone decide. Both families.
#include <gtest/gtest.h>

#include "tests/sim/simulation.h"

namespace millrace::sim {
namespace {

constexpr double kRate = 100e6;  // bit/s
constexpr auto kRoundTrip = 100ms;

Plan long_path(bool ipv6) {
  Plan p = calm_plan(1);
  for (Impairment& way : p.way) {
    way.delay = kRoundTrip / 2;
    way.bits_per_second = static_cast<std::uint64_t>(kRate);
    way.queue_bytes = 8'000'000;
  }
  ConnectionPlan c;
  c.ipv6 = ipv6;
  c.side[0].bytes = 200'000'000;
  c.side[0].chunk = 65'536;
  p.connections.push_back(c);
  return p;
}

/// Payload bits a second that reach the application from `from` to `to`.
double goodput(Simulation& run, Duration from, Duration to) {
  run.run_until(from);
  const std::uint64_t before = run.app(1).talks()[0].received;
  run.run_until(to);
  EXPECT_TRUE(run.failure().empty()) << run.failure();
  const std::uint64_t bytes = run.app(1).talks()[0].received - before;
  return static_cast<double>(bytes) * 8 / std::chrono::duration<double>(to - from).count();
}

std::string family_name(const ::testing::TestParamInfo<bool>& family) {
  return family.param ? "v6" : "v4";
}

struct LongPath : ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Families, LongPath, ::testing::Bool(), family_name);

TEST_P(LongPath, IsFilledByBuffersThatGrow) {
  const Plan p = long_path(GetParam());
  Simulation run(p);
  // Slow start from ten segments doubles to 1.25 MB within seven round trips, and one more to fill
  // the path.
  EXPECT_GE(goodput(run, 1s, 4s), 0.9 * kRate);
  const auto& c = p.end[1].tcp;
  const auto status = run.endpoint(1).status(run.app(1).talks()[0].id);
  ASSERT_TRUE(status.has_value());
  EXPECT_GE(status->receive_buffer_bytes, 2'000'000U);
  EXPECT_LE(status->receive_buffer_bytes, c.receive_buffer_max);
}

TEST_P(LongPath, IsFilledWithoutTimestampsAsWell) {
  Plan p = long_path(GetParam());
  for (EndPlan& e : p.end) e.tcp.timestamps = false;
  Simulation run(p);
  EXPECT_GE(goodput(run, 1s, 4s), 0.9 * kRate);
}

// A segment that is missing holds up a window of what comes behind it: whoever cannot keep that has
// it sent again.
TEST_P(LongPath, WhatComesBehindALossIsKept) {
  for (const std::uint32_t reassembly_bytes : {0U, 65'536U}) {
    Plan p = long_path(GetParam());
    p.way[0].loss_kind = LossKind::iid;
    p.way[0].loss = 1e-4;
    p.heal_at = 1min;
    p.end[1].tcp.reassembly_bytes = reassembly_bytes;
    Simulation run(p);
    const double got = goodput(run, 1s, 6s);
    const std::uint64_t again = run.endpoint(0).counters().RetransSegs;
    const std::uint64_t refused = run.endpoint(1).counters().TCPOFODrop;
    ASSERT_GT(again, 0U) << "nothing was lost";
    if (reassembly_bytes == 0) {
      EXPECT_GE(got, 0.8 * kRate);
      EXPECT_LE(again, 20U);
      EXPECT_EQ(refused, 0U);
    } else {
      EXPECT_LE(got, 0.7 * kRate);
      EXPECT_GE(again, 1000U);
      EXPECT_GE(refused, 1000U);
    }
  }
}

TEST_P(LongPath, FixedInitialBuffersAllowAWindowARoundTrip) {
  for (const bool receiver : {false, true}) {
    Plan p = long_path(GetParam());
    if (receiver) {
      p.end[1].tcp.receive_buffer = 65'536;
    } else {
      p.end[0].tcp.send_buffer = 65'536;
    }
    Simulation run(p);
    const double window = 65'536 * 8 / std::chrono::duration<double>(kRoundTrip).count();
    const double got = goodput(run, 1s, 4s);
    EXPECT_LE(got, 1.01 * window);
    EXPECT_GE(got, 0.6 * window);  // a full send buffer waits for a third of it
  }
}

}  // namespace
}  // namespace millrace::sim
