// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target: a received frame, from the link header to the TCP segment. The first byte chooses
// tags and what the device says of the checksums, the second where the frame is cut into pieces;
// the rest is the frame. A packet that passes lies within its frame and can be for us.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/net/host.h"
#include "tcp/base/check.h"
#include "tcp/wire/parse.h"

namespace {

using namespace millrace;
using namespace millrace::net;

constexpr MacAddress kMac{2, 0, 0, 0, 0, 1};

InterfaceConfig config(unsigned tags) {
  InterfaceConfig c;
  c.mac = kMac;
  c.addresses = {{Address::v4(0xc6120001), 24, 1},
                 {Address::v6({0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), 64, 1}};
  if (tags > 0) c.vlan = 100;
  if (tags > 1) c.outer_vlan = 200;
  return c;
}

const Host& host(unsigned tags) {
  static const std::array<Host, 3> hosts{Host{config(0)}, Host{config(1)}, Host{config(2)}};
  return hosts[tags];
}

/// A parser that has never seen an address says the same as one that has.
void check_against_the_long_way(unsigned tags, const Frame& frame, Drop drop, const Packet& p) {
  const InterfaceConfig c = config(tags);
  std::vector<InterfaceAddress> own = c.addresses;
  own.push_back({link_local_of(kMac), 64, 1});
  const LocalAddresses local(own);
  const FrameParser unseen(c, local);
  Packet other;
  MR_CHECK(unseen.parse(std::span(&frame, 1), other) == drop);
  if (drop != Drop::none) return;
  MR_CHECK(other.source == p.source && other.destination == p.destination);
  MR_CHECK(other.l4.data() == p.l4.data() && other.l4.size() == p.l4.size());
  MR_CHECK(other.l4_bytes == p.l4_bytes && other.kind == p.kind && other.group == p.group);
}

/// A Frame over a heap copy of its exact size.
struct Piece {
  Piece(std::span<const std::uint8_t> bytes, std::uint16_t flags)
      : memory(new std::byte[bytes.size()]) {
    if (!bytes.empty()) std::memcpy(memory.get(), bytes.data(), bytes.size());
    frame.data = memory.get();
    frame.length = static_cast<std::uint32_t>(bytes.size());
    frame.flags = flags;
  }
  std::unique_ptr<std::byte[]> memory;
  Frame frame;
};

void check_packet(const Host& h, const Frame& frame, const Packet& p) {
  const std::byte* const end = frame.data + frame.length;
  MR_CHECK(p.link == frame.data);
  MR_CHECK(p.l4.data() > frame.data && p.l4.data() + p.l4.size() <= end);
  MR_CHECK(p.l4.size() <= p.l4_bytes);
  if (p.kind == PacketKind::arp) return;
  MR_CHECK(p.source.is_v4() == p.destination.is_v4());
  if (p.kind != PacketKind::tcp) return;
  MR_CHECK(h.is_local(p.destination) && !h.is_local(p.source) && !p.group);
  MR_CHECK(!p.source.is_unspecified());
  tcp::Ports ports;
  tcp::SegmentIn segment;
  if (tcp::parse_segment(p.l4, ports, segment) != Drop::none) return;
  MR_CHECK(segment.payload.data() + segment.payload.size() == p.l4.data() + p.l4.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Host& h = host(data[0] % 3);
  constexpr std::uint16_t kSays = Frame::kIpChecksumGood | Frame::kIpChecksumBad |
                                  Frame::kL4ChecksumGood | Frame::kL4ChecksumBad;
  const std::uint16_t flags = static_cast<std::uint16_t>(data[0] >> 2) & kSays;
  const std::span<const std::uint8_t> bytes(data + 2, size - 2);

  const Piece whole(bytes, flags);
  Packet packet;
  const Drop drop = h.parse(whole.frame, packet);
  if (drop == Drop::none) check_packet(h, whole.frame, packet);
  check_against_the_long_way(data[0] % 3, whole.frame, drop, packet);

  const std::size_t cut = std::size_t{data[1]} * bytes.size() / 255;
  const Piece first(bytes.first(cut), flags | Frame::kContinues);
  const Piece second(bytes.subspan(cut), 0);
  const std::array<Frame, 2> pieces{first.frame, second.frame};
  Packet cut_packet;
  const Drop cut_drop = h.parse(pieces, cut_packet);
  if (cut_drop == Drop::none) check_packet(h, first.frame, cut_packet);
  // What passes in pieces passes in one.
  if (cut_drop == Drop::none) MR_CHECK(drop == Drop::none);
  return 0;
}
