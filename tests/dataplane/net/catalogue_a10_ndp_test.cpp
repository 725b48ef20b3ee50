// SPDX-License-Identifier: BSD-3-Clause
//
// Catalogue A10: neighbour discovery that is malformed, that lies, and a /64 scanned. Then what
// honest neighbours get.
#include <gtest/gtest.h>

#include "tests/dataplane/net/frames.h"

namespace millrace::net::test {
namespace {

constexpr unsigned kSolicit = 135, kAdvertise = 136, kSource = 1, kTarget = 2;
constexpr std::uint32_t kRouter = 0x8000'0000, kSolicited = 0x4000'0000, kOverride = 0x2000'0000;

struct CatalogueA10 : testing::Test {
  CatalogueA10() : host(config(), false) {
    host.advance(at(-10s), sink);  // duplicate detection is over at 0 s
  }
  Drop give(const Bytes& bytes, Instant now = at(0s)) {
    return receive(host, bytes, now, sink).drop;
  }
  std::optional<MacAddress> mac_of(const Address& a, Instant now) {
    const LinkHeader* link = host.resolve(a, now, sink);
    if (link == nullptr) return std::nullopt;
    return get_mac(link->bytes, 0);
  }
  static Bytes advertisement(const Address& who, const MacAddress& mac,
                             std::uint32_t flags = kSolicited | kOverride) {
    return ndp_frame(kAdvertise, who, kOurs6, who, flags, kTarget, mac);
  }
  static Bytes solicitation(const Address& from, const MacAddress& mac,
                            const Address& target = kOurs6) {
    return ndp_frame(kSolicit, from, solicited_node_of(target), target, 0, kSource, mac);
  }
  void prove(const Address& a, const MacAddress& mac, Instant now) {
    EXPECT_EQ(mac_of(a, now), std::nullopt);
    EXPECT_EQ(give(advertisement(a, mac), now), Drop::none);
    EXPECT_EQ(mac_of(a, now), mac);
    (void)sink.take();
  }
  Sink sink;
  Host host;
};

TEST_F(CatalogueA10, EveryHopLimitBut255) {
  for (unsigned hops = 0; hops < 256; ++hops) {
    const Bytes b =
        ndp_frame(kSolicit, kPeer6, solicited_node_of(kOurs6), kOurs6, 0, kSource, kPeerMac, hops);
    EXPECT_EQ(give(b), hops == 255 ? Drop::none : Drop::ndp_malformed) << hops;
  }
}

Bytes raw_ndp(unsigned type, unsigned code, std::span<const std::byte> rest,
              const Address& destination = kOurs6, const Address& source = kPeer6) {
  return icmp_frame({.source = source, .destination = destination, .hop_limit = 255}, type, code,
                    rest);
}

TEST_F(CatalogueA10, EveryMessageLength) {
  Bytes rest;
  put32(rest, 0);
  put(rest, kOurs6);
  put(rest, bytes_of({1, 1, 2, 0, 0, 0, 0, 2, 14, 1, 0, 0, 0, 0, 0, 0}));
  for (std::size_t size = 0; size <= rest.size(); ++size) {
    const Drop drop = give(raw_ndp(kSolicit, 0, std::span(rest).first(size)));
    const bool whole = size == 20 || size == 28 || size == 36;
    const Drop expected = size < 4 ? Drop::icmp_malformed : Drop::ndp_malformed;
    EXPECT_EQ(drop, whole ? Drop::none : expected) << size;
  }
}

TEST_F(CatalogueA10, EveryOptionTypeAndLength) {
  for (const unsigned message : {kSolicit, kAdvertise}) {
    for (unsigned type = 0; type < 256; ++type) {
      for (unsigned length = 0; length < 256; ++length) {
        Bytes rest;
        put32(rest, 0);
        put(rest, message == kSolicit ? kOurs6 : kPeer6);
        put(rest, bytes_of({type, length, 2, 0, 0, 0, 0, 2}));
        put(rest, Bytes(8, std::byte{1}));  // a second option: type 1 of eight bytes
        rest[29] = std::byte{1};
        const Drop drop = give(raw_ndp(message, 0, rest));
        // Two options of one unit, or one of two, which is no Ethernet address.
        const bool ours = type == (message == kSolicit ? kSource : kTarget);
        const bool group = message == kSolicit && length == 1;  // the second: 01:01:01:...
        const bool ok = (length == 1 && !group) || (length == 2 && !ours);
        if (ok) {
          ASSERT_NE(drop, Drop::ndp_malformed) << message << " " << type << " " << length;
        } else {
          ASSERT_EQ(drop, Drop::ndp_malformed) << message << " " << type << " " << length;
        }
      }
    }
  }
}

TEST_F(CatalogueA10, CodesTargetsAndSourcesThatCannotBe) {
  Bytes rest;
  put32(rest, 0);
  put(rest, kOurs6);
  for (unsigned code = 1; code < 256; ++code) {
    EXPECT_EQ(give(raw_ndp(kSolicit, code, rest)), Drop::ndp_malformed);
  }
  const Address group = all_nodes();
  EXPECT_EQ(give(ndp_frame(kSolicit, kPeer6, kOurs6, group, 0, 0, kPeerMac)), Drop::ndp_malformed);
  EXPECT_EQ(give(ndp_frame(kAdvertise, kPeer6, kOurs6, group, 0, 0, kPeerMac)),
            Drop::ndp_malformed);
  // From nowhere: not with a link address, not to one alone, not as an advertisement.
  const Address nowhere;
  const Address to = solicited_node_of(kOurs6);
  EXPECT_EQ(give(ndp_frame(kSolicit, nowhere, to, kOurs6, 0, kSource, kPeerMac)),
            Drop::ndp_malformed);
  EXPECT_EQ(give(ndp_frame(kSolicit, nowhere, kOurs6, kOurs6, 0, 0, kPeerMac)),
            Drop::ndp_malformed);
  EXPECT_EQ(give(ndp_frame(kSolicit, nowhere, all_nodes(), kOurs6, 0, 0, kPeerMac)),
            Drop::ndp_malformed);
  EXPECT_EQ(give(ndp_frame(kAdvertise, nowhere, kOurs6, kPeer6, 0, kTarget, kPeerMac)),
            Drop::ndp_malformed);
  // From a group, from a loopback, from an IPv4 address spelled as IPv6.
  for (const Address& bad : {all_nodes(), address_of(1), kPeer4}) {
    Bytes b = ndp_frame(kSolicit, kPeer6, kOurs6, kOurs6, 0, kSource, kPeerMac);
    for (std::size_t i = 0; i < 16; ++i) b[22 + i] = static_cast<std::byte>(bad.bytes()[i]);
    set16(b, 56, 0);
    // The checksum with a pseudo-header of sixteen bytes whatever the address looks like.
    Bytes pseudo(b.begin() + 22, b.begin() + 54);
    put32(pseudo, static_cast<std::uint32_t>(b.size() - 54));
    put32(pseudo, 58);
    pseudo.insert(pseudo.end(), b.begin() + 54, b.end());
    set16(b, 56, checksum(pseudo));
    EXPECT_EQ(give(b), Drop::ip_bad_source);
  }
  // Solicited, and yet to all.
  EXPECT_EQ(give(ndp_frame(kAdvertise, kPeer6, all_nodes(), kPeer6, kSolicited, kTarget, kPeerMac)),
            Drop::ndp_malformed);
  // A group's MAC address as link address.
  MacAddress group_mac = kPeerMac;
  group_mac[0] |= 1;
  Bytes b = ndp_frame(kSolicit, kPeer6, to, kOurs6, 0, kSource, group_mac);
  b[6] = std::byte{2};
  EXPECT_EQ(give(b), Drop::ndp_malformed);
  EXPECT_EQ(host.neighbours().live(), 0U);
  EXPECT_TRUE(sink.take().empty());
}

TEST_F(CatalogueA10, RouterMessagesAndRedirectsAreIgnored) {
  for (const unsigned type : {133U, 134U, 137U}) {
    EXPECT_EQ(give(raw_ndp(type, 0, Bytes(36, std::byte{0}))), Drop::ndp_ignored);
    EXPECT_EQ(give(raw_ndp(type, 0, Bytes(36, std::byte{0}), all_nodes())), Drop::ndp_ignored);
  }
  EXPECT_EQ(host.neighbours().live(), 0U);
  EXPECT_TRUE(sink.take().empty());
}

TEST_F(CatalogueA10, AnUnsolicitedAdvertisementMakesAndChangesNothing) {
  EXPECT_EQ(give(advertisement(kPeer6, kPeerMac)), Drop::ndp_ignored);
  EXPECT_EQ(host.neighbours().live(), 0U);
  prove(kPeer6, kPeerMac, at(0s));
  for (const std::uint32_t flags : {kOverride, kSolicited | kOverride, 0U, kRouter | kOverride}) {
    EXPECT_EQ(give(advertisement(kPeer6, kOtherMac, flags), at(100ms)), Drop::ndp_ignored);
    EXPECT_EQ(mac_of(kPeer6, at(100ms)), kPeerMac);
  }
  EXPECT_EQ(give(solicitation(kPeer6, kOtherMac), at(200ms)), Drop::none);
  EXPECT_EQ(mac_of(kPeer6, at(200ms)), kPeerMac);
}

// SYNs from all over a /64 make us look for them: the table stays small and the known stay known.
TEST_F(CatalogueA10, AScannedNetwork) {
  prove(kPeer6, kPeerMac, at(0s));
  sink.keep = false;
  for (std::uint32_t i = 0; i < 1'000'000; ++i) {
    const Instant now = at(i * 1us);
    const Address scanned = address_of(wide_of(kOurs6) + (Wide{i} << 20) + 77);
    ASSERT_EQ(host.resolve(scanned, now, sink), nullptr);
    if (i % 1000 == 0) {
      ASSERT_EQ(mac_of(kPeer6, now), kPeerMac);
      host.advance(now, sink);
    }
  }
  EXPECT_LE(host.neighbours().live(), 1024U);
  EXPECT_LE(host.neighbours().incomplete(), 512U);
  // And a newcomer who asks for us is let in beside the scan.
  sink.keep = true;
  EXPECT_EQ(give(solicitation(kOther6, kOtherMac), at(1s)), Drop::none);
  EXPECT_EQ(mac_of(kOther6, at(1s)), kOtherMac);
  // Once it is over, nothing is left of it.
  for (Duration t = 1s; t < 8s; t += 10ms) host.advance(at(t), sink);
  EXPECT_EQ(host.neighbours().incomplete(), 0U);
  EXPECT_EQ(sink.out, 0U);
}

// ---- honest neighbours

TEST_F(CatalogueA10, ASolicitationIsAnsweredAndLearnedFrom) {
  EXPECT_EQ(give(solicitation(kPeer6, kPeerMac)), Drop::none);
  const auto sent = sink.take();
  ASSERT_EQ(sent.size(), 1U);
  const Bytes expected = [] {
    Bytes rest;
    put32(rest, kSolicited | kOverride);
    put(rest, kOurs6);
    put(rest, bytes_of({kTarget, 1}));
    put(rest, kOurMac);
    return icmp_frame({.source = kOurs6, .destination = kPeer6, .hop_limit = 255}, kAdvertise, 0,
                      rest, {.to = kPeerMac, .from = kOurMac});
  }();
  EXPECT_EQ(sent[0], expected);
  EXPECT_EQ(mac_of(kPeer6, at(0s)), kPeerMac);
}

TEST_F(CatalogueA10, FromALinkLocalAddressAndForOurs) {
  const Address peer = link_local_of(kPeerMac);
  const Address ours = link_local_of(kOurMac);
  EXPECT_EQ(give(solicitation(peer, kPeerMac)), Drop::none);
  EXPECT_EQ(give(solicitation(peer, kPeerMac, ours)), Drop::none);
  const auto sent = sink.take();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(get_address(sent[1], 22, false), ours);
  EXPECT_EQ(mac_of(peer, at(0s)), kPeerMac);
  // fe80::ff:fe00:1 for 02:00:00:00:00:01
  EXPECT_EQ(ours, Address::v6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1}));
}

TEST_F(CatalogueA10, AQuestionWithoutLinkAddressIsAnsweredWhereItCameFrom) {
  const Bytes b = ndp_frame(kSolicit, kPeer6, kOurs6, kOurs6, 0, 0, kPeerMac);
  EXPECT_EQ(give(b), Drop::none);
  const auto sent = sink.take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(get_mac(sent[0], 0), kPeerMac);
  EXPECT_EQ(host.neighbours().live(), 0U);
}

TEST_F(CatalogueA10, ForOthersAndFromAfar) {
  EXPECT_EQ(give(solicitation(kPeer6, kPeerMac, kOther6)), Drop::ip_not_for_us);
  EXPECT_TRUE(sink.take().empty());
  // Answered, but who is not on the link is no neighbour (RFC 5942 §4).
  const Address far = Address::v6({0x20, 0x01, 0x0d, 0xb8, 1});
  EXPECT_EQ(give(solicitation(far, kPeerMac)), Drop::none);
  EXPECT_EQ(host.neighbours().live(), 0U);
}

TEST_F(CatalogueA10, WeAskTheGroupThenTheNeighbourItself) {
  EXPECT_EQ(mac_of(kPeer6, at(0s)), std::nullopt);
  auto sent = sink.take();
  ASSERT_EQ(sent.size(), 1U);
  const Bytes expected = [] {
    Bytes rest;
    put32(rest, 0);
    put(rest, kPeer6);
    put(rest, bytes_of({kSource, 1}));
    put(rest, kOurMac);
    const Address group = solicited_node_of(kPeer6);
    return icmp_frame({.source = kOurs6, .destination = group, .hop_limit = 255}, kSolicit, 0, rest,
                      {.to = {0x33, 0x33, 0xff, 0, 0, 2}, .from = kOurMac});
  }();
  EXPECT_EQ(sent[0], expected);
  EXPECT_EQ(give(advertisement(kPeer6, kPeerMac)), Drop::none);
  // In use while it is reachable: asked itself when that ends, and answering without a link
  // address.
  Instant now = at(0s);
  while (sent.clear(), now < at(60s)) {
    now += 100ms;
    EXPECT_EQ(mac_of(kPeer6, now), kPeerMac);
    host.advance(now, sink);
    sent = sink.take();
    if (!sent.empty()) break;
  }
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_GE(now, at(15s));
  EXPECT_LE(now, at(46s));
  EXPECT_EQ(get_mac(sent[0], 0), kPeerMac);
  EXPECT_EQ(get_address(sent[0], 38, false), kPeer6);
  EXPECT_EQ(give(ndp_frame(kAdvertise, kPeer6, kOurs6, kPeer6, kSolicited, 0, kPeerMac), now),
            Drop::none);
  EXPECT_EQ(mac_of(kPeer6, now + 4s), kPeerMac);
}

TEST_F(CatalogueA10, AnAnswerWithoutLinkAddressTellsNothingNew) {
  EXPECT_EQ(mac_of(kPeer6, at(0s)), std::nullopt);
  EXPECT_EQ(give(ndp_frame(kAdvertise, kPeer6, kOurs6, kPeer6, kSolicited, 0, kPeerMac)),
            Drop::ndp_ignored);
  EXPECT_EQ(mac_of(kPeer6, at(0s)), std::nullopt);
}

// ---- duplicate address detection, RFC 4862 §5.4

struct Duplicates : testing::Test {
  Duplicates() : host(config(), true) { host.advance(at(0s), sink); }
  Sink sink;
  Host host;
};

TEST_F(Duplicates, WeAskForOurOwnAddressesFirst) {
  std::vector<Address> asked;
  for (const Bytes& b : sink.take()) {
    if (get16(b, 12) != 0x86dd) continue;
    EXPECT_TRUE(get_address(b, 22, false).is_unspecified());
    EXPECT_EQ(b.size(), 14U + 40U + 24U);  // and give no link address
    const Address target = get_address(b, 62, false);
    EXPECT_EQ(get_address(b, 38, false), solicited_node_of(target));
    EXPECT_EQ(checksum(Address{}, solicited_node_of(target), 58, std::span(b).subspan(54)), 0);
    asked.push_back(target);
  }
  EXPECT_EQ(asked, (std::vector<Address>{kOurs6, link_local_of(kOurMac)}));
}

TEST_F(Duplicates, AnAddressThatIsTakenIsGivenUp) {
  EXPECT_TRUE(host.is_local(kOurs6));
  const Bytes taken =
      ndp_frame(kAdvertise, kOurs6, all_nodes(), kOurs6, kOverride, kTarget, kOtherMac);
  EXPECT_EQ(receive(host, taken, at(500ms), sink).drop, Drop::none);
  EXPECT_FALSE(host.is_local(kOurs6));
  EXPECT_TRUE(host.is_local(link_local_of(kOurMac)));
  EXPECT_EQ(host.stats().addresses_given_up, 1U);
}

TEST_F(Duplicates, SoIsOneThatAnotherIsAboutToTake) {
  const Bytes also =
      ndp_frame(kSolicit, Address{}, solicited_node_of(kOurs6), kOurs6, 0, 0, kOtherMac);
  EXPECT_EQ(receive(host, also, at(500ms), sink).drop, Drop::none);
  EXPECT_FALSE(host.is_local(kOurs6));
}

TEST_F(Duplicates, AfterASecondItIsOurs) {
  (void)sink.take();
  const Bytes late =
      ndp_frame(kSolicit, Address{}, solicited_node_of(kOurs6), kOurs6, 0, 0, kOtherMac);
  EXPECT_EQ(receive(host, late, at(1100ms), sink).drop, Drop::none);
  EXPECT_TRUE(host.is_local(kOurs6));
  const auto sent = sink.take();
  ASSERT_EQ(sent.size(), 1U);  // the other one is told, by all
  EXPECT_EQ(get_address(sent[0], 38, false), all_nodes());
  EXPECT_EQ(get_mac(sent[0], 0), (MacAddress{0x33, 0x33, 0, 0, 0, 1}));
  EXPECT_EQ(get32(sent[0], 58), kOverride);
  const Bytes claim =
      ndp_frame(kAdvertise, kOurs6, all_nodes(), kOurs6, kOverride, kTarget, kOtherMac);
  EXPECT_EQ(receive(host, claim, at(1200ms), sink).drop, Drop::none);
  EXPECT_TRUE(host.is_local(kOurs6));
  EXPECT_EQ(host.stats().address_conflicts, 1U);
}

// Where both ends of the link are ours there is nobody to ask.
TEST(DuplicateDetection, CanBeLeftOut) {
  InterfaceConfig alone = config();
  alone.duplicate_detection = 0s;
  Sink sink;
  Host host(alone, true);
  host.advance(at(0s), sink);
  (void)host.reaches(kPeer6, at(0s), sink);  // asks
  const Bytes answer = ndp_frame(kAdvertise, kPeer6, kOurs6, kPeer6, kSolicited, kTarget, kPeerMac);
  EXPECT_EQ(receive(host, answer, at(0s), sink).drop, Drop::none);
  EXPECT_TRUE(host.reaches(kPeer6, at(0s), sink));
  const Bytes claim =
      ndp_frame(kSolicit, Address{}, solicited_node_of(kOurs6), kOurs6, 0, 0, kOtherMac);
  EXPECT_EQ(receive(host, claim, at(0s), sink).drop, Drop::none);
  EXPECT_TRUE(host.is_local(kOurs6));
}

// RFC 4429 §3.2: until then we answer without claiming, and ask without telling our link address.
TEST_F(Duplicates, UntilThenWeDisplaceNobody) {
  (void)sink.take();
  const Bytes question =
      ndp_frame(kSolicit, kPeer6, solicited_node_of(kOurs6), kOurs6, 0, kSource, kPeerMac);
  EXPECT_EQ(receive(host, question, at(100ms), sink).drop, Drop::none);
  (void)host.resolve(kOther6, at(100ms), sink);
  auto sent = sink.take();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(get32(sent[0], 58), kSolicited);
  EXPECT_EQ(sent[1].size(), 14U + 40U + 24U);
}

TEST_F(Duplicates, OurOwnEchoIsNobody) {
  for (const Bytes& b : sink.take()) {
    EXPECT_EQ(receive(host, b, at(10ms), sink).drop, Drop::ip_bad_source);
  }
  EXPECT_TRUE(host.is_local(kOurs6));
}

}  // namespace
}  // namespace millrace::net::test
