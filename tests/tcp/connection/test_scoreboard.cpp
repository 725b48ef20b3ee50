// SPDX-License-Identifier: BSD-3-Clause
//
// The scoreboard against a model that keeps a word for each byte: random blocks, ACKs, losses and
// retransmissions give the same sums, the same deliveries and the same next piece.
#include <optional>
#include <random>
#include <vector>

#include "tcp/connection/scoreboard.h"
#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {
namespace {

struct Byte {
  bool sacked = false, lost = false, again = false, ever = false;
};

class Board : public ::testing::Test {
 protected:
  void start(Seq una, std::uint32_t flight) {
    una_ = una;
    nxt_ = una + flight;
    model_.assign(flight, Byte{});
    start_scoreboard(board_, una);
  }
  Stores& stores() { return host_.stores; }
  [[nodiscard]] Seq at(std::size_t i) const { return una_ + static_cast<std::uint32_t>(i); }

  Delivered sack(Seq left, Seq right) {
    Delivered d;
    sack_range(board_, left, right, clock_, stores(), d);
    return d;
  }
  Delivered ack(Seq to) {
    Delivered d;
    advance_scoreboard(board_, una_, to, clock_, stores(), d);
    una_ = to;
    return d;
  }
  [[nodiscard]] std::size_t count(bool Byte::*what) const {
    return static_cast<std::size_t>(
        std::count_if(model_.begin(), model_.end(), [&](const Byte& b) { return b.*what; }));
  }
  void agree() {
    ASSERT_EQ(board_.sacked_bytes, count(&Byte::sacked));
    ASSERT_EQ(board_.lost_bytes, count(&Byte::lost));
    ASSERT_EQ(board_.retransmitted_bytes, count(&Byte::again));
    Seq end = una_;
    for (std::uint32_t i = 0; i < board_.count; ++i) {
      const Piece& p = piece_at(board_, stores(), i);
      ASSERT_TRUE(at_or_before(end, p.first) && before(p.first, p.end));
      for (Seq s = p.first; s != p.end; s += 1) {
        const Byte& b = model_[bytes_between(una_, s)];
        ASSERT_TRUE(!b.sacked && b.lost == p.lost && b.again == p.retransmitted &&
                    b.ever == p.ever);
      }
      end = p.end;
    }
    const auto next = next_to_resend(board_, stores());
    const auto found = std::find_if(model_.begin(), model_.end(),
                                    [](const Byte& b) { return b.lost && !b.again; });
    ASSERT_EQ(next.has_value(), found != model_.end());
    if (next) {
      ASSERT_EQ(bytes_between(una_, next->first), found - model_.begin());
    }
  }
  void random_step(std::mt19937& random);

  Host host_{TcpConfig{}, {4, 4, 64, 64}};
  Scoreboard board_;
  Seq una_, nxt_;
  std::vector<Byte> model_;
  Stamp clock_ = 1;
};

void Board::random_step(std::mt19937& random) {
  const auto flight = static_cast<std::uint32_t>(model_.size());
  if (flight < 8) return;
  const std::uint32_t a = static_cast<std::uint32_t>(random()) % flight;
  const std::uint32_t b = std::min(flight, a + 1 + static_cast<std::uint32_t>(random()) % 12);
  switch (random() % 8) {
    case 0: {  // an ACK; more text follows
      std::size_t fresh = 0;
      for (std::uint32_t i = 0; i < a; ++i) fresh += model_[i].sacked ? 0 : 1;
      ASSERT_EQ(ack(at(a)).bytes, fresh);
      model_.erase(model_.begin(), model_.begin() + a);
      model_.resize(flight);
      nxt_ += a;
      break;
    }
    case 1: {
      (void)mark_lost_before(board_, at(b), stores());
      for (std::uint32_t i = 0; i < b; ++i) {
        if (!model_[i].sacked && !model_[i].again) model_[i].lost = true;
      }
      break;
    }
    case 2:
    case 3: {
      const auto next = next_to_resend(board_, stores());
      if (!next) break;
      const std::uint32_t length = std::min(bytes_between(next->first, next->end), 5U);
      note_resent(board_, next->first, next->first + length, ++clock_, stores());
      for (std::uint32_t i = 0; i < length; ++i) {
        Byte& m = model_[bytes_between(una_, next->first) + i];
        m.again = m.ever = true;
      }
      break;
    }
    case 4: {
      (void)mark_copies_lost(board_, stores(), [](const Piece&) { return true; });
      for (Byte& m : model_) {
        if (m.again) m.lost = true;
        m.again = false;
      }
      break;
    }
    default: {
      std::size_t fresh = 0;
      for (std::uint32_t i = a; i < b; ++i) fresh += model_[i].sacked ? 0 : 1;
      ASSERT_EQ(sack(at(a), at(b)).bytes, fresh);
      for (std::uint32_t i = a; i < b; ++i) {
        model_[i] = Byte{};
        model_[i].sacked = true;
      }
    }
  }
}

TEST_F(Board, AgreesWithAWordForEachByte) {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    start(Seq(0xffff'ff80), 300);
    for (int i = 0; i < 400; ++i) {
      random_step(random);
      agree();
      if (HasFatalFailure()) FAIL() << "seed " << seed << ", step " << i;
    }
    clear_scoreboard(board_, stores());
    board_ = Scoreboard{};
    ASSERT_EQ(host_.stores.blocks.live(), 0U);
  }
}

TEST_F(Board, HolesWithoutEndAreBoundedAndGoBack) {
  start(Seq(1), 1'000'000);
  std::uint32_t sacked = 0;
  for (std::uint32_t i = 0; i < 10'000; ++i) sacked += sack(at(20 * i + 10), at(20 * i + 20)).bytes;
  EXPECT_EQ(board_.count, kMostPieces);
  EXPECT_EQ(board_.block_count, kPieceBlocks);
  EXPECT_EQ(board_.sacked_bytes, sacked);
  EXPECT_EQ(sacked, 10 * kMostPieces) << "what has no room is not told as SACKed";
  (void)ack(at(20 * kMostPieces));
  EXPECT_EQ(board_.count, 0U);
  EXPECT_EQ(board_.sacked_bytes, 0U);
  EXPECT_EQ(host_.stores.blocks.live(), 0U) << "blocks go as soon as they are empty";
}

TEST_F(Board, WithoutABlockNothingIsSackedThatNeedsAHole) {
  std::vector<std::uint32_t> all;
  while (host_.stores.blocks.live() != host_.stores.blocks.capacity()) {
    all.push_back(host_.stores.blocks.create());
  }
  start(Seq(1), 1000);
  EXPECT_EQ(sack(at(100), at(200)).bytes, 0U);
  EXPECT_EQ(board_.sacked_bytes, 0U);
  EXPECT_EQ(pipe_relief(board_), 0);
  for (const std::uint32_t b : all) host_.stores.blocks.free(b);
}

TEST_F(Board, DeliveryOfTheHeadCostsNothingForTheRest) {
  start(Seq(1), 1'000'000);
  for (std::uint32_t i = 0; i < 1000; ++i) (void)sack(at(20 * i + 10), at(20 * i + 20));
  for (std::uint32_t i = 0; i < 200; ++i) (void)ack(una_ + 20);
  EXPECT_EQ(board_.count, 800U);
  EXPECT_EQ(board_.block_count, 7U) << "the first has gone";
}

TEST_F(Board, TellsWhatWasReordered) {
  start(Seq(1), 1000);
  clock_ = 9;
  EXPECT_FALSE(sack(at(500), at(600)).reordered);
  board_.high_sacked = at(600);
  EXPECT_TRUE(sack(at(300), at(400)).reordered);
  (void)mark_lost_before(board_, at(300), stores());
  note_resent(board_, at(0), at(300), 7, stores());
  const Delivered copy = sack(at(100), at(200));
  EXPECT_FALSE(copy.reordered) << "a copy may well come late";
  EXPECT_TRUE(copy.again);
  EXPECT_EQ(copy.again_age, 2U);
}

TEST_F(Board, ForgetsWhatThePeerReneged) {
  start(Seq(1), 1000);
  (void)sack(at(0), at(100));
  (void)sack(at(300), at(400));
  EXPECT_TRUE(begins_sacked(board_, una_, stores()));
  forget_sacks(board_, una_, stores());
  EXPECT_EQ(board_.sacked_bytes, 0U);
  EXPECT_EQ(board_.lost_bytes, 400U);
  ASSERT_TRUE(next_to_resend(board_, stores()));
  EXPECT_EQ(next_to_resend(board_, stores())->first, una_);
  EXPECT_FALSE(begins_sacked(board_, una_, stores()));
}

}  // namespace
}  // namespace millrace::tcp::test
