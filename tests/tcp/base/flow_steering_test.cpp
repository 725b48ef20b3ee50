// SPDX-License-Identifier: BSD-3-Clause
//
// The Toeplitz hash against the values that Microsoft publishes for verifying receive side scaling.
#include "tcp/base/flow_steering.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace millrace {
namespace {

constexpr std::array<std::uint8_t, FlowSteering::kKeyBytes> kPublishedKey{
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

struct Vector {
  Address destination;
  std::uint16_t destination_port;
  Address source;
  std::uint16_t source_port;
  std::uint32_t of_addresses, of_tcp;
};

Address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  return Address::v4(std::uint32_t{a} << 24 | std::uint32_t{b} << 16 | std::uint32_t{c} << 8 | d);
}

Address v6(const std::array<std::uint16_t, 8>& groups) {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[2 * i] = static_cast<std::uint8_t>(groups[i] >> 8);
    bytes[2 * i + 1] = static_cast<std::uint8_t>(groups[i]);
  }
  return Address::v6(bytes);
}

const std::vector<Vector>& vectors() {
  static const std::vector<Vector> all{
      {v4(161, 142, 100, 80), 1766, v4(66, 9, 149, 187), 2794, 0x323e8fc2, 0x51ccc178},
      {v4(65, 69, 140, 83), 4739, v4(199, 92, 111, 2), 14230, 0xd718262a, 0xc626b0ea},
      {v4(12, 22, 207, 184), 38024, v4(24, 19, 198, 95), 12898, 0xd2d0a5de, 0x5c2b394a},
      {v4(209, 142, 163, 6), 2217, v4(38, 27, 205, 30), 48228, 0x82989176, 0xafc7327f},
      {v4(202, 188, 127, 2), 1303, v4(153, 39, 163, 191), 44251, 0x5d1809c5, 0x10e828a2},
      {v6({0x3ffe, 0x2501, 0x200, 3, 0, 0, 0, 1}), 1766,
       v6({0x3ffe, 0x2501, 0x200, 0x1fff, 0, 0, 0, 7}), 2794, 0x2cc18cd5, 0x40207d3d},
      {v6({0xff02, 0, 0, 0, 0, 0, 0, 1}), 4739,
       v6({0x3ffe, 0x501, 8, 0, 0x260, 0x97ff, 0xfe40, 0xefab}), 14230, 0x0f0c461c, 0xdde51bbf},
      {v6({0xfe80, 0, 0, 0, 0x200, 0xf8ff, 0xfe21, 0x67cf}), 38024,
       v6({0x3ffe, 0x1900, 0x4545, 3, 0x200, 0xf8ff, 0xfe21, 0x67cf}), 44251, 0x4b61e985,
       0x02d1feef}};
  return all;
}

/// A table in which every bucket is a worker of its own: the low bits of the hash can be seen.
FlowSteering published() {
  std::vector<std::uint16_t> reta(32'768);
  for (std::size_t i = 0; i < reta.size(); ++i) reta[i] = static_cast<std::uint16_t>(i);
  return {kPublishedKey, std::move(reta)};
}

TEST(FlowSteering, HashesAsIsPublished) {
  const FlowSteering steering = published();
  for (const Vector& v : vectors()) {
    const std::size_t size = v.source.is_v4() ? 4 : 16;
    const auto* source = v.source.bytes().data() + 16 - size;
    const auto* destination = v.destination.bytes().data() + 16 - size;
    const std::uint32_t addresses =
        steering.part(0, source, size) ^ steering.part(size, destination, size);
    EXPECT_EQ(addresses, v.of_addresses) << v.source_port;
    const std::array<std::uint8_t, 4> ports{static_cast<std::uint8_t>(v.source_port >> 8),
                                            static_cast<std::uint8_t>(v.source_port),
                                            static_cast<std::uint8_t>(v.destination_port >> 8),
                                            static_cast<std::uint8_t>(v.destination_port)};
    EXPECT_EQ(addresses ^ steering.part(2 * size, ports.data(), ports.size()), v.of_tcp);
  }
}

// What arrives has the peer as its source.
TEST(FlowSteering, KnowsWhereAConnectionsSegmentsArrive) {
  const FlowSteering steering = published();
  for (const Vector& v : vectors()) {
    const FourTuple tuple{v.destination, v.source, v.destination_port, v.source_port};
    EXPECT_EQ(steering.worker_of(tuple), v.of_tcp & 0x7fff);
    EXPECT_EQ(steering.without_local_port(v.destination, v.source, v.source_port) ^
                  steering.local_port(v.source.is_v4(), v.destination_port),
              v.of_tcp);
  }
}

// With a key of which a port meets but few bits, ports differ in few buckets.
TEST(FlowSteering, TellsAKeyThatLeavesBucketsOutOfReach) {
  const auto with = [](std::span<const std::uint8_t> key, std::size_t buckets) {
    return FlowSteering(key, std::vector<std::uint16_t>(buckets));
  };
  EXPECT_TRUE(with(kPublishedKey, 128).ports_reach_all());
  EXPECT_TRUE(with(kPublishedKey, 512).ports_reach_all());
  for (const std::size_t place : {8U, 10U, 32U, 34U}) {
    auto key = kPublishedKey;
    // The low bit of the hash comes from the key's bits 31 further on: the same for all 16.
    for (std::size_t i = 4; i < 6; ++i) key.at(place + i) = 0;
    key.at(place + 3) &= 0xfe;
    EXPECT_FALSE(with(key, 128).ports_reach_all()) << place;
    EXPECT_TRUE(with(key, 1).ports_reach_all());
  }
}

}  // namespace
}  // namespace millrace
