// SPDX-License-Identifier: BSD-3-Clause
//
// Catalogue A3: version against ethertype, IHL against everything, and the options of IPv4.
#include <gtest/gtest.h>

#include "tests/dataplane/net/frames.h"

namespace millrace::net::test {
namespace {

TEST(CatalogueA3, EveryVersionAndHeaderLength) {
  const Host host{config()};
  for (unsigned version = 0; version < 16; ++version) {
    for (unsigned words = 0; words < 16; ++words) {
      for (const unsigned ethertype : {0x0800U, 0x86ddU}) {
        Bytes packet = ip_packet({}, tcp_segment(kPeer4, kOurs4));  // 40 bytes
        packet[0] = static_cast<std::byte>(version << 4 | words);
        set16(packet, 10, 0);
        set16(packet, 10, checksum(std::span(packet).first(20)));
        const Bytes bytes = frame({.tags = {}, .ethertype = ethertype}, packet);
        const Drop drop = parse(host, bytes);
        if (ethertype == 0x86dd) {
          // As IPv6 this is a header of nonsense; with the right version its addresses are not
          // ours.
          ASSERT_NE(drop, Drop::none);
          if (version != 6) {
            ASSERT_EQ(drop, Drop::ip_bad_version);
          }
        } else if (version != 4) {
          ASSERT_EQ(drop, Drop::ip_bad_version) << version << " " << words;
        } else if (words < 5 || words > 10) {
          ASSERT_EQ(drop, Drop::ip_bad_header_length) << words;
        } else {
          ASSERT_EQ(drop == Drop::none, words == 5) << words;
        }
      }
    }
  }
}

// In a frame of exactly twenty bytes of IP, so that nothing lies behind the header.
TEST(CatalogueA3, HeaderLengthPastTheFrame) {
  const Host host{config()};
  for (unsigned words = 6; words < 16; ++words) {
    const Bytes packet = ip_packet({.header_words = words}, {});
    EXPECT_EQ(parse(host, frame({}, packet)), Drop::ip_bad_header_length) << words;
  }
}

TEST(CatalogueA3, OtherEthertypes) {
  const Host host{config()};
  for (unsigned ethertype = 0; ethertype <= 0xffff; ++ethertype) {
    const Bytes bytes = frame({.tags = {}, .ethertype = ethertype}, Bytes(46, std::byte{0}));
    const Drop drop = parse(host, bytes);
    if (ethertype == 0x0800 || ethertype == 0x86dd) {
      ASSERT_EQ(drop, Drop::ip_bad_version);
    } else if (ethertype == 0x0806) {
      ASSERT_EQ(drop, Drop::arp_malformed);
    } else if (ethertype == 0x8100 || ethertype == 0x88a8) {
      ASSERT_EQ(drop, Drop::ethertype_unknown);  // VLAN 0 around ethertype 0
    } else {
      ASSERT_EQ(drop, Drop::ethertype_unknown) << ethertype;
    }
  }
}

Drop with_options(const Host& host, Bytes options) {
  options.resize((options.size() + 3) / 4 * 4);
  const Ip ip{.options = options};
  return parse(host, frame({}, ip_packet(ip, tcp_segment(kPeer4, kOurs4))));
}

TEST(CatalogueA3, Ipv4OptionsAreSteppedOver) {
  const Host host{config()};
  EXPECT_EQ(with_options(host, bytes_of({1, 1, 1, 1})), Drop::none);
  EXPECT_EQ(with_options(host, bytes_of({0, 0xff, 0xff, 0xff})), Drop::none);
  EXPECT_EQ(with_options(host, bytes_of({7, 7, 4, 0, 0, 0, 0})), Drop::none);  // record route
  EXPECT_EQ(with_options(host, bytes_of({148, 4, 0, 0})), Drop::none);         // router alert
  EXPECT_EQ(with_options(host, Bytes(40, std::byte{1})), Drop::none);
}

TEST(CatalogueA3, SourceRoutesAreRefused) {
  const Host host{config()};
  for (const unsigned kind : {131U, 137U}) {
    EXPECT_EQ(with_options(host, bytes_of({kind, 7, 4, 1, 2, 3, 4})), Drop::ip_source_route);
    EXPECT_EQ(with_options(host, bytes_of({1, 1, 1, kind, 3, 4})), Drop::ip_source_route);
  }
}

TEST(CatalogueA3, EveryIpv4OptionKindAndLengthAtEveryPlace) {
  const Host host{config()};
  const Bytes segment = tcp_segment(kPeer4, kOurs4);
  for (unsigned place = 0; place < 40; ++place) {
    for (unsigned kind = 0; kind < 256; kind += place % 8 == 0 ? 1 : 13) {
      for (unsigned length = 0; length < 256; length += length < 48 ? 1 : 23) {
        Bytes options(40, std::byte{1});
        options[place] = static_cast<std::byte>(kind);
        if (place + 1 < 40) options[place + 1] = static_cast<std::byte>(length);
        const Drop drop = parse(host, frame({}, ip_packet({.options = options}, segment)));
        if (kind == 0) {
          ASSERT_EQ(drop, Drop::none);
        } else if (kind == 131 || kind == 137) {
          ASSERT_EQ(drop, Drop::ip_source_route);
        } else if (kind != 1) {
          const bool fits = place + 1 < 40 && length >= 2 && place + length <= 40;
          ASSERT_EQ(drop, fits ? Drop::none : Drop::ip_bad_options)
              << place << " " << kind << " " << length;
        }
      }
    }
  }
}

}  // namespace
}  // namespace millrace::net::test
