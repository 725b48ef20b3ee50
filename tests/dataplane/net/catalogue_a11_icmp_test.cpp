// SPDX-License-Identifier: BSD-3-Clause
//
// Catalogue A11: ICMP errors cut off anywhere, for others, of every type and code; a million Packet
// Too Big; and echo, which is answered to one and within the rate.
#include <gtest/gtest.h>

#include "tests/dataplane/net/frames.h"

namespace millrace::net::test {
namespace {

using Kind = TransportError::Kind;

class Icmp : public testing::TestWithParam<bool> {
 protected:
  Icmp() { host.advance(at(0s), sink); }
  [[nodiscard]] bool v4() const { return GetParam(); }
  [[nodiscard]] Address ours() const { return v4() ? kOurs4 : kOurs6; }
  [[nodiscard]] Address peer() const { return v4() ? kPeer4 : kPeer6; }
  [[nodiscard]] std::size_t ip_bytes() const { return v4() ? 20 : 40; }
  /// A segment that we sent, as an error quotes it.
  [[nodiscard]] Bytes quoted(const Address& source, unsigned protocol = 6) const {
    Bytes segment;
    put16(segment, 80);
    put16(segment, 40000);
    put32(segment, 0xdeadbeef);
    put(segment, Bytes(12, std::byte{0}));
    return ip_packet({.source = source, .destination = peer(), .protocol = protocol}, segment);
  }
  [[nodiscard]] Bytes error_frame(unsigned type, unsigned code, std::uint32_t second_word,
                                  std::span<const std::byte> quote) const {
    Bytes rest;
    put32(rest, second_word);
    put(rest, quote);
    return icmp_frame({.source = router(), .destination = ours()}, type, code, rest);
  }
  [[nodiscard]] Address router() const { return v4() ? kOther4 : kOther6; }
  ControlResult give(const Bytes& bytes) { return receive(host, bytes, at(1s), sink); }

  Host host{config(), false};
  Sink sink;
};
INSTANTIATE_TEST_SUITE_P(CatalogueA11, Icmp, testing::Bool(),
                         [](const auto& p) { return p.param ? "v4" : "v6"; });

TEST_P(Icmp, EmbeddedPacketCutAtEveryByte) {
  const unsigned type = v4() ? 3 : 1;
  const Bytes whole = quoted(ours());
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const ControlResult result = give(error_frame(type, 0, 0, std::span(whole).first(size)));
    const bool enough = size >= ip_bytes() + 8;
    EXPECT_EQ(result.drop, enough ? Drop::none : Drop::icmp_malformed) << size;
    EXPECT_EQ(result.error.has_value(), enough);
    if (!enough) continue;
    EXPECT_EQ(result.error->tuple, (FourTuple{ours(), peer(), 80, 40000}));
    EXPECT_EQ(result.error->seq.raw(), 0xdeadbeefU);
    EXPECT_EQ(result.error->kind, Kind::unreachable);
  }
}

TEST_P(Icmp, TheMessageCutAtEveryByte) {
  for (std::size_t size = 0; size < 8; ++size) {
    Bytes message = icmp(router(), ours(), v4() ? 3 : 1, 0, Bytes(4));
    message.resize(size);
    if (size >= 4) {
      set16(message, 2, 0);
      set16(message, 2, v4() ? checksum(message) : checksum(router(), ours(), 58, message));
    }
    const Ip ip{.source = router(), .destination = ours(), .protocol = v4() ? 1U : 58U};
    EXPECT_EQ(give(frame({}, ip_packet(ip, message))).drop, Drop::icmp_malformed) << size;
  }
}

TEST_P(Icmp, EmbeddedHeadersThatCannotBeOurs) {
  const unsigned type = v4() ? 3 : 1;
  EXPECT_EQ(give(error_frame(type, 0, 0, quoted(router()))).drop, Drop::icmp_no_connection);
  EXPECT_EQ(give(error_frame(type, 0, 0, quoted(ours(), 17))).drop, Drop::icmp_ignored);
  for (unsigned first = 0; first < 256; ++first) {
    Bytes quote = quoted(ours());
    quote[0] = static_cast<std::byte>(first);
    const ControlResult result = give(error_frame(type, 0, 0, quote));
    if (first >> 4 != (v4() ? 4U : 6U)) {
      EXPECT_EQ(result.drop, Drop::icmp_malformed) << first;
    } else if (v4()) {
      // A header of 28 bytes still leaves the eight that are needed; a longer one does not.
      const unsigned words = first & 15;
      EXPECT_EQ(result.drop, words >= 5 && words <= 8 ? Drop::none : Drop::icmp_malformed) << first;
    } else {
      EXPECT_EQ(result.drop, Drop::none);
    }
  }
  if (v4()) {
    Bytes later = quoted(ours());
    set16(later, 6, 0x0001);
    EXPECT_EQ(give(error_frame(type, 0, 0, later)).drop, Drop::icmp_ignored);
  } else {
    // Mapped addresses inside do not make it an IPv4 connection.
    Bytes mapped = quoted(ours());
    for (std::size_t i = 0; i < 16; ++i) {
      mapped[8 + i] = static_cast<std::byte>(kOurs4.bytes()[i]);
      mapped[24 + i] = static_cast<std::byte>(kPeer4.bytes()[i]);
    }
    EXPECT_EQ(give(error_frame(type, 0, 0, mapped)).drop, Drop::icmp_malformed);
  }
  EXPECT_TRUE(sink.take().empty());
}

struct Verdict {
  bool known;
  Kind kind = Kind::unreachable;
  bool hard = false;
};
/// RFC 792, RFC 1122 §4.2.3.9, RFC 1812 §5.2.7.1; RFC 4443 §3.
Verdict verdict(bool v4, unsigned type, unsigned code) {
  if (v4) {
    if (type == 11) return {true, Kind::time_exceeded};
    if (type != 3 || code > 15) return {false};
    if (code == 4) return {true, Kind::too_big};
    const bool hard = code == 2 || code == 3 || code == 9 || code == 10 || code == 13;
    return {true, Kind::unreachable, hard};
  }
  if (type == 1 && code <= 6) {
    return {true, Kind::unreachable, code == 1 || code == 4 || code == 5 || code == 6};
  }
  if (type == 2) return {true, Kind::too_big};
  if (type == 3) return {true, Kind::time_exceeded};
  return {type == 4 && code == 1, Kind::unreachable, true};
}

TEST_P(Icmp, EveryTypeAndCode) {
  const Bytes quote = quoted(ours());
  for (unsigned type = 0; type < 256; ++type) {
    const bool echo_request = type == (v4() ? 8U : 128U);
    const bool neighbour_discovery = !v4() && type >= 133 && type <= 137;
    if (echo_request || neighbour_discovery) continue;
    for (unsigned code = 0; code < 256; ++code) {
      const ControlResult result = give(error_frame(type, code, 1300, quote));
      const Verdict expected = verdict(v4(), type, code);
      ASSERT_EQ(result.drop, expected.known ? Drop::none : Drop::icmp_ignored)
          << type << " " << code;
      ASSERT_EQ(result.error.has_value(), expected.known);
      if (!expected.known) continue;
      EXPECT_EQ(result.error->kind, expected.kind);
      EXPECT_EQ(result.error->hard, expected.hard) << type << " " << code;
      EXPECT_EQ(result.error->mtu, expected.kind == Kind::too_big ? 1300 : 0);
    }
  }
  EXPECT_TRUE(sink.take().empty());  // an error is never answered
}

TEST_P(Icmp, MtuAsItIsSaid) {
  const auto mtu = [&](std::uint32_t said) {
    return give(error_frame(v4() ? 3 : 2, v4() ? 4 : 0, said, quoted(ours()))).error->mtu;
  };
  EXPECT_EQ(mtu(1280), 1280);
  EXPECT_EQ(mtu(0xffff), 0xffff);
  if (v4()) {
    EXPECT_EQ(mtu(0xabcd0240), 0x240);  // the upper half is unused
    // A router that says zero means the next lower of the usual ones (RFC 1191 §7.1).
    EXPECT_EQ(mtu(0), 68);  // our segment was of 40 bytes
  } else {
    EXPECT_EQ(mtu(0x12345678), 0xffff);
    EXPECT_EQ(mtu(0), 0);
  }
}

TEST_P(Icmp, AMillionPacketTooBigLeaveNothingBehind) {
  const ExactFrame exact(error_frame(v4() ? 3 : 2, v4() ? 4 : 0, 1280, quoted(ours())));
  Packet packet;
  for (int i = 0; i < 1'000'000; ++i) {
    ASSERT_EQ(host.parse(exact.frame(), packet), Drop::none);
    ASSERT_TRUE(host.input(packet, Host::Mode::answer, at(1s), sink).error);
  }
  EXPECT_EQ(host.neighbours().live(), 0U);
  EXPECT_EQ(host.parked_frames(), 0U);
  EXPECT_EQ(sink.sent + sink.out, 0U);
}

// ---- echo

TEST_P(Icmp, EchoIsAnsweredByteForByte) {
  for (std::size_t size : {0U, 1U, 7U, 56U, 1452U}) {
    Bytes rest = bytes_of({0x12, 0x34, 0, 1});
    put(rest, pattern(size));
    EXPECT_EQ(
        give(icmp_frame({.source = peer(), .destination = ours()}, v4() ? 8 : 128, 0, rest)).drop,
        Drop::none);
    const auto sent = sink.take();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0], icmp_frame({.source = ours(), .destination = peer()}, v4() ? 0 : 129, 0,
                                  rest, {.to = kPeerMac, .from = kOurMac}));
  }
}

TEST_P(Icmp, EchoToManyIsNotAnswered) {
  const Bytes rest = bytes_of({0, 1, 0, 1});
  if (v4()) {
    for (const std::uint32_t to : {0xc61200ffU, 0xffffffffU, 0xe0000001U}) {
      for (const MacAddress& mac : {kBroadcast, kOurMac}) {
        EXPECT_NE(give(icmp_frame({.source = peer(), .destination = Address::v4(to)}, 8, 0, rest,
                                  {.to = mac}))
                      .drop,
                  Drop::none);
      }
    }
    EXPECT_NE(
        give(icmp_frame({.source = peer(), .destination = ours()}, 8, 0, rest, {.to = kBroadcast}))
            .drop,
        Drop::none);
  } else {
    EXPECT_EQ(give(icmp_frame({.source = peer(), .destination = all_nodes()}, 128, 0, rest,
                              {.to = {0x33, 0x33, 0, 0, 0, 1}}))
                  .drop,
              Drop::icmp_ignored);
  }
  EXPECT_TRUE(sink.take().empty());
}

TEST_P(Icmp, EchoWithinTheRate) {
  const Bytes ping = icmp_frame({.source = peer(), .destination = ours()}, v4() ? 8 : 128, 0,
                                bytes_of({0, 1, 0, 1}));
  std::size_t answered = 0;
  std::size_t withheld = 0;
  for (int i = 0; i < 100'000; ++i) {  // two seconds
    const Drop drop = receive(host, ping, at(10s) + i * 20us, sink).drop;
    answered += drop == Drop::none ? 1 : 0;
    withheld += drop == Drop::icmp_rate_limited ? 1 : 0;
  }
  EXPECT_EQ(sink.take().size(), answered);
  EXPECT_EQ(answered + withheld, 100'000U);
  EXPECT_GE(answered, 2000U);
  EXPECT_LE(answered, 2100U);
}

TEST_P(Icmp, EchoWhenThereIsNoFrame) {
  const Bytes ping =
      icmp_frame({.source = peer(), .destination = ours()}, v4() ? 8 : 128, 0, pattern(1000));
  sink.dry = true;
  EXPECT_EQ(give(ping).drop, Drop::icmp_rate_limited);
  sink.dry = false;
  sink.capacity = 500;  // too small for the answer
  EXPECT_EQ(give(ping).drop, Drop::icmp_rate_limited);
  EXPECT_EQ(sink.out, 0U);
  sink.capacity = 1600;
  EXPECT_EQ(give(ping).drop, Drop::none);
}

TEST_P(Icmp, AnotherWorkersEchoIsNotOurs) {
  const Bytes ping = icmp_frame({.source = peer(), .destination = ours()}, v4() ? 8 : 128, 0,
                                bytes_of({0, 1, 0, 1}));
  EXPECT_EQ(receive(host, ping, at(1s), sink, Host::Mode::learn).drop, Drop::none);
  EXPECT_TRUE(sink.take().empty());
  const Parsed query(host, ping);
  EXPECT_FALSE(query.packet.concerns_all_workers());
  const Parsed error(host, error_frame(v4() ? 3 : 1, 0, 0, quoted(ours())));
  EXPECT_TRUE(error.packet.concerns_all_workers());
}

// ---- errors that we send: RFC 1122 §3.2.2.1, RFC 4443 §3.1

TEST_P(Icmp, NobodyListensForUdp) {
  for (const std::size_t payload : {8UL, 1400UL}) {
    const Bytes packet =
        ip_packet({.source = peer(), .destination = ours(), .protocol = 17}, pattern(payload));
    EXPECT_EQ(give(frame({}, packet)).drop, Drop::ip_protocol_unknown);
    const auto sent = sink.take();
    ASSERT_EQ(sent.size(), 1U);
    const Bytes& e = sent.front();
    EXPECT_EQ(get_mac(e, 0), kPeerMac);
    EXPECT_EQ(get_address(e, v4() ? 26 : 22, v4()), ours());
    EXPECT_EQ(get_address(e, v4() ? 30 : 38, v4()), peer());
    const std::span<const std::byte> l4 = std::span(e).subspan(14 + ip_bytes());
    EXPECT_EQ(get8(l4, 0), v4() ? 3U : 1U);
    EXPECT_EQ(get8(l4, 1), v4() ? 3U : 4U);
    EXPECT_EQ(get32(l4, 4), 0U);
    EXPECT_EQ(v4() ? checksum(l4) : checksum(ours(), peer(), 58, l4), 0);
    const std::size_t most = v4() ? 576 : 1280;  // of the whole IP packet
    const std::size_t quoted = std::min(packet.size(), most - ip_bytes() - 8);
    ASSERT_EQ(l4.size(), 8 + quoted);
    EXPECT_TRUE(std::equal(l4.begin() + 8, l4.end(), packet.begin()));
  }
  EXPECT_EQ(host.stats().errors_sent, 2U);
}

TEST_P(Icmp, ProtocolsThatWeDoNotSpeak) {
  const Ip sctp{.source = peer(), .destination = ours(), .protocol = 132};
  EXPECT_EQ(give(frame({}, ip_packet(sctp, Bytes(12)))).drop, Drop::ip_protocol_unknown);
  const auto sent = sink.take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(get8(sent[0], 14 + ip_bytes()), v4() ? 3U : 4U);
  EXPECT_EQ(get8(sent[0], 15 + ip_bytes()), v4() ? 2U : 1U);
}

TEST_P(Icmp, WhatWasSentToManyOrByNobodyProvokesNoError) {
  Ethernet group;
  group.to = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  const Ip udp{.source = peer(), .destination = ours(), .protocol = 17};
  (void)give(frame(group, ip_packet(udp, Bytes(12))));
  Ip own = udp;
  own.source = ours();
  (void)give(frame({}, ip_packet(own, Bytes(12))));
  Ip other = udp;
  other.destination = router();
  (void)give(frame({}, ip_packet(other, Bytes(12))));
  EXPECT_TRUE(sink.take().empty());
}

TEST_P(Icmp, ErrorsKeepToTheRate) {
  const Ip udp{.source = peer(), .destination = ours(), .protocol = 17};
  const Bytes bytes = frame({}, ip_packet(udp, Bytes(12)));
  for (int i = 0; i < 100'000; ++i) {
    (void)receive(host, bytes, at(10s) + i * 10us, sink);  // one second
  }
  const std::size_t sent = sink.take().size();
  EXPECT_GE(sent, 1000U);
  EXPECT_LE(sent, 1100U);
}

}  // namespace
}  // namespace millrace::net::test
