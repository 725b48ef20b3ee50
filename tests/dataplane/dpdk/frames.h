// SPDX-License-Identifier: BSD-3-Clause
//
// Frames made by hand for tests of ports: TCP over IPv4 and IPv6, with or without a VLAN tag, with
// checksums as the sender of a port would leave them.
#pragma once

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace millrace::test {

struct TcpFrame {
  bool v6 = false;
  bool vlan = false;
  std::uint32_t source = 0xc612'0010;  // last four bytes of an IPv6 address
  std::uint32_t destination = 0xc612'0001;
  std::uint16_t source_port = 40'000;
  std::uint16_t destination_port = 80;
  std::uint32_t seq = 1000;
  std::uint8_t flags = 0x10;  // ACK
  std::size_t payload_bytes = 10;
  std::uint8_t fill = 'a';  // payload[i] is fill + i
  bool checksums = true;    // else the pseudo-header's sum, as for offload

  [[nodiscard]] std::size_t l2() const { return vlan ? 18 : 14; }
  [[nodiscard]] std::size_t l3() const { return v6 ? 40 : 20; }
  [[nodiscard]] std::size_t headers() const { return l2() + l3() + 20; }

  [[nodiscard]] std::vector<std::uint8_t> bytes() const {
    std::vector<std::uint8_t> f(headers() + payload_bytes);
    for (std::size_t i = 0; i < 12; ++i) f[i] = 0x02;
    std::size_t at = 12;
    if (vlan) f[at] = 0x81, f[at + 1] = 0, f[at + 3] = 7, at += 4;
    f[at] = v6 ? 0x86 : 0x08;
    f[at + 1] = v6 ? 0xdd : 0x00;
    std::uint8_t* const ip = f.data() + l2();
    std::uint8_t* const tcp = ip + l3();
    put16(tcp, source_port);
    put16(tcp + 2, destination_port);
    put32(tcp + 4, seq);
    tcp[12] = 0x50;
    tcp[13] = flags;
    put16(tcp + 14, 1024);
    for (std::size_t i = 0; i < payload_bytes; ++i) {
      tcp[20 + i] = static_cast<std::uint8_t>(fill + i);
    }
    v6 ? fill_v6(ip, tcp) : fill_v4(ip, tcp);
    return f;
  }

  static void put16(std::uint8_t* p, std::size_t v) {
    p[0] = static_cast<std::uint8_t>(v >> 8);
    p[1] = static_cast<std::uint8_t>(v);
  }
  static void put32(std::uint8_t* p, std::uint32_t v) {
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
  }

 private:
  void fill_v4(std::uint8_t* ip, std::uint8_t* tcp) const {
    ip[0] = 0x45;
    put16(ip + 2, 40 + payload_bytes);
    put16(ip + 4, 77);
    ip[8] = 64;
    ip[9] = 6;
    put32(ip + 12, source);
    put32(ip + 16, destination);
    auto* header = reinterpret_cast<rte_ipv4_hdr*>(ip);
    const std::uint16_t sum =
        checksums ? rte_ipv4_udptcp_cksum(header, tcp) : rte_ipv4_phdr_cksum(header, 0);
    std::memcpy(tcp + 16, &sum, 2);
    if (checksums) header->hdr_checksum = rte_ipv4_cksum(header);
  }
  void fill_v6(std::uint8_t* ip, std::uint8_t* tcp) const {
    ip[0] = 0x60;
    put16(ip + 4, 20 + payload_bytes);
    ip[6] = 6;
    ip[7] = 64;
    ip[8] = ip[24] = 0x20;
    ip[9] = ip[25] = 0x01;
    put32(ip + 20, source);
    put32(ip + 36, destination);
    auto* header = reinterpret_cast<rte_ipv6_hdr*>(ip);
    const std::uint16_t sum =
        checksums ? rte_ipv6_udptcp_cksum(header, tcp) : rte_ipv6_phdr_cksum(header, 0);
    std::memcpy(tcp + 16, &sum, 2);
  }
};

}  // namespace millrace::test
