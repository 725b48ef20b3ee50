// SPDX-License-Identifier: BSD-3-Clause
//
// What we send, byte by byte for the segments that everyone sees, and emit against parse for every
// combination of options.
#include "tcp/wire/emit.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tcp/wire/parse.h"

namespace millrace::tcp {
namespace {

std::vector<unsigned> emit(const SegmentOut& segment) {
  const std::size_t bytes = header_bytes(segment);
  const std::unique_ptr<std::byte[]> out(new std::byte[bytes]);
  EXPECT_EQ(emit_header(segment, out.get()), bytes);
  std::vector<unsigned> values;
  for (std::size_t i = 0; i < bytes; ++i) values.push_back(std::to_integer<unsigned>(out[i]));
  return values;
}

SegmentOut a_segment() {
  SegmentOut s;
  s.tuple = {Address::v4(1), Address::v4(2), 0x1234, 0x5678};
  s.seq = Seq(0x01020304);
  s.ack = Seq(0x05060708);
  s.window = 0x090a;
  s.flags.bits = Flags::kAck | Flags::kPsh;
  return s;
}

TEST(Emit, BareHeader) {
  const std::vector<unsigned> expected{0x12, 0x34, 0x56, 0x78, 1, 2,    3, 4, 5, 6,
                                       7,    8,    0x50, 0x18, 9, 0x0a, 0, 0, 0, 0};
  EXPECT_EQ(emit(a_segment()), expected);
}

TEST(Emit, EstablishedWithTimestamps) {
  SegmentOut s = a_segment();
  s.options.has = Options::kTimestamps;
  s.options.tsval = 0x11121314;
  s.options.tsecr = 0x21222324;
  const auto bytes = emit(s);
  EXPECT_EQ(bytes[12], 0x80U);
  EXPECT_EQ(std::vector<unsigned>(bytes.begin() + 20, bytes.end()),
            (std::vector<unsigned>{1, 1, 8, 10, 0x11, 0x12, 0x13, 0x14, 0x21, 0x22, 0x23, 0x24}));
}

TEST(Emit, SynWithEverything) {
  SegmentOut s = a_segment();
  s.flags.bits = Flags::kSyn;
  s.options.has =
      Options::kMss | Options::kWindowScale | Options::kSackPermitted | Options::kTimestamps;
  s.options.mss = 1460;
  s.options.window_scale = 7;
  s.options.tsval = 1;
  const auto bytes = emit(s);
  EXPECT_EQ(
      std::vector<unsigned>(bytes.begin() + 20, bytes.end()),
      (std::vector<unsigned>{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}));
}

TEST(Emit, EveryCombinationReadsBackAsItWas) {
  for (unsigned has = 0; has < 16; ++has) {
    for (std::uint8_t blocks = 0; blocks <= kMaxSackBlocks; ++blocks) {
      SegmentOut s = a_segment();
      s.options.has = static_cast<std::uint8_t>(has);
      s.options.mss = 536;
      s.options.window_scale = 14;
      s.options.tsval = 0xfffffffe;
      s.options.tsecr = 0x80000001;
      s.options.sack_count = blocks;
      for (std::uint32_t i = 0; i < blocks; ++i)
        s.options.sack[i] = {Seq(100 * i), Seq(100 * i + 50)};
      const std::size_t bytes = header_bytes(s);
      ASSERT_LE(bytes, kMaxHeaderBytes);
      ASSERT_EQ(bytes % 4, 0U);
      const std::unique_ptr<std::byte[]> out(new std::byte[bytes]);
      ASSERT_EQ(emit_header(s, out.get()), bytes);

      Ports ports;
      SegmentIn in;
      ASSERT_EQ(parse_segment({out.get(), bytes}, ports, in), Drop::none) << has << " " << blocks;
      EXPECT_EQ(ports.source, 0x1234);
      EXPECT_EQ(ports.destination, 0x5678);
      EXPECT_EQ(in.seq, s.seq);
      EXPECT_EQ(in.ack, s.ack);
      EXPECT_EQ(in.window, s.window);
      EXPECT_EQ(in.flags, s.flags);
      EXPECT_EQ(in.urgent, 0);
      EXPECT_TRUE(in.payload.empty());
      ASSERT_EQ(in.options.has, has);
      if (in.options.has_mss()) {
        EXPECT_EQ(in.options.mss, 536);
      }
      if (in.options.has_window_scale()) {
        EXPECT_EQ(in.options.window_scale, 14);
      }
      if (in.options.has_timestamps()) {
        EXPECT_EQ(in.options.tsval, s.options.tsval);
        EXPECT_EQ(in.options.tsecr, s.options.tsecr);
      }
      // As many blocks as fit: with timestamps three (RFC 2018 §3).
      const std::size_t fixed =
          bytes - 20 - (in.options.sack_count > 0 ? 4U : 0U) - 8U * in.options.sack_count;
      const std::size_t fit = std::min<std::size_t>(blocks, (40 - fixed - 4) / 8);
      EXPECT_EQ(in.options.sack_count, fit);
      for (std::size_t i = 0; i < fit; ++i) EXPECT_EQ(in.options.sack[i], s.options.sack[i]);
    }
  }
}

// Of every length that a cookie may have, beside all that a SYN may have with it.
TEST(Emit, FastOpenCookies) {
  for (std::uint8_t size = 0; size <= kMaxCookieBytes; size = size == 0 ? 4 : size + 2) {
    for (unsigned has = 0; has < 16; ++has) {
      SegmentOut s = a_segment();
      s.flags.bits = Flags::kSyn;
      s.options.has = static_cast<std::uint8_t>(has | Options::kFastOpen);
      s.options.mss = 1440;
      s.options.window_scale = 3;
      s.options.cookie_bytes = size;
      for (std::size_t i = 0; i < size; ++i) s.options.cookie[i] = std::byte(0x40 + i);
      const std::size_t bytes = header_bytes(s);
      ASSERT_LE(bytes, kMaxHeaderBytes);
      const std::unique_ptr<std::byte[]> out(new std::byte[bytes]);
      ASSERT_EQ(emit_header(s, out.get()), bytes);
      Ports ports;
      SegmentIn in;
      ASSERT_EQ(parse_segment({out.get(), bytes}, ports, in), Drop::none) << has;
      ASSERT_EQ(in.options.has, s.options.has) << int{size};
      ASSERT_EQ(in.options.cookie_bytes, size);
      // Blocks beside it go as far as there is room, and no further.
      s.options.sack_count = 4;
      ASSERT_LE(header_bytes(s), kMaxHeaderBytes);
      s.options.sack_count = 0;
      EXPECT_TRUE(std::equal(in.options.cookie.begin(), in.options.cookie.begin() + size,
                             s.options.cookie.begin()));
    }
  }
}

TEST(Emit, ThreeBlocksBesideTimestamps) {
  SegmentOut s = a_segment();
  s.options.has = Options::kTimestamps;
  s.options.sack_count = 4;
  EXPECT_EQ(header_bytes(s), 60U);
  s.options.has = 0;
  EXPECT_EQ(header_bytes(s), 56U);
}

}  // namespace
}  // namespace millrace::tcp
