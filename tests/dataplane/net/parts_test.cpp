// SPDX-License-Identifier: BSD-3-Clause
//
// The small parts: ranges, routes, headers, and what the operator is told.
#include <gtest/gtest.h>

#include <set>

#include "dataplane/net/address_text.h"
#include "dataplane/net/range_set.h"
#include "dataplane/net/routes.h"
#include "tests/dataplane/net/frames.h"
#include "tests/support/random.h"

namespace millrace::net::test {
namespace {

// ---- ranges

TEST(RangeSet, AgainstASetOfNumbers) {
  millrace::test::Random random(1);
  for (int round = 0; round < 200; ++round) {
    RangeSet<std::uint32_t> ranges;
    std::set<std::uint32_t> model;
    const int changes = static_cast<int>(random.between(1, 20));
    for (int i = 0; i < changes; ++i) {
      const auto first = static_cast<std::uint32_t>(random.below(200));
      const auto last = first + static_cast<std::uint32_t>(random.below(20));
      if (random.chance(0.7)) {
        ranges.add(first, last);
        for (std::uint32_t n = first; n <= last; ++n) model.insert(n);
      } else {
        EXPECT_EQ(ranges.remove(first), model.erase(first) == 1);
      }
    }
    for (std::uint32_t n = 0; n < 230; ++n) ASSERT_EQ(ranges.contains(n), model.contains(n)) << n;
    // Disjoint, in order, and nothing that touches left apart unless a hole was made there.
    for (std::size_t i = 1; i < ranges.ranges().size(); ++i) {
      EXPECT_GT(ranges.ranges()[i].first, ranges.ranges()[i - 1].last);
    }
  }
}

TEST(RangeSet, EndsOfTheNumbers) {
  RangeSet<std::uint32_t> ranges;
  EXPECT_FALSE(ranges.contains(0));
  ranges.add(0xffff'fff0, 0xffff'ffff);
  ranges.add(0, 3);
  EXPECT_EQ(ranges.ranges().size(), 2U);
  EXPECT_TRUE(ranges.contains(0xffff'ffff));
  EXPECT_TRUE(ranges.contains(0));
  EXPECT_FALSE(ranges.contains(4));
  EXPECT_FALSE(ranges.contains(0xffff'ffef));
  for (std::uint32_t i = 0; i < 10; ++i) ranges.add(100 * i + 50, 100 * i + 60);
  EXPECT_TRUE(ranges.contains(955));
  EXPECT_FALSE(ranges.contains(961));
  EXPECT_FALSE(ranges.contains(49));
  EXPECT_TRUE(ranges.contains(0));
  EXPECT_TRUE(ranges.contains(0xffff'ffff));
}

// ---- routes

TEST(Routes, LongestPrefixFirst) {
  const std::vector<InterfaceAddress> own{{kOurs4, 24, 1}, {kOurs6, 64, 1}};
  const Address gateway = Address::v4(0xc61200fe);
  const Address near = Address::v4(0xc61200fd);
  const Address gateway6 = v6(0xfe);
  const std::vector<Route> routes{{Address::v4(0), 0, gateway},
                                  {Address::v4(0x0a000000), 8, near},
                                  {Address::v4(0x0a010000), 16, std::nullopt},
                                  {Address::v4(0x0a010203), 32, gateway},
                                  {Address{}, 0, gateway6}};
  const Routes table(own, routes);
  const auto via = [&](std::uint32_t a) { return table.find(Address::v4(a))->via; };
  EXPECT_EQ(via(0x08080808), gateway);
  EXPECT_EQ(via(0x0a020304), near);
  EXPECT_TRUE(via(0x0a010204).is_unspecified());
  EXPECT_EQ(via(0x0a010203), gateway);
  EXPECT_TRUE(via(0xc6120077).is_unspecified());
  EXPECT_EQ(table.find(v6(9))->source, kOurs6);
  EXPECT_TRUE(table.find(v6(9))->via.is_unspecified());
  EXPECT_EQ(table.find(Address::v6({0x20, 1, 0x48, 0x60}))->via, gateway6);

  EXPECT_NE(table.on_link(Address::v4(0x0a010203)), nullptr);  // the /16 says so
  EXPECT_EQ(table.on_link(Address::v4(0x0a020304)), nullptr);
  EXPECT_EQ(table.on_link(Address::v6({0x20, 1, 0x48, 0x60})), nullptr);
}

// IPv6's default route is not one for IPv4, whose addresses look like a part of it.
TEST(Routes, FamiliesDoNotMix) {
  const std::vector<InterfaceAddress> own{{kOurs6, 64, 1}};
  const std::vector<Route> routes{{Address{}, 0, v6(0xfe)}};
  const Routes table(own, routes);
  EXPECT_EQ(table.find(kPeer4), nullptr);
  EXPECT_NE(table.find(kPeer6), nullptr);
}

TEST(Routes, AgainstAScanOfAllPrefixes) {
  millrace::test::Random random(2);
  std::vector<Route> routes;
  for (std::uint32_t i = 0; i < 60; ++i) {
    const auto length = static_cast<std::uint8_t>(random.between(1, 12));
    const auto prefix = static_cast<std::uint32_t>(random.next()) & ~(0xffff'ffffU >> length);
    routes.push_back({Address::v4(prefix), length, Address::v4(i + 1)});
  }
  const Routes table({}, routes);
  for (int i = 0; i < 20'000; ++i) {
    const auto a = static_cast<std::uint32_t>(random.next());
    int best = -1;
    for (const Route& r : routes) {
      const bool in = ((a ^ r.prefix.to_v4()) >> (32 - r.prefix_length)) == 0;
      if (in) best = std::max<int>(best, r.prefix_length);
    }
    const RouteEntry* found = table.find(Address::v4(a));
    ASSERT_EQ(found != nullptr, best >= 0);
    if (found != nullptr) {
      ASSERT_EQ(found->bits, 96 + best);
    }
  }
}

// ---- headers

TEST(Headers, Ipv4) {
  std::array<std::byte, 20> out{};
  IpFields fields;
  fields.traffic_class = 0xb9;
  fields.hop_limit = 61;
  fields.l4_bytes = 1460;
  EXPECT_EQ(write_ip_header(kOurs4, kPeer4, fields, out.data()), 20U);
  const Bytes expected = ip_packet({.source = kOurs4,
                                    .destination = kPeer4,
                                    .total_length = 1480,
                                    .traffic_class = 0xb9,
                                    .hop_limit = 61},
                                   {});
  EXPECT_TRUE(std::equal(out.begin(), out.end(), expected.begin()));
  fields.checksum = false;
  write_ip_header(kOurs4, kPeer4, fields, out.data());
  EXPECT_EQ(get16(out, 10), 0U);
}

TEST(Headers, Ipv4ChecksumsOfManyHeaders) {
  millrace::test::Random random(3);
  std::array<std::byte, 20> out{};
  for (int i = 0; i < 100'000; ++i) {
    IpFields fields;
    fields.traffic_class = static_cast<std::uint8_t>(random.next());
    fields.hop_limit = static_cast<std::uint8_t>(random.next());
    fields.l4_bytes = static_cast<std::uint32_t>(random.below(65'516));
    write_ip_header(Address::v4(static_cast<std::uint32_t>(random.next())),
                    Address::v4(static_cast<std::uint32_t>(random.next())), fields, out.data());
    ASSERT_EQ(checksum(out), 0);
    ASSERT_EQ(get16(out, 2), 20 + fields.l4_bytes);
  }
}

TEST(Headers, Ipv6) {
  std::array<std::byte, 40> out{};
  IpFields fields;
  fields.traffic_class = 0xb9;
  fields.hop_limit = 61;
  fields.l4_bytes = 1440;
  EXPECT_EQ(write_ip_header(kOurs6, kPeer6, fields, out.data()), 40U);
  const Bytes expected = ip_packet({.source = kOurs6,
                                    .destination = kPeer6,
                                    .total_length = 1440,
                                    .traffic_class = 0xb9,
                                    .hop_limit = 61},
                                   {});
  EXPECT_TRUE(std::equal(out.begin(), out.end(), expected.begin()));
}

TEST(Headers, OfASegment) {
  tcp::SegmentOut segment;
  segment.tuple = {kOurs4, kPeer4, 1, 2};
  segment.dscp = 46;
  segment.ecn = 2;
  segment.ttl = 9;
  std::array<std::byte, 20> out{};
  EXPECT_EQ(write_ip_header(segment, 32, true, out.data()), 20U);
  EXPECT_EQ(get8(out, 1), 46U << 2 | 2U);
  EXPECT_EQ(get8(out, 8), 9U);
  EXPECT_EQ(get16(out, 2), 52U);
}

TEST(Headers, LinkWithUpToTwoTags) {
  InterfaceConfig c = config();
  for (const std::size_t tags : {0U, 1U, 2U}) {
    if (tags > 0) c.vlan = 100;
    if (tags > 1) c.outer_vlan = 200;
    const LinkHeader header = make_link_header(c, kPeerMac, 0x86dd);
    std::array<std::byte, 24> out{};
    EXPECT_EQ(write_link_header(header, out.data()), 14 + 4 * tags);
    Ethernet ethernet{.to = kPeerMac, .from = kOurMac, .tags = {}, .ethertype = 0x86dd};
    if (tags > 1) ethernet.tags.emplace_back(0x88a8, 200);
    if (tags > 0) ethernet.tags.emplace_back(0x8100, 100);
    const Bytes expected = frame(ethernet, {});
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), out.begin()));
  }
}

// ---- texts

TEST(Text, Addresses) {
  EXPECT_EQ(to_text(kOurs4), "198.18.0.1");
  EXPECT_EQ(to_text(kOurs6), "2001:2::1");
  EXPECT_EQ(to_text(Address{}), "::");
  EXPECT_EQ(to_text(kOurMac), "02:00:00:00:00:01");
}

std::string complaint(const InterfaceConfig& c) {
  const Status status = check_config(c);
  return status.ok() ? "" : status.error().sentence;
}

TEST(CheckConfig, WhatIsRight) {
  InterfaceConfig c = config();
  EXPECT_EQ(complaint(c), "");
  c.addresses = {{Address::v4(0xc6120010), 24, 16}, {v6(16), 64, 10'000}, {kOther4, 32, 1}};
  c.routes = {{Address::v4(0), 0, Address::v4(0xc6120001)},
              {Address{}, 0, Address::v6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})},
              {Address::v4(0x0a000000), 8, std::nullopt},
              {Address::v4(0x0b000000), 8, Address::v4(0x0a000001)}};
  c.vlan = 4094;
  EXPECT_EQ(complaint(c), "");
}

TEST(CheckConfig, WhatIsWrongIsNamed) {
  const auto with_address = [](const Address& a, std::uint8_t length, std::uint32_t count) {
    InterfaceConfig c = config();
    c.addresses = {{a, length, count}};
    return complaint(c);
  };
  EXPECT_NE(with_address(kOurs4, 33, 1).find("198.18.0.1/33 is above 32"), std::string::npos);
  EXPECT_NE(with_address(kOurs6, 129, 1).find("is above 128"), std::string::npos);
  EXPECT_NE(with_address(kOurs4, 0, 1).find("whole Internet"), std::string::npos);
  EXPECT_NE(with_address(kOurs4, 24, 0).find("is empty"), std::string::npos);
  EXPECT_NE(with_address(kOurs4, 24, 255).find("broadcast"), std::string::npos);
  EXPECT_NE(with_address(kOurs4, 24, 256).find("do not fit"), std::string::npos);
  EXPECT_NE(with_address(Address::v4(0xc6120000), 24, 1).find("broadcast"), std::string::npos);
  EXPECT_NE(with_address(Address::v4(0xe0000001), 24, 1).find("No host"), std::string::npos);
  EXPECT_NE(with_address(all_nodes(), 64, 1).find("No host"), std::string::npos);
  EXPECT_EQ(with_address(kOurs4, 31, 1), "");

  const auto with_route = [](const Route& r) {
    InterfaceConfig c = config();
    c.routes = {r};
    return complaint(c);
  };
  EXPECT_NE(with_route({Address::v4(0), 33, kPeer4}).find("above 32"), std::string::npos);
  EXPECT_NE(with_route({Address::v4(0), 0, kPeer6}).find("two families"), std::string::npos);
  EXPECT_NE(with_route({Address::v4(0), 0, Address::v4(0x0a000001)}).find("not on the link"),
            std::string::npos);

  InterfaceConfig c = config();
  c.vlan = 4095;
  EXPECT_NE(complaint(c).find("4095"), std::string::npos);
  c = config();
  c.mtu = 1279;
  EXPECT_NE(complaint(c).find("1280"), std::string::npos);
  c.addresses = {{kOurs4, 24, 1}};
  EXPECT_EQ(complaint(c), "");
  c.mtu = 500;
  EXPECT_NE(complaint(c).find("576"), std::string::npos);
}

}  // namespace
}  // namespace millrace::net::test
