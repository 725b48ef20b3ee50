// SPDX-License-Identifier: BSD-3-Clause
//
// The cable's offloads, each switched on and off: what the receiver gets is what a good NIC would
// give, judged by its own sums.
#include <gtest/gtest.h>

#include <string>

#include "tests/dataplane/dpdk/cable_ends.h"
#include "tests/dataplane/dpdk/frames.h"

namespace millrace::test {
namespace {

struct Received {
  std::vector<std::uint8_t> bytes;  // of all pieces
  std::uint16_t flags = 0;
  std::size_t pieces = 0;

  [[nodiscard]] const std::uint8_t* ip() const { return bytes.data() + 14; }
  [[nodiscard]] bool v6() const { return (ip()[0] >> 4) == 6; }
  [[nodiscard]] const std::uint8_t* tcp() const { return ip() + (v6() ? 40 : 20); }
  [[nodiscard]] std::uint32_t seq() const {
    return std::uint32_t{tcp()[4]} << 24 | std::uint32_t{tcp()[5]} << 16 |
           std::uint32_t{tcp()[6]} << 8 | tcp()[7];
  }
  [[nodiscard]] std::size_t ip_bytes() const {
    return v6() ? 40 + (std::size_t{ip()[4]} << 8 | ip()[5]) : std::size_t{ip()[2]} << 8 | ip()[3];
  }
  [[nodiscard]] std::string payload() const {
    const auto* from = tcp() + 20;
    return {reinterpret_cast<const char*>(from),
            bytes.size() - static_cast<std::size_t>(from - bytes.data())};
  }
  [[nodiscard]] bool sums_good() const {
    if (v6()) return rte_ipv6_udptcp_cksum(reinterpret_cast<const rte_ipv6_hdr*>(ip()), tcp()) == 0;
    const auto* header = reinterpret_cast<const rte_ipv4_hdr*>(ip());
    return rte_raw_cksum(header, 20) == 0xffff && rte_ipv4_udptcp_cksum(header, tcp()) == 0;
  }
};

std::vector<Received> receive_all(Port& port) {
  std::vector<Received> all;
  std::array<Frame, 64> frames;
  for (std::size_t n = 0; (n = port.rx_burst(frames)) != 0;) {
    bool continues = false;
    for (std::size_t i = 0; i < n; ++i) {
      if (!continues) all.push_back({{}, frames[i].flags, 0});
      const auto bytes = bytes_of(frames[i]);
      all.back().bytes.insert(all.back().bytes.end(), bytes.begin(), bytes.end());
      ++all.back().pieces;
      continues = frames[i].has(Frame::kContinues);
    }
    EXPECT_FALSE(continues) << "a packet is never split over two bursts";
    port.release({frames.data(), n});
  }
  return all;
}

/// Sends `f` asking for TSO, headers and payload in pieces of `piece_bytes`.
void send_large(Port& port, const TcpFrame& f, std::uint16_t segment_size,
                std::size_t piece_bytes) {
  const auto bytes = f.bytes();
  std::vector<Frame> pieces;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = std::min(piece_bytes, bytes.size() - at);
    pieces.push_back(frame_with(port, {bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                       bytes.begin() + static_cast<std::ptrdiff_t>(at + size)}));
    pieces.back().flags |= Frame::kContinues;
    at += size;
  }
  pieces.back().flags = 0;
  Frame& first = pieces.front();
  first.flags |= Frame::kOffloadTso | Frame::kOffloadTcpChecksum;
  first.flags |= f.v6 ? Frame::kIpv6 : Frame::kOffloadIpChecksum;
  first.l2_length = 14;
  first.l3_length = static_cast<std::uint8_t>(f.l3());
  first.l4_length = 20;
  first.segment_size = segment_size;
  ASSERT_EQ(port.tx_burst(pieces), pieces.size());
}

std::string expected_payload(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + i);
  return text;
}

class Offload : public testing::TestWithParam<bool> {
 protected:
  bool v6() const { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Families, Offload, testing::Values(false, true),
                         [](const auto& p) { return p.param ? "v6" : "v4"; });

TEST_P(Offload, ChecksumsLeftToTheCableAreTrusted) {
  Ends ends(1, 1, {.checksum_offload = true});
  Port& from = *ends.ports[0][0];
  const TcpFrame f{.v6 = v6(), .checksums = false};
  Frame frame = frame_with(from, f.bytes());
  frame.flags = Frame::kOffloadTcpChecksum;
  frame.flags |= v6() ? Frame::kIpv6 : Frame::kOffloadIpChecksum;
  frame.l2_length = 14;
  frame.l3_length = static_cast<std::uint8_t>(f.l3());
  frame.l4_length = 20;
  ASSERT_EQ(from.tx_burst({&frame, 1}), 1U);
  send(from, TcpFrame{.v6 = v6()}.bytes());  // sums made by its sender
  const auto got = receive_all(*ends.ports[1][0]);
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[0].flags, Frame::kIpChecksumGood | Frame::kL4ChecksumGood);
  EXPECT_EQ(got[0].bytes, f.bytes());
  EXPECT_EQ(got[1].flags, 0) << "nothing was claimed of it: the receiver verifies";
  ends.expect_all_buffers_back();
}

TEST_P(Offload, LargeSegmentsAreCutOnDelivery) {
  Ends ends(1, 1, {.tso = true});
  const TcpFrame f{.v6 = v6(), .flags = 0x19, .payload_bytes = 10'000, .checksums = false};
  send_large(*ends.ports[0][0], f, 1448, 2000);
  send(*ends.ports[0][0], TcpFrame{.v6 = v6(), .seq = 11'000}.bytes());
  const auto got = receive_all(*ends.ports[1][0]);
  ASSERT_EQ(got.size(), 8U);
  std::string payload;
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(got[i].seq(), 1000 + i * 1448);
    EXPECT_EQ(got[i].pieces, 1U);
    EXPECT_EQ(got[i].ip_bytes() + 14, got[i].bytes.size());
    EXPECT_TRUE(got[i].sums_good()) << i;
    EXPECT_EQ(got[i].flags, 0) << "the receiver has no checksum offload";
    EXPECT_EQ(got[i].tcp()[13], i == 6 ? 0x19 : 0x10) << "FIN and PSH on the last one";
    if (!v6()) {
      EXPECT_EQ(got[i].ip()[5], 77 + i) << "one identification each";
    }
    payload += got[i].payload();
  }
  EXPECT_EQ(payload, expected_payload(10'000));
  EXPECT_EQ(got[7].seq(), 11'000U);
  ends.expect_all_buffers_back();
}

TEST_P(Offload, LargeSegmentsAreDeliveredWholeToAReceiverWithLro) {
  Ends ends(1, 1, {.tso = true, .lro = true});
  const TcpFrame f{.v6 = v6(), .payload_bytes = 60'000, .checksums = false};
  send_large(*ends.ports[0][0], f, 1448, 2000);
  const auto got = receive_all(*ends.ports[1][0]);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].bytes, f.bytes());
  EXPECT_EQ(got[0].pieces, 31U);
  EXPECT_EQ(got[0].flags, Frame::kIpChecksumGood | Frame::kL4ChecksumGood | Frame::kContinues);
  ends.expect_all_buffers_back();
}

TEST_P(Offload, ALargeSegmentThatFitsNoBurstIsDroppedAndCounted) {
  Ends ends(1, 1, {.tso = true, .lro = true});
  send_large(*ends.ports[0][0], {.v6 = v6(), .payload_bytes = 20'000, .checksums = false}, 1448,
             2000);
  send(*ends.ports[0][0], TcpFrame{.v6 = v6()}.bytes());
  std::array<Frame, 4> few;
  EXPECT_EQ(ends.ports[1][0]->rx_burst(few), 1U);
  ends.ports[1][0]->release({few.data(), 1});
  EXPECT_EQ(ends.ports[1][0]->stats().rx_no_buffer, 1U);
  ends.expect_all_buffers_back();
}

TEST_P(Offload, APacketOfSeveralPiecesWaitsForABurstThatHoldsIt) {
  Ends ends(1, 1, {.tso = true, .lro = true});
  for (int i = 0; i < 3; ++i) {
    send_large(*ends.ports[0][0], {.v6 = v6(), .payload_bytes = 9'000, .checksums = false}, 1448,
               2000);
  }
  std::array<Frame, 12> twelve;  // five pieces each: two fit
  EXPECT_EQ(ends.ports[1][0]->rx_burst(twelve), 10U);
  ends.ports[1][0]->release({twelve.data(), 10});
  EXPECT_EQ(ends.ports[1][0]->rx_burst(twelve), 5U);
  ends.ports[1][0]->release({twelve.data(), 5});
  ends.expect_all_buffers_back();
}

TEST_P(Offload, LroJoinsNeighboursOfOneFlow) {
  Ends ends(1, 1, {.lro = true});
  Port& from = *ends.ports[0][0];
  for (std::uint32_t i = 0; i < 5; ++i) {
    TcpFrame f{.v6 = v6(), .seq = 1000 + 100 * i, .payload_bytes = 100};
    f.fill = static_cast<std::uint8_t>('a' + 100 * i);
    f.flags = i == 4 ? 0x18 : 0x10;
    send(from, f.bytes());
  }
  const auto got = receive_all(*ends.ports[1][0]);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].pieces, 5U);
  EXPECT_EQ(got[0].payload(), expected_payload(500));
  EXPECT_EQ(got[0].ip_bytes() + 14, got[0].bytes.size());
  EXPECT_EQ(got[0].tcp()[13], 0x18);
  EXPECT_EQ(got[0].flags & ~Frame::kContinues, Frame::kIpChecksumGood | Frame::kL4ChecksumGood);
  ends.expect_all_buffers_back();
}

TEST_P(Offload, LroLeavesApartWhatDoesNotBelongTogether) {
  const TcpFrame base{.v6 = v6(), .payload_bytes = 100};
  TcpFrame next = base;
  next.seq += 100;
  std::vector<std::vector<std::uint8_t>> seconds;
  const auto with = [&](auto change) {
    TcpFrame f = next;
    change(f);
    seconds.push_back(f.bytes());
  };
  with([](TcpFrame& f) { f.seq += 1; });
  with([](TcpFrame& f) { f.source_port += 1; });
  with([](TcpFrame& f) { f.source += 1; });
  with([](TcpFrame& f) { f.flags = 0x11; });
  with([](TcpFrame& f) { f.payload_bytes = 0; });
  with([](TcpFrame& f) { f.v6 = !f.v6; });
  seconds.push_back(next.bytes());
  seconds.back().back() ^= 1;  // its sum is wrong
  seconds.push_back(next.bytes());
  seconds.back().resize(seconds.back().size() + 6);  // padded
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    Ends ends(1, 1, {.lro = true});
    send(*ends.ports[0][0], base.bytes());
    send(*ends.ports[0][0], seconds[i]);
    const auto got = receive_all(*ends.ports[1][0]);
    ASSERT_EQ(got.size(), 2U) << "case " << i;
    EXPECT_EQ(got[0].bytes, base.bytes());
    EXPECT_EQ(got[1].bytes, seconds[i]);
    EXPECT_EQ(got[1].flags, 0);
  }
}

TEST_P(Offload, CuttingLosesTheRestWhenTheReceiverHasNoBuffers) {
  Ends ends(1, 1, {.tso = true});
  Port& to = *ends.ports[1][0];
  std::vector<Frame> all(to.stats().buffers_total);
  ASSERT_EQ(to.allocate(all), all.size());
  send_large(*ends.ports[0][0], {.v6 = v6(), .payload_bytes = 9'000, .checksums = false}, 1448,
             2000);
  EXPECT_TRUE(receive_all(to).empty());
  EXPECT_EQ(to.stats().rx_no_buffer, 1U);
  to.release(all);
  ends.expect_all_buffers_back();
}

}  // namespace
}  // namespace millrace::test
