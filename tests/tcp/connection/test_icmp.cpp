// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 5927: what an ICMP error may do, and what it may not (catalogue B7).
#include "tcp/connection/path_mtu.h"
#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {
namespace {

Drop unreachable(Host& h, Seq seq, bool hard) {
  Outcome o;
  const Drop drop = on_icmp_error(h.c, seq, SoftError::unreachable, hard, h.context(), o);
  h.closed |= o.closed;
  if (o.closed) h.reason = o.reason;
  return drop;
}

TEST(Icmp, HardErrorEndsOnlyAnOpeningConnection) {  // RFC 5927 §4, RFC 9293 §3.9.2.2
  for (const bool ipv6 : {false, true}) {
    HostSetup setup;
    setup.ipv6 = ipv6;
    Host h;
    ASSERT_TRUE(h.open(Seq(100), ipv6));
    (void)h.flush();
    EXPECT_EQ(unreachable(h, Seq(99), true), Drop::icmp_no_connection);
    EXPECT_EQ(unreachable(h, Seq(101), true), Drop::icmp_no_connection);
    EXPECT_EQ(unreachable(h, Seq(100), false), Drop::icmp_ignored);
    EXPECT_EQ(h.c.state, State::syn_sent);
    EXPECT_EQ(unreachable(h, Seq(100), true), Drop::none);
    EXPECT_TRUE(h.closed);
    EXPECT_EQ(h.reason, CloseReason::unreachable);
    EXPECT_TRUE(h.cold_is_empty());

    Host open;
    open.establish(setup);
    (void)open.write("data");
    (void)open.flush();
    EXPECT_EQ(unreachable(open, Seq(1001), true), Drop::icmp_ignored);
    EXPECT_EQ(open.c.state, State::established);
  }
}

TEST(Icmp, TooBigLowersTheMssToAFloor) {  // RFC 1191, RFC 8201, RFC 5927 §7
  for (const bool ipv6 : {false, true}) {
    for (const bool timestamps : {false, true}) {
      const int headers = (ipv6 ? 60 : 40) + (timestamps ? 12 : 0);
      const int floor = ipv6 ? 1280 : 552;
      for (const int mtu : {0, 68, 551, 552, 1000, 1279, 1280, 1400, 1499}) {
        Host h;
        HostSetup s;
        s.ipv6 = ipv6;
        s.timestamps = timestamps;
        h.establish(s);
        (void)h.write(pattern(6000));
        (void)h.flush();
        EXPECT_EQ(on_icmp_too_big(h.c, Seq(1001), static_cast<std::uint16_t>(mtu), h.context()),
                  Drop::none);
        EXPECT_EQ(h.c.mss, std::max(mtu, floor) - headers);
        std::string text;
        for (const Segment& out : h.flush()) {
          EXPECT_LE(out.data.size(), h.c.mss);
          text += out.data;
        }
        EXPECT_EQ(text, pattern(6000)) << "sent again in smaller pieces, at once";
        EXPECT_EQ(h.c.congestion.ssthresh, 0x7fff'ffffU) << "no sign of congestion";
      }
    }
  }
}

TEST(Icmp, TheOldSizeIsBoundedByWhatTheLinkAllowsNow) {  // RFC 1191 §6.3
  Host h;
  h.establish(HostSetup{});
  (void)h.write(pattern(3000));
  (void)h.flush();
  ASSERT_EQ(on_icmp_too_big(h.c, Seq(1001), 1000, h.context()), Drop::none);
  EXPECT_FALSE(raise_path_mtu(h.c, 1460, h.context())) << "what was lost comes first";
  (void)h.flush();
  ASSERT_EQ(h.input(h.peer()), Drop::none) << "the peer has it all";
  h.config.mtu = 1200;
  EXPECT_TRUE(raise_path_mtu(h.c, 1460, h.context()));
  EXPECT_EQ(h.c.mss, 1160);
  h.config.mtu = 1500;
  EXPECT_TRUE(raise_path_mtu(h.c, 1400, h.context()));
  EXPECT_EQ(h.c.mss, 1400);
  EXPECT_TRUE(raise_path_mtu(h.c, 1000, h.context()));
  EXPECT_EQ(h.c.mss, 1400) << "it raises and never lowers";
}

TEST(Icmp, TooBigIsChecked) {
  for (const bool ipv6 : {false, true}) {
    HostSetup setup;
    setup.ipv6 = ipv6;
    Host h;
    h.establish(setup);
    EXPECT_EQ(on_icmp_too_big(h.c, Seq(1001), 1300, h.context()), Drop::icmp_no_connection)
        << "nothing is in flight";
    (void)h.write(pattern(3000));
    (void)h.flush();
    EXPECT_EQ(on_icmp_too_big(h.c, Seq(1000), 1300, h.context()), Drop::icmp_no_connection);
    EXPECT_EQ(on_icmp_too_big(h.c, Seq(4001), 1300, h.context()), Drop::icmp_no_connection);
    EXPECT_EQ(on_icmp_too_big(h.c, Seq(1001), 1500, h.context()), Drop::icmp_ignored);
    EXPECT_EQ(h.c.mss, ipv6 ? 1440 : 1460);
  }
}

}  // namespace
}  // namespace millrace::tcp::test
