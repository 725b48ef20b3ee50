// SPDX-License-Identifier: BSD-3-Clause
//
// From destination to link header: routes, parking, and a neighbour's life from the first question
// to oblivion (RFC 4861 §7.3.2), on both families.
#include <gtest/gtest.h>

#include "tests/dataplane/net/frames.h"

namespace millrace::net::test {
namespace {

class Resolve : public testing::TestWithParam<bool> {
 protected:
  Resolve() { host.advance(at(-10s), sink); }
  [[nodiscard]] bool v4() const { return GetParam(); }
  [[nodiscard]] Address ours() const { return v4() ? kOurs4 : kOurs6; }
  [[nodiscard]] Address peer() const { return v4() ? kPeer4 : kPeer6; }
  [[nodiscard]] Bytes answer(const Address& who, const MacAddress& mac) const {
    if (who.is_v4()) return arp_frame({2, mac, who, kOurMac, kOurs4});
    return ndp_frame(136, who, kOurs6, who, 0x6000'0000, 2, mac);
  }
  Drop give(const Bytes& bytes, Instant now) { return receive(host, bytes, now, sink).drop; }
  [[nodiscard]] NeighbourState state() const {
    return host.neighbours().at(host.neighbours().find(peer())).state;
  }
  [[nodiscard]] bool known() const { return host.neighbours().find(peer()) != kNil; }
  /// Lets time pass in steps; returns the frames sent meanwhile.
  std::vector<Bytes> pass(Duration from, Duration to, bool using_it = false) {
    std::vector<Bytes> all;
    for (Duration t = from; t < to; t += 10ms) {
      if (using_it) (void)host.resolve(peer(), at(t), sink);
      host.advance(at(t), sink);
      for (Bytes& b : sink.take()) all.push_back(std::move(b));
    }
    return all;
  }
  Sink sink;
  Host host{config(), false};
};
INSTANTIATE_TEST_SUITE_P(Family, Resolve, testing::Bool(),
                         [](const auto& p) { return p.param ? "v4" : "v6"; });

TEST_P(Resolve, TheHeaderOnceItIsKnown) {
  EXPECT_EQ(host.resolve(peer(), at(0s), sink), nullptr);
  EXPECT_EQ(sink.take().size(), 1U);
  EXPECT_EQ(host.resolve(peer(), at(0s), sink), nullptr);
  EXPECT_TRUE(sink.take().empty());  // asked once
  EXPECT_EQ(give(answer(peer(), kPeerMac), at(1ms)), Drop::none);
  const LinkHeader* link = host.resolve(peer(), at(2ms), sink);
  ASSERT_NE(link, nullptr);
  EXPECT_EQ(link->length, 14);
  EXPECT_EQ(host.link_bytes(), 14U);
  const Bytes expected =
      frame({.to = kPeerMac, .from = kOurMac, .tags = {}, .ethertype = v4() ? 0x0800 : 0x86dd}, {});
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), link->bytes.begin()));
  EXPECT_EQ(host.resolve(peer(), at(3ms), sink), link);  // from the cache
}

TEST_P(Resolve, AHostReachesWhoHasAnswered) {
  EXPECT_FALSE(host.reaches(peer(), at(0s), sink));
  EXPECT_EQ(sink.take().size(), 1U);  // asked on the way
  EXPECT_EQ(give(answer(peer(), kPeerMac), at(1ms)), Drop::none);
  EXPECT_TRUE(host.reaches(peer(), at(2ms), sink));
}

TEST_P(Resolve, AHostReachesNobodyFromAnAddressThatMayBeAnothers) {
  Host starting{config(), true};
  starting.advance(at(0s), sink);
  (void)sink.take();
  EXPECT_FALSE(starting.reaches(peer(), at(999ms), sink));
  // Over IPv6 a question would have to go without our link address; many would not answer.
  EXPECT_EQ(sink.take().size(), v4() ? 1U : 0U);
  EXPECT_FALSE(starting.reaches(peer(), at(1s), sink));
  EXPECT_EQ(sink.take().size(), v4() ? 0U : 1U);
}

TEST_P(Resolve, ParkedFramesGoInOrder) {
  (void)host.resolve(peer(), at(0s), sink);
  (void)sink.take();
  for (unsigned i = 0; i < 3; ++i) {
    Frame f;
    ASSERT_TRUE(sink.allocate(f));
    f.length = 30;
    for (std::size_t n = 0; n < 30; ++n) f.data[n] = static_cast<std::byte>(0xa0 + i);
    ASSERT_TRUE(host.park(peer(), f));
  }
  EXPECT_EQ(give(answer(peer(), kPeerMac), at(1ms)), Drop::none);
  const auto sent = sink.take();
  ASSERT_EQ(sent.size(), 3U);
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_EQ(get_mac(sent[i], 0), kPeerMac);
    EXPECT_EQ(get16(sent[i], 12), v4() ? 0x0800U : 0x86ddU);
    EXPECT_EQ(get8(sent[i], 14), 0xa0 + i);  // nothing behind the link header is touched
    EXPECT_EQ(get8(sent[i], 29), 0xa0 + i);
  }
  EXPECT_EQ(sink.out, 0U);
  EXPECT_EQ(host.parked_frames(), 0U);
}

TEST_P(Resolve, ItsOwnQuestionAnswersOurs) {
  (void)host.resolve(peer(), at(0s), sink);
  (void)sink.take();
  Frame f;
  ASSERT_TRUE(sink.allocate(f));
  f.length = 60;
  ASSERT_TRUE(host.park(peer(), f));
  const Bytes question =
      v4() ? arp_frame({})
           : ndp_frame(135, kPeer6, solicited_node_of(kOurs6), kOurs6, 0, 1, kPeerMac);
  EXPECT_EQ(give(question, at(1ms)), Drop::none);
  EXPECT_EQ(sink.take().size(), 2U);  // what waited, and our answer
  EXPECT_NE(host.resolve(peer(), at(2ms), sink), nullptr);
}

TEST_P(Resolve, ThreeQuestionsThenNothing) {
  EXPECT_EQ(host.resolve(peer(), at(0s), sink), nullptr);
  Frame f;
  ASSERT_TRUE(sink.allocate(f));
  f.length = 60;
  ASSERT_TRUE(host.park(peer(), f));
  const auto first = sink.take();
  const auto more = pass(0s, 10s);
  EXPECT_EQ(first.size() + more.size(), 3U);
  for (const Bytes& b : more) {
    EXPECT_EQ(get_mac(b, 0), v4() ? kBroadcast : (MacAddress{0x33, 0x33, 0xff, 0, 0, 2}));
  }
  EXPECT_FALSE(known());
  EXPECT_EQ(sink.released, 1U);
  EXPECT_EQ(host.stats().unresolved_drops, 1U);
  // The next packet begins anew.
  EXPECT_EQ(host.resolve(peer(), at(10s), sink), nullptr);
  EXPECT_EQ(sink.take().size(), 1U);
}

TEST_P(Resolve, UnusedItIsForgotten) {
  (void)host.resolve(peer(), at(0s), sink);
  (void)give(answer(peer(), kPeerMac), at(0s));
  (void)sink.take();
  EXPECT_EQ(state(), NeighbourState::reachable);
  EXPECT_TRUE(pass(0s, 46s).empty());
  EXPECT_EQ(state(), NeighbourState::stale);
  EXPECT_TRUE(pass(46s, 107s).empty());
  EXPECT_FALSE(known());
}

TEST_P(Resolve, UsedItIsAskedAndKept) {
  (void)host.resolve(peer(), at(0s), sink);
  (void)give(answer(peer(), kPeerMac), at(0s));
  (void)sink.take();
  int questions = 0;
  for (Duration t = 0s; t < 300s; t += 10ms) {
    ASSERT_NE(host.resolve(peer(), at(t), sink), nullptr) << t.count();
    host.advance(at(t), sink);
    for (const Bytes& b : sink.take()) {
      ++questions;
      EXPECT_EQ(get_mac(b, 0), kPeerMac);
      EXPECT_EQ(give(answer(peer(), kPeerMac), at(t)), Drop::none);
    }
  }
  // Every 15 to 45 s.
  EXPECT_GE(questions, 6);
  EXPECT_LE(questions, 20);
}

TEST_P(Resolve, UsedButSilentItIsAskedThreeTimesAndDropped) {
  (void)host.resolve(peer(), at(0s), sink);
  (void)give(answer(peer(), kPeerMac), at(0s));
  (void)sink.take();
  const auto sent = pass(0s, 60s, true);
  // Three to itself, and then, because it is still in use, again and again to all.
  ASSERT_GE(sent.size(), 6U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(get_mac(sent[i], 0), kPeerMac) << i;
  for (std::size_t i = 3; i < sent.size(); ++i) EXPECT_NE(get_mac(sent[i], 0), kPeerMac) << i;
  EXPECT_EQ(host.resolve(peer(), at(60s), sink), nullptr);
}

TEST_P(Resolve, StaleAndUsedAgainItIsAskedAfterFiveSeconds) {
  (void)host.resolve(peer(), at(0s), sink);
  (void)give(answer(peer(), kPeerMac), at(0s));
  (void)sink.take();
  EXPECT_TRUE(pass(0s, 46s).empty());
  EXPECT_NE(host.resolve(peer(), at(46s), sink), nullptr);
  EXPECT_EQ(state(), NeighbourState::delay);
  EXPECT_TRUE(pass(46s, 50900ms).empty());
  const auto sent = pass(50900ms, 51100ms);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(get_mac(sent[0], 0), kPeerMac);
  EXPECT_EQ(give(answer(peer(), kPeerMac), at(51100ms)), Drop::none);
  EXPECT_EQ(state(), NeighbourState::reachable);
}

// Also when its header is still in the cache from earlier use.
TEST_P(Resolve, StaleInTheCacheIsNoticed) {
  (void)host.resolve(peer(), at(0s), sink);
  (void)give(answer(peer(), kPeerMac), at(0s));
  (void)sink.take();
  ASSERT_NE(host.resolve(peer(), at(0s), sink), nullptr);
  EXPECT_EQ(pass(0s, 46s).size(), 3U);  // it was used, so it is asked
  ASSERT_FALSE(known());
  (void)host.resolve(peer(), at(50s), sink);
  (void)give(answer(peer(), kPeerMac), at(50s));
  ASSERT_NE(host.resolve(peer(), at(50s), sink), nullptr);
  (void)sink.take();
  Duration t = 50s;
  while (pass(t, t + 10ms).empty()) t += 10ms;
  EXPECT_EQ(give(answer(peer(), kPeerMac), at(t)), Drop::none);  // reachable, cached and unused
  EXPECT_TRUE(pass(t, t + 46s).empty());
  EXPECT_EQ(state(), NeighbourState::stale);
  ASSERT_NE(host.resolve(peer(), at(t + 46s), sink), nullptr);
  EXPECT_EQ(state(), NeighbourState::delay);
}

TEST_P(Resolve, ACachedHeaderFollowsItsNeighbour) {
  (void)host.resolve(peer(), at(0s), sink);
  (void)give(answer(peer(), kPeerMac), at(0s));
  const LinkHeader* link = host.resolve(peer(), at(0s), sink);
  ASSERT_NE(link, nullptr);
  // Gone: the cache must not give it any more.
  (void)pass(0s, 110s);
  ASSERT_FALSE(known());
  EXPECT_EQ(host.resolve(peer(), at(110s), sink), nullptr);
  EXPECT_EQ(give(answer(peer(), kOtherMac), at(110s)), Drop::none);
  link = host.resolve(peer(), at(110s), sink);
  ASSERT_NE(link, nullptr);
  EXPECT_EQ(get_mac(link->bytes, 0), kOtherMac);
}

TEST_P(Resolve, NowhereToGo) {
  const Address far = v4() ? Address::v4(0x08080808) : Address::v6({0x20, 0x01, 0x48, 0x60});
  EXPECT_EQ(host.resolve(far, at(0s), sink), nullptr);
  EXPECT_EQ(host.resolve(ours(), at(0s), sink), nullptr);
  EXPECT_EQ(host.resolve(Address{}, at(0s), sink), nullptr);
  if (v4()) {
    EXPECT_EQ(host.resolve(Address::v4(0xc61200ff), at(0s), sink), nullptr);
    EXPECT_EQ(host.resolve(Address::v4(0xffffffff), at(0s), sink), nullptr);
    EXPECT_EQ(host.resolve(Address::v4(0x7f000001), at(0s), sink), nullptr);
  } else {
    EXPECT_EQ(host.resolve(all_nodes(), at(0s), sink), nullptr);
  }
  EXPECT_TRUE(sink.take().empty());
  EXPECT_FALSE(host.park(far, Frame{}));
  EXPECT_EQ(host.neighbours().live(), 0U);
}

TEST_P(Resolve, ByWayOfTheGateway) {
  InterfaceConfig c = config();
  c.routes = {{v4() ? Address::v4(0) : Address{}, 0, peer()}};
  Host routed(c, false);
  routed.advance(at(-10s), sink);
  const Address far = v4() ? Address::v4(0x08080808) : Address::v6({0x20, 0x01, 0x48, 0x60});
  const Address farther = v4() ? Address::v4(0x08080404) : Address::v6({0x20, 0x01, 0x48, 0x61});
  EXPECT_EQ(routed.resolve(far, at(0s), sink), nullptr);
  const auto sent = sink.take();
  ASSERT_EQ(sent.size(), 1U);  // asks for the gateway
  EXPECT_EQ(get_address(sent[0], v4() ? 38 : 62, v4()), peer());
  Frame f;
  ASSERT_TRUE(sink.allocate(f));
  f.length = 60;
  EXPECT_TRUE(routed.park(farther, f));
  EXPECT_EQ(receive(routed, answer(peer(), kPeerMac), at(0s), sink).drop, Drop::none);
  EXPECT_EQ(sink.take().size(), 1U);
  EXPECT_NE(routed.resolve(far, at(0s), sink), nullptr);
  EXPECT_NE(routed.resolve(farther, at(0s), sink), nullptr);
  EXPECT_EQ(routed.neighbours().live(), 1U);
}

TEST_P(Resolve, WithoutFramesTheQuestionComesLater) {
  sink.dry = true;
  EXPECT_EQ(host.resolve(peer(), at(0s), sink), nullptr);
  sink.dry = false;
  EXPECT_EQ(pass(0s, 1500ms).size(), 1U);
}

TEST(ResolveMany, DestinationsShareTheCacheWithoutMixing) {
  InterfaceConfig c = config();
  c.addresses = {{kOurs4, 16, 1}};
  c.max_neighbours = 4096;
  Host host(c, false);
  Sink sink;
  const auto address = [](std::uint32_t i) { return Address::v4(0xc612'1000 + i); };
  const auto mac = [](std::uint32_t i) {
    return MacAddress{2, 9, 0, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
  };
  for (std::uint32_t i = 0; i < 2000; ++i) {
    EXPECT_EQ(receive(host, arp_frame({1, mac(i), address(i), {}, kOurs4}), at(0s), sink).drop,
              Drop::none);
  }
  for (int round = 0; round < 3; ++round) {
    for (std::uint32_t i = 0; i < 2000; ++i) {
      const LinkHeader* link = host.resolve(address(i), at(1s), sink);
      ASSERT_NE(link, nullptr);
      ASSERT_EQ(get_mac(link->bytes, 0), mac(i));
    }
  }
}

// However many neighbours, one call looks at a bounded number, and none is forgotten by it.
TEST(ResolveMany, AgeingInSlices) {
  InterfaceConfig c = config();
  c.addresses = {{kOurs4, 16, 1}};
  c.max_neighbours = 4096;
  Host host(c, false);
  Sink sink;
  for (std::uint32_t i = 0; i < 2048; ++i) {
    (void)host.resolve(Address::v4(0xc612'1000 + i), at(0s), sink);
  }
  EXPECT_EQ(sink.take().size(), 2048U);
  for (int question = 2; question <= 3; ++question) {
    std::size_t asked = 0;
    for (int call = 0; call < 200; ++call) {
      const Instant now = at((question - 1) * 1100ms + call * 1ms);
      host.advance(now, sink);
      const std::size_t sent = sink.take().size();
      EXPECT_LE(sent, 256U);
      asked += sent;
    }
    EXPECT_EQ(asked, 2048U);
  }
}

TEST(ResolveMany, NothingToDoIsNotDue) {
  Host host(config(), false);
  Sink sink;
  host.advance(at(0s), sink);
  host.advance(at(1ms), sink);
  EXPECT_EQ(host.next_deadline(), Instant::max());
  (void)host.resolve(kPeer4, at(1s), sink);
  EXPECT_LE(host.next_deadline(), at(2s));
  EXPECT_GT(host.next_deadline(), at(1s));
}

}  // namespace
}  // namespace millrace::net::test
