// SPDX-License-Identifier: BSD-3-Clause
//
// The short way that most frames take must say what the long way says: a parser that has seen the
// addresses against one that has not, over every one-byte change of a usual frame and every length.
#include <gtest/gtest.h>

#include "tests/dataplane/net/frames.h"
#include "tests/support/random.h"

namespace millrace::net::test {
namespace {

struct UsualWay : testing::Test {
  void SetUp() override {
    Packet packet;
    const ExactFrame exact(usual);
    ASSERT_EQ(seen.parse(std::span(&exact.frame(), 1), packet), Drop::none);
  }
  /// Both ways over the same frame.
  void compare(std::span<const std::byte> bytes, std::uint16_t flags) {
    const FrameParser unseen(c, local);
    const ExactFrame exact(bytes, flags);
    const std::span<const Frame> pieces(&exact.frame(), 1);
    Packet quick;
    Packet thorough;
    const Drop drop = seen.parse(pieces, quick);
    ASSERT_EQ(drop, unseen.parse(pieces, thorough));
    if (drop != Drop::none) return;
    ASSERT_EQ(quick.source, thorough.source);
    ASSERT_EQ(quick.destination, thorough.destination);
    ASSERT_EQ(quick.l4.data(), thorough.l4.data());
    ASSERT_EQ(quick.l4.size(), thorough.l4.size());
    ASSERT_EQ(quick.l4_bytes, thorough.l4_bytes);
    ASSERT_EQ(quick.link, thorough.link);
    ASSERT_EQ(quick.kind, thorough.kind);
    ASSERT_EQ(quick.ecn, thorough.ecn);
    ASSERT_EQ(quick.hop_limit, thorough.hop_limit);
    ASSERT_EQ(quick.group, thorough.group);
  }

  const InterfaceConfig c = config();
  const LocalAddresses local{c.addresses};
  const FrameParser seen{c, local};
  const Bytes usual = tcp_frame(true, pattern(6));
};

constexpr std::uint16_t kIpGood = Frame::kIpChecksumGood, kIpBad = Frame::kIpChecksumBad;
constexpr std::uint16_t kL4Good = Frame::kL4ChecksumGood, kL4Bad = Frame::kL4ChecksumBad;
constexpr std::uint16_t kAllFlags[] = {0,      kIpGood, kL4Good,         kIpGood | kL4Good,
                                       kIpBad, kL4Bad,  kIpBad | kL4Good};

TEST_F(UsualWay, EveryChangeOfOneByte) {
  for (const std::uint16_t flags : kAllFlags) {
    for (std::size_t at = 0; at < usual.size(); ++at) {
      for (unsigned value = 0; value < 256; ++value) {
        Bytes changed = usual;
        changed[at] = static_cast<std::byte>(value);
        compare(changed, flags);
      }
    }
  }
}

TEST_F(UsualWay, EveryLengthOfFrameAndPacket) {
  for (const std::uint16_t flags : kAllFlags) {
    for (std::size_t size = 0; size <= usual.size() + 10; ++size) {
      for (unsigned total = 0; total < 70; ++total) {
        Bytes changed = usual;
        set16(changed, 16, total);
        changed.resize(size);
        compare(changed, flags);
      }
    }
  }
}

TEST_F(UsualWay, EveryTotalLength) {
  for (unsigned total = 0; total <= 0xffff; ++total) {
    Bytes packet = ip_packet({.total_length = total}, tcp_segment(kPeer4, kOurs4));
    compare(frame({}, packet), kL4Good);
  }
}

TEST_F(UsualWay, RandomAddressesDoNotSlipThroughTheMemo) {
  millrace::test::Random random(1);
  for (int i = 0; i < 200'000; ++i) {
    Bytes changed = usual;
    const auto pick = [&] {
      const std::uint32_t some[] = {
          0,          1,          0xffffffff, 0x7f000001,
          0xc6120001, 0xc6120002, 0xc61200ff, static_cast<std::uint32_t>(random.next())};
      return random.pick(some);
    };
    const std::uint32_t source = pick();
    const std::uint32_t destination = pick();
    set16(changed, 26, source >> 16);
    set16(changed, 28, source & 0xffff);
    set16(changed, 30, destination >> 16);
    set16(changed, 32, destination & 0xffff);
    compare(changed, kIpGood | kL4Good);
  }
}

TEST_F(UsualWay, NothingIsKnownAtFirst) {
  const FrameParser unseen(c, local);
  for (const std::uint64_t pair : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    Bytes changed = usual;
    std::memcpy(&changed[26], &pair, sizeof pair);
    Packet packet;
    const ExactFrame exact(changed, kIpGood | kL4Good);
    EXPECT_NE(unseen.parse(std::span(&exact.frame(), 1), packet), Drop::none);
  }
}

TEST_F(UsualWay, TaggedPortsNeverTakeIt) {
  InterfaceConfig tagged = c;
  tagged.vlan = 100;
  const FrameParser parser(tagged, local);
  Packet packet;
  const ExactFrame with(frame({.tags = {{0x8100, 100}}}, std::span(usual).subspan(14)));
  ASSERT_EQ(parser.parse(std::span(&with.frame(), 1), packet), Drop::none);
  const ExactFrame without(usual);
  EXPECT_EQ(parser.parse(std::span(&without.frame(), 1), packet), Drop::vlan_unknown);
}

}  // namespace
}  // namespace millrace::net::test
