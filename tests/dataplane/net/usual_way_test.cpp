// SPDX-License-Identifier: BSD-3-Clause
//
// The short way that most frames take must say what the long way says: a parser that has seen the
// addresses against one that has not, over every one-byte change of a usual frame and every length.
#include <gtest/gtest.h>

#include "tests/dataplane/net/frames.h"
#include "tests/support/random.h"

namespace millrace::net::test {
namespace {

struct UsualFrames : testing::TestWithParam<bool> {
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
  const bool v4 = GetParam();
  const Bytes usual = tcp_frame(v4, pattern(6));
};
INSTANTIATE_TEST_SUITE_P(Families, UsualFrames, testing::Bool(),
                         [](const auto& family) { return family.param ? "v4" : "v6"; });

constexpr std::uint16_t kIpGood = Frame::kIpChecksumGood, kIpBad = Frame::kIpChecksumBad;
constexpr std::uint16_t kL4Good = Frame::kL4ChecksumGood, kL4Bad = Frame::kL4ChecksumBad;
constexpr std::uint16_t kAllFlags[] = {0,      kIpGood, kL4Good,         kIpGood | kL4Good,
                                       kIpBad, kL4Bad,  kIpBad | kL4Good};

// A way that nothing takes would pass every other test here.
TEST_P(UsualFrames, TakeTheShortWay) {
  for (const std::size_t payload : {0U, 1U, 6U, 64U, 1400U}) {
    for (const std::uint16_t flags : kAllFlags) {
      const ExactFrame exact(tcp_frame(v4, pattern(payload)), flags);
      Packet packet;
      EXPECT_EQ(seen.parse_usual(exact.frame(), packet), (flags & (kIpBad | kL4Bad)) == 0)
          << payload << " " << flags;
    }
  }
}

TEST_P(UsualFrames, EveryChangeOfOneByte) {
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

TEST_P(UsualFrames, EveryLengthOfFrameAndPacket) {
  for (const std::uint16_t flags : kAllFlags) {
    for (std::size_t size = 0; size <= usual.size() + 10; ++size) {
      for (unsigned total = 0; total < 70; ++total) {
        Bytes changed = usual;
        set16(changed, v4 ? 16 : 18, total);
        changed.resize(size);
        compare(changed, flags);
      }
    }
  }
}

TEST_P(UsualFrames, EveryTotalLength) {
  for (unsigned total = 0; total <= 0xffff; ++total) {
    Bytes changed = usual;
    set16(changed, v4 ? 16 : 18, total);
    compare(changed, kIpGood | kL4Good);
  }
}

TEST_P(UsualFrames, RandomAddressesDoNotSlipThroughTheMemo) {
  millrace::test::Random random(1);
  const auto pick = [&] {
    const std::uint32_t some[] = {
        0,          1,          0xffffffff, 0x7f000001,
        0xc6120001, 0xc6120002, 0xc61200ff, static_cast<std::uint32_t>(random.next())};
    return random.pick(some);
  };
  const auto pick6 = [&] {
    const Address some[] = {Address{},
                            kOurs6,
                            kPeer6,
                            kOther6,
                            all_nodes(),
                            v6(0x100),
                            kOurs4,
                            v6(0x8000U),
                            solicited_node_of(kOurs6),
                            v6(static_cast<std::uint16_t>(random.next()))};
    return random.pick(some);
  };
  for (int i = 0; i < 100'000; ++i) {
    Bytes changed = usual;
    for (const std::size_t end : {0U, 1U}) {
      if (v4) {
        const std::uint32_t address = pick();
        set16(changed, 26 + 4 * end, address >> 16);
        set16(changed, 28 + 4 * end, address & 0xffff);
      } else {
        const Address address = pick6();
        std::memcpy(&changed[22 + 16 * end], address.bytes().data(), 16);
      }
    }
    compare(changed, kIpGood | kL4Good);
  }
}

TEST_P(UsualFrames, NothingIsKnownAtFirst) {
  const FrameParser unseen(c, local);
  for (const std::uint64_t word : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    for (const std::size_t words :
         v4 ? std::vector<std::size_t>{1} : std::vector<std::size_t>{1, 4}) {
      Bytes changed = usual;
      std::fill_n(changed.begin() + (v4 ? 26 : 22), v4 ? 8 : 32, std::byte{0});
      for (std::size_t i = 0; i < words; ++i) {
        std::memcpy(&changed[(v4 ? 26 : 22) + 8 * i], &word, sizeof word);
      }
      Packet packet;
      const ExactFrame exact(changed, kIpGood | kL4Good);
      EXPECT_NE(unseen.parse(std::span(&exact.frame(), 1), packet), Drop::none);
    }
  }
}

TEST_P(UsualFrames, TaggedPortsNeverTakeIt) {
  InterfaceConfig tagged = c;
  tagged.vlan = 100;
  const FrameParser parser(tagged, local);
  Packet packet;
  const ExactFrame with(frame({.tags = {{0x8100, 100}}}, std::span(usual).subspan(14)));
  ASSERT_EQ(parser.parse(std::span(&with.frame(), 1), packet), Drop::none);
  const ExactFrame without(usual);
  EXPECT_EQ(parser.parse(std::span(&without.frame(), 1), packet), Drop::vlan_unknown);
}

// Duplicate detection finds another owner of an address from which segments have come already.
TEST(UsualWay, ForgetsAnAddressThatIsGivenUp) {
  Host host(config());
  Sink sink;
  host.advance(at(0s), sink);
  const Bytes usual = tcp_frame(false);
  ASSERT_EQ(parse(host, usual), Drop::none);
  ASSERT_EQ(parse(host, usual), Drop::none);
  (void)receive(host, ndp_frame(136, kOurs6, all_nodes(), kOurs6, 0, 2, kOtherMac), at(1ms), sink);
  ASSERT_EQ(host.stats().addresses_given_up, 1U);
  EXPECT_EQ(parse(host, usual), Drop::ip_not_for_us);
}

}  // namespace
}  // namespace millrace::net::test
