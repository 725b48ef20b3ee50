// SPDX-License-Identifier: BSD-3-Clause
//
// Row D4 of the catalogue of attacks: bursts that fill a line at the period of the retransmission
// timeout (Kuzmanovic and Knightly, 2003), so that a sender which only has its timer finds the line
// full each time it tries again. Our RTO has no jitter; the answer is that short bursts are
// repaired without it.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/bulk_path.h"

namespace millrace::tcp::test {
namespace {

using millrace::test::BulkPath;
using millrace::test::PathPlan;

PathPlan line(CongestionAlgorithm algorithm) {
  PathPlan plan;
  plan.bytes_per_second = 12'500'000;
  plan.round_trip = 20ms;
  plan.buffer_bytes = 250'000;
  plan.tcp.congestion = algorithm;
  return plan;
}

constexpr CongestionAlgorithm kAll[] = {CongestionAlgorithm::newreno, CongestionAlgorithm::cubic,
                                        CongestionAlgorithm::bbr};

// How long until all that was out at a moment is acknowledged; `most` if it takes longer.
Duration repaired_after(BulkPath& path, Seq end, Duration most) {
  Duration passed{0};
  while (passed < most && before(path.connection().snd_una, end)) {
    path.run(1ms);
    passed += 1ms;
  }
  return passed;
}

TEST(CatalogueD4, BurstsOfARoundTripAreRepairedWithoutTheTimer) {
  for (const CongestionAlgorithm algorithm : kAll) {
    SCOPED_TRACE(congestion_name(algorithm));
    BulkPath path(line(algorithm));
    path.run(2s);
    path.begin_count();
    int slow = 0;
    for (int i = 0; i < 50; ++i) {  // at the period of the smallest RTO
      path.set_loss(1);
      path.run(20ms);
      path.set_loss(0);
      // A probe of the tail tells what is lost; where that is all, PRR sends it as slow start
      // would.
      const Duration repair = repaired_after(path, path.connection().snd_nxt, 180ms);
      if (repair > 150ms) ++slow;
      path.run(180ms - std::min<Duration>(repair, 180ms));
    }
    EXPECT_LE(path.figures().timeouts, 5U);
    EXPECT_LE(slow, 12);
  }
}

TEST(CatalogueD4, AfterASecondTheBackedOffTimerAndThenSlowStart) {
  for (const CongestionAlgorithm algorithm : kAll) {
    SCOPED_TRACE(congestion_name(algorithm));
    BulkPath path(line(algorithm));
    path.run(2s);
    for (int i = 0; i < 10; ++i) {
      const std::uint64_t timeouts = path.counters().TCPTimeouts;
      path.set_loss(1);
      path.run(1s);
      path.set_loss(0);
      const Seq end = path.connection().snd_nxt;
      // Tried at about 0.25, 0.7 and 1.6 s: not later than the burst was long.
      const Duration silent = repaired_after(path, path.connection().snd_una + 1, 1s);
      EXPECT_LT(silent, 1s);
      EXPECT_LE(path.counters().TCPTimeouts - timeouts, 3U);
      EXPECT_LT(repaired_after(path, end, 1s), 300ms) << "half as much again each round trip";
      path.run(2s);
    }
  }
}

}  // namespace
}  // namespace millrace::tcp::test
