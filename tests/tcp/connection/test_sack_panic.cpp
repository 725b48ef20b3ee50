// SPDX-License-Identifier: BSD-3-Clause
//
// C4 of the hostile network: a peer that announces a tiny segment, opens megabytes and SACKs every
// other segment of them (CVE-2019-11477, -11478, -11479, CVE-2019-5599). What it can make us keep,
// and look through for each ACK, has bounds, and nothing overflows.
#include <algorithm>
#include <numeric>
#include <random>

#include "tcp/connection/loss_recovery.h"
#include "tcp/connection/scoreboard.h"
#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {
namespace {

constexpr std::uint32_t kWindow = 4'194'304;

struct Attack {
  std::uint16_t mss;
  bool ipv6;
  bool timestamps;
  int order;  // 0: from the left, 1: from the right, 2: at random
};

class SackPanic : public ::testing::TestWithParam<Attack> {
 protected:
  SackPanic() {
    TcpConfig config;
    config.min_peer_mss = 48;
    config.send_buffer = kWindow;
    config.congestion = CongestionAlgorithm::newreno;
    host.config = config;
    HostSetup s;
    s.peer_mss = GetParam().mss;
    s.window_scaling = true;
    s.peer_scale = 8;
    s.snd_wnd = kWindow;
    s.timestamps = GetParam().timestamps;
    s.ipv6 = GetParam().ipv6;
    s.rtt_us = 10'000;
    host.establish(s);
    host.c.congestion.cwnd = kWindow;
  }
  /// All of the window in flight.
  void fill() {
    static const std::string kBytes = pattern(kWindow);
    ASSERT_EQ(host.write(kBytes, false), kWindow);
    segment = host.c.mss;
    SegmentOut out;
    while (next_segment(host.c, host.context(), out)) ++count;
    ASSERT_EQ(bytes_between(host.c.snd_una, host.c.snd_nxt), kWindow);
    ASSERT_GE(count, kWindow / segment);
  }
  /// Every second segment, in ACKs of as many blocks as fit.
  [[nodiscard]] std::vector<Segment> acks() const {
    std::vector<std::uint32_t> places(count / 2 - 1);
    std::iota(places.begin(), places.end(), 0U);
    if (GetParam().order == 1) std::reverse(places.begin(), places.end());
    if (GetParam().order == 2) std::shuffle(places.begin(), places.end(), std::mt19937(7));
    const std::size_t fit = GetParam().timestamps ? 3 : 4;
    std::vector<Segment> all;
    for (std::size_t i = 0; i < places.size(); i += fit) {
      Segment s = host.peer();
      s.ack = host.c.snd_una;
      s.window = kWindow >> 8;
      for (std::size_t k = i; k < std::min(i + fit, places.size()); ++k) {
        const Seq left = host.c.snd_una + (2 * places[k] + 1) * segment;
        s.options.sack[s.options.sack_count++] = {left, left + segment};
      }
      all.push_back(s);
    }
    return all;
  }
  [[nodiscard]] LossState* loss() {
    if (host.c.send == kNil || host.send().loss == kNil) return nullptr;
    return &host.stores.loss[host.send().loss];
  }

  Host host;
  std::uint32_t segment = 0;
  std::uint32_t count = 0;  // segments in flight
};

std::string attack_name(const ::testing::TestParamInfo<Attack>& a) {
  constexpr std::string_view kOrders[] = {"rising", "falling", "random"};
  return std::to_string(a.param.mss) + (a.param.ipv6 ? "_v6_" : "_v4_") +
         std::string(kOrders[a.param.order]);
}
INSTANTIATE_TEST_SUITE_P(Attacks, SackPanic,
                         ::testing::Values(Attack{48, false, false, 0}, Attack{48, true, false, 1},
                                           Attack{48, false, true, 2}, Attack{64, true, true, 2},
                                           Attack{216, false, false, 2}, Attack{216, true, true, 1},
                                           Attack{216, false, true, 0}),
                         attack_name);

TEST_P(SackPanic, IsBoundedAndLosesNothing) {
  fill();
  if (HasFatalFailure()) return;
  const std::uint32_t blocks_before = host.stores.blocks.live();
  std::uint32_t most_pieces = 0;
  std::uint64_t sent_again = 0;
  std::size_t most_at_once = 0;
  std::uint32_t blocks = 0;
  for (const Segment& s : acks()) {
    ASSERT_EQ(host.input(s), Drop::none);
    const LossState* ls = loss();
    ASSERT_NE(ls, nullptr);
    most_pieces = std::max(most_pieces, ls->board.count);
    blocks = std::max(blocks, host.stores.blocks.live() - blocks_before);
    ASSERT_LE(ls->board.sacked_bytes, kWindow / 2);
    ASSERT_LE(ls->board.sacked_bytes + ls->board.lost_bytes, kWindow);
    ASSERT_LE(ls->board.retransmitted_bytes, ls->board.lost_bytes);
    const auto out = host.flush();
    most_at_once = std::max(most_at_once, out.size());
    for (const Segment& o : out) sent_again += o.data.size();
  }
  EXPECT_GT(count / 2, kMostPieces) << "the attack asks for more than there may be";
  EXPECT_LE(most_pieces, kMostPieces);
  EXPECT_GT(most_pieces, kMostPieces / 2) << "the bound was reached";
  EXPECT_LE(blocks, kPieceBlocks);
  EXPECT_LE(sent_again, kWindow) << "each byte once more at most";
  // It speaks the truth in the end, and all is given back.
  Segment all = host.peer();
  all.ack = host.c.snd_nxt;
  ASSERT_EQ(host.input(all), Drop::none);
  (void)host.flush();
  EXPECT_EQ(host.c.snd_una, host.c.snd_nxt);
  EXPECT_EQ(host.stores.blocks.live(), 0U);
  host.pass(2s);
  EXPECT_TRUE(host.cold_is_empty());
}

}  // namespace
}  // namespace millrace::tcp::test
