// SPDX-License-Identifier: BSD-3-Clause
#include "tests/dataplane/net/frames.h"

#include <cstring>

namespace millrace::net::test {

InterfaceConfig config() {
  InterfaceConfig c;
  c.mac = kOurMac;
  c.addresses = {{kOurs4, 24, 1}, {kOurs6, 64, 1}};
  c.neighbour_key = {0x0123456789abcdef, 0xfedcba9876543210};
  return c;
}

void put8(Bytes& b, unsigned value) { b.push_back(static_cast<std::byte>(value)); }
void put16(Bytes& b, unsigned value) {
  put8(b, value >> 8);
  put8(b, value & 0xffU);
}
void put32(Bytes& b, std::uint32_t value) {
  put16(b, value >> 16);
  put16(b, value & 0xffffU);
}
void put(Bytes& b, std::span<const std::byte> more) { b.insert(b.end(), more.begin(), more.end()); }
void put(Bytes& b, const MacAddress& mac) {
  for (const std::uint8_t octet : mac) put8(b, octet);
}
void put(Bytes& b, const Address& address) {
  for (std::size_t i = address.is_v4() ? 12 : 0; i < 16; ++i) put8(b, address.bytes()[i]);
}
void set16(Bytes& b, std::size_t offset, unsigned value) {
  b.at(offset) = static_cast<std::byte>(value >> 8);
  b.at(offset + 1) = static_cast<std::byte>(value);
}

unsigned get8(std::span<const std::byte> b, std::size_t offset) {
  return std::to_integer<unsigned>(b[offset]);
}
unsigned get16(std::span<const std::byte> b, std::size_t offset) {
  return get8(b, offset) << 8 | get8(b, offset + 1);
}
std::uint32_t get32(std::span<const std::byte> b, std::size_t offset) {
  return std::uint32_t{get16(b, offset)} << 16 | get16(b, offset + 2);
}
Address get_address(std::span<const std::byte> b, std::size_t offset, bool v4) {
  if (v4) return Address::v4(get32(b, offset));
  std::array<std::uint8_t, 16> octets{};
  for (std::size_t i = 0; i < 16; ++i) {
    octets[i] = static_cast<std::uint8_t>(get8(b, offset + i));
  }
  return Address::v6(octets);
}
MacAddress get_mac(std::span<const std::byte> b, std::size_t offset) {
  MacAddress mac{};
  for (std::size_t i = 0; i < 6; ++i) mac[i] = static_cast<std::uint8_t>(get8(b, offset + i));
  return mac;
}
Bytes bytes_of(std::initializer_list<unsigned> values) {
  Bytes b;
  for (const unsigned v : values) put8(b, v);
  return b;
}
Bytes pattern(std::size_t size) {
  Bytes b;
  for (std::size_t i = 0; i < size; ++i) put8(b, static_cast<unsigned>(i * 7 + 1) & 0xffU);
  return b;
}

std::uint16_t checksum(std::span<const std::byte> bytes, std::uint32_t start) {
  std::uint64_t sum = start;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += get8(bytes, i) << 8;
    if (i + 1 < bytes.size()) sum += get8(bytes, i + 1);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::uint16_t checksum(const Address& from, const Address& to, unsigned protocol,
                       std::span<const std::byte> l4) {
  Bytes pseudo;
  put(pseudo, from);
  put(pseudo, to);
  put32(pseudo, static_cast<std::uint32_t>(l4.size()));
  put32(pseudo, protocol);
  put(pseudo, l4);
  return checksum(pseudo);
}

Bytes ip_packet(const Ip& ip, std::span<const std::byte> l4) {
  Bytes b;
  if (ip.source.is_v4()) {
    const std::size_t header = 20 + ip.options.size();
    const unsigned version = ip.version != 0 ? ip.version : 4;
    const auto words = ip.header_words != 0 ? ip.header_words : static_cast<unsigned>(header / 4);
    put8(b, version << 4 | words);
    put8(b, ip.traffic_class);
    put16(b, ip.total_length.value_or(static_cast<unsigned>(header + l4.size())));
    put16(b, 0);
    put16(b, ip.fragment);
    put8(b, ip.hop_limit);
    put8(b, ip.protocol);
    put16(b, 0);
    put(b, ip.source);
    put(b, ip.destination);
    put(b, ip.options);
    set16(b, 10, ip.header_checksum.value_or(checksum(b)));
  } else {
    const unsigned version = ip.version != 0 ? ip.version : 6;
    put32(b, version << 28 | ip.traffic_class << 20);
    put16(b, ip.total_length.value_or(static_cast<unsigned>(l4.size())));
    put8(b, ip.protocol);
    put8(b, ip.hop_limit);
    put(b, ip.source);
    put(b, ip.destination);
  }
  put(b, l4);
  return b;
}

Bytes frame(const Ethernet& ethernet, std::span<const std::byte> packet) {
  Bytes b;
  put(b, ethernet.to);
  put(b, ethernet.from);
  for (const auto& [protocol, control] : ethernet.tags) {
    put16(b, protocol);
    put16(b, control);
  }
  const unsigned version = packet.empty() ? 4 : get8(packet, 0) >> 4;
  put16(b, ethernet.ethertype.value_or(version == 6 ? 0x86dd : 0x0800));
  put(b, packet);
  return b;
}

Bytes tcp_segment(const Address& from, const Address& to, std::span<const std::byte> payload) {
  Bytes b;
  put16(b, 40000);
  put16(b, 80);
  put32(b, 0x11223344);
  put32(b, 0);
  put16(b, 5U << 12 | 2U);  // SYN
  put16(b, 64240);
  put16(b, 0);
  put16(b, 0);
  put(b, payload);
  set16(b, 16, checksum(from, to, 6, b));
  return b;
}

Bytes tcp_frame(bool v4, std::span<const std::byte> payload) {
  const Address from = v4 ? kPeer4 : kPeer6;
  const Address to = v4 ? kOurs4 : kOurs6;
  return frame({}, ip_packet({.source = from, .destination = to}, tcp_segment(from, to, payload)));
}

Bytes arp_packet(const Arp& arp) {
  Bytes b = bytes_of({0, 1, 8, 0, 6, 4});
  put16(b, arp.operation);
  put(b, arp.sender_mac);
  put(b, arp.sender);
  put(b, arp.target_mac);
  put(b, arp.target);
  return b;
}

Bytes arp_frame(const Arp& arp) {
  return frame({.to = arp.operation == 1 ? kBroadcast : kOurMac,
                .from = arp.sender_mac,
                .tags = {},
                .ethertype = 0x0806},
               arp_packet(arp));
}

Bytes icmp(const Address& from, const Address& to, unsigned type, unsigned code,
           std::span<const std::byte> rest) {
  Bytes b;
  put8(b, type);
  put8(b, code);
  put16(b, 0);
  put(b, rest);
  set16(b, 2, from.is_v4() ? checksum(b) : checksum(from, to, 58, b));
  return b;
}

Bytes icmp_frame(const Ip& ip, unsigned type, unsigned code, std::span<const std::byte> rest,
                 const Ethernet& ethernet) {
  Ip with = ip;
  with.protocol = ip.source.is_v4() ? 1 : 58;
  return frame(ethernet, ip_packet(with, icmp(ip.source, ip.destination, type, code, rest)));
}

Bytes ndp_frame(unsigned type, const Address& source, const Address& destination,
                const Address& target, std::uint32_t flags, unsigned option_type,
                const MacAddress& mac, unsigned hop_limit) {
  Bytes rest;
  put32(rest, flags);
  put(rest, target);
  if (option_type != 0) {
    put8(rest, option_type);
    put8(rest, 1);
    put(rest, mac);
  }
  Ethernet ethernet;
  ethernet.from = mac;
  if (destination.bytes()[0] == 0xff) {
    ethernet.to = {0x33,
                   0x33,
                   destination.bytes()[12],
                   destination.bytes()[13],
                   destination.bytes()[14],
                   destination.bytes()[15]};
  }
  return icmp_frame({.source = source, .destination = destination, .hop_limit = hop_limit}, type, 0,
                    rest, ethernet);
}

ExactFrame::ExactFrame(std::span<const std::byte> bytes, std::uint16_t flags)
    : memory_(new std::byte[bytes.size()]) {
  if (!bytes.empty()) std::memcpy(memory_.get(), bytes.data(), bytes.size());
  frame_.data = memory_.get();
  frame_.length = static_cast<std::uint32_t>(bytes.size());
  frame_.flags = flags;
}

Sink::~Sink() = default;

bool Sink::allocate(Frame& frame) {
  if (dry) return false;
  frame = {};
  frame.data = new std::byte[capacity];
  frame.capacity = capacity;
  frame.buffer = frame.data;
  ++out;
  return true;
}
void Sink::send(const Frame& frame) {
  ++sent;
  if (keep) frames_.emplace_back(frame.data, frame.data + frame.length);
  delete[] static_cast<std::byte*>(frame.buffer);
  --out;
}
void Sink::release(const Frame& frame) {
  delete[] static_cast<std::byte*>(frame.buffer);
  --out;
  ++released;
}
std::vector<Bytes> Sink::take() { return std::exchange(frames_, {}); }

ControlResult receive(Host& host, std::span<const std::byte> bytes, Instant now, FrameSink& sink,
                      Host::Mode mode) {
  const Parsed parsed(host, bytes);
  if (parsed.drop != Drop::none) {
    host.report_problem(parsed.packet, now, sink);
    return {parsed.drop, {}};
  }
  return host.input(parsed.packet, mode, now, sink);
}

Drop parse(const Host& host, std::span<const std::byte> bytes, std::uint16_t flags) {
  return Parsed(host, bytes, flags).drop;
}

}  // namespace millrace::net::test
