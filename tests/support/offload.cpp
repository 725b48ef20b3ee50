// SPDX-License-Identifier: BSD-3-Clause
//
// Checksums are summed two bytes at a time, in network order: slow, and obviously right.
#include "tests/support/offload.h"

#include <algorithm>

#include "tcp/base/check.h"

namespace millrace::test {
namespace {

std::uint32_t get8(std::span<const std::byte> b, std::size_t at) {
  return std::to_integer<std::uint32_t>(b[at]);
}
std::uint32_t get16(std::span<const std::byte> b, std::size_t at) {
  return get8(b, at) << 8 | get8(b, at + 1);
}
std::uint32_t get32(std::span<const std::byte> b, std::size_t at) {
  return get16(b, at) << 16 | get16(b, at + 2);
}
void put16(std::span<std::byte> b, std::size_t at, std::uint32_t value) {
  b[at] = static_cast<std::byte>(value >> 8);
  b[at + 1] = static_cast<std::byte>(value);
}
void put32(std::span<std::byte> b, std::size_t at, std::uint32_t value) {
  put16(b, at, value >> 16);
  put16(b, at + 2, value);
}

std::uint32_t sum16(std::uint32_t sum, std::span<const std::byte> b) {
  for (std::size_t i = 0; i < b.size(); i += 2) {
    sum += get8(b, i) << 8 | (i + 1 < b.size() ? get8(b, i + 1) : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

/// IPv4 header checksum and lengths, for a datagram of `ip_bytes`.
void finish_ip(std::span<std::byte> ip, const Frame& meta, std::size_t ip_bytes,
               std::uint32_t number) {
  if (meta.has(Frame::kIpv6)) {
    put16(ip, 4, static_cast<std::uint32_t>(ip_bytes - 40));
    return;
  }
  put16(ip, 2, static_cast<std::uint32_t>(ip_bytes));
  put16(ip, 4, get16(ip, 4) + number);
  if (meta.has(Frame::kOffloadIpChecksum) || meta.has(Frame::kOffloadTso)) {
    put16(ip, 10, 0);
    put16(ip, 10, ~sum16(0, ip.first(meta.l3_length)));
  }
}

/// The field holds the sum of the pseudo-header; `length` is added to it if it lacks that (TSO).
void finish_tcp(std::span<std::byte> tcp, std::size_t length) {
  const std::uint32_t pseudo = get16(tcp, 16);
  put16(tcp, 16, 0);
  put16(tcp, 16, ~sum16(pseudo + static_cast<std::uint32_t>(length), tcp));
}

std::vector<Bytes> segment(const Bytes& packet, const Frame& meta) {
  const std::size_t l4 = std::size_t{meta.l2_length} + meta.l3_length;
  const std::size_t headers = l4 + meta.l4_length;
  MR_CHECK(meta.segment_size > 0 && packet.size() > headers);
  std::vector<Bytes> out;
  for (std::size_t at = headers; at < packet.size(); at += meta.segment_size) {
    const std::size_t bytes = std::min<std::size_t>(meta.segment_size, packet.size() - at);
    Bytes one(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(headers));
    one.insert(one.end(), packet.begin() + static_cast<std::ptrdiff_t>(at),
               packet.begin() + static_cast<std::ptrdiff_t>(at + bytes));
    const std::span<std::byte> all(one);
    const std::span<std::byte> tcp = all.subspan(l4);
    finish_ip(all.subspan(meta.l2_length), meta, one.size() - meta.l2_length,
              static_cast<std::uint32_t>(out.size()));
    put32(tcp, 4, get32(tcp, 4) + static_cast<std::uint32_t>(at - headers));
    // FIN and PSH belong to the last segment, CWR to the first.
    if (at + bytes < packet.size()) tcp[13] &= ~std::byte{0x09};
    if (at > headers) tcp[13] &= ~std::byte{0x80};
    finish_tcp(tcp, tcp.size());
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::vector<Bytes> offload_transmit(Bytes packet, const Frame& first) {
  if (first.has(Frame::kOffloadTso)) return segment(packet, first);
  const std::span<std::byte> all(packet);
  if (first.has(Frame::kOffloadIpChecksum)) {
    finish_ip(all.subspan(first.l2_length), first, packet.size() - first.l2_length, 0);
  }
  if (first.has(Frame::kOffloadTcpChecksum)) {
    finish_tcp(all.subspan(std::size_t{first.l2_length} + first.l3_length), 0);
  }
  std::vector<Bytes> out;
  out.push_back(std::move(packet));
  return out;
}

std::uint16_t offload_receive(std::span<const std::byte> frame) {
  if (frame.size() < 14 + 40) return 0;
  const std::span<const std::byte> ip = frame.subspan(14);
  const bool v4 = get16(frame, 12) == 0x0800;
  const bool v6 = get16(frame, 12) == 0x86dd;
  std::uint16_t flags = 0;
  std::size_t header = 40;
  std::size_t total = 0;
  if (v4) {
    header = (get8(ip, 0) & 0x0f) * 4;
    total = get16(ip, 2);
    if (header < 20 || header > ip.size()) return 0;
    const bool good = sum16(0, ip.first(header)) == 0xffff;
    flags |= good ? Frame::kIpChecksumGood : Frame::kIpChecksumBad;
    if ((get16(ip, 6) & 0x3fff) != 0) return flags;  // a fragment
  } else if (v6) {
    total = get16(ip, 4) + 40;
  }
  const bool tcp = (v4 && get8(ip, 9) == 6) || (v6 && get8(ip, 6) == 6);
  if (!tcp || total < header + 20 || total > ip.size()) return flags;
  const std::span<const std::byte> l4 = ip.subspan(header, total - header);
  std::uint32_t sum = v4 ? sum16(0, ip.subspan(12, 8)) : sum16(0, ip.subspan(8, 32));
  sum += 6 + static_cast<std::uint32_t>(l4.size());
  const bool good = sum16(sum, l4) == 0xffff;
  return static_cast<std::uint16_t>(flags |
                                    (good ? Frame::kL4ChecksumGood : Frame::kL4ChecksumBad));
}

}  // namespace millrace::test
