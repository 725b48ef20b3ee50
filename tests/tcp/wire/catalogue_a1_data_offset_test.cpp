// SPDX-License-Identifier: BSD-3-Clause
//
// Catalogue A1: every data offset against every segment length, in memory of exactly that length.
#include <gtest/gtest.h>

#include <memory>

#include "tcp/wire/parse.h"

namespace millrace::tcp {
namespace {

TEST(CatalogueA1, EveryOffsetAgainstEveryLength) {
  int passed = 0;
  int tried = 0;
  for (std::size_t offset = 0; offset < 16; ++offset) {
    for (std::size_t length = 0; length <= 60; ++length, ++tried) {
      const std::unique_ptr<std::byte[]> bytes(new std::byte[length]);
      for (std::size_t i = 0; i < length; ++i) bytes[i] = std::byte{1};  // options: NOP
      if (length > 12) bytes[12] = static_cast<std::byte>(offset << 4);
      Ports ports;
      SegmentIn segment;
      const Drop drop = parse_segment({bytes.get(), length}, ports, segment);
      if (length < 20) {
        EXPECT_EQ(drop, Drop::tcp_truncated) << offset << " " << length;
      } else if (offset < 5 || offset * 4 > length) {
        EXPECT_EQ(drop, Drop::tcp_bad_offset) << offset << " " << length;
      } else {
        ASSERT_EQ(drop, Drop::none) << offset << " " << length;
        EXPECT_EQ(segment.payload.data(), bytes.get() + offset * 4);
        EXPECT_EQ(segment.payload.size(), length - offset * 4);
        ++passed;
      }
    }
  }
  EXPECT_EQ(tried, 976);
  EXPECT_EQ(passed, 41 + 37 + 33 + 29 + 25 + 21 + 17 + 13 + 9 + 5 + 1);
}

}  // namespace
}  // namespace millrace::tcp
