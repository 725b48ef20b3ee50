// SPDX-License-Identifier: BSD-3-Clause
//
// Catalogue A9: ARP that lies, and ARP in millions. Then what honest ARP does: requests answered
// and learned from, malformed packets dropped, our address defended.
#include <gtest/gtest.h>

#include "tests/dataplane/net/frames.h"

namespace millrace::net::test {
namespace {

constexpr unsigned kRequest = 1, kReply = 2;

struct CatalogueA9 : testing::Test {
  CatalogueA9() : host(quiet(), false) { host.advance(at(0s), sink); }
  static InterfaceConfig quiet() {
    InterfaceConfig c = config();
    c.addresses = {{kOurs4, 8, 1}};  // 198.0.0.0/8: room for a million neighbours
    return c;
  }
  Drop receive_arp(const Arp& arp, Instant now) {
    return receive(host, arp_frame(arp), now, sink).drop;
  }
  /// Resolved to that address, or nothing.
  std::optional<MacAddress> mac_of(const Address& a, Instant now) {
    const LinkHeader* link = host.resolve(a, now, sink);
    if (link == nullptr) return std::nullopt;
    return get_mac(link->bytes, 0);
  }
  /// Makes `a` a proven neighbour at `mac`: we ask, it answers.
  void prove(const Address& a, const MacAddress& mac, Instant now) {
    EXPECT_EQ(mac_of(a, now), std::nullopt);
    EXPECT_EQ(receive_arp({kReply, mac, a, kOurMac, kOurs4}, now), Drop::none);
    EXPECT_EQ(mac_of(a, now), mac);
    (void)sink.take();
  }
  Sink sink;
  Host host;
};

TEST_F(CatalogueA9, AnUnsolicitedReplyMakesNoEntry) {
  EXPECT_EQ(receive_arp({kReply, kPeerMac, kPeer4, kOurMac, kOurs4}, at(0s)),
            Drop::arp_unsolicited);
  EXPECT_EQ(host.neighbours().live(), 0U);
  // Nor does gratuitous ARP, as reply or as request.
  EXPECT_EQ(receive_arp({kReply, kPeerMac, kPeer4, kBroadcast, kPeer4}, at(0s)),
            Drop::arp_not_for_us);
  EXPECT_EQ(receive_arp({kRequest, kPeerMac, kPeer4, {}, kPeer4}, at(0s)), Drop::arp_not_for_us);
  EXPECT_EQ(host.neighbours().live(), 0U);
  EXPECT_TRUE(sink.take().empty());
}

TEST_F(CatalogueA9, AnUnsolicitedReplyReplacesNoLiveEntry) {
  prove(kPeer4, kPeerMac, at(0s));
  for (const unsigned operation : {kReply, kRequest}) {
    for (int i = 0; i < 1000; ++i) {
      (void)receive_arp({operation, kOtherMac, kPeer4, kOurMac, kOurs4}, at(10ms));
      EXPECT_EQ(mac_of(kPeer4, at(20ms)), kPeerMac);
    }
  }
  EXPECT_EQ(host.neighbours().live(), 1U);
}

// The liar makes us ask, and the true owner answers: nothing has changed.
TEST_F(CatalogueA9, DoubtIsCheckedWithTheOwner) {
  prove(kPeer4, kPeerMac, at(0s));
  (void)receive_arp({kReply, kOtherMac, kPeer4, kOurMac, kOurs4}, at(2s));
  host.advance(at(2s + 20ms), sink);
  auto sent = sink.take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(get_mac(sent[0], 0), kPeerMac);  // asked where we knew it to be
  // The liar goes on while we ask: still not believed.
  EXPECT_EQ(receive_arp({kReply, kOtherMac, kPeer4, kOurMac, kOurs4}, at(2100ms)),
            Drop::arp_unsolicited);
  EXPECT_EQ(receive_arp({kReply, kPeerMac, kPeer4, kOurMac, kOurs4}, at(2200ms)), Drop::none);
  EXPECT_EQ(mac_of(kPeer4, at(2300ms)), kPeerMac);
}

// But a neighbour that really moved is found again after the old place stayed silent.
TEST_F(CatalogueA9, ANeighbourThatMovedIsFoundAgain) {
  prove(kPeer4, kPeerMac, at(0s));
  (void)receive_arp({kRequest, kOtherMac, kPeer4, {}, kPeer4}, at(2s));  // it says so itself
  for (Duration t = 2s; t < 7s; t += 50ms) host.advance(at(t), sink);
  (void)sink.take();
  EXPECT_EQ(mac_of(kPeer4, at(7s)), std::nullopt);
  const auto sent = sink.take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(get_mac(sent[0], 0), kBroadcast);
  EXPECT_EQ(receive_arp({kReply, kOtherMac, kPeer4, kOurMac, kOurs4}, at(7s)), Drop::none);
  EXPECT_EQ(mac_of(kPeer4, at(7s)), kOtherMac);
}

TEST_F(CatalogueA9, StrangersMakeUsAskOnceASecondAtMost) {
  prove(kPeer4, kPeerMac, at(0s));
  std::size_t asked = 0;
  for (Duration t = 2s; t < 12s; t += 1ms) {
    (void)receive_arp({kReply, kOtherMac, kPeer4, kOurMac, kOurs4}, at(t));
    host.advance(at(t), sink);
    for (const Bytes& b : sink.take()) {
      if (get16(b, 20) != kRequest) continue;
      ++asked;
      (void)receive_arp({kReply, kPeerMac, kPeer4, kOurMac, kOurs4}, at(t));
    }
  }
  EXPECT_GE(asked, 5U);
  EXPECT_LE(asked, 11U);
}

TEST_F(CatalogueA9, AMillionSenders) {
  prove(kPeer4, kPeerMac, at(0s));
  sink.keep = false;
  const ExactFrame exact(arp_frame({.sender_mac = {0x02, 0x07, 0, 0, 0, 0}}));
  Packet packet;
  for (std::uint32_t i = 0; i < 1'000'000; ++i) {
    const Instant now = at(i * 1us);
    // 198.64.0.0 and up, each with a MAC address of its own, in the frame and in the packet.
    std::byte* const p = exact.frame().data;
    const std::uint32_t sender = 0xc640'0000 + i;
    for (std::size_t n = 0; n < 4; ++n) {
      p[28 + n] = static_cast<std::byte>(sender >> (24 - 8 * n));
      p[8 + n] = p[24 + n] = static_cast<std::byte>(i >> (24 - 8 * n));
    }
    ASSERT_EQ(host.parse(exact.frame(), packet), Drop::none);
    ASSERT_EQ(host.input(packet, Host::Mode::answer, now, sink).drop, Drop::none);
    if (i % 1000 == 0) {
      // The proven one is there all the time, without a question.
      ASSERT_EQ(mac_of(kPeer4, now), kPeerMac);
      host.advance(now, sink);
    }
  }
  EXPECT_LE(host.neighbours().live(), 1024U);
  EXPECT_EQ(host.neighbours().live(), 1024U);
  EXPECT_EQ(sink.out, 0U);
}

TEST_F(CatalogueA9, UnprovenNeverTakesThePlaceOfProven) {
  InterfaceConfig c = quiet();
  c.max_neighbours = 8;
  Host small(c, false);
  small.advance(at(0s), sink);
  for (std::uint32_t i = 0; i < 8; ++i) {
    const Address a = Address::v4(0xc600'0010 + i);
    EXPECT_EQ(small.resolve(a, at(0s), sink), nullptr);
    EXPECT_EQ(receive(small, arp_frame({kReply, kPeerMac, a, kOurMac, kOurs4}), at(0s), sink).drop,
              Drop::none);
  }
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const Arp stranger{kRequest, kOtherMac, Address::v4(0xc640'0000 + i), {}, kOurs4};
    EXPECT_EQ(receive(small, arp_frame(stranger), at(1ms), sink).drop, Drop::neighbour_table_full);
  }
  for (std::uint32_t i = 0; i < 8; ++i) {
    EXPECT_NE(small.resolve(Address::v4(0xc600'0010 + i), at(2ms), sink), nullptr);
  }
  // Each stranger was answered all the same: that needs no entry.
  EXPECT_EQ(small.stats().answers_sent, 1000U);
}

// Proven and then unused is still worth more to us than a stranger; our own need may displace it.
TEST_F(CatalogueA9, NeitherDoesItOfProvenAndStale) {
  InterfaceConfig c = quiet();
  c.max_neighbours = 4;
  Host small(c, false);
  for (std::uint32_t i = 0; i < 4; ++i) {
    const Address a = Address::v4(0xc600'0010 + i);
    (void)small.resolve(a, at(0s), sink);
    (void)receive(small, arp_frame({kReply, kPeerMac, a, kOurMac, kOurs4}), at(0s), sink);
  }
  for (Duration t = 0s; t < 50s; t += 10ms) small.advance(at(t), sink);
  ASSERT_EQ(small.neighbours().live(), 4U);
  const Arp stranger{kRequest, kOtherMac, Address::v4(0xc640'0000), {}, kOurs4};
  EXPECT_EQ(receive(small, arp_frame(stranger), at(50s), sink).drop, Drop::neighbour_table_full);
  (void)small.resolve(Address::v4(0xc640'0001), at(50s), sink);
  EXPECT_EQ(small.stats().neighbours_evicted, 1U);
  EXPECT_EQ(small.neighbours().live(), 4U);
}

TEST_F(CatalogueA9, OurOwnNeedDisplacesTheUnprovenFirst) {
  InterfaceConfig c = quiet();
  c.max_neighbours = 4;
  Host small(c, false);
  const auto address = [](std::uint32_t i) { return Address::v4(0xc600'0010 + i); };
  for (std::uint32_t i = 0; i < 4; ++i) {
    if (i != 2) (void)small.resolve(address(i), at(0s), sink);
    const unsigned operation = i == 2 ? kRequest : kReply;
    (void)receive(small, arp_frame({operation, kPeerMac, address(i), kOurMac, kOurs4}), at(0s),
                  sink);
  }
  for (Duration t = 0s; t < 50s; t += 10ms) small.advance(at(t), sink);
  (void)small.resolve(Address::v4(0xc640'0001), at(50s), sink);
  EXPECT_EQ(small.neighbours().find(address(2)), kNil);
  for (const std::uint32_t i : {0U, 1U, 3U}) EXPECT_NE(small.neighbours().find(address(i)), kNil);
}

// An unproven neighbour in use that asks from another MAC address is put to the proof anew.
TEST_F(CatalogueA9, AChangedStrangerIsDoubtedAgain) {
  EXPECT_EQ(receive_arp({}, at(0s)), Drop::none);
  EXPECT_EQ(mac_of(kPeer4, at(0s)), kPeerMac);
  EXPECT_EQ(receive_arp({.sender_mac = kOtherMac}, at(1s)), Drop::none);
  EXPECT_EQ(mac_of(kPeer4, at(2s)), kOtherMac);
  const std::uint32_t index = host.neighbours().find(kPeer4);
  EXPECT_EQ(host.neighbours().at(index).state, NeighbourState::delay);
  (void)sink.take();
  host.advance(at(7100ms), sink);
  ASSERT_EQ(sink.take().size(), 1U);  // the question that proves it
}

TEST_F(CatalogueA9, SixteenFramesWaitForANeighbour) {
  EXPECT_EQ(mac_of(kPeer4, at(0s)), std::nullopt);
  for (std::uint32_t i = 0; i < 20; ++i) {
    Frame f;
    ASSERT_TRUE(sink.allocate(f));
    f.length = 60;
    const bool parked = host.park(kPeer4, f);
    EXPECT_EQ(parked, i < 16);
    if (!parked) sink.release(f);
  }
  EXPECT_EQ(host.parked_frames(), 16U);
  host.release_parked(sink);
  EXPECT_EQ(sink.out, 0U);
}

TEST_F(CatalogueA9, ManyUnresolvedHoldABoundedNumberOfFrames) {
  std::size_t parked = 0;
  for (std::uint32_t n = 0; n < 100; ++n) {
    const Address a = Address::v4(0xc640'0000 + n);
    (void)mac_of(a, at(0s));
    for (int i = 0; i < 20; ++i) {
      Frame f;
      ASSERT_TRUE(sink.allocate(f));
      f.length = 60;
      if (host.park(a, f)) {
        ++parked;
      } else {
        sink.release(f);
      }
    }
  }
  EXPECT_EQ(parked, Host::kMaxParked);
  EXPECT_EQ(sink.out, Host::kMaxParked);
  for (Duration t = 0s; t < 6s; t += 100ms) host.advance(at(t), sink);
  EXPECT_EQ(sink.out, 0U);  // nobody answered: released, and counted
  EXPECT_EQ(host.stats().unresolved_drops, Host::kMaxParked);
  EXPECT_EQ(host.neighbours().live(), 0U);
}

// ---- honest ARP

TEST_F(CatalogueA9, ARequestIsAnsweredAndLearnedFrom) {
  EXPECT_EQ(receive_arp({}, at(0s)), Drop::none);
  const auto sent = sink.take();
  ASSERT_EQ(sent.size(), 1U);
  const Bytes expected = frame({.to = kPeerMac, .from = kOurMac, .tags = {}, .ethertype = 0x0806},
                               arp_packet({kReply, kOurMac, kOurs4, kPeerMac, kPeer4}));
  EXPECT_EQ(sent[0], expected);
  // Its owner is used at once, and asked after a while whether it is really there.
  EXPECT_EQ(mac_of(kPeer4, at(0s)), kPeerMac);
  for (Duration t = 0s; t < 5s; t += 10ms) host.advance(at(t), sink);
  EXPECT_TRUE(sink.take().empty());
  host.advance(at(5100ms), sink);
  const auto asked = sink.take();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(get_mac(asked[0], 0), kPeerMac);
  EXPECT_EQ(get16(asked[0], 20), kRequest);
}

TEST_F(CatalogueA9, AProbeIsAnsweredButNotLearned) {
  EXPECT_EQ(receive_arp({kRequest, kPeerMac, Address::v4(0), {}, kOurs4}, at(0s)), Drop::none);
  EXPECT_EQ(sink.take().size(), 1U);
  EXPECT_EQ(host.neighbours().live(), 0U);
}

TEST_F(CatalogueA9, WhoIsNotOnTheLinkIsNotLearned) {
  EXPECT_EQ(receive_arp({kRequest, kPeerMac, Address::v4(0x0a000001), {}, kOurs4}, at(0s)),
            Drop::none);
  EXPECT_EQ(host.neighbours().live(), 0U);
}

TEST_F(CatalogueA9, LearningAloneSendsNothing) {
  EXPECT_EQ(receive(host, arp_frame({}), at(0s), sink, Host::Mode::learn).drop, Drop::none);
  EXPECT_TRUE(sink.take().empty());
  EXPECT_EQ(mac_of(kPeer4, at(0s)), kPeerMac);
}

TEST_F(CatalogueA9, ForOthers) {
  EXPECT_EQ(receive_arp({kRequest, kPeerMac, kPeer4, {}, kOther4}, at(0s)), Drop::arp_not_for_us);
  EXPECT_EQ(host.neighbours().live(), 0U);
  EXPECT_TRUE(sink.take().empty());
}

TEST_F(CatalogueA9, SendersThatCannotBe) {
  MacAddress group = kPeerMac;
  group[0] |= 1;
  Arp arp;
  const auto with_frame_mac = [&](const Arp& a) {
    Bytes b = arp_frame(a);
    for (std::size_t i = 0; i < 6; ++i) b[6 + i] = static_cast<std::byte>(kPeerMac[i]);
    return receive(host, b, at(0s), sink).drop;
  };
  arp.sender_mac = group;
  EXPECT_EQ(with_frame_mac(arp), Drop::arp_malformed);
  arp.sender_mac = {};
  EXPECT_EQ(with_frame_mac(arp), Drop::arp_malformed);
  arp.sender_mac = kOurMac;
  EXPECT_EQ(with_frame_mac(arp), Drop::ip_bad_source);
  for (const std::uint32_t sender : {0x7f000001U, 0xe0000001U, 0xffffffffU, 0xc6ffffffU}) {
    EXPECT_EQ(with_frame_mac({kRequest, kPeerMac, Address::v4(sender), {}, kOurs4}),
              Drop::ip_bad_source);
  }
  EXPECT_EQ(host.neighbours().live(), 0U);
  EXPECT_TRUE(sink.take().empty());
  // A frame that claims to come from a group, or from ourselves.
  EXPECT_EQ(
      receive(host, frame({kBroadcast, group, {}, 0x0806}, arp_packet({})), at(0s), sink).drop,
      Drop::ip_bad_source);
  EXPECT_EQ(
      receive(host, frame({kBroadcast, kOurMac, {}, 0x0806}, arp_packet({})), at(0s), sink).drop,
      Drop::ip_bad_source);
}

TEST_F(CatalogueA9, EveryTypeLengthAndOperation) {
  const Bytes right = arp_frame({});
  for (std::size_t field = 14; field < 22; ++field) {
    for (unsigned value = 0; value < 256; ++value) {
      Bytes b = right;
      b[field] = static_cast<std::byte>(value);
      const bool same = b[field] == right[field];
      const bool reply = field == 21 && value == 2;
      EXPECT_EQ(parse(host, b), same || reply ? Drop::none : Drop::arp_malformed) << field;
    }
  }
  for (std::size_t size = 14; size < right.size(); ++size) {
    EXPECT_EQ(parse(host, std::span(right).first(size)), Drop::arp_malformed) << size;
  }
}

TEST_F(CatalogueA9, OurAddressIsDefendedNowAndThen) {
  for (Duration t = 0s; t < 25s; t += 100ms) {
    EXPECT_EQ(receive_arp({kRequest, kOtherMac, kOurs4, {}, kOurs4}, at(t)), Drop::ip_bad_source);
  }
  const auto sent = sink.take();
  ASSERT_EQ(sent.size(), 3U);  // at 0, 10 and 20 s
  const Bytes expected =
      frame({kBroadcast, kOurMac, {}, 0x0806}, arp_packet({kRequest, kOurMac, kOurs4, {}, kOurs4}));
  EXPECT_EQ(sent[0], expected);
  EXPECT_EQ(host.stats().address_conflicts, 250U);
}

}  // namespace
}  // namespace millrace::net::test
