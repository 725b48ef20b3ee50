// SPDX-License-Identifier: BSD-3-Clause
//
// Catalogue A6: chains of IPv6 extension headers, of every length, in every wrong order, too many;
// and the one error that we send about them.
#include <gtest/gtest.h>

#include "tests/dataplane/net/frames.h"

namespace millrace::net::test {
namespace {

constexpr unsigned kHopByHop = 0, kRouting = 43, kFragment = 44, kDestination = 60, kTcp = 6;

/// One extension header: its type, and bytes 2 and on. Its next-header byte is filled in.
struct Extension {
  unsigned type = kDestination;
  Bytes rest = bytes_of({1, 4, 0, 0, 0, 0});  // PadN
  std::optional<unsigned> length = {};        // the field; else what fits
};

Bytes chain_packet(const std::vector<Extension>& chain, unsigned last = kTcp,
                   const Bytes& upper = tcp_segment(kPeer6, kOurs6),
                   const Address& destination = kOurs6) {
  Bytes l4;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    put8(l4, i + 1 < chain.size() ? chain[i + 1].type : last);
    const auto units = static_cast<unsigned>((chain[i].rest.size() + 2) / 8);
    put8(l4, chain[i].length.value_or(units - 1));
    put(l4, chain[i].rest);
  }
  put(l4, upper);
  return ip_packet({.source = kPeer6,
                    .destination = destination,
                    .protocol = chain.empty() ? last : chain.front().type},
                   l4);
}

Bytes chain_frame(const std::vector<Extension>& chain) { return frame({}, chain_packet(chain)); }

TEST(CatalogueA6, UpToEightInFrontOfTcp) {
  const Host host{config()};
  for (std::size_t count = 0; count <= 100; ++count) {
    const Drop drop = parse(host, chain_frame(std::vector<Extension>(count)));
    EXPECT_EQ(drop, count <= 8 ? Drop::none : Drop::ip_bad_extension) << count;
  }
}

TEST(CatalogueA6, TheSegmentBehindThemIsWhole) {
  const Host host{config()};
  const Parsed parsed(host, frame({}, chain_packet({{kHopByHop}, {kDestination}}, kTcp,
                                                   tcp_segment(kPeer6, kOurs6, pattern(9)))));
  ASSERT_EQ(parsed.drop, Drop::none);
  EXPECT_EQ(parsed.packet.l4.size(), 29U);
  EXPECT_EQ(get16(parsed.packet.l4, 0), 40000U);
}

TEST(CatalogueA6, EveryHeaderLength) {
  const Host host{config()};
  for (const unsigned type : {kHopByHop, kRouting, kDestination}) {
    for (unsigned length = 0; length < 256; ++length) {
      // A header of 48 bytes of padding, which claims to be of another length. Six units are real.
      Extension e{type, Bytes(46, std::byte{0}), length};
      if (type == kRouting) e.rest[0] = std::byte{4};  // spent segment routing header
      const Drop drop = parse(host, chain_frame({e}));
      if (length == 5) {
        ASSERT_EQ(drop, Drop::none) << type;
      } else {
        ASSERT_NE(drop, Drop::none) << type << " " << length;
        // 48 bytes of extension and a segment of 20: eight units and a half.
        if (length >= 8) {
          ASSERT_EQ(drop, Drop::ip_bad_extension) << length;
        }
      }
    }
  }
}

TEST(CatalogueA6, ChainsCutAtEveryByte) {
  const Host host{config()};
  const Bytes whole =
      chain_packet({{kHopByHop}, {kRouting, bytes_of({4, 0, 0, 0, 0, 0}), {}}, {kDestination}});
  for (std::size_t size = 40; size < whole.size(); ++size) {
    Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    set16(cut, 4, static_cast<unsigned>(size - 40));
    const Drop drop = parse(host, frame({}, cut));
    EXPECT_EQ(drop, size < 64 ? Drop::ip_bad_extension : Drop::tcp_truncated) << size;
  }
}

TEST(CatalogueA6, HopByHopOnlyFirst) {
  const Host host{config()};
  EXPECT_EQ(parse(host, chain_frame({{kHopByHop}})), Drop::none);
  EXPECT_EQ(parse(host, chain_frame({{kDestination}, {kHopByHop}})), Drop::ip_bad_extension);
  EXPECT_EQ(parse(host, chain_frame({{kHopByHop}, {kHopByHop}})), Drop::ip_bad_extension);
}

TEST(CatalogueA6, RoutingHeaders) {
  const Host host{config()};
  for (unsigned type = 0; type < 256; ++type) {
    for (const unsigned left : {0U, 1U, 255U}) {
      const Extension e{kRouting, bytes_of({type, left, 0, 0, 0, 0}), {}};
      const Drop expected = type == 0   ? Drop::ip_source_route
                            : left == 0 ? Drop::none
                                        : Drop::ip_bad_extension;
      EXPECT_EQ(parse(host, chain_frame({e})), expected) << type << " " << left;
    }
  }
}

TEST(CatalogueA6, FragmentsOfAnyShape) {
  const Host host{config()};
  // First, atomic, later, nested twice, behind others.
  for (const unsigned field : {0x0001U, 0x0000U, 0x0008U, 0xfff8U, 0xffffU}) {
    Bytes rest;
    put16(rest, field);
    put32(rest, 7);
    const Extension fragment{kFragment, rest, 0};
    EXPECT_EQ(parse(host, chain_frame({fragment})), Drop::ip_fragment);
    EXPECT_EQ(parse(host, chain_frame({fragment, fragment})), Drop::ip_fragment);
    EXPECT_EQ(parse(host, chain_frame({{kHopByHop}, {kDestination}, fragment})), Drop::ip_fragment);
  }
}

TEST(CatalogueA6, EveryOptionTypeAndLength) {
  const Host host{config()};
  for (unsigned type = 0; type < 256; ++type) {
    for (unsigned length = 0; length < 256; ++length) {
      const Extension e{kDestination, bytes_of({type, length, 0, 0, 0, 0}), {}};
      const Drop drop = parse(host, chain_frame({e}));
      if (type == 0) {
        // Pad1, and then the length byte is the next option with the zero behind it as length.
        const bool pads = length == 0 || (length < 64 && length != 0);
        ASSERT_EQ(drop == Drop::none, pads) << length;
      } else {
        const bool fits = length <= 4;
        const bool harmless = type < 64;
        ASSERT_EQ(drop, fits && harmless ? Drop::none : Drop::ip_bad_extension)
            << type << " " << length;
      }
    }
  }
}

TEST(CatalogueA6, OptionsThatFillTheFrameAreReadOnce) {
  const Host host{config()};
  // As much Pad1 as a frame holds: linear, and no error.
  const Extension e{kDestination, Bytes(1374, std::byte{0}), {}};
  EXPECT_EQ(parse(host, chain_frame({e})), Drop::none);
}

TEST(CatalogueA6, WhatWeDoNotSpeak) {
  const Host host{config()};
  for (unsigned protocol = 0; protocol < 256; ++protocol) {
    if (protocol == kTcp || protocol == 58 || protocol == kHopByHop || protocol == kRouting ||
        protocol == kFragment || protocol == kDestination) {
      continue;
    }
    const Parsed parsed(host, frame({}, chain_packet({{kDestination}}, protocol)));
    ASSERT_EQ(parsed.drop, Drop::ip_protocol_unknown) << protocol;
    // "No next header" is no problem; UDP we know, but have nobody who listens.
    const auto problem = protocol == 59   ? Packet::Problem::none
                         : protocol == 17 ? Packet::Problem::port
                                          : Packet::Problem::next_header;
    ASSERT_EQ(parsed.packet.problem, problem) << protocol;
  }
}

// ---- the error: RFC 4443 §3.4

struct Reported : testing::Test {
  /// Code and pointer of the error that `packet` provokes; nothing if it provokes none.
  std::optional<std::pair<unsigned, unsigned>> provoke(const Bytes& bytes, Instant now = at(10s)) {
    (void)receive(host, bytes, now, sink);
    const auto sent = sink.take();
    if (sent.empty()) return std::nullopt;
    EXPECT_EQ(sent.size(), 1U);
    const Bytes& e = sent.front();
    EXPECT_LE(e.size(), 14U + 1280U);
    EXPECT_EQ(get_mac(e, 0), kPeerMac);
    EXPECT_EQ(get_mac(e, 6), kOurMac);
    const std::span<const std::byte> l4 = std::span(e).subspan(54);
    EXPECT_EQ(get16(e, 18), l4.size());
    EXPECT_EQ(get8(e, 20), 58U);
    const Address source = get_address(e, 22, false);
    EXPECT_EQ(source, kOurs6);
    EXPECT_EQ(get_address(e, 38, false), kPeer6);
    EXPECT_EQ(checksum(source, kPeer6, 58, l4), 0);
    EXPECT_EQ(get8(l4, 0), 4U);
    // It quotes the packet.
    const std::size_t quoted = std::min<std::size_t>(bytes.size() - 14, 1232);
    EXPECT_EQ(l4.size(), 8 + quoted);
    EXPECT_TRUE(std::equal(l4.begin() + 8, l4.end(), bytes.begin() + 14));
    return std::pair{get8(l4, 1), get32(l4, 4)};
  }
  Host host{config(), false};
  Sink sink;
};

using CatalogueA6Reported = Reported;
using Pair = std::pair<unsigned, unsigned>;

TEST_F(CatalogueA6Reported, CodeAndPointer) {
  // An unknown header, named by the IPv6 header or by an extension.
  EXPECT_EQ(provoke(frame({}, chain_packet({}, 253))), (Pair{1, 6}));
  EXPECT_EQ(provoke(frame({}, chain_packet({{kDestination}}, 253))), (Pair{1, 40}));
  EXPECT_EQ(provoke(chain_frame({{kDestination}, {kHopByHop}})), (Pair{1, 40}));
  // A routing header that is not spent: its type.
  EXPECT_EQ(provoke(chain_frame({{kRouting, bytes_of({4, 1, 0, 0, 0, 0}), {}}})), (Pair{0, 42}));
  // Options whose type asks for it: its place.
  EXPECT_EQ(provoke(chain_frame({{kDestination, bytes_of({0, 0x80, 3, 0, 0, 0}), {}}})),
            (Pair{2, 43}));
  EXPECT_EQ(provoke(chain_frame({{kDestination, bytes_of({0xc2, 4, 0, 0, 0, 0}), {}}})),
            (Pair{2, 42}));
  EXPECT_EQ(provoke(chain_frame({{kDestination, bytes_of({0x40, 4, 0, 0, 0, 0}), {}}})),
            std::nullopt);
}

TEST_F(CatalogueA6Reported, LongPacketsAreQuotedInPart) {
  const Bytes big = frame({}, chain_packet({}, 253, pattern(1400)));
  EXPECT_EQ(provoke(big), (Pair{1, 6}));
}

TEST_F(CatalogueA6Reported, AtMostTheRate) {
  const Bytes bytes = frame({}, chain_packet({}, 253));
  std::size_t sent = 0;
  for (int i = 0; i < 100'000; ++i) {
    (void)receive(host, bytes, at(10s) + i * 10us, sink);  // one second
    sent += sink.take().size();
  }
  EXPECT_GE(sent, 1000U);
  EXPECT_LE(sent, 1100U);
}

TEST_F(CatalogueA6Reported, NeverToGroupsNorFromThem) {
  // RFC 4443 §2.4 e: what was sent to many is answered only for an option that insists.
  Ethernet group;
  group.to = {0x33, 0x33, 0, 0, 0, 1};
  const Bytes unknown = frame(group, chain_packet({}, 253, Bytes(20), all_nodes()));
  EXPECT_EQ(provoke(unknown), std::nullopt);
  Bytes from_nowhere = frame({}, chain_packet({}, 253));
  std::fill_n(from_nowhere.begin() + 22, 16, std::byte{0});
  EXPECT_EQ(provoke(from_nowhere), std::nullopt);
  Bytes from_group_mac = frame({}, chain_packet({}, 253));
  from_group_mac[6] |= std::byte{1};
  EXPECT_EQ(provoke(from_group_mac), std::nullopt);
  const Extension insists{kDestination, bytes_of({0x80, 4, 0, 0, 0, 0}), {}};
  EXPECT_NE(provoke(frame(group, chain_packet({insists}, kTcp, Bytes(20), all_nodes()))),
            std::nullopt);
  const Extension does_not{kDestination, bytes_of({0xc0, 4, 0, 0, 0, 0}), {}};
  EXPECT_EQ(provoke(frame(group, chain_packet({does_not}, kTcp, Bytes(20), all_nodes()))),
            std::nullopt);
}

}  // namespace
}  // namespace millrace::net::test
