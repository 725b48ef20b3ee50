// SPDX-License-Identifier: BSD-3-Clause
//
// The short way through a received frame: TCP without tags, IPv4 options or IPv6 extension headers,
// between addresses that the long way (frame_parser.h) has found good before. It judges nothing:
// whatever is unusual or wrong about a frame is for the long way to name. In line, so that what it
// finds stays in registers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/net/packet.h"
#include "dataplane/port.h"
#include "tcp/wire/bytes.h"
#include "tcp/wire/checksum.h"

namespace millrace::net {

class UsualWay {
 public:
  /// Ports with tags have no usual way.
  UsualWay(const MacAddress& mac, bool tagged) : min_bytes_(tagged ? ~0U : kV4 + 20U) {
    std::memcpy(&mac_word_, mac.data(), mac.size());
    forget();
  }

  /// True if the frame is of that kind: `out` is then what the long way would say of it.
  [[nodiscard, gnu::always_inline]] bool parse(const Frame& frame, Packet& out) const {
    constexpr std::uint16_t kNotUsual =
        Frame::kContinues | Frame::kIpChecksumBad | Frame::kL4ChecksumBad;
    const std::byte* const p = frame.data;
    if (frame.length < min_bytes_ || frame.has(kNotUsual)) return false;
    if ((load_raw<std::uint64_t>(p) ^ mac_word_) << 16 != 0) return false;
    // Ethertype and the first byte of the IP header, as they lie.
    const auto kind = load_raw<std::uint32_t>(p + 12);
    out.link = p;
    out.kind = PacketKind::tcp;
    out.group = false;
    if ((kind & 0x00ff'ffff) == 0x0045'0008) return parse_v4(frame, out);
    if ((kind & 0x00f0'ffff) == 0x0060'dd86) return parse_v6(frame, out);
    return false;
  }

  /// Source and destination, as they lie in the header, of a packet that was for us and from where
  /// packets can come. A memo: it changes what parsing costs, never what it says.
  void remember_v4(const std::byte* addresses) {
    const auto pair = load_raw<std::uint64_t>(addresses);
    v4_[slot(pair)] = pair;
  }
  void remember_v6(const std::byte* addresses) {
    const auto pair = load_raw<Pair6>(addresses);
    v6_[slot(pair[0] ^ pair[1] ^ pair[2] ^ pair[3])] = pair;
  }
  /// An address is ours no longer.
  void forget() {
    v4_.fill(0);
    v6_.fill({});
    // A slot must not hold what belongs into it before it was seen: zero belongs into the first.
    v4_[0] = 1;
    v6_[0] = {1};
  }

 private:
  using Pair6 = std::array<std::uint64_t, 4>;
  static constexpr int kBits = 6;
  static constexpr std::size_t kIp = 14;        // where the IP header begins
  static constexpr std::size_t kV4 = kIp + 20;  // and where TCP does
  static constexpr std::size_t kV6 = kIp + 40;
  static constexpr std::uint16_t kProtocol = 0x600;  // TCP, as the pseudo-header has it

  [[nodiscard]] static std::size_t slot(std::uint64_t pair) {
    return (pair * 0xd6e8'feb8'6659'fd93) >> (64 - kBits);
  }
  [[nodiscard, gnu::always_inline]] bool parse_v4(const Frame& frame, Packet& out) const {
    const std::byte* const p = frame.data;
    const std::uint32_t l4_bytes = load_be16(p + kIp + 2) - 20U;
    // Also false, by wrapping around, for a total length below that of both headers.
    if (l4_bytes - 20U > frame.length - (kV4 + 20U)) return false;
    const auto pair = load_raw<std::uint64_t>(p + kIp + 12);
    if ((load_raw<std::uint16_t>(p + kIp + 6) & 0xff3f) != 0 ||  // a fragment, as it lies
        load_u8(p + kIp + 9) != tcp::kProtocolTcp || v4_.data()[slot(pair)] != pair) {
      return false;
    }
    if (!frame.has(Frame::kIpChecksumGood)) {
      const std::uint64_t others = std::uint64_t{load_raw<std::uint32_t>(p + kIp)} +
                                   load_raw<std::uint32_t>(p + kIp + 4) +
                                   load_raw<std::uint32_t>(p + kIp + 8);
      if (!tcp::checksum_valid(tcp::checksum_add_word(others, pair))) return false;
    }
    if (!frame.has(Frame::kL4ChecksumGood)) {
      const std::uint64_t pseudo = tcp::checksum_add_word(pair, tail(l4_bytes));
      if (!tcp::checksum_valid(tcp::checksum_add(pseudo, {p + kV4, l4_bytes}))) return false;
    }
    out.source = Address::v4_raw(static_cast<std::uint32_t>(pair));
    out.destination = Address::v4_raw(static_cast<std::uint32_t>(pair >> 32));
    out.l4 = {p + kV4, l4_bytes};
    out.l4_bytes = l4_bytes;
    out.ecn = load_u8(p + kIp + 1) & 3U;
    out.hop_limit = load_u8(p + kIp + 8);
    return true;
  }

  [[nodiscard, gnu::always_inline]] bool parse_v6(const Frame& frame, Packet& out) const {
    const std::byte* const p = frame.data;
    const std::uint32_t l4_bytes = load_be16(p + kIp + 4);
    if (l4_bytes < 20 || kV6 + l4_bytes > frame.length) return false;
    const auto pair = load_raw<Pair6>(p + kIp + 8);
    const std::uint64_t* const known =
        v6_.data()[slot(pair[0] ^ pair[1] ^ pair[2] ^ pair[3])].data();
    if (load_u8(p + kIp + 6) != tcp::kProtocolTcp ||
        ((known[0] ^ pair[0]) | (known[1] ^ pair[1]) | (known[2] ^ pair[2]) |
         (known[3] ^ pair[3])) != 0) {
      return false;
    }
    if (!frame.has(Frame::kL4ChecksumGood)) {
      const std::uint64_t pseudo = tcp::checksum_add(tail(l4_bytes), {p + kIp + 8, 32});
      if (!tcp::checksum_valid(tcp::checksum_add(pseudo, {p + kV6, l4_bytes}))) return false;
    }
    out.source = Address::from_words({pair[0], pair[1]});
    out.destination = Address::from_words({pair[2], pair[3]});
    out.l4 = {p + kV6, l4_bytes};
    out.l4_bytes = l4_bytes;
    out.ecn = (load_u8(p + kIp + 1) >> 4) & 3U;
    out.hop_limit = load_u8(p + kIp + 7);
    return true;
  }

  /// Length and protocol, as the pseudo-header has them.
  [[nodiscard]] static std::uint64_t tail(std::uint32_t l4_bytes) {
    return std::uint64_t{__builtin_bswap16(static_cast<std::uint16_t>(l4_bytes))} + kProtocol;
  }

  std::uint64_t mac_word_ = 0;  // ours in the lower six bytes, as it lies in a frame
  std::uint32_t min_bytes_;
  std::array<std::uint64_t, std::size_t{1} << kBits> v4_;
  std::array<Pair6, std::size_t{1} << kBits> v6_;
};

}  // namespace millrace::net
