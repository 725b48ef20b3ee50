// SPDX-License-Identifier: BSD-3-Clause
//
// Why a received frame went no further. Every frame that is not delivered has exactly one of these,
// and every one of them is a counter: received = delivered + the sum of drops. `none` is "not
// dropped". Add a reason here and it has a name and a counter everywhere.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace {

// X(identifier, what it means)
#define MR_DROP_REASONS(X)                                                            \
  X(none, "not dropped")                                                              \
  /* Ethernet and VLAN */                                                             \
  X(frame_too_short, "shorter than its link header")                                  \
  X(not_for_us_l2, "to another MAC address, or to all where only we are meant")       \
  X(vlan_unknown, "tagged with a VLAN that is not ours, or too many tags")            \
  X(ethertype_unknown, "neither ARP nor IP")                                          \
  /* IP */                                                                            \
  X(ip_truncated, "shorter than its IP header")                                       \
  X(ip_bad_version, "version does not match the ethertype")                           \
  X(ip_bad_header_length, "IHL below 5 or past the end")                              \
  X(ip_bad_total_length, "length field disagrees with the frame")                     \
  X(ip_bad_checksum, "IPv4 header checksum wrong")                                    \
  X(ip_bad_options, "malformed IPv4 option list")                                     \
  X(ip_source_route, "source routing option or RH0")                                  \
  X(ip_bad_source, "source is multicast, broadcast, loopback, unspecified or ours")   \
  X(ip_not_for_us, "destination address is not ours")                                 \
  X(ip_fragment, "fragments are not reassembled")                                     \
  X(ip_bad_extension, "IPv6 extension header malformed, misplaced or too many")       \
  X(ip_protocol_unknown, "neither TCP nor ICMP")                                      \
  /* ARP, NDP, ICMP */                                                                \
  X(arp_malformed, "ARP of wrong type, length or opcode")                             \
  X(arp_not_for_us, "ARP for another address")                                        \
  X(arp_unsolicited, "ARP reply that nobody asked for")                               \
  X(ndp_malformed, "NDP with bad hop limit, length or option")                        \
  X(ndp_ignored, "router advertisement, redirect or unsolicited advertisement")       \
  X(icmp_malformed, "ICMP truncated or with bad checksum")                            \
  X(icmp_ignored, "ICMP type that we do not act on")                                  \
  X(icmp_rate_limited, "ICMP reply withheld by the rate limit")                       \
  X(icmp_no_connection, "ICMP error for no connection of ours, or out of its window") \
  X(neighbour_table_full, "no room to learn another neighbour")                       \
  /* TCP header */                                                                    \
  X(tcp_truncated, "shorter than its TCP header")                                     \
  X(tcp_bad_offset, "data offset below 5 or past the end")                            \
  X(tcp_bad_checksum, "TCP checksum wrong")                                           \
  X(tcp_bad_options, "malformed option list")                                         \
  X(tcp_bad_ports, "source or destination port zero")                                 \
  /* TCP processing, RFC 9293 §3.10.7 */                                             \
  X(tcp_no_connection, "no connection and no listener: answered with RST")            \
  X(tcp_no_connection_rst, "RST for a connection that does not exist")                \
  X(tcp_listen_bad_flags, "to a listener without SYN")                                \
  X(tcp_listen_overflow, "backlog full")                                              \
  X(tcp_half_open_full, "half-open table full")                                       \
  X(tcp_half_open_duplicate, "retransmitted SYN: SYN-ACK sent again")                 \
  X(tcp_half_open_bad_ack, "ACK of a half-open connection not acceptable")            \
  X(tcp_half_open_reset, "half-open connection reset by its peer")                    \
  X(tcp_no_memory, "a bounded pool is empty")                                         \
  X(tcp_syn_sent_bad_ack, "ACK in SYN-SENT not acceptable")                           \
  X(tcp_syn_sent_no_syn, "neither SYN nor RST in SYN-SENT")                           \
  X(tcp_paws, "older timestamp than TS.Recent (RFC 7323 §5.3)")                       \
  X(tcp_missing_timestamp, "timestamps were agreed and are missing (RFC 7323 §3.2)")  \
  X(tcp_out_of_window, "sequence number not acceptable")                              \
  X(tcp_duplicate, "only bytes that had come before")                                 \
  X(tcp_rst_challenged, "RST in window but not at RCV.NXT (RFC 5961 §3)")             \
  X(tcp_syn_challenged, "SYN in a synchronized state (RFC 5961 §4)")                  \
  X(tcp_bad_ack, "ACK outside the acceptable range (RFC 5961 §5)")                    \
  X(tcp_no_ack, "neither ACK, RST nor SYN")                                           \
  X(tcp_out_of_order_full, "reassembly is full")                                      \
  X(tcp_window_closed, "data beyond the receive window")                              \
  X(tcp_data_after_close, "data after the application closed: answered with RST")     \
  X(tcp_data_after_fin, "data beyond the peer's FIN")                                 \
  X(tcp_time_wait_rst, "RST in TIME_WAIT ignored (RFC 1337)")                         \
  X(tcp_time_wait_old, "old segment in TIME_WAIT, answered with ACK or not")          \
  X(tcp_reset, "valid RST: it ended its connection")                                  \
  /* local */                                                                         \
  X(wrong_core, "belongs to a connection of another core")                            \
  X(inbox_full, "ring to another core full")

enum class Drop : std::uint8_t {
#define MR_DROP_ENUM(name, text) name,
  MR_DROP_REASONS(MR_DROP_ENUM)
#undef MR_DROP_ENUM
};

inline constexpr std::array kDropNames{
#define MR_DROP_NAME(name, text) std::string_view{#name},
    MR_DROP_REASONS(MR_DROP_NAME)
#undef MR_DROP_NAME
};
inline constexpr std::array kDropTexts{
#define MR_DROP_TEXT(name, text) std::string_view{text},
    MR_DROP_REASONS(MR_DROP_TEXT)
#undef MR_DROP_TEXT
};
inline constexpr std::size_t kDropCount = kDropNames.size();

[[nodiscard]] constexpr std::string_view name_of(Drop d) {
  return kDropNames[static_cast<std::size_t>(d)];
}

/// One counter per reason. Index `none` counts what was delivered.
struct DropCounters {
  std::array<std::uint64_t, kDropCount> count{};

  void add(Drop d) { ++count[static_cast<std::size_t>(d)]; }
  /// It was no drop after all.
  void take_back(Drop d) { --count[static_cast<std::size_t>(d)]; }
  [[nodiscard]] std::uint64_t of(Drop d) const { return count[static_cast<std::size_t>(d)]; }
};

}  // namespace millrace
