// SPDX-License-Identifier: BSD-3-Clause
//
// Catalogue A7, fragments of IPv4 (those of IPv6 are in A6), and A8, VLAN tags.
#include <gtest/gtest.h>

#include "tests/dataplane/net/frames.h"

namespace millrace::net::test {
namespace {

TEST(CatalogueA7, EveryFragmentField) {
  const Host host{config()};
  const Bytes segment = tcp_segment(kPeer4, kOurs4);
  for (unsigned field = 0; field <= 0xffff; ++field) {
    const Drop drop = parse(host, frame({}, ip_packet({.fragment = field}, segment)));
    // Don't-fragment and the reserved bit say nothing about this packet.
    ASSERT_EQ(drop, (field & 0x3fff) == 0 ? Drop::none : Drop::ip_fragment) << field;
  }
}

TEST(CatalogueA7, TinyFragmentsOfAnyProtocol) {
  const Host host{config()};
  for (const unsigned protocol : {1U, 6U, 17U}) {
    EXPECT_EQ(parse(host, frame({}, ip_packet({.protocol = protocol, .fragment = 0x2000},
                                              Bytes(8, std::byte{0})))),
              Drop::ip_fragment);
    EXPECT_EQ(parse(host, frame({}, ip_packet({.protocol = protocol, .fragment = 0x1fff},
                                              Bytes(8, std::byte{0})))),
              Drop::ip_fragment);
  }
}

constexpr unsigned kVlan = 0x8100, kQinQ = 0x88a8;

Drop parse_tagged(const Host& host, std::vector<std::pair<unsigned, unsigned>> tags) {
  return parse(host, frame({.tags = std::move(tags), .ethertype = {}},
                           ip_packet({}, tcp_segment(kPeer4, kOurs4))));
}

TEST(CatalogueA8, WithoutAVlanOfOurOwn) {
  const Host host{config()};
  for (unsigned control = 0; control <= 0xffff; ++control) {
    // Any priority in VLAN 0 is as good as no tag.
    const Drop expected = (control & 0xfff) == 0 ? Drop::none : Drop::vlan_unknown;
    ASSERT_EQ(parse_tagged(host, {{kVlan, control}}), expected) << control;
  }
  EXPECT_EQ(parse_tagged(host, {{kVlan, 0}, {kVlan, 0}}), Drop::vlan_unknown);
  EXPECT_EQ(parse_tagged(host, {{kQinQ, 0}, {kVlan, 0}, {kVlan, 0}}), Drop::vlan_unknown);
}

TEST(CatalogueA8, InAVlanOfOurOwn) {
  InterfaceConfig c = config();
  c.vlan = 100;
  const Host host{c};
  for (unsigned control = 0; control <= 0xffff; ++control) {
    const Drop expected = (control & 0xfff) == 100 ? Drop::none : Drop::vlan_unknown;
    ASSERT_EQ(parse_tagged(host, {{kVlan, control}}), expected) << control;
  }
  EXPECT_EQ(parse_tagged(host, {}), Drop::vlan_unknown);
  EXPECT_EQ(parse_tagged(host, {{kVlan, 100}, {kVlan, 100}}), Drop::vlan_unknown);
  EXPECT_EQ(parse_tagged(host, {{kVlan, 0}, {kVlan, 100}}), Drop::vlan_unknown);
}

TEST(CatalogueA8, InTwoVlans) {
  InterfaceConfig c = config();
  c.outer_vlan = 200;
  c.vlan = 100;
  const Host host{c};
  EXPECT_EQ(parse_tagged(host, {{kQinQ, 200}, {kVlan, 100}}), Drop::none);
  EXPECT_EQ(parse_tagged(host, {{kVlan, 200}, {kVlan, 100}}), Drop::none);
  EXPECT_EQ(parse_tagged(host, {{kQinQ, 100}, {kVlan, 200}}), Drop::vlan_unknown);
  EXPECT_EQ(parse_tagged(host, {{kQinQ, 200}, {kVlan, 0}}), Drop::vlan_unknown);
  EXPECT_EQ(parse_tagged(host, {{kQinQ, 200}}), Drop::vlan_unknown);
  EXPECT_EQ(parse_tagged(host, {}), Drop::vlan_unknown);
  EXPECT_EQ(parse_tagged(host, {{kQinQ, 200}, {kVlan, 100}, {kVlan, 1}}), Drop::vlan_unknown);
}

TEST(CatalogueA8, CutInsideTheTags) {
  InterfaceConfig one = config();
  one.vlan = 100;
  InterfaceConfig two = one;
  two.outer_vlan = 200;
  const Bytes packet = ip_packet({}, tcp_segment(kPeer4, kOurs4));
  const Bytes tagged = frame({.tags = {{kVlan, 100}}, .ethertype = {}}, packet);
  const Bytes twice = frame({.tags = {{kQinQ, 200}, {kVlan, 100}}, .ethertype = {}}, packet);
  const Bytes priority = frame({.tags = {{kVlan, 0}}, .ethertype = {}}, packet);
  const Host hosts[] = {Host{config()}, Host{one}, Host{two}};
  for (std::size_t size = 14; size < 22; ++size) {
    const Drop single = size < 18 ? Drop::frame_too_short : Drop::ip_truncated;
    EXPECT_EQ(parse(hosts[0], std::span(priority).first(size)), single) << size;
    EXPECT_EQ(parse(hosts[1], std::span(tagged).first(size)), single) << size;
    EXPECT_EQ(parse(hosts[2], std::span(twice).first(size)), Drop::frame_too_short) << size;
  }
}

TEST(CatalogueA8, OurAnswersBearOurTags) {
  InterfaceConfig c = config();
  c.outer_vlan = 200;
  c.vlan = 100;
  Host host{c, false};
  Sink sink;
  Ethernet ethernet;
  ethernet.tags = {{kQinQ, 200}, {kVlan, 100}};
  ethernet.ethertype = 0x0806;
  EXPECT_EQ(receive(host, frame(ethernet, arp_packet({})), at(0s), sink).drop, Drop::none);
  const auto sent = sink.take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].size(), 22U + 28U);
  EXPECT_EQ(get32(sent[0], 12), 0x88a8'00c8U);
  EXPECT_EQ(get32(sent[0], 16), 0x8100'0064U);
  EXPECT_EQ(get16(sent[0], 20), 0x0806U);
  EXPECT_EQ(get16(sent[0], 22 + 6), 2U);
}

TEST(Ethernet, OnlyWhatIsForUs) {
  const Host host{config()};
  const Bytes packet = ip_packet({}, tcp_segment(kPeer4, kOurs4));
  EXPECT_EQ(parse(host, frame({.to = kOtherMac}, packet)), Drop::not_for_us_l2);
  for (std::size_t i = 0; i < 6; ++i) {
    MacAddress near = kOurMac;
    near[i] ^= 0x10;
    EXPECT_EQ(parse(host, frame({.to = near}, packet)), Drop::not_for_us_l2) << i;
  }
  // RFC 1122 §3.3.6: what is for one only does not come to all.
  EXPECT_EQ(parse(host, frame({.to = kBroadcast}, packet)), Drop::not_for_us_l2);
  EXPECT_EQ(parse(host, frame({.to = {0x33, 0x33, 0, 0, 0, 1}},
                              ip_packet({.source = kPeer6, .destination = kOurs6},
                                        tcp_segment(kPeer6, kOurs6)))),
            Drop::not_for_us_l2);
}

}  // namespace
}  // namespace millrace::net::test
