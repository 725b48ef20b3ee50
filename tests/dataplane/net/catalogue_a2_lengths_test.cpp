// SPDX-License-Identifier: BSD-3-Clause
//
// Catalogue A2: lengths that disagree. Padding of the link is never data; a length that promises
// more than there is drops the packet.
#include <gtest/gtest.h>

#include "tests/dataplane/net/frames.h"

namespace millrace::net::test {
namespace {

TEST(CatalogueA2, EveryIpv4TotalLength) {
  const Host host{config()};
  const Bytes segment = tcp_segment(kPeer4, kOurs4, pattern(7));
  const auto real = static_cast<unsigned>(20 + segment.size());
  for (unsigned total = 0; total <= 0xffff; ++total) {
    const Bytes bytes = frame({}, ip_packet({.total_length = total}, segment));
    // A shorter length cuts the segment, whose checksum then no longer fits: take the device's
    // word.
    const Drop drop = parse(host, bytes, Frame::kL4ChecksumGood);
    if (total < 20 || total > real) {
      ASSERT_EQ(drop, Drop::ip_bad_total_length) << total;
    } else if (total < 40) {
      ASSERT_EQ(drop, Drop::tcp_truncated) << total;
    } else {
      const Parsed parsed(host, bytes, Frame::kL4ChecksumGood);
      ASSERT_EQ(parsed.drop, Drop::none) << total;
      ASSERT_EQ(parsed.packet.l4.size(), total - 20);
      ASSERT_EQ(parsed.packet.l4_bytes, total - 20);
    }
  }
}

TEST(CatalogueA2, EveryIpv6PayloadLength) {
  const Host host{config()};
  const Bytes segment = tcp_segment(kPeer6, kOurs6, pattern(7));
  for (unsigned length = 0; length <= 0xffff; ++length) {
    const Bytes bytes = frame(
        {}, ip_packet({.source = kPeer6, .destination = kOurs6, .total_length = length}, segment));
    const Drop drop = parse(host, bytes, Frame::kL4ChecksumGood);
    if (length > segment.size()) {
      ASSERT_EQ(drop, Drop::ip_bad_total_length) << length;
    } else {
      ASSERT_EQ(drop, length < 20 ? Drop::tcp_truncated : Drop::none) << length;
    }
  }
}

TEST(CatalogueA2, PaddingIsNeverData) {
  const Host host{config()};
  for (const bool v4 : {true, false}) {
    for (std::size_t payload = 0; payload < 10; ++payload) {
      for (std::size_t padding = 0; padding <= 46; ++padding) {
        Bytes bytes = tcp_frame(v4, pattern(payload));
        bytes.insert(bytes.end(), padding, std::byte{0xee});
        const Parsed parsed(host, bytes);
        ASSERT_EQ(parsed.drop, Drop::none);
        ASSERT_EQ(parsed.packet.l4.size(), 20 + payload);
      }
    }
  }
}

TEST(CatalogueA2, FramesCutAtEveryByte) {
  const Host host{config()};
  for (const bool v4 : {true, false}) {
    const Bytes whole = tcp_frame(v4, pattern(5));
    const std::size_t header = v4 ? 20 : 40;
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Drop drop = parse(host, std::span(whole).first(size));
      const Drop expected = size < 14            ? Drop::frame_too_short
                            : size < 14 + header ? Drop::ip_truncated
                                                 : Drop::ip_bad_total_length;
      EXPECT_EQ(drop, expected) << size;
    }
    EXPECT_EQ(parse(host, whole), Drop::none);
  }
}

// A packet in pieces: lengths count over all of them.
TEST(CatalogueA2, PiecesCountTogether) {
  const Host host{config()};
  for (const bool v4 : {true, false}) {
    const Bytes whole = tcp_frame(v4, pattern(101));
    const std::size_t headers = 14 + (v4 ? 20U : 40U) + 20;
    for (std::size_t cut = headers; cut < whole.size(); ++cut) {
      for (std::size_t second = cut; second < whole.size(); second += 17) {
        const auto all = std::span(whole);
        const ExactFrame a(all.first(cut), Frame::kContinues);
        const ExactFrame b(all.subspan(cut, second - cut), Frame::kContinues);
        const ExactFrame c(all.subspan(second));
        std::vector<Frame> pieces{a.frame(), b.frame(), c.frame()};
        Packet packet;
        ASSERT_EQ(host.parse(pieces, packet), Drop::none) << cut << " " << second;
        ASSERT_EQ(packet.l4_bytes, 20U + 101U);
        ASSERT_EQ(packet.l4.size(), cut - headers + 20);
        // One byte less and they disagree; one wrong and the sum does.
        --pieces[2].length;
        ASSERT_EQ(host.parse(pieces, packet), Drop::ip_bad_total_length);
        ++pieces[2].length;
        *pieces[2].data ^= std::byte{1};
        ASSERT_EQ(host.parse(pieces, packet), Drop::tcp_bad_checksum);
      }
    }
  }
}

}  // namespace
}  // namespace millrace::net::test
