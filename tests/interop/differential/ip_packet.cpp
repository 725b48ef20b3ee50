// SPDX-License-Identifier: BSD-3-Clause
//
// Byte by byte, in network order.
#include "tests/interop/differential/ip_packet.h"

#include <algorithm>
#include <array>

namespace millrace::differential {
namespace {

constexpr std::size_t kHeader4 = 20;
constexpr std::size_t kHeader6 = 40;
constexpr std::size_t kTcpHeader = 20;
constexpr std::byte kTcp{6};
constexpr std::byte kHops{64};

void put(std::vector<std::byte>& out, std::uint32_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

void put_address(std::vector<std::byte>& out, const Address& a) {
  const auto bytes = std::as_bytes(std::span(a.bytes())).subspan(a.is_v4() ? 12 : 0);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

[[nodiscard]] std::uint32_t get16(std::span<const std::byte> bytes, std::size_t at) {
  return std::to_integer<std::uint32_t>(bytes[at]) << 8 |
         std::to_integer<std::uint32_t>(bytes[at + 1]);
}

[[nodiscard]] std::uint16_t checksum(std::span<const std::byte> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

[[nodiscard]] Address address_at(std::span<const std::byte> packet, std::size_t at, bool v4) {
  std::array<std::uint8_t, 16> raw{};
  if (v4) raw[10] = raw[11] = 0xff;
  for (std::size_t i = v4 ? 12 : 0; i < raw.size(); ++i) {
    raw[i] = std::to_integer<std::uint8_t>(packet[at++]);
  }
  return Address::v6(raw);
}

}  // namespace

std::vector<std::byte> to_bytes(const Packet& in) {
  const FourTuple& tuple = in.tuple;
  const std::span<const std::byte> segment = in.bytes;
  const auto length = static_cast<std::uint32_t>(segment.size());
  std::vector<std::byte> pseudo;
  put_address(pseudo, tuple.remote);
  put_address(pseudo, tuple.local);
  put(pseudo, length, 4);
  put(pseudo, 6, 4);
  pseudo.insert(pseudo.end(), segment.begin(), segment.end());
  const std::uint16_t sum = checksum(pseudo);

  std::vector<std::byte> packet;
  if (tuple.local.is_v4()) {
    put(packet, 0x4500'0000U | std::uint32_t{in.ecn} << 16 | (kHeader4 + length), 4);
    put(packet, 0x0000'4000, 4);  // do not fragment
    packet.insert(packet.end(), {kHops, kTcp});
    put(packet, 0, 2);
  } else {
    put(packet, 0x6000'0000U | std::uint32_t{in.ecn} << 20, 4);
    put(packet, length, 2);
    packet.insert(packet.end(), {kTcp, kHops});
  }
  put_address(packet, tuple.remote);
  put_address(packet, tuple.local);
  if (tuple.local.is_v4()) {
    const std::uint16_t own = checksum(packet);
    packet[10] = static_cast<std::byte>(own >> 8);
    packet[11] = static_cast<std::byte>(own);
  }
  const std::size_t header = packet.size();
  packet.insert(packet.end(), segment.begin(), segment.end());
  packet[header + 16] = static_cast<std::byte>(sum >> 8);
  packet[header + 17] = static_cast<std::byte>(sum);
  return packet;
}

std::optional<Packet> from_packet(std::span<const std::byte> packet) {
  if (packet.size() < kHeader4) return std::nullopt;
  const unsigned version = std::to_integer<unsigned>(packet[0]) >> 4;
  const bool v4 = version == 4;
  const std::size_t header = v4 ? kHeader4 : kHeader6;
  if ((!v4 && version != 6) || packet.size() < header + kTcpHeader) return std::nullopt;
  if (packet[v4 ? 9 : 6] != kTcp) return std::nullopt;
  const std::size_t end = v4 ? get16(packet, 2) : kHeader6 + get16(packet, 4);
  if (end > packet.size() || end < header + kTcpHeader) return std::nullopt;
  Packet out;
  const std::size_t addresses = v4 ? 12 : 8;
  out.tuple.local = address_at(packet, addresses, v4);
  out.tuple.remote = address_at(packet, addresses + (v4 ? 4 : 16), v4);
  const auto segment = packet.subspan(header, end - header);
  out.tuple.local_port = static_cast<std::uint16_t>(get16(segment, 0));
  out.tuple.remote_port = static_cast<std::uint16_t>(get16(segment, 2));
  out.bytes.assign(segment.begin(), segment.end());
  const std::uint32_t traffic_class = get16(packet, 0) >> (v4 ? 0 : 4);
  out.ecn = traffic_class & 3U;
  return out;
}

}  // namespace millrace::differential
