// SPDX-License-Identifier: BSD-3-Clause
//
// Legal segments are read field by field; the quick way for the usual layout and the general one
// give the same.
#include "tcp/wire/parse.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::tcp {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::initializer_list<unsigned> values) {
  Bytes b;
  for (const unsigned v : values) b.push_back(static_cast<std::byte>(v));
  return b;
}

Bytes a_header(unsigned words) {
  return bytes_of(
      {0x9c, 0x40, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, words << 4, 0xff, 9, 10, 0, 0, 11, 12});
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Parse, EveryField) {
  const Bytes bytes = a_header(5) + bytes_of({42, 43, 44});
  Ports ports;
  SegmentIn s;
  ASSERT_EQ(parse_segment(bytes, ports, s), Drop::none);
  EXPECT_EQ(ports.source, 40000);
  EXPECT_EQ(ports.destination, 80);
  EXPECT_EQ(s.seq.raw(), 0x01020304U);
  EXPECT_EQ(s.ack.raw(), 0x05060708U);
  EXPECT_EQ(s.window, 0x090a);
  EXPECT_EQ(s.urgent, 0x0b0c);
  EXPECT_EQ(s.flags.bits, 0xff);
  EXPECT_EQ(s.options.has, 0);
  EXPECT_EQ(s.options.sack_count, 0);
  ASSERT_EQ(s.payload.size(), 3U);
  EXPECT_EQ(s.payload[0], std::byte{42});
  EXPECT_EQ(s.length(), 5U);  // three bytes, SYN and FIN
}

TEST(Parse, ReservedBitsAreIgnored) {
  for (unsigned reserved = 0; reserved < 16; ++reserved) {
    Bytes bytes = a_header(5);
    bytes[12] |= static_cast<std::byte>(reserved);
    Ports ports;
    SegmentIn s;
    EXPECT_EQ(parse_segment(bytes, ports, s), Drop::none);
    EXPECT_TRUE(s.payload.empty());
  }
}

TEST(Parse, PortZeroIsNoPort) {
  for (const std::size_t at : {0U, 2U}) {
    Bytes bytes = a_header(5);
    bytes[at] = bytes[at + 1] = std::byte{0};
    Ports ports;
    SegmentIn s;
    EXPECT_EQ(parse_segment(bytes, ports, s), Drop::tcp_bad_ports);
  }
}

TEST(Parse, QuickAndGeneralWayAgreeOnTimestamps) {
  const Bytes stamps = bytes_of({8, 10, 0xa1, 0xa2, 0xa3, 0xa4, 0xb1, 0xb2, 0xb3, 0xb4});
  const Bytes nops = bytes_of({1, 1});
  for (const Bytes& options : {nops + stamps, stamps + nops, stamps + bytes_of({0, 0})}) {
    const Bytes bytes = a_header(8) + options + bytes_of({7});
    Ports ports;
    SegmentIn s;
    // What a segment before it may have left.
    s.options.has = 0xff;
    s.options.sack_count = 3;
    ASSERT_EQ(parse_segment(bytes, ports, s), Drop::none);
    EXPECT_EQ(s.options.has, Options::kTimestamps);
    EXPECT_EQ(s.options.sack_count, 0);
    EXPECT_EQ(s.options.tsval, 0xa1a2a3a4U);
    EXPECT_EQ(s.options.tsecr, 0xb1b2b3b4U);
    EXPECT_EQ(s.payload.size(), 1U);
  }
}

TEST(Parse, SackBlocks) {
  Bytes options =
      bytes_of({1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9});
  const Bytes bytes = a_header(10) + options;
  Ports ports;
  SegmentIn s;
  ASSERT_EQ(parse_segment(bytes, ports, s), Drop::none);
  ASSERT_EQ(s.options.sack_count, 2);
  EXPECT_EQ(s.options.sack[0], (SackBlock{Seq(1), Seq(2)}));
  EXPECT_EQ(s.options.sack[1], (SackBlock{Seq(0xffffffff), Seq(9)}));
}

TEST(Parse, UnknownOptionsAreSteppedOver) {
  // MD5, TCP-AO, user timeout, an odd Fast Open, experiments.
  const Bytes bytes = a_header(11) + bytes_of({29, 8, 1, 2,   3, 4, 5, 6, 28, 4, 0,    1,
                                               34, 3, 7, 253, 4, 9, 9, 2, 4,  5, 0xb4, 0});
  Ports ports;
  SegmentIn s;
  ASSERT_EQ(parse_segment(bytes, ports, s), Drop::none);
  EXPECT_EQ(s.options.has, Options::kMss);
  EXPECT_EQ(s.options.mss, 1460);
}

// RFC 7413 §4.1.1: a request, or a cookie of 4 to 16 bytes and an even number of them. What is
// neither is ignored, and so is the experimental form of the option (kind 254, magic 0xf989).
TEST(Parse, FastOpenCookies) {
  for (unsigned length = 2; length <= 38; ++length) {
    Bytes list = bytes_of({34, length});
    for (unsigned i = 2; i < length; ++i) list.push_back(std::byte(i));
    Options o;
    ASSERT_TRUE(parse_options(list, o)) << length;
    const unsigned cookie = length - 2;
    const bool legal = cookie == 0 || (cookie >= 4 && cookie <= 16 && cookie % 2 == 0);
    ASSERT_EQ(o.has_fast_open(), legal) << length;
    if (!legal) continue;
    ASSERT_EQ(o.cookie_bytes, cookie);
    for (unsigned i = 0; i < cookie; ++i) ASSERT_EQ(o.cookie[i], std::byte(i + 2));
  }
  Options o;
  EXPECT_TRUE(parse_options(bytes_of({254, 8, 0xf9, 0x89, 1, 2, 3, 4}), o));
  EXPECT_FALSE(o.has_fast_open());
  EXPECT_FALSE(parse_options(bytes_of({34, 1, 0, 0}), o));
  EXPECT_FALSE(parse_options(bytes_of({34, 0, 0, 0}), o));
  EXPECT_FALSE(parse_options(bytes_of({34, 10, 1, 2}), o));
  EXPECT_TRUE(parse_options(bytes_of({34, 6, 1, 2, 3, 4, 34, 2, 34, 3, 9}), o));
  EXPECT_TRUE(o.has_fast_open());
  EXPECT_EQ(o.cookie_bytes, 0) << "the last legal one counts";
}

// The list of a usual SYN is read in one go. Behind four NOPs it is not: every change of one byte
// of it must mean the same both ways, as long as it is legal.
TEST(Parse, TheOptionsOfASynReadInOneGoAreThoseReadOneByOne) {
  const Bytes usual =
      bytes_of({2, 4, 5, 0xb4, 4, 2, 8, 10, 0xa1, 0xa2, 0xa3, 0xa4, 0, 0, 0, 1, 1, 3, 3, 7});
  int agreed = 0;
  for (std::size_t at = 0; at < usual.size(); ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      Bytes changed = usual;
      changed[at] = static_cast<std::byte>(value);
      Options quick, slow;
      const bool legal = parse_options(changed, quick);
      ASSERT_EQ(parse_options(bytes_of({1, 1, 1, 1}) + changed, slow), legal) << at << " " << value;
      if (!legal) continue;
      ++agreed;
      EXPECT_EQ(quick.has, slow.has);
      EXPECT_EQ(quick.sack_count, slow.sack_count);
      EXPECT_TRUE(!quick.has_mss() || quick.mss == slow.mss);
      EXPECT_TRUE(!quick.has_window_scale() || quick.window_scale == slow.window_scale);
      EXPECT_TRUE(!quick.has_timestamps() || quick.tsval == slow.tsval);
      EXPECT_TRUE(!quick.has_timestamps() || quick.tsecr == slow.tsecr);
    }
  }
  EXPECT_GT(agreed, 11 * 256);  // the values of all options at least
}

}  // namespace
}  // namespace millrace::tcp
