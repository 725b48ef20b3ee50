// SPDX-License-Identifier: BSD-3-Clause
//
// Frames for tests, built field by field from the RFCs' pictures, apart from the code that parses
// them: every length, checksum and flag can be set wrong. Parsed frames lie in heap memory of
// exactly their size, so that a sanitizer sees one byte too many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/net/host.h"
#include "dataplane/port.h"
#include "tcp/base/address.h"

namespace millrace::net::test {

using Bytes = std::vector<std::byte>;

inline constexpr MacAddress kOurMac{0x02, 0, 0, 0, 0, 0x01};
inline constexpr MacAddress kPeerMac{0x02, 0, 0, 0, 0, 0x02};
inline constexpr MacAddress kOtherMac{0x02, 0, 0, 0, 0, 0x03};
inline constexpr MacAddress kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

inline constexpr Address kOurs4 = Address::v4(0xc612'0001);  // 198.18.0.1
inline constexpr Address kPeer4 = Address::v4(0xc612'0002);  // 198.18.0.2
inline constexpr Address kOther4 = Address::v4(0xc612'0003);
/// 2001:2::`low`
constexpr Address v6(std::uint16_t low) {
  return Address::v6({0x20, 0x01, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                      static_cast<std::uint8_t>(low >> 8), static_cast<std::uint8_t>(low)});
}
inline constexpr Address kOurs6 = v6(1);
inline constexpr Address kPeer6 = v6(2);
inline constexpr Address kOther6 = v6(3);

/// 198.18.0.1/24 and 2001:2::1/64 at kOurMac.
[[nodiscard]] InterfaceConfig config();

inline constexpr Instant at(Duration since_start) { return Instant{} + 1000s + since_start; }

// ---- bytes
void put8(Bytes& b, unsigned value);
void put16(Bytes& b, unsigned value);
void put32(Bytes& b, std::uint32_t value);
void put(Bytes& b, std::span<const std::byte> more);
void put(Bytes& b, const MacAddress& mac);
/// Four or sixteen bytes.
void put(Bytes& b, const Address& address);
void set16(Bytes& b, std::size_t offset, unsigned value);
[[nodiscard]] unsigned get8(std::span<const std::byte> b, std::size_t offset);
[[nodiscard]] unsigned get16(std::span<const std::byte> b, std::size_t offset);
[[nodiscard]] std::uint32_t get32(std::span<const std::byte> b, std::size_t offset);
[[nodiscard]] Address get_address(std::span<const std::byte> b, std::size_t offset, bool v4);
[[nodiscard]] MacAddress get_mac(std::span<const std::byte> b, std::size_t offset);
[[nodiscard]] Bytes bytes_of(std::initializer_list<unsigned> values);
[[nodiscard]] Bytes pattern(std::size_t size);

// ---- checksums, two bytes at a time
[[nodiscard]] std::uint16_t checksum(std::span<const std::byte> bytes, std::uint32_t start = 0);
[[nodiscard]] std::uint16_t checksum(const Address& from, const Address& to, unsigned protocol,
                                     std::span<const std::byte> l4);

// ---- layers
struct Ip {
  Address source = kPeer4;
  Address destination = kOurs4;
  unsigned protocol = 6;
  unsigned version = 0;                       // 0: what the addresses say
  unsigned header_words = 0;                  // IPv4 IHL; 0: what it is
  std::optional<unsigned> total_length = {};  // the field: IPv4 total, IPv6 payload
  unsigned fragment = 0x4000;                 // IPv4 flags and offset
  unsigned traffic_class = 0;
  unsigned hop_limit = 64;
  std::optional<unsigned> header_checksum = {};  // IPv4
  Bytes options = {};                            // IPv4, a multiple of four
};
[[nodiscard]] Bytes ip_packet(const Ip& ip, std::span<const std::byte> l4);

struct Ethernet {
  MacAddress to = kOurMac;
  MacAddress from = kPeerMac;
  std::vector<std::pair<unsigned, unsigned>> tags = {};  // protocol and tag control, outer first
  std::optional<unsigned> ethertype = {};                // else from the IP version
};
[[nodiscard]] Bytes frame(const Ethernet& ethernet, std::span<const std::byte> packet);

/// A SYN of 20 bytes and `payload`, checksum filled in.
[[nodiscard]] Bytes tcp_segment(const Address& from, const Address& to,
                                std::span<const std::byte> payload = {});
/// A frame with that segment, from the peer to us.
[[nodiscard]] Bytes tcp_frame(bool v4, std::span<const std::byte> payload = {});

struct Arp {
  unsigned operation = 1;
  MacAddress sender_mac = kPeerMac;
  Address sender = kPeer4;
  MacAddress target_mac{};
  Address target = kOurs4;
};
[[nodiscard]] Bytes arp_packet(const Arp& arp);
[[nodiscard]] Bytes arp_frame(const Arp& arp);

/// ICMP or ICMPv6 by the family of the addresses, checksum filled in; `rest` is what follows it.
[[nodiscard]] Bytes icmp(const Address& from, const Address& to, unsigned type, unsigned code,
                         std::span<const std::byte> rest);
[[nodiscard]] Bytes icmp_frame(const Ip& ip, unsigned type, unsigned code,
                               std::span<const std::byte> rest, const Ethernet& ethernet = {});
/// Neighbour solicitation (135) or advertisement (136) for `target`, with the option of
/// `option_type` (0: none) that names `mac`.
[[nodiscard]] Bytes ndp_frame(unsigned type, const Address& source, const Address& destination,
                              const Address& target, std::uint32_t flags, unsigned option_type,
                              const MacAddress& mac, unsigned hop_limit = 255);

// ---- running
/// A Frame over a heap copy of exactly its size.
class ExactFrame {
 public:
  explicit ExactFrame(std::span<const std::byte> bytes, std::uint16_t flags = 0);
  [[nodiscard]] const Frame& frame() const { return frame_; }

 private:
  std::unique_ptr<std::byte[]> memory_;
  Frame frame_;
};

/// Keeps what is sent; counts what is out.
class Sink final : public FrameSink {
 public:
  ~Sink() override;
  [[nodiscard]] bool allocate(Frame& frame) override;
  void send(const Frame& frame) override;
  void release(const Frame& frame) override;

  /// What was sent since the last call.
  [[nodiscard]] std::vector<Bytes> take();
  std::size_t out = 0;  // allocated and neither sent nor released
  std::size_t released = 0;
  std::uint32_t capacity = 1600;
  bool dry = false;
  bool keep = true;  // what is sent; else it is only counted
  std::uint64_t sent = 0;

 private:
  std::vector<Bytes> frames_;
};

/// Parses an exact copy; the packet is valid as long as this lives.
struct Parsed {
  Parsed(const Host& host, std::span<const std::byte> bytes, std::uint16_t flags = 0)
      : exact(bytes, flags), drop(host.parse(exact.frame(), packet)) {}
  ExactFrame exact;
  Packet packet;
  Drop drop;
};

/// Parse and, if that goes well, input.
[[nodiscard]] ControlResult receive(Host& host, std::span<const std::byte> bytes, Instant now,
                                    FrameSink& sink, Host::Mode mode = Host::Mode::answer);

/// The host's parse as one number, for tests of many frames.
[[nodiscard]] Drop parse(const Host& host, std::span<const std::byte> bytes,
                         std::uint16_t flags = 0);

}  // namespace millrace::net::test
