// SPDX-License-Identifier: BSD-3-Clause
//
// Proportional rate reduction on its own (RFC 9937 §6): what goes out for what is delivered.
#include <gtest/gtest.h>

#include "tcp/connection/prr.h"

namespace millrace::tcp::test {
namespace {

constexpr std::uint32_t kMss = 1000;

struct Course {
  Prr prr;
  std::uint32_t pipe;
  std::uint32_t ssthresh;
  std::uint32_t sent = 0;

  /// One ACK; then all that the window allows is sent.
  void ack(std::uint32_t delivered, bool safe, std::uint32_t lost = 0) {
    pipe -= std::min(pipe, delivered + lost);
    const std::uint32_t cwnd = prr_window(prr, {delivered, pipe, ssthresh, kMss, safe});
    while (pipe + kMss <= cwnd) {
      pipe += kMss;
      prr.out += kMss;
      sent += kMss;
    }
  }
};

Course begin(std::uint32_t flight, std::uint32_t ssthresh, std::uint32_t pipe) {
  Course r{{}, pipe, ssthresh};
  prr_begin(r.prr, flight);
  return r;
}

TEST(Prr, SendsTheFirstAtOnce) {
  Course r = begin(20 * kMss, 10 * kMss, 19 * kMss);
  r.ack(kMss, false);
  EXPECT_EQ(r.sent, kMss);
}

TEST(Prr, HalvesInProportion) {  // §6.2: one for every two delivered
  Course r = begin(20 * kMss, 10 * kMss, 20 * kMss);
  for (int i = 0; i < 10; ++i) r.ack(kMss, false);
  EXPECT_EQ(r.sent, 5 * kMss);
  for (int i = 0; i < 9; ++i) r.ack(kMss, false);
  EXPECT_EQ(r.pipe, 10 * kMss) << "SSTHRESH, and no less";
}

TEST(Prr, SevenTenthsForCubic) {
  Course r = begin(20 * kMss, 14 * kMss, 20 * kMss);
  for (int i = 0; i < 19; ++i) r.ack(kMss, false);
  EXPECT_GE(r.sent, 13 * kMss);
  EXPECT_LE(r.sent, 14 * kMss);
}

TEST(Prr, KeepsWhatItHasWhileLossesGoOn) {  // PRR-CRB
  Course r = begin(20 * kMss, 10 * kMss, 5 * kMss);
  r.ack(kMss, false);
  const std::uint32_t after_first = r.pipe;
  for (int i = 0; i < 4; ++i) r.ack(kMss, false);
  EXPECT_EQ(r.pipe, after_first);
}

TEST(Prr, SlowStartsBackWhenItIsSafe) {  // PRR-SSRB
  Course r = begin(20 * kMss, 10 * kMss, 4 * kMss);
  for (int i = 0; i < 12; ++i) r.ack(kMss, true);
  EXPECT_EQ(r.pipe, 10 * kMss) << "to SSTHRESH and not beyond";
}

TEST(Prr, NeverFallsBelowASegment) {
  Course r = begin(4 * kMss, 2 * kMss, 0);
  EXPECT_GE(prr_window(r.prr, {0, 0, 2 * kMss, kMss, false}), kMss);
}

}  // namespace
}  // namespace millrace::tcp::test
