// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target: a conversation below TCP. The input is a list of steps: frames of ARP, NDP and ICMP
// whose headers and checksums are made right so that the fuzzer gets behind them, destinations to
// resolve, frames to park, and time that passes. After each step the tables are within their bounds
// and every frame is accounted for.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/net/host.h"
#include "tcp/base/check.h"

namespace {

using namespace millrace;
using namespace millrace::net;

using Bytes = std::vector<std::byte>;

constexpr MacAddress kMac{2, 0, 0, 0, 0, 1};
constexpr Address kOurs4 = Address::v4(0xc6120001);
constexpr Address kOurs6 = Address::v6({0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
constexpr std::uint32_t kNeighbours = 6;

class Sink final : public FrameSink {
 public:
  bool allocate(Frame& frame) override {
    if (++asked_ % 7 == 0) return false;
    frame = {};
    frame.data = new std::byte[kCapacity];
    frame.capacity = kCapacity;
    ++out;
    return true;
  }
  void send(const Frame& frame) override {
    MR_CHECK(frame.length >= 42 && frame.length <= kCapacity);
    MR_CHECK(std::memcmp(frame.data + kMacBytes, kMac.data(), kMacBytes) == 0);
    release(frame);
  }
  void release(const Frame& frame) override {
    delete[] frame.data;
    --out;
  }
  std::size_t out = 0;

 private:
  static constexpr std::uint32_t kCapacity = 1518;
  std::uint64_t asked_ = 0;
};

InterfaceConfig config() {
  InterfaceConfig c;
  c.mac = kMac;
  c.addresses = {{kOurs4, 24, 2}, {kOurs6, 64, 2}};
  c.routes = {{Address::v4(0), 0, Address::v4(0xc61200fe)}};
  c.max_neighbours = kNeighbours;
  return c;
}

void put(Bytes& b, std::initializer_list<unsigned> values) {
  for (const unsigned v : values) b.push_back(static_cast<std::byte>(v));
}
void put(Bytes& b, std::span<const std::byte> more) { b.insert(b.end(), more.begin(), more.end()); }

/// A frame from one of a few neighbours, to us or to all.
Bytes ethernet(unsigned choice, unsigned ethertype) {
  Bytes b;
  if ((choice & 1) != 0) {
    put(b, {2, 0, 0, 0, 0, 1});
  } else {
    put(b, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  }
  put(b, {2, 0, 0, 0, 0, choice & 7U, ethertype >> 8, ethertype & 0xffU});
  return b;
}

Bytes arp(unsigned choice, std::span<const std::byte> body) {
  Bytes b = ethernet(choice, kEtherArp);
  put(b, {0, 1, 8, 0, 6, 4, 0, 1 + (choice >> 1 & 1U)});
  put(b, body);
  return b;
}

/// ICMP or ICMPv6 from a neighbour, with the right lengths and checksums.
Bytes icmp(unsigned choice, bool v4, std::span<const std::byte> message) {
  Bytes b = ethernet(v4 ? choice | 1U : choice, v4 ? kEtherIpv4 : kEtherIpv6);
  const std::size_t start = b.size();
  const unsigned last = 2 + (choice >> 3 & 7U);
  const Address from = v4 ? Address::v4(0xc6120000 + last) : address_of(wide_of(kOurs6) - 1 + last);
  const Address group = (choice & 2) != 0 ? all_nodes() : solicited_node_of(kOurs6);
  const Address to = v4 ? kOurs4 : (choice & 1) != 0 ? kOurs6 : group;
  IpFields fields;
  fields.protocol = v4 ? kProtocolIcmp : kProtocolIcmpv6;
  fields.hop_limit = 255;
  fields.l4_bytes = static_cast<std::uint32_t>(message.size());
  b.resize(start + (v4 ? kIpv4Bytes : kIpv6Bytes));
  write_ip_header(from, to, fields, &b[start]);
  const std::size_t l4 = b.size();
  put(b, message);
  if (message.size() < 4) return b;
  b[l4 + 2] = b[l4 + 3] = std::byte{0};
  std::uint64_t sum = v4 ? 0 : tcp::pseudo_header_sum(from, to, kProtocolIcmpv6, fields.l4_bytes);
  sum = tcp::checksum_add(sum, std::span(b).subspan(l4));
  store_raw(&b[l4 + 2], tcp::checksum_finish(sum));
  return b;
}

struct Conversation {
  Host host{config(), true};
  Sink sink;
  Instant now = Instant{} + 1000s;

  void receive(const Bytes& bytes, unsigned choice) {
    const std::unique_ptr<std::byte[]> exact(new std::byte[bytes.size()]);
    std::copy(bytes.begin(), bytes.end(), exact.get());
    Frame frame;
    frame.data = exact.get();
    frame.length = static_cast<std::uint32_t>(bytes.size());
    Packet packet;
    const Drop drop = host.parse(frame, packet);
    if (drop != Drop::none) {
      host.report_problem(packet, now, sink);
      return;
    }
    const auto mode = (choice & 0x80) != 0 ? Host::Mode::learn : Host::Mode::answer;
    const ControlResult result = host.input(packet, mode, now, sink);
    if (result.error) {
      MR_CHECK(packet.kind == PacketKind::icmp_error && result.drop == Drop::none);
      MR_CHECK(host.is_local(result.error->tuple.local));
      MR_CHECK(result.error->tuple.local.is_v4() == result.error->tuple.remote.is_v4());
    }
  }

  void transmit(unsigned choice) {
    const unsigned last = choice >> 2 & 15U;
    const Address to =
        (choice & 1) != 0 ? Address::v4(0xc6120000 + last) : address_of(wide_of(kOurs6) - 1 + last);
    const LinkHeader* header = host.resolve(to, now, sink);
    if (header != nullptr) {
      MR_CHECK(header->length == host.link_bytes());
      MR_CHECK(!host.is_local(to));
      return;
    }
    Frame frame;
    if ((choice & 2) == 0 || !sink.allocate(frame)) return;
    frame.length = 60;
    std::memset(frame.data, 0, frame.length);
    std::memcpy(frame.data + kMacBytes, kMac.data(), kMacBytes);
    if (!host.park(to, frame)) sink.release(frame);
  }

  void check() const {
    MR_CHECK(sink.out == host.parked_frames());
    MR_CHECK(host.parked_frames() <= Host::kMaxParked);
    MR_CHECK(host.neighbours().live() <= kNeighbours);
    MR_CHECK(host.neighbours().incomplete() <= host.neighbours().live());
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Conversation c;
  const auto bytes = std::as_bytes(std::span(data, size));
  std::size_t at = 0;
  while (size - at >= 3) {
    const unsigned kind = data[at] % 6;
    const unsigned choice = data[at + 1];
    const std::size_t length = std::min<std::size_t>(data[at + 2], size - at - 3);
    const auto body = bytes.subspan(at + 3, length);
    at += 3;
    if (kind == 0) c.receive(Bytes(body.begin(), body.end()), choice);
    if (kind == 1) c.receive(arp(choice, body), choice);
    if (kind == 2) c.receive(icmp(choice, true, body), choice);
    if (kind == 3) c.receive(icmp(choice, false, body), choice);
    if (kind < 4) at += length;
    if (kind == 4) c.transmit(choice);
    if (kind == 5) {
      c.now += Duration{10ms} * (std::int64_t{choice} * choice);
      c.host.advance(c.now, c.sink);
    }
    c.check();
  }
  c.host.release_parked(c.sink);
  MR_CHECK(c.sink.out == 0);
  return 0;
}
