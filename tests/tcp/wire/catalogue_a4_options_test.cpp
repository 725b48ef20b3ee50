// SPDX-License-Identifier: BSD-3-Clause
//
// Catalogue A4: every option kind with every length at every place of the option list, against a
// second reading of RFC 9293 §3.2 written for this test; then the shapes that broke other stacks.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "tcp/wire/parse.h"

namespace millrace::tcp {
namespace {

using List = std::vector<unsigned>;

struct Read {
  bool ok = false;
  Options options;
};

/// Parses in memory of exactly the list's size.
Read parse(const List& list) {
  const std::unique_ptr<std::byte[]> bytes(new std::byte[list.size()]);
  for (std::size_t i = 0; i < list.size(); ++i) bytes[i] = static_cast<std::byte>(list[i]);
  Read read;
  read.ok = parse_options({bytes.get(), list.size()}, read.options);
  return read;
}

/// The length that a kind must have; nothing for kinds that we do not know.
bool length_fits(unsigned kind, unsigned length) {
  switch (kind) {
    case 2:
      return length == 4;
    case 3:
      return length == 3;
    case 4:
      return length == 2;
    case 5:
      return length == 10 || length == 18 || length == 26 || length == 34;
    case 8:
      return length == 10;
    default:
      return true;
  }
}

/// What the list [NOP x before][kind length 0 0 ...] of 40 bytes means.
bool expected_ok(unsigned kind, unsigned length, unsigned before) {
  if (kind == 0 || kind == 1) {
    // END ends the list. After a NOP the length byte is the next kind, followed by zeros.
    if (kind == 0 || length == 0 || length == 1) return true;
    return before + 2 >= 40 ? before + 1 >= 40 : false;  // its own length is then 0
  }
  if (before + 1 >= 40) return false;  // no length byte
  return length >= 2 && before + length <= 40 && length_fits(kind, length);
}

TEST(CatalogueA4, EveryKindAndLengthAtEveryPlace) {
  const std::unique_ptr<std::byte[]> bytes(new std::byte[40]);
  Options options;
  int wrong = 0;
  for (unsigned before = 0; before < 40; ++before) {
    std::fill_n(bytes.get(), 40, std::byte{0});
    std::fill_n(bytes.get(), before, std::byte{1});
    for (unsigned kind = 0; kind < 256; ++kind) {
      bytes[before] = static_cast<std::byte>(kind);
      for (unsigned length = 0; length < 256; ++length) {
        if (before + 1 < 40) bytes[before + 1] = static_cast<std::byte>(length);
        const bool ok = parse_options({bytes.get(), 40}, options);
        if (ok == expected_ok(kind, length, before)) continue;
        ADD_FAILURE() << "kind " << kind << " length " << length << " after " << before << " NOPs";
        ASSERT_LT(++wrong, 10);
      }
    }
  }
}

// Options of length 2, the shortest that move on, and 40 NOPs: both end by themselves.
TEST(CatalogueA4, LongestListsEnd) {
  EXPECT_TRUE(parse(List(40, 1)).ok);
  List pairs;
  for (int i = 0; i < 20; ++i) pairs.insert(pairs.end(), {254, 2});
  EXPECT_TRUE(parse(pairs).ok);
  EXPECT_FALSE(parse(List(40, 0xff)).ok);
}

TEST(CatalogueA4, CutOffAtEveryByte) {
  const List whole{2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7};
  const std::vector<std::size_t> between{0, 4, 6, 16, 17, 20};
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const bool at_boundary = std::find(between.begin(), between.end(), size) != between.end();
    EXPECT_EQ(parse(List(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))).ok,
              at_boundary)
        << size;
  }
}

TEST(CatalogueA4, WindowScaleAbove14IsReadAs14) {
  for (unsigned scale = 0; scale < 256; ++scale) {
    const Read read = parse({3, 3, scale});
    ASSERT_TRUE(read.ok && read.options.has_window_scale());
    EXPECT_EQ(read.options.window_scale, std::min(scale, 14U));
  }
}

TEST(CatalogueA4, TheLastOfTwoCounts) {
  const Read stamps = parse({8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 0, 0, 0, 3, 0, 0, 0, 4});
  ASSERT_TRUE(stamps.ok);
  EXPECT_EQ(stamps.options.tsval, 3U);
  EXPECT_EQ(stamps.options.tsecr, 4U);
  const Read mss = parse({2, 4, 0, 1, 2, 4, 0, 2});
  ASSERT_TRUE(mss.ok);
  EXPECT_EQ(mss.options.mss, 2U);
}

TEST(CatalogueA4, NothingCountsAfterTheEnd) {
  const Read read = parse({0, 2, 4, 5, 0xb4, 0xff});
  EXPECT_TRUE(read.ok);
  EXPECT_EQ(read.options.has, 0);
}

TEST(CatalogueA4, AMalformedListDropsTheSegment) {
  List bytes{0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0};
  bytes.insert(bytes.end(), {2, 3, 5, 0});
  std::vector<std::byte> segment(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) segment[i] = static_cast<std::byte>(bytes[i]);
  Ports ports;
  SegmentIn out;
  EXPECT_EQ(parse_segment(segment, ports, out), Drop::tcp_bad_options);
  segment[21] = std::byte{4};
  EXPECT_EQ(parse_segment(segment, ports, out), Drop::none);
  EXPECT_EQ(out.options.mss, 0x500U);
}

}  // namespace
}  // namespace millrace::tcp
