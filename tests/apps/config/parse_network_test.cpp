// SPDX-License-Identifier: BSD-3-Clause
//
// Addresses, routes, devices and URLs: what is taken, and the sentence for what is not.
#include <gtest/gtest.h>

#include "apps/config/exit_code.h"
#include "apps/config/parse_address.h"
#include "apps/config/parse_device.h"
#include "apps/config/parse_url.h"

namespace millrace {
namespace {

template <typename T>
std::string said(const Result<T>& result) {
  return result ? "nothing" : to_line(result.error());
}

TEST(ParseAddress, BothFamilies) {
  EXPECT_EQ(parse_address("198.18.0.2").value(), Address::v4(0xC6120002));
  EXPECT_EQ(address_text(parse_address("2001:02:0:0::2").value()), "2001:2::2");
  for (const char* word :
       {"", "198.18.0", "198.18.0.300", "198.18.0.2 ", "2001:2:::2", "host", "010.1.1.1"}) {
    EXPECT_FALSE(parse_address(word).ok()) << word;
  }
  EXPECT_EQ(
      said(parse_address("198.18.0.300")),
      "'198.18.0.300' is not an address: expected IPv4 as 198.18.0.2 or IPv6 as 2001:2::2; try "
      "198.18.0.2");
  EXPECT_EQ(
      said(parse_address("[2001:2::2]")),
      "'[2001:2::2]' is not an address: expected IPv4 as 198.18.0.2 or IPv6 as 2001:2::2; leave "
      "the brackets out");
}

TEST(ParseAddress, RefusesAHiddenZero) {
  EXPECT_FALSE(parse_address(std::string_view("198.18.0.2\0x", 12)).ok());
  EXPECT_FALSE(parse_address(std::string_view("2001:2::2\0x", 11)).ok());
}

TEST(ParseAddressRange, OneAndMany) {
  struct Row {
    const char* word;
    const char* text;
    std::uint32_t count;
  };
  for (const Row& row :
       {Row{"198.18.0.2", "198.18.0.2/32", 1}, Row{"198.18.0.2/24", "198.18.0.2/24", 1},
        Row{"198.18.0.16-198.18.0.31/24", "198.18.0.16-198.18.0.31/24", 16},
        Row{"10.0.0.250-10.0.1.5/16", "10.0.0.250-10.0.1.5/16", 12},
        Row{"10.0.0.1-10.0.0.3", "10.0.0.1-10.0.0.3/32", 3}, Row{"2001:2::2/64", "2001:2::2/64", 1},
        Row{"2001:2::ff-2001:2::101/64", "2001:2::ff-2001:2::101/64", 3}}) {
    const auto range = parse_address_range(row.word);
    ASSERT_TRUE(range.ok()) << row.word << ": " << said(range);
    EXPECT_EQ(range_text(range.value()), row.text);
    EXPECT_EQ(range.value().count, row.count) << row.word;
  }
}

TEST(ParseAddressRange, Sentences) {
  const std::pair<const char*, const char*> rows[] = {
      {"198.18.0.2/33",
       "'198.18.0.2/33' has the prefix length '33': expected 0 to 32; try 198.18.0.2/24"},
      {"2001:2::2/129",
       "'2001:2::2/129' has the prefix length '129': expected 0 to 128; try 2001:2::2/64"},
      {"198.18.0.2/",
       "'198.18.0.2/' has the prefix length '': expected 0 to 32; try 198.18.0.2/24"},
      {"198.18.0.2/+8",
       "'198.18.0.2/+8' has the prefix length '+8': expected 0 to 32; try 198.18.0.2/24"},
      {"198.18.0.0/24",
       "'198.18.0.0/24' cannot be an address of ours: 198.18.0.0 is its network's own in a /24; "
       "try "
       "198.18.0.1/24"},
      {"198.18.0.255/24",
       "'198.18.0.255/24' cannot be an address of ours: 198.18.0.255 is its network's broadcast "
       "address in a /24; try 198.18.0.254/24"},
      {"224.0.0.1/24",
       "'224.0.0.1/24' cannot be an address of ours: 224.0.0.1 is a multicast address; try "
       "198.18.0.2/24"},
      {"ff02::1/64",
       "'ff02::1/64' cannot be an address of ours: ff02::1 is a multicast address; try "
       "198.18.0.2/24"},
      {"::1", "'::1' cannot be an address of ours: ::1 is a loopback address; try 198.18.0.2/24"},
      {"127.0.0.1/8",
       "'127.0.0.1/8' cannot be an address of ours: 127.0.0.1 is a loopback address; try "
       "198.18.0.2/24"},
      {"0.0.0.0/0",
       "'0.0.0.0/0' cannot be an address of ours: 0.0.0.0 is the unspecified address; try "
       "198.18.0.2/24"},
      {"198.18.0.9-198.18.0.8/24",
       "'198.18.0.9-198.18.0.8/24' is not a range of addresses: expected a last address of the "
       "first "
       "one's family, above it, and at most 1048576 addresses; try 198.18.0.16-198.18.0.31/24"},
      {"198.18.0.250-198.18.1.5/24",
       "'198.18.0.250-198.18.1.5/24' leaves its network: 198.18.1.5 is not in 198.18.0.250/24; "
       "make "
       "the prefix length smaller"},
  };
  for (const auto& [word, sentence] : rows) EXPECT_EQ(said(parse_address_range(word)), sentence);
  for (const char* word : {"198.18.0.2-2001:2::2/24", "198.18.0.2-", "-198.18.0.2", "/24",
                           "10.0.0.1-10.255.0.1/8", "2001:2::1-2001:3::1/16"}) {
    EXPECT_FALSE(parse_address_range(word).ok()) << word;
  }
}

TEST(ParseRoute, WithAndWithoutVia) {
  const auto link = parse_route("10.0.0.0/8");
  ASSERT_TRUE(link.ok());
  EXPECT_FALSE(link.value().via.has_value());
  EXPECT_EQ(link.value().prefix_length, 8);
  const auto via = parse_route("2001:db8::/32,via 2001:2::1");
  ASSERT_TRUE(via.ok()) << said(via);
  EXPECT_EQ(address_text(*via.value().via), "2001:2::1");
  EXPECT_EQ(said(parse_route("10.0.0.0")),
            "'10.0.0.0' is not a route: expected PREFIX/LENGTH or PREFIX/LENGTH,via ADDRESS; try "
            "'10.0.0.0/8,via 198.18.0.1'");
  EXPECT_EQ(said(parse_route("10.0.0.0/8,via 2001:2::1")),
            "the route '10.0.0.0/8,via 2001:2::1' mixes IPv4 and IPv6: expected one family");
  for (const char* word :
       {"", "10.0.0.0/8,", "10.0.0.0/8 via 1.1.1.1", "10.0.0.0/8,via", "10.0.0.0/99"}) {
    EXPECT_FALSE(parse_route(word).ok()) << word;
  }
}

TEST(ParseGateway, IsADefaultRoute) {
  const auto v4 = parse_gateway("198.18.0.1");
  ASSERT_TRUE(v4.ok());
  EXPECT_EQ(v4.value().prefix_length, 0);
  EXPECT_TRUE(v4.value().prefix.is_v4());
  EXPECT_FALSE(parse_gateway("2001:2::1").value().prefix.is_v4());
}

TEST(Prefix, ComparesBits) {
  const auto a = [](const char* text) { return parse_address(text).value(); };
  EXPECT_TRUE(in_prefix(a("198.18.5.1"), a("198.18.0.0"), 15));
  EXPECT_TRUE(in_prefix(a("198.19.5.1"), a("198.18.0.0"), 15));
  EXPECT_FALSE(in_prefix(a("198.20.5.1"), a("198.18.0.0"), 15));
  EXPECT_TRUE(in_prefix(a("2001:2::9"), a("2001:2::"), 64));
  EXPECT_FALSE(in_prefix(a("2001:2::9"), a("198.18.0.0"), 0));
  EXPECT_EQ(address_text(address_plus(a("2001:2::ffff"), 1)), "2001:2::1:0");
  EXPECT_EQ(address_text(address_plus(a("10.0.0.255"), 1)), "10.0.1.0");
}

TEST(OwnNetwork, IsAskedFor) {
  const auto a = [](const char* text) { return parse_address(text).value(); };
  for (const char* text : {"10.1.2.3", "192.168.0.1", "172.31.0.1", "198.19.255.1", "203.0.113.7",
                           "2001:2::1", "2001:db8::1", "fd00::1", "fe80::1"}) {
    EXPECT_TRUE(is_nobody_elses(a(text))) << text;
  }
  for (const char* text :
       {"8.8.8.8", "172.32.0.1", "198.20.0.1", "2001:4860:4860::8888", "100.64.0.1"}) {
    EXPECT_FALSE(is_nobody_elses(a(text))) << text;
  }
  const auto own = parse_address_range("198.18.0.16-198.18.0.31/24").value();
  const auto foreign = parse_address_range("8.8.8.1/24").value();
  EXPECT_TRUE(check_own_network(a("198.18.0.1"), {own}, false).ok());
  EXPECT_TRUE(check_own_network(a("8.8.8.8"), {foreign}, true).ok());
  EXPECT_EQ(said(check_own_network(a("8.8.8.8"), {own}, false)),
            "the target 8.8.8.8 may be somebody else's: expected a private, test or documentation "
            "address, as 198.18.0.1; if the network is yours to load, say --i-own-this-network");
  EXPECT_EQ(said(check_own_network(a("198.18.0.1"), {own, foreign}, false)),
            "the source 8.8.8.1/24 may be somebody else's: expected private, test or documentation "
            "addresses, as 198.18.0.16-198.18.0.31/24; if the network is yours to load, say "
            "--i-own-this-network");
}

TEST(ParseDevice, TakesDpdkNames) {
  for (const char* word : {"net_tap0,iface=mr0", "net_ring0", "net_af_packet0,iface=veth1",
                           "net_memif0,role=server,id=1", "0000:01:00.0", "net_mlx99"}) {
    EXPECT_EQ(said(parse_device(word)), "nothing") << word;
  }
}

TEST(ParseDevice, SuggestsOne) {
  const std::string expected =
      "' is not a device: expected a name as DPDK gives it, as net_tap0,iface=mr0 or "
      "0000:01:00.0; ";
  const std::pair<const char*, const char*> rows[] = {
      {"eth0", "try net_af_packet0,iface=eth0"},
      {"veth1", "try net_af_packet0,iface=veth1"},
      {"net_tap", "did you mean net_tap0?"},
      {"net_tab0,iface=mr0", "did you mean net_tap0,iface=mr0?"},
      {"tap0", "did you mean net_tap0?"},
      {"01:00.0", "try 0000:01:00.0"},
      {"quux", "try net_tap0,iface=mr0"},
  };
  for (const auto& [word, hint] : rows) {
    EXPECT_EQ(said(parse_device(word)), "'" + std::string(word) + expected + hint);
  }
  EXPECT_EQ(said(parse_device("net_tap0,mr0")),
            "'net_tap0,mr0' is not a device: expected NAME,KEY=VALUE after the driver's name; try "
            "net_tap0,iface=mr0");
}

TEST(ParseUrl, TakesAddresses) {
  struct Row {
    const char* word;
    const char* host;
    std::uint16_t port;
    const char* path;
  };
  for (const Row& row :
       {Row{"http://198.18.0.1", "198.18.0.1", 80, "/"},
        Row{"http://198.18.0.1:8080/bytes/64", "198.18.0.1:8080", 8080, "/bytes/64"},
        Row{"http://198.18.0.1?q=1", "198.18.0.1", 80, "/?q=1"},
        Row{"http://[2001:2::1]:81/x?y", "[2001:2::1]:81", 81, "/x?y"},
        Row{"http://[2001:2::1]/", "[2001:2::1]", 80, "/"}}) {
    const auto url = parse_url(row.word);
    ASSERT_TRUE(url.ok()) << row.word << ": " << said(url);
    EXPECT_EQ(url.value().host_header(), row.host);
    EXPECT_EQ(url.value().port, row.port);
    EXPECT_EQ(url.value().path, row.path);
  }
}

TEST(ParseUrl, Sentences) {
  const std::string expected =
      "expected http://ADDRESS[:PORT]/PATH, as http://198.18.0.1:8080/bytes/64";
  const std::pair<const char*, std::string> rows[] = {
      {"198.18.0.1/x", "'198.18.0.1/x' is not a URL: " + expected + "; try http://198.18.0.1/x"},
      {"htp://198.18.0.1/",
       "'htp://198.18.0.1/' is not a URL: " + expected + "; did you mean http://198.18.0.1/?"},
      {"https://198.18.0.1/",
       "'https://198.18.0.1/' asks for TLS: " + expected + "; try http://198.18.0.1/"},
      {"http://example.com/",
       "'http://example.com/' has the host name 'example.com', and names are "
       "not resolved: " +
           expected + "; put its address there"},
      {"http://2001:2::1/", "'http://2001:2::1/' is not a URL: " + expected +
                                "; put the IPv6 address in brackets: http://[2001:2::1]/"},
      {"http://198.18.0.1:0/",
       "in 'http://198.18.0.1:0/', '0' is not a port: expected a whole number "
       "from 1 to 65535; try 80"},
      {"http://me@198.18.0.1/",
       "'http://me@198.18.0.1/' is not a URL: " + expected + "; leave the user name out"},
      {"http://198.18.0.1/a b",
       "'http://198.18.0.1/a b' has a space, a # or another character that "
       "may not be in a path: " +
           expected + "; write such characters as %20"},
  };
  for (const auto& [word, sentence] : rows) EXPECT_EQ(said(parse_url(word)), sentence);
  for (const char* word :
       {"", "http://", "http:///x", "http://198.18.0.1:/", "http://[198.18.0.1]/",
        "http://[2001:2::1", "http://[2001:2::1]x/", "http://198.18.0.1/#top", "ftp://198.18.0.1/",
        "http://198.18.0.1/\x01"}) {
    EXPECT_FALSE(parse_url(word).ok()) << word;
  }
}

}  // namespace
}  // namespace millrace
