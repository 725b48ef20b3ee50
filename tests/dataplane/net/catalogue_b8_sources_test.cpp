// SPDX-License-Identifier: BSD-3-Clause
//
// Catalogue B8: packets from where none can come (LAND among them), and to where we are not.
#include <gtest/gtest.h>

#include "tests/dataplane/net/frames.h"

namespace millrace::net::test {
namespace {

Drop from(const Host& host, const Address& source, unsigned protocol = 6) {
  const Address to = source.is_v4() ? kOurs4 : kOurs6;
  if (protocol == 6) {
    return parse(
        host, frame({}, ip_packet({.source = source, .destination = to}, tcp_segment(source, to))));
  }
  const bool v4 = source.is_v4();
  return parse(host, icmp_frame({.source = source, .destination = to}, v4 ? 8 : 128, 0,
                                bytes_of({0, 1, 0, 1})));
}

Address v6_from(std::initializer_list<std::pair<std::size_t, unsigned>> bytes) {
  std::array<std::uint8_t, 16> b{};
  for (const auto& [place, value] : bytes) b[place] = static_cast<std::uint8_t>(value);
  return Address::v6(b);
}

TEST(CatalogueB8, EveryIpv4Network) {
  const Host host{config()};
  for (std::uint32_t network = 0; network < 256; ++network) {
    const Drop expected =
        network == 0 || network == 127 || network >= 224 ? Drop::ip_bad_source : Drop::none;
    for (const std::uint32_t rest : {0x000001U, 0x112233U, 0xfffffeU}) {
      EXPECT_EQ(from(host, Address::v4(network << 24 | rest)), expected) << network;
      EXPECT_EQ(from(host, Address::v4(network << 24 | rest), 1), expected) << network;
    }
  }
}

TEST(CatalogueB8, EveryAddressOfOurNetwork) {
  const Host host{config()};
  for (std::uint32_t last = 0; last < 256; ++last) {
    // The network itself, ourselves (LAND), and its broadcast.
    const bool bad = last == 0 || last == 1 || last == 255;
    EXPECT_EQ(from(host, Address::v4(0xc6120000 | last)), bad ? Drop::ip_bad_source : Drop::none)
        << last;
  }
  EXPECT_EQ(from(host, Address::v4(0xffffffff)), Drop::ip_bad_source);
}

TEST(CatalogueB8, Ipv6) {
  const Host host{config()};
  const std::vector<Address> bad{
      Address{},                                 // ::
      v6_from({{15, 1}}),                        // ::1
      v6_from({{12, 198}, {13, 18}, {15, 2}}),   // ::198.18.0.2
      v6_from({{0, 0xff}, {1, 2}, {15, 1}}),     // ff02::1
      v6_from({{0, 0xff}, {1, 0x0e}, {15, 9}}),  // ff0e::9
      kOurs6,                                    // LAND
      link_local_of(kOurMac),
  };
  for (const Address& source : bad) {
    Bytes bytes = frame(
        {}, ip_packet({.source = source, .destination = kOurs6}, tcp_segment(kPeer6, kOurs6)));
    Packet packet;
    const ExactFrame exact(bytes, Frame::kL4ChecksumGood);
    EXPECT_EQ(host.parse(exact.frame(), packet), Drop::ip_bad_source);
    EXPECT_EQ(from(host, source, 58), Drop::ip_bad_source);
  }
  EXPECT_EQ(from(host, kPeer6), Drop::none);
  EXPECT_EQ(from(host, v6_from({{0, 0xfe}, {1, 0x80}, {15, 7}})), Drop::none);
}

// ::ffff:198.18.0.2 in an IPv6 header is not the IPv4 peer, nor ::ffff:198.18.0.1 we.
TEST(CatalogueB8, MappedAddressesOnTheWire) {
  const Host host{config()};
  const auto packet = [](const Address& source, const Address& destination) {
    Bytes b = ip_packet({.source = kPeer6, .destination = kOurs6}, tcp_segment(kPeer6, kOurs6));
    for (std::size_t i = 0; i < 16; ++i) {
      b[8 + i] = static_cast<std::byte>(source.bytes()[i]);
      b[24 + i] = static_cast<std::byte>(destination.bytes()[i]);
    }
    return frame({}, b);
  };
  EXPECT_EQ(parse(host, packet(kPeer4, kOurs6), Frame::kL4ChecksumGood), Drop::ip_bad_source);
  EXPECT_EQ(parse(host, packet(kPeer6, kOurs4), Frame::kL4ChecksumGood), Drop::ip_not_for_us);
}

TEST(CatalogueB8, NotForUs) {
  const Host host{config()};
  const auto to = [&](const Address& destination) {
    const Address source = destination.is_v4() ? kPeer4 : kPeer6;
    return parse(host, frame({}, ip_packet({.source = source, .destination = destination},
                                           tcp_segment(source, destination))));
  };
  EXPECT_EQ(to(kOther4), Drop::ip_not_for_us);
  EXPECT_EQ(to(Address::v4(0xc61200ff)), Drop::ip_not_for_us);  // directed broadcast
  EXPECT_EQ(to(Address::v4(0xffffffff)), Drop::ip_not_for_us);
  EXPECT_EQ(to(Address::v4(0xe0000001)), Drop::ip_not_for_us);
  EXPECT_EQ(to(kOther6), Drop::ip_not_for_us);
  EXPECT_EQ(to(all_nodes()), Drop::ip_not_for_us);  // TCP to a group of ours
  EXPECT_EQ(to(v6_from({{0, 0xff}, {1, 2}, {15, 2}})), Drop::ip_not_for_us);
  EXPECT_EQ(to(kOurs4), Drop::none);
  EXPECT_EQ(to(kOurs6), Drop::none);
  EXPECT_EQ(to(link_local_of(kOurMac)), Drop::none);
}

TEST(CatalogueB8, TenThousandAddressesOfOurOwn) {
  InterfaceConfig c = config();
  c.addresses = {{Address::v4(0x0a000010), 8, 10'000}, {v6(0x100), 64, 10'000}};
  const Host host{c};
  for (std::uint32_t i = 0; i < 10'000; i += 7) {
    EXPECT_TRUE(host.is_local(Address::v4(0x0a000010 + i)));
    EXPECT_TRUE(host.is_local(address_after(v6(0x100), i)));
  }
  EXPECT_FALSE(host.is_local(Address::v4(0x0a00000f)));
  EXPECT_FALSE(host.is_local(Address::v4(0x0a000010 + 10'000)));
  EXPECT_FALSE(host.is_local(v6(0xff)));
  EXPECT_FALSE(host.is_local(address_after(v6(0x100), 10'000)));
}

TEST(Packet, EcnAndHopLimit) {
  const Host host{config()};
  for (unsigned traffic_class = 0; traffic_class < 256; ++traffic_class) {
    for (const bool v4 : {true, false}) {
      const Address source = v4 ? kPeer4 : kPeer6;
      const Address destination = v4 ? kOurs4 : kOurs6;
      const Parsed parsed(host, frame({}, ip_packet({.source = source,
                                                     .destination = destination,
                                                     .traffic_class = traffic_class,
                                                     .hop_limit = 17},
                                                    tcp_segment(source, destination))));
      ASSERT_EQ(parsed.drop, Drop::none);
      EXPECT_EQ(parsed.packet.ecn, traffic_class & 3);
      EXPECT_EQ(parsed.packet.hop_limit, 17);
      EXPECT_EQ(parsed.packet.source, source);
      EXPECT_EQ(parsed.packet.destination, destination);
      EXPECT_EQ(parsed.packet.kind, PacketKind::tcp);
    }
  }
}

}  // namespace
}  // namespace millrace::net::test
