// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/segmenting.h"

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace millrace::dpdk {

namespace {

constexpr std::uint64_t kVerified = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;

/// A TCP segment in one buffer, as far as joining looks at it.
struct Plain {
  std::uint8_t* ip = nullptr;
  rte_tcp_hdr* tcp = nullptr;
  bool v4 = false;
  std::uint32_t header_bytes = 0;  // Ethernet, IP and TCP
  std::uint32_t payload_bytes = 0;
  std::uint32_t seq = 0;

  [[nodiscard]] std::size_t tcp_bytes() const { return std::size_t{tcp->data_off} / 16 * 4; }
};

std::uint32_t l4_offset(const rte_mbuf* whole) {
  return static_cast<std::uint32_t>(whole->l2_len + whole->l3_len);
}

void fill_checksums(std::uint8_t* ip, rte_tcp_hdr* tcp, bool v4) {
  tcp->cksum = 0;
  if (v4) {
    auto* header = reinterpret_cast<rte_ipv4_hdr*>(ip);
    header->hdr_checksum = 0;
    header->hdr_checksum = rte_ipv4_cksum(header);
    tcp->cksum = rte_ipv4_udptcp_cksum(header, tcp);
  } else {
    tcp->cksum = rte_ipv6_udptcp_cksum(reinterpret_cast<rte_ipv6_hdr*>(ip), tcp);
  }
}

/// With the checksum that came inside, the sum over good data is zero.
bool checksum_good(const rte_mbuf* m, const Plain& p) {
  if ((m->ol_flags & kVerified) == kVerified) return true;
  if (!p.v4) {
    return rte_ipv6_udptcp_cksum(reinterpret_cast<const rte_ipv6_hdr*>(p.ip), p.tcp) == 0;
  }
  const auto* header = reinterpret_cast<const rte_ipv4_hdr*>(p.ip);
  return rte_raw_cksum(header, sizeof *header) == 0xffff &&
         rte_ipv4_udptcp_cksum(header, p.tcp) == 0;
}

/// Payload with nothing but ACK and PSH, in one buffer, without padding.
std::optional<Plain> parse_plain(const rte_mbuf* m) {
  if (m->nb_segs != 1 || m->data_len < RTE_ETHER_HDR_LEN + 40) return std::nullopt;
  auto* frame = rte_pktmbuf_mtod(m, std::uint8_t*);
  Plain p;
  p.ip = frame + RTE_ETHER_HDR_LEN;
  const std::uint32_t left = m->data_len - std::uint32_t{RTE_ETHER_HDR_LEN};
  std::uint32_t ip_bytes = 0;
  std::uint32_t total = 0;
  if (frame[12] == 0x08 && frame[13] == 0x00 && p.ip[0] == 0x45) {
    const auto* header = reinterpret_cast<const rte_ipv4_hdr*>(p.ip);
    const unsigned fragment = rte_be_to_cpu_16(header->fragment_offset) & 0x3fff;
    if (header->next_proto_id != 6 || fragment != 0) return std::nullopt;
    p.v4 = true;
    ip_bytes = 20;
    total = rte_be_to_cpu_16(header->total_length);
  } else if (frame[12] == 0x86 && frame[13] == 0xdd && (p.ip[0] >> 4) == 6 && left >= 60) {
    const auto* header = reinterpret_cast<const rte_ipv6_hdr*>(p.ip);
    if (header->proto != 6) return std::nullopt;
    ip_bytes = 40;
    total = 40U + rte_be_to_cpu_16(header->payload_len);
  } else {
    return std::nullopt;
  }
  if (total != left) return std::nullopt;
  p.tcp = reinterpret_cast<rte_tcp_hdr*>(p.ip + ip_bytes);
  const auto tcp_bytes = static_cast<std::uint32_t>(p.tcp_bytes());
  if (tcp_bytes < 20 || total <= ip_bytes + tcp_bytes) return std::nullopt;
  if ((p.tcp->tcp_flags & ~RTE_TCP_PSH_FLAG) != RTE_TCP_ACK_FLAG) return std::nullopt;
  p.header_bytes = RTE_ETHER_HDR_LEN + ip_bytes + tcp_bytes;
  p.payload_bytes = total - ip_bytes - tcp_bytes;
  p.seq = rte_be_to_cpu_32(p.tcp->sent_seq);
  return p;
}

bool same_flow(const Plain& a, const Plain& b) {
  if (a.v4 != b.v4 || a.header_bytes != b.header_bytes) return false;
  const std::size_t at = a.v4 ? 12 : 8;
  const std::size_t size = a.v4 ? 8 : 32;
  return std::memcmp(a.ip + at, b.ip + at, size) == 0 && std::memcmp(a.tcp, b.tcp, 4) == 0 &&
         (a.v4 ? a.ip[1] == b.ip[1] : std::memcmp(a.ip, b.ip, 4) == 0) &&
         std::memcmp(a.tcp + 1, b.tcp + 1, a.tcp_bytes() - sizeof *a.tcp) == 0;
}

/// A run of joined segments: its first packet and where the next one goes.
struct Run {
  rte_mbuf* head = nullptr;
  rte_mbuf* last = nullptr;
  Plain first;
  std::uint32_t next_seq = 0;

  [[nodiscard]] bool takes(const Plain& p, std::uint16_t max_pieces) const {
    return head != nullptr && head->nb_segs < max_pieces && p.seq == next_seq &&
           head->pkt_len + p.payload_bytes <= 0xffff && same_flow(first, p) &&
           (first.tcp->tcp_flags & RTE_TCP_PSH_FLAG) == 0;
  }

  void add(rte_mbuf* m, const Plain& p) {
    first.tcp->recv_ack = p.tcp->recv_ack;
    first.tcp->rx_win = p.tcp->rx_win;
    first.tcp->tcp_flags = static_cast<std::uint8_t>(first.tcp->tcp_flags | p.tcp->tcp_flags);
    rte_pktmbuf_adj(m, static_cast<std::uint16_t>(p.header_bytes));
    last->next = m;
    last = m;
    head->nb_segs = static_cast<std::uint16_t>(head->nb_segs + 1);
    head->pkt_len += p.payload_bytes;
    next_seq += p.payload_bytes;
    const auto ip_bytes = head->pkt_len - std::uint32_t{RTE_ETHER_HDR_LEN};
    if (first.v4) {
      auto* header = reinterpret_cast<rte_ipv4_hdr*>(first.ip);
      header->total_length = rte_cpu_to_be_16(static_cast<std::uint16_t>(ip_bytes));
    } else {
      auto* header = reinterpret_cast<rte_ipv6_hdr*>(first.ip);
      header->payload_len = rte_cpu_to_be_16(static_cast<std::uint16_t>(ip_bytes - 40));
    }
    head->ol_flags |= kVerified;  // each part was, one by one; the sums of the whole are not made
  }
};

}  // namespace

std::uint32_t tso_payload_bytes(const rte_mbuf* whole) {
  return whole->pkt_len - l4_offset(whole) - static_cast<std::uint32_t>(whole->l4_len);
}

rte_mbuf* cut_segment(const rte_mbuf* whole, std::uint32_t& at, rte_mempool* pool) {
  rte_mbuf* m = rte_pktmbuf_alloc(pool);
  if (m == nullptr) return nullptr;
  const std::uint32_t headers = l4_offset(whole) + static_cast<std::uint32_t>(whole->l4_len);
  const std::uint32_t left = tso_payload_bytes(whole) - at;
  const std::uint32_t room = rte_pktmbuf_tailroom(m) - headers;
  const std::uint32_t chunk = std::min({left, static_cast<std::uint32_t>(whole->tso_segsz), room});
  auto* frame = reinterpret_cast<std::uint8_t*>(
      rte_pktmbuf_append(m, static_cast<std::uint16_t>(headers + chunk)));
  const auto copy = [&](std::uint32_t from, std::uint32_t size, std::uint8_t* to) {
    const void* bytes = rte_pktmbuf_read(whole, from, size, to);
    if (bytes != to) std::memcpy(to, bytes, size);
  };
  copy(0, headers, frame);
  copy(headers + at, chunk, frame + headers);

  std::uint8_t* const ip = frame + whole->l2_len;
  auto* tcp = reinterpret_cast<rte_tcp_hdr*>(frame + l4_offset(whole));
  const bool v4 = (ip[0] >> 4) == 4;
  if (v4) {
    auto* header = reinterpret_cast<rte_ipv4_hdr*>(ip);
    const auto number = static_cast<std::uint16_t>(at / whole->tso_segsz);
    header->total_length =
        rte_cpu_to_be_16(static_cast<std::uint16_t>(headers - whole->l2_len + chunk));
    header->packet_id =
        rte_cpu_to_be_16(static_cast<std::uint16_t>(rte_be_to_cpu_16(header->packet_id) + number));
  } else {
    auto* header = reinterpret_cast<rte_ipv6_hdr*>(ip);
    header->payload_len = rte_cpu_to_be_16(
        static_cast<std::uint16_t>(headers - whole->l2_len - sizeof *header + chunk));
  }
  tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + at);
  unsigned flags = tcp->tcp_flags;
  if (chunk < left) flags &= ~unsigned{RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG};
  if (at != 0) flags &= ~unsigned{RTE_TCP_CWR_FLAG};
  tcp->tcp_flags = static_cast<std::uint8_t>(flags);
  fill_checksums(ip, tcp, v4);
  at += chunk;
  return m;
}

std::uint16_t join_neighbours(rte_mbuf** packets, std::uint16_t count, std::uint16_t max_pieces) {
  std::uint16_t out = 0;
  Run run;
  for (std::uint16_t i = 0; i < count; ++i) {
    rte_mbuf* m = packets[i];
    const std::optional<Plain> p = parse_plain(m);
    if (!p || !checksum_good(m, *p)) {
      run = Run{};
      packets[out++] = m;
      continue;
    }
    if (run.takes(*p, max_pieces)) {
      run.add(m, *p);
      continue;
    }
    run = Run{m, m, *p, p->seq + p->payload_bytes};
    packets[out++] = m;
  }
  return out;
}

}  // namespace millrace::dpdk
