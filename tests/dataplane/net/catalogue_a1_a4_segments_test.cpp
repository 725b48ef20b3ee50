// SPDX-License-Identifier: BSD-3-Clause
//
// Catalogue A1 and A4 as whole frames: data offset and option list against IP lengths, on both
// families, with good checksums. What the lists themselves may hold is in tests/tcp/wire.
#include <gtest/gtest.h>

#include "tcp/wire/parse.h"
#include "tests/dataplane/net/frames.h"

namespace millrace::net::test {
namespace {

class Segments : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] bool v4() const { return GetParam(); }
  [[nodiscard]] Bytes frame_with(Bytes segment) const {
    const Address from = v4() ? kPeer4 : kPeer6;
    const Address to = v4() ? kOurs4 : kOurs6;
    if (segment.size() >= 18) {
      set16(segment, 16, 0);
      set16(segment, 16, checksum(from, to, 6, segment));
    }
    return frame({}, ip_packet({.source = from, .destination = to}, segment));
  }
  struct Outcome {
    Drop drop = Drop::none;
    std::size_t payload_bytes = 0;
    std::size_t payload_offset = 0;  // from the segment on
  };
  [[nodiscard]] Outcome receive(const Bytes& bytes) const {
    const Parsed parsed(host_, bytes);
    if (parsed.drop != Drop::none) return {parsed.drop, 0, 0};
    tcp::Ports ports;
    tcp::SegmentIn segment;
    const Drop drop = tcp::parse_segment(parsed.packet.l4, ports, segment);
    if (drop != Drop::none) return {drop, 0, 0};
    return {drop, segment.payload.size(),
            static_cast<std::size_t>(segment.payload.data() - parsed.packet.l4.data())};
  }

  Host host_{config()};
};
INSTANTIATE_TEST_SUITE_P(Family, Segments, testing::Bool(),
                         [](const auto& p) { return p.param ? "v4" : "v6"; });

TEST_P(Segments, A1EveryOffsetAgainstEveryLength) {
  for (unsigned offset = 0; offset < 16; ++offset) {
    for (unsigned length = 0; length <= 60; ++length) {
      Bytes segment = tcp_segment(kPeer4, kOurs4, Bytes(40, std::byte{1}));
      segment.resize(length);
      if (length > 12) segment[12] = static_cast<std::byte>(offset << 4);
      const Outcome outcome = receive(frame_with(segment));
      if (length < 20) {
        EXPECT_EQ(outcome.drop, Drop::tcp_truncated);
      } else if (offset < 5 || offset * 4 > length) {
        EXPECT_EQ(outcome.drop, Drop::tcp_bad_offset);
      } else {
        EXPECT_EQ(outcome.drop, Drop::none);
        EXPECT_EQ(outcome.payload_offset, offset * 4);
        EXPECT_EQ(outcome.payload_bytes, length - offset * 4);
      }
    }
  }
}

TEST_P(Segments, A4MalformedListsEndInOneDrop) {
  const std::vector<Bytes> lists{
      bytes_of({2, 0, 0, 0}),        // length zero
      bytes_of({2, 1, 0, 0}),        // length one
      bytes_of({2, 5, 0, 0}),        // past the end
      bytes_of({2, 3, 0, 0}),        // MSS of three
      bytes_of({1, 1, 1, 8}),        // cut off
      bytes_of({0xff, 0xff, 0, 0}),  // nothing but ones
      bytes_of({29, 0, 0, 0}),       // TCP-AO
  };
  for (const Bytes& list : lists) {
    Bytes segment = tcp_segment(kPeer4, kOurs4, list);
    segment[12] = std::byte{0x60};
    EXPECT_EQ(receive(frame_with(segment)).drop, Drop::tcp_bad_options);
  }
}

}  // namespace
}  // namespace millrace::net::test
