// SPDX-License-Identifier: BSD-3-Clause
//
// Telling the network who we are: gratuitous ARP twice (RFC 5227 §2.3), one worker of a port alone,
// slowly enough for ten thousand addresses.
#include <gtest/gtest.h>

#include <map>

#include "tests/dataplane/net/frames.h"

namespace millrace::net::test {
namespace {

std::map<std::uint32_t, int> announced(Sink& sink) {
  std::map<std::uint32_t, int> count;
  for (const Bytes& b : sink.take()) {
    if (get16(b, 12) != 0x0806) continue;
    const Address sender = get_address(b, 28, true);
    EXPECT_EQ(
        b, frame({kBroadcast, kOurMac, {}, 0x0806}, arp_packet({1, kOurMac, sender, {}, sender})));
    ++count[sender.to_v4()];
  }
  return count;
}

TEST(Announce, TwiceTwoSecondsApart) {
  Host host(config(), true);
  Sink sink;
  host.advance(at(0s), sink);
  EXPECT_EQ(announced(sink)[kOurs4.to_v4()], 1);
  for (Duration t = 0s; t < 1990ms; t += 10ms) host.advance(at(t), sink);
  EXPECT_TRUE(announced(sink).empty());
  for (Duration t = 1990ms; t < 60s; t += 10ms) host.advance(at(t), sink);
  EXPECT_EQ(announced(sink)[kOurs4.to_v4()], 1);
  EXPECT_EQ(host.next_deadline(), Instant::max());
}

TEST(Announce, OneWorkerOfAPortIsEnough) {
  Host host(config(), false);
  Sink sink;
  for (Duration t = 0s; t < 60s; t += 100ms) host.advance(at(t), sink);
  EXPECT_EQ(sink.sent, 0U);
}

TEST(Announce, ManyAddressesOneAfterTheOther) {
  InterfaceConfig c = config();
  c.addresses = {{Address::v4(0x0a000010), 8, 700}, {Address::v4(0x0a100010), 8, 10'000}};
  Host host(c, true);
  Sink sink;
  std::map<std::uint32_t, int> count;
  for (Duration t = 0s; t < 1900ms; t += 500us) {
    host.advance(at(t), sink);
    const auto now = announced(sink);
    EXPECT_LE(now.size(), 16U);
    for (const auto& [address, n] : now) count[address] += n;
  }
  // As many as a peer's table would hold; the rest are asked for when they are needed.
  EXPECT_EQ(count.size(), Host::kMaxAnnounced);
  for (std::uint32_t i = 0; i < 700; ++i) EXPECT_EQ(count[0x0a000010 + i], 1);
}

TEST(Announce, WithoutFramesItIsTriedAgain) {
  Host host(config(), true);
  Sink sink;
  sink.dry = true;
  for (Duration t = 0s; t < 100ms; t += 1ms) host.advance(at(t), sink);
  sink.dry = false;
  for (Duration t = 100ms; t < 200ms; t += 1ms) host.advance(at(t), sink);
  EXPECT_EQ(announced(sink)[kOurs4.to_v4()], 1);
  EXPECT_EQ(host.stats().announcements_sent, 3U);  // with two for IPv6
}

TEST(Announce, AgainWhenTheLinkCameUp) {
  Host host(config(), true);
  Sink sink;
  for (Duration t = 0s; t < 5s; t += 10ms) host.advance(at(t), sink);
  (void)sink.take();
  host.restart_announcements(at(5s));
  for (Duration t = 5s; t < 10s; t += 10ms) host.advance(at(t), sink);
  EXPECT_EQ(announced(sink)[kOurs4.to_v4()], 2);
}

}  // namespace
}  // namespace millrace::net::test
