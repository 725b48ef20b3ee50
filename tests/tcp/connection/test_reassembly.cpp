// SPDX-License-Identifier: BSD-3-Clause
//
// Out of order: every order of arrival, overlaps with different bytes (catalogue B13), bounds on
// memory and ranges (C3), SACK blocks (RFC 2018 §4), pools that run dry.
#include <algorithm>
#include <chrono>
#include <random>

#include "tcp/connection/dsack.h"
#include "tcp/connection/reassembly.h"
#include "tcp/connection/unread.h"
#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {
namespace {

Host established(std::uint32_t irs = 5000) {
  Host h;
  HostSetup s;
  s.irs = Seq(irs);
  h.establish(s);
  return h;
}

Segment at(const Host& h, std::uint32_t offset, std::string text, std::uint32_t irs = 5000) {
  Segment s = h.peer(std::move(text));
  s.seq = Seq(irs + 1) + offset;
  return s;
}

TEST(Reassembly, EveryOrderOfFourSegmentsWithFin) {
  const std::string text = pattern(40);
  std::vector<int> order{0, 1, 2, 3};
  do {
    Host h = established(0xffff'ffe0U);
    for (const int i : order) {
      Segment s = at(h, static_cast<std::uint32_t>(i) * 10,
                     text.substr(static_cast<std::size_t>(i) * 10, 10), 0xffff'ffe0U);
      if (i == 3) s.flags |= kF;
      EXPECT_EQ(h.input(s), Drop::none);
    }
    EXPECT_EQ(h.received, text);
    EXPECT_EQ(h.ends_of_stream, 1);
    EXPECT_TRUE(h.cold_is_empty());
  } while (std::next_permutation(order.begin(), order.end()));
}

// A model that keeps what was accepted first, byte by byte.
struct Model {
  std::string bytes = std::string(64, '?');

  void accept(std::uint32_t offset, const std::string& text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (bytes[offset + i] == '?') bytes[offset + i] = text[i];
    }
  }
};

TEST(Reassembly, FirstAcceptedByteWinsInEveryOrder) {  // catalogue B13
  std::mt19937 random(1);
  for (int round = 0; round < 10'000; ++round) {
    const auto irs =
        static_cast<std::uint32_t>(round % 2 == 0 ? 5000 : 0xffff'f7e0U + random() % 64);
    Host h = established(irs);
    h.reads = round % 3 != 0;
    Model model;
    for (int i = 0; i < 12; ++i) {
      const auto offset = static_cast<std::uint32_t>(random() % 60);
      const auto length = static_cast<std::uint32_t>(1 + random() % (64 - offset));
      const std::string text(length, static_cast<char>('A' + i));
      model.accept(offset, text);
      (void)h.input(at(h, offset, text, irs));
    }
    h.read_all();
    const std::size_t prefix = std::min(model.bytes.find('?'), model.bytes.size());
    ASSERT_EQ(h.received, model.bytes.substr(0, prefix)) << "round " << round;
  }
}

TEST(Reassembly, EveryTripleOfOverlaps) {  // catalogue B13, enumerated
  struct Piece {
    std::uint32_t offset, length;
  };
  std::vector<Piece> pieces;
  for (std::uint32_t o = 0; o < 4; ++o) {
    for (std::uint32_t n = 1; o + n <= 4; ++n) pieces.push_back({o, n});
  }
  for (const Piece& x : pieces) {
    for (const Piece& y : pieces) {
      for (const Piece& z : pieces) {
        Host h = established();
        Model model;
        int i = 0;
        for (const Piece& p : {x, y, z, Piece{0, 4}}) {
          const std::string text(p.length, static_cast<char>('A' + i++));
          model.accept(p.offset, text);
          (void)h.input(at(h, p.offset, text));
        }
        ASSERT_EQ(h.received, model.bytes.substr(0, 4));
        (void)h.flush();
        ASSERT_TRUE(h.cold_is_empty());
      }
    }
  }
}

TEST(Reassembly, LongStreamInRandomOrder) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    Host h = established(0xffff'0000U);
    const std::string text = pattern(48'000);
    std::vector<std::uint32_t> starts;
    for (std::uint32_t i = 0; i < 48'000; i += 1000) starts.push_back(i);
    std::shuffle(starts.begin(), starts.end(), random);
    for (int pass = 0; pass < 3; ++pass) {  // what a bound refused comes again
      for (const std::uint32_t s : starts) {
        (void)h.input(at(h, s, text.substr(s, 1000), 0xffff'0000U));
      }
    }
    EXPECT_TRUE(h.received == text) << seed;
    (void)h.flush();
    EXPECT_TRUE(h.cold_is_empty());
  }
}

TEST(Reassembly, SegmentSmackIsBounded) {  // catalogue C3 (CVE-2018-5390)
  for (const int pattern_kind : {0, 1, 2}) {
    Host h = established();
    std::vector<std::uint32_t> offsets;
    for (std::uint32_t o = 1; o < 60'000; o += 2) offsets.push_back(o);
    if (pattern_kind == 1) std::reverse(offsets.begin(), offsets.end());
    if (pattern_kind == 2) std::shuffle(offsets.begin(), offsets.end(), std::mt19937(3));
    int refused = 0;
    for (const std::uint32_t o : offsets) {
      if (h.input(at(h, o, "x")) == Drop::tcp_out_of_order_full) ++refused;
    }
    EXPECT_EQ(refused, static_cast<int>(offsets.size()) - 64);
    EXPECT_LE(h.stores.blocks.live(), 34U);
    EXPECT_EQ(h.stores.receive.live(), 1U);
    EXPECT_EQ(h.input(at(h, 0, "x")), Drop::none) << "the next byte is never refused";
  }
}

TEST(Reassembly, OneByteInEachPageIsBoundedByBytes) {
  Host h = established();
  h.config.reassembly_bytes = 16'384;
  int kept = 0;
  for (std::uint32_t page = 0; page < 30; ++page) {
    if (h.input(at(h, 1 + page * 2048, "x")) == Drop::none) ++kept;
  }
  EXPECT_EQ(kept, 9);
  EXPECT_EQ(h.stores.blocks.live(), 11U);  // and two for the tables
}

// 3 MiB behind one segment that is missing, in a window of 4 MiB, across the end of the sequence
// space: all of it is kept, in any order, and all goes back.
TEST(Reassembly, HoldsAWindowOfMegabytes) {
  constexpr std::uint32_t kIrs = 0xfff0'0000U;
  constexpr std::uint32_t kPiece = 8'000;
  constexpr std::uint32_t kPieces = 400;
  const std::string text = pattern(kPiece * kPieces);
  for (const bool in_order : {true, false}) {
    TcpConfig config;
    config.receive_buffer = 4'194'304;
    Host h(config, {4, 4, 4096, 3072});
    HostSetup s;
    s.irs = Seq(kIrs);
    s.window_scaling = true;
    s.rcv_wnd = 4'194'304;
    h.establish(s);
    std::vector<std::uint32_t> starts;
    for (std::uint32_t i = 1; i < kPieces; ++i) starts.push_back(i * kPiece);
    // Neighbours change places, and more would be more ranges than are kept.
    for (std::size_t i = 0; !in_order && i + 1 < starts.size(); i += 2) {
      std::swap(starts[i], starts[i + 1]);
    }
    for (const std::uint32_t o : starts) {
      ASSERT_EQ(h.input(at(h, o, text.substr(o, kPiece), kIrs)), Drop::none) << o;
    }
    EXPECT_EQ(reassembly_of(h.receive(), h.stores).range_count, 1U);
    EXPECT_GT(h.stores.blocks.live(), 1500U);
    EXPECT_EQ(h.input(at(h, 0, text.substr(0, kPiece), kIrs)), Drop::none);
    EXPECT_TRUE(h.received == text);
    (void)h.flush();
    EXPECT_TRUE(h.cold_is_empty());
    EXPECT_EQ(h.stores.blocks.live(), 0U);
  }
}

// While less than a quarter of the blocks is free nobody may hold more than 64 KiB.
TEST(Reassembly, HoldsLittleWhileMemoryIsShort) {
  TcpConfig config;
  config.receive_buffer = 4'194'304;
  Host h(config, {4, 4, 1024, 1024});
  HostSetup s;
  s.window_scaling = true;
  s.rcv_wnd = 4'194'304;
  h.establish(s);
  std::vector<std::uint32_t> others;
  while (h.stores.blocks.live() < 800) others.push_back(h.stores.blocks.create());
  std::uint32_t kept = 0;
  for (std::uint32_t i = 1; i < 100; ++i) {
    if (h.input(at(h, i * 2'000, pattern(2'000))) == Drop::none) ++kept;
  }
  EXPECT_EQ(kept, 33U);
  for (const std::uint32_t b : others) h.stores.blocks.free(b);
  EXPECT_EQ(h.input(at(h, 100'000, pattern(2'000))), Drop::none);
}

TEST(Reassembly, ForgettingGivesEveryPageBack) {
  Host h = established();
  for (std::uint32_t i = 0; i < 20; ++i) (void)h.input(at(h, 100 + i * 1'500, pattern(1'000)));
  ASSERT_EQ(reassembly_of(h.receive(), h.stores).range_count, 20U);
  EXPECT_GT(h.stores.blocks.live(), 10U);
  forget_out_of_order(h.receive(), h.stores);
  EXPECT_EQ(h.stores.blocks.live(), 0U);
}

TEST(Reassembly, NeverMoreThanTheWindow) {
  Host h;
  h.config.receive_buffer = 4096;
  HostSetup s;
  s.rcv_wnd = 4096;
  h.establish(s);
  EXPECT_EQ(h.input(at(h, 4000, pattern(500))), Drop::none);
  const Reassembly& q = reassembly_of(h.receive(), h.stores);
  EXPECT_EQ(q.ranges[0].right, h.c.rcv_adv);
}

TEST(Reassembly, InOrderIsTakenWhenRangesAreFull) {
  Host h = established();
  std::string expected(200, ' ');
  for (std::uint32_t i = 0; i < 64; ++i) {
    (void)h.input(at(h, 2 + i * 3, "o"));
    expected[2 + i * 3] = 'o';
  }
  EXPECT_EQ(h.input(at(h, 194, "no")), Drop::tcp_out_of_order_full);
  EXPECT_EQ(h.input(at(h, 0, std::string(194, 'i'))), Drop::none);
  for (char& ch : expected) ch = ch == ' ' ? 'i' : ch;
  EXPECT_EQ(h.received, expected.substr(0, 194));
  (void)h.flush();
  EXPECT_TRUE(h.cold_is_empty());
}

TEST(Reassembly, PoolRunsDryWithoutHarm) {
  for (std::uint32_t blocks = 0; blocks < 8; ++blocks) {
    Host h(TcpConfig{}, {4, 4, 16, blocks});
    h.establish();
    const std::string text = pattern(9000);
    for (int pass = 0; pass < 12; ++pass) {
      for (std::uint32_t o = 8000;; o -= 1000) {
        (void)h.input(at(h, o, text.substr(o, 1000)));
        if (o == 0) break;
      }
    }
    EXPECT_TRUE(h.received == text) << blocks;
    (void)h.flush();
    EXPECT_TRUE(h.cold_is_empty());
  }
}

// Where blocks end in the middle of a copy, its first part is in the queue: it must not come again.
TEST(Reassembly, APartThatFoundRoomCounts) {
  Host h = established();
  const std::string text = pattern(300);
  ASSERT_EQ(h.input(at(h, 10, text)), Drop::none);
  ReceiveState& r = h.receive();
  ASSERT_EQ(append_unread(r, h.stores, as_bytes(pattern(kBlockBytes - 100))), kBlockBytes - 100);
  std::vector<std::uint32_t> others;
  while (h.stores.blocks.live() < h.stores.blocks.capacity()) {
    others.push_back(h.stores.blocks.create());
  }
  EXPECT_EQ(absorb(r, h.c.rcv_nxt + 10, h.stores), 100U);
  EXPECT_EQ(r.unread_bytes, kBlockBytes);
  EXPECT_EQ(r.reassembly, kNil) << "the rest is forgotten: the peer sends it again";
}

TEST(Sack, NoDsackOfWhatWasForgotten) {  // it would read as a SACK of text that is not there
  Host h = established();
  (void)h.input(at(h, 100, pattern(10)));
  (void)h.flush();
  (void)h.input(at(h, 100, pattern(10)));
  ASSERT_TRUE(owes_dsack(h.c, h.context()));
  forget_out_of_order(h.stores.receive[h.c.receive], h.stores);
  const std::vector<Segment> sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].options.sack_count, 0);
  EXPECT_TRUE(h.cold_is_empty());
}

TEST(Sack, LatestArrivalComesFirst) {  // RFC 2018 §4
  Host h = established();
  (void)h.input(at(h, 100, pattern(10)));
  auto sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  ASSERT_EQ(sent[0].options.sack_count, 1);
  EXPECT_EQ(sent[0].options.sack[0], (SackBlock{Seq(5101), Seq(5111)}));
  (void)h.input(at(h, 300, pattern(10)));
  (void)h.input(at(h, 200, pattern(10)));
  sent = h.flush();
  ASSERT_EQ(sent.size(), 2U) << "one for each";
  ASSERT_EQ(sent[1].options.sack_count, 3);
  EXPECT_EQ(sent[1].options.sack[0], (SackBlock{Seq(5201), Seq(5211)}));
  EXPECT_EQ(sent[1].options.sack[1], (SackBlock{Seq(5301), Seq(5311)}));
  EXPECT_EQ(sent[1].options.sack[2], (SackBlock{Seq(5101), Seq(5111)}));
  (void)h.input(at(h, 110, pattern(90)));  // joins two of them
  sent = h.flush();
  ASSERT_EQ(sent.at(0).options.sack_count, 2);
  EXPECT_EQ(sent[0].options.sack[0], (SackBlock{Seq(5101), Seq(5211)}));
  EXPECT_EQ(sent[0].options.sack[1], (SackBlock{Seq(5301), Seq(5311)}));
  (void)h.input(at(h, 0, pattern(310)));
  sent = h.flush();
  ASSERT_EQ(sent.at(0).options.sack_count, 1) << "DSACK of what was there (RFC 2883)";
  EXPECT_EQ(sent[0].options.sack[0], (SackBlock{Seq(5101), Seq(5211)}));
  EXPECT_EQ(sent[0].ack, Seq(5311));
  (void)h.input(at(h, 310, pattern(10)));
  h.pass(200ms);
  EXPECT_TRUE(h.cold_is_empty());
}

TEST(Sack, ABurstInOneRangeDoesNotHideTheOthers) {  // RFC 2018 §4: as many blocks as fit
  Host h = established();
  for (std::uint32_t i = 0; i < 3; ++i) (void)h.input(at(h, 100 + i * 100, pattern(10)));
  for (std::uint32_t i = 0; i < 6; ++i) (void)h.input(at(h, 310 + i * 10, pattern(10)));
  const auto sent = h.flush();
  ASSERT_EQ(sent.back().options.sack_count, 3);
  EXPECT_EQ(sent.back().options.sack[0], (SackBlock{Seq(5301), Seq(5371)}));
  EXPECT_EQ(sent.back().options.sack[1], (SackBlock{Seq(5201), Seq(5211)}));
  EXPECT_EQ(sent.back().options.sack[2], (SackBlock{Seq(5101), Seq(5111)}));
}

TEST(Sack, RangesThatLeftTheLatestComeBackWhenThereIsRoom) {
  Host h = established();
  for (std::uint32_t i = 0; i < 6; ++i) (void)h.input(at(h, 600 - i * 100, pattern(10)));
  (void)h.flush();  // the latest four begin at 100 to 400; those at 500 and 600 are not among them
  (void)h.input(at(h, 0, pattern(310)));
  const auto sent = h.flush();
  ASSERT_GE(sent.back().options.sack_count, 3);
  const auto& blocks = sent.back().options.sack;
  const auto end = blocks.begin() + sent.back().options.sack_count;
  for (const std::uint32_t left : {5401U, 5501U, 5601U}) {
    EXPECT_NE(std::find(blocks.begin(), end, SackBlock{Seq(left), Seq(left + 10)}), end) << left;
  }
}

TEST(Sack, AtMostThreeBesideTimestamps) {
  for (const bool timestamps : {false, true}) {
    Host h;
    HostSetup s;
    s.timestamps = timestamps;
    h.establish(s);
    for (std::uint32_t i = 0; i < 6; ++i) (void)h.input(at(h, 10 + i * 10, "x"));
    const auto sent = h.flush();
    EXPECT_EQ(sent.back().options.sack_count, timestamps ? 3 : 4);
  }
}

TEST(Sack, NotWithoutPermission) {
  Host h;
  HostSetup s;
  s.sack = false;
  h.establish(s);
  (void)h.input(at(h, 100, "x"));
  EXPECT_EQ(h.flush().at(0).options.sack_count, 0);
}

TEST(Sack, FullSegmentsLeaveRoomForIt) {
  Host h = established();
  (void)h.input(at(h, 100, "x"));
  (void)h.write(pattern(5000));
  std::size_t with_blocks = 0;
  for (const Segment& s : h.flush()) {
    const std::size_t options = s.options.sack_count == 0 ? 0 : 4 + 8U * s.options.sack_count;
    EXPECT_LE(s.data.size() + options, 1460U);
    with_blocks += !s.data.empty() && s.options.sack_count == 1 ? 1 : 0;
  }
  EXPECT_GE(with_blocks, 3U);
}

}  // namespace
}  // namespace millrace::tcp::test
