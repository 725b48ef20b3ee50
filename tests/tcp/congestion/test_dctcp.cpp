// SPDX-License-Identifier: BSD-3-Clause
//
// DCTCP's estimate of how much is marked, and what it makes of the window (RFC 8257 §3.3 to §3.5).
#include <gtest/gtest.h>

#include "tcp/congestion/dctcp.h"

namespace millrace::tcp {
namespace {

constexpr std::uint32_t kMss = 1000;
constexpr auto kDctcp = CongestionAlgorithm::dctcp;

/// Windows of ten segments, of which the first `marked` echo a mark.
class Path {
 public:
  Path() { congestion_init(kDctcp, state, kMss); }

  void windows(int count, int marked) {
    for (int i = 0; i < count; ++i) {
      const Seq snd_nxt = una_ + 10 * kMss;
      for (int segment = 0; segment < 10; ++segment) {
        una_ += kMss;
        congestion_count_marks(kDctcp, state, kMss, segment < marked, una_, snd_nxt);
      }
    }
  }
  [[nodiscard]] double alpha() const { return double(dctcp::alpha(state)) / dctcp::kOne; }

  CongestionState state;

 private:
  Seq una_{0xffff'f000};  // wraps soon
};

TEST(Dctcp, AlphaBeginsAtOneAndDecaysWithoutMarks) {
  Path path;
  EXPECT_EQ(path.alpha(), 1.0);
  path.windows(20, 0);
  EXPECT_NEAR(path.alpha(), 0.28, 0.04);  // (15/16)^20
  path.windows(400, 0);
  EXPECT_LT(path.alpha(), 0.001);
}

TEST(Dctcp, AlphaFollowsTheShareOfMarkedBytes) {
  for (const int marked : {0, 1, 3, 5, 10}) {
    Path path;
    path.windows(500, marked);
    EXPECT_NEAR(path.alpha(), marked / 10.0, 0.01) << marked;
  }
}

TEST(Dctcp, AMarkCostsHalfOfAlpha) {
  Path path;
  path.windows(500, 2);
  path.state.cwnd = 100 * kMss;
  congestion_on_mark(kDctcp, path.state, 100 * kMss, kMss, Instant{});
  EXPECT_NEAR(path.state.cwnd, 90 * kMss, kMss);
  EXPECT_EQ(path.state.ssthresh, path.state.cwnd);
  path.state.cwnd = kMss;
  congestion_on_mark(kDctcp, path.state, kMss, kMss, Instant{});
  EXPECT_EQ(path.state.cwnd, 2 * kMss) << "never below two segments";
}

TEST(Dctcp, LossHalvesWhateverAlphaIs) {
  Path path;
  path.windows(500, 0);
  path.state.cwnd = 100 * kMss;
  congestion_on_loss(kDctcp, path.state, 80 * kMss, kMss, Instant{});
  EXPECT_EQ(path.state.cwnd, 40 * kMss);
}

TEST(Dctcp, AvoidanceGrowsOneSegmentAWindow) {
  Path path;
  path.state.cwnd = path.state.ssthresh = 20 * kMss;
  AckSample sample;
  sample.mss = sample.acked_bytes = kMss;
  sample.cwnd_limited = true;
  for (int i = 0; i < 20; ++i) congestion_on_ack(kDctcp, path.state, sample, Instant{});
  EXPECT_NEAR(path.state.cwnd, 21 * kMss, kMss / 20);
  sample.cwnd_limited = false;
  const std::uint32_t before = path.state.cwnd;
  congestion_on_ack(kDctcp, path.state, sample, Instant{});
  EXPECT_EQ(path.state.cwnd, before);
}

TEST(Dctcp, SlowStartCountsBytes) {
  Path path;
  const std::uint32_t before = path.state.cwnd;
  AckSample sample;
  sample.mss = kMss;
  sample.acked_bytes = 5 * kMss;
  sample.cwnd_limited = true;
  congestion_on_ack(kDctcp, path.state, sample, Instant{});
  EXPECT_EQ(path.state.cwnd, before + 2 * kMss);
}

}  // namespace
}  // namespace millrace::tcp
