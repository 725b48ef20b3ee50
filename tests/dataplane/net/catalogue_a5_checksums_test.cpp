// SPDX-License-Identifier: BSD-3-Clause
//
// Catalogue A5: all values of the checksum fields, what the device says about them, and that bad
// frames cost nothing.
#include <gtest/gtest.h>

#include "tests/dataplane/net/frames.h"

namespace millrace::net::test {
namespace {

constexpr std::uint16_t kGood = Frame::kL4ChecksumGood | Frame::kIpChecksumGood;

TEST(CatalogueA5, EveryTcpChecksum) {
  const Host host{config()};
  for (const bool v4 : {true, false}) {
    for (const std::size_t payload : {0U, 1U, 13U}) {
      Bytes bytes = tcp_frame(v4, pattern(payload));
      const std::size_t field = 14 + (v4 ? 20U : 40U) + 16;
      const unsigned right = get16(bytes, field);
      const ExactFrame exact(bytes);
      Packet packet;
      for (unsigned value = 0; value <= 0xffff; ++value) {
        exact.frame().data[field] = static_cast<std::byte>(value >> 8);
        exact.frame().data[field + 1] = static_cast<std::byte>(value);
        const Drop drop = host.parse(exact.frame(), packet);
        ASSERT_EQ(drop, value == right ? Drop::none : Drop::tcp_bad_checksum) << value;
      }
    }
  }
}

TEST(CatalogueA5, EveryIpv4HeaderChecksum) {
  const Host host{config()};
  const Bytes right = tcp_frame(true);
  for (unsigned value = 0; value <= 0xffff; ++value) {
    Bytes bytes = right;
    set16(bytes, 24, value);
    const Drop drop = parse(host, bytes);
    ASSERT_EQ(drop, value == get16(right, 24) ? Drop::none : Drop::ip_bad_checksum) << value;
  }
}

TEST(CatalogueA5, EveryIcmpChecksum) {
  const Host host{config()};
  for (const bool v4 : {true, false}) {
    const Ip ip{.source = v4 ? kPeer4 : kPeer6, .destination = v4 ? kOurs4 : kOurs6};
    const Bytes right = icmp_frame(ip, v4 ? 8 : 128, 0, bytes_of({1, 2, 3, 4, 5}));
    const std::size_t field = 14 + (v4 ? 20U : 40U) + 2;
    for (unsigned value = 0; value <= 0xffff; ++value) {
      Bytes bytes = right;
      set16(bytes, field, value);
      const Drop drop = parse(host, bytes);
      ASSERT_EQ(drop, value == get16(right, field) ? Drop::none : Drop::icmp_malformed) << value;
    }
  }
}

// Only BAD is bad, only GOOD spares us the work; neither and NONE are verified in software.
TEST(CatalogueA5, WhatTheDeviceSays) {
  const Host host{config()};
  for (const bool v4 : {true, false}) {
    const Bytes right = tcp_frame(v4, pattern(3));
    Bytes wrong = right;
    wrong.back() ^= std::byte{1};
    EXPECT_EQ(parse(host, right, 0), Drop::none);
    EXPECT_EQ(parse(host, wrong, 0), Drop::tcp_bad_checksum);
    EXPECT_EQ(parse(host, right, kGood), Drop::none);
    EXPECT_EQ(parse(host, wrong, kGood), Drop::none);
    EXPECT_EQ(parse(host, right, Frame::kL4ChecksumBad), Drop::tcp_bad_checksum);
    // Both bits: a device that contradicts itself is not believed.
    EXPECT_EQ(parse(host, right, Frame::kL4ChecksumBad | kGood), Drop::tcp_bad_checksum);
  }
  Bytes wrong = tcp_frame(true);
  wrong[24] ^= std::byte{1};
  EXPECT_EQ(parse(host, wrong, Frame::kIpChecksumGood), Drop::none);
  EXPECT_EQ(parse(host, wrong, Frame::kL4ChecksumGood), Drop::ip_bad_checksum);
  EXPECT_EQ(parse(host, tcp_frame(true), Frame::kIpChecksumBad), Drop::ip_bad_checksum);
  // No device's word is taken for ICMP.
  const Ip ip{};
  Bytes echo = icmp_frame(ip, 8, 0, bytes_of({1, 2, 3, 4}));
  echo.back() ^= std::byte{1};
  EXPECT_EQ(parse(host, echo, kGood), Drop::icmp_malformed);
}

TEST(CatalogueA5, AMillionBadFramesTakeNothing) {
  Host host{config()};
  Sink sink;
  Bytes bytes = tcp_frame(true, pattern(11));
  bytes.back() ^= std::byte{0x40};
  Bytes echo = icmp_frame({}, 8, 0, bytes_of({1, 2, 3, 4}));
  echo.back() ^= std::byte{0x40};
  const ExactFrame frames[] = {ExactFrame(bytes), ExactFrame(echo)};
  host.advance(at(0s), sink);
  const std::uint64_t before = sink.sent;
  Packet packet;
  for (int i = 0; i < 1'000'000; ++i) {
    const Drop drop = host.parse(frames[i & 1].frame(), packet);
    ASSERT_EQ(drop, i % 2 == 0 ? Drop::tcp_bad_checksum : Drop::icmp_malformed);
    host.report_problem(packet, at(1s), sink);
  }
  EXPECT_EQ(sink.out, 0U);
  EXPECT_EQ(sink.sent, before);
  EXPECT_EQ(host.neighbours().live(), 0U);
}

}  // namespace
}  // namespace millrace::net::test
