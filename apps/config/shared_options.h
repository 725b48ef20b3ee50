// SPDX-License-Identifier: BSD-3-Clause
//
// The options that commands share, in three groups: where on the network an end is, what of the
// machine it may use, and how its TCP behaves. A command takes the groups it needs, adds its own
// options, and asks for the FleetConfig that they amount to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/config/options.h"
#include "apps/config/socket_options.h"
#include "dataplane/fleet.h"
#include "dataplane/net/interface.h"

namespace millrace {

/// --device, --address, --gateway, --route, --vlan, --outer-vlan, --mtu, --ttl, --dscp.
struct NetworkOptions {
  std::string device;
  std::vector<net::InterfaceAddress> addresses;
  std::vector<net::Route> gateways;
  std::vector<net::Route> routes;
  std::uint16_t vlan = 0;        // 0: no tag
  std::uint16_t outer_vlan = 0;  // before the other
  std::uint16_t mtu = 1500;
  std::uint8_t ttl = 64;
  std::uint8_t dscp = 0;
};
void add_network_options(OptionSet& set, NetworkOptions& options);

/// --cores, --memory, --no-hugepages, --eal-extra, --seed, --name.
struct MachineOptions {
  std::vector<int> cores = {0};
  std::uint64_t memory_bytes = 0;  // 0: enough
  bool no_hugepages = false;
  std::string eal_extra;
  std::uint64_t seed = 0;
  std::string name;  // of the control socket; empty: the process id
};
void add_machine_options(OptionSet& set, MachineOptions& options);

/// Bytes of a buffer at first and at most; it is fixed if they are the same.
struct BufferRange {
  std::uint32_t initial = 0;
  std::uint32_t most = 0;
  [[nodiscard]] std::uint32_t fixed() const { return initial == most ? initial : 0; }
};

/// --two-msl, --max-connections, --max-time-wait, --time-wait-reuse, --time-wait-overflow,
/// --syn-cookies, --congestion, --bbr-loss-threshold, --pacing, --ecn, --fast-open,
/// --receive-buffer, --send-buffer, --buffer-memory, --min-rto, --delayed-ack, and
/// socket_options.h.
struct TcpOptions {
  Duration two_msl = 60s;
  std::uint32_t max_connections = 100'000;  // of one end, all cores together
  std::uint32_t max_time_wait = 0;          // 0: 262,144, or four times the connections
  tcp::TimeWaitReuse reuse = tcp::TimeWaitReuse::timestamp;
  tcp::TimeWaitOverflow overflow = tcp::TimeWaitOverflow::recycle_oldest;
  tcp::SynCookieUse cookies = tcp::SynCookieUse::when_full;
  tcp::EcnUse ecn = tcp::EcnUse::when_asked;
  bool fast_open = false;
  tcp::CongestionAlgorithm congestion = tcp::CongestionAlgorithm::cubic;
  unsigned bbr_loss = 2;     // percent
  std::uint64_t pacing = 0;  // bytes a second
  BufferRange receive_buffer{65'536, 6'291'456};
  BufferRange send_buffer{65'536, 4'194'304};
  std::uint64_t buffer_memory = 0;  // of a worker; 0: by its connections
  Duration min_rto = 200ms;
  Duration delayed_ack = 40ms;
  SocketOptions socket;
};
void add_tcp_options(OptionSet& set, TcpOptions& options);

/// One end with a device. Errors name the options that are missing or contradict each other.
[[nodiscard]] Result<EndConfig> make_end(const NetworkOptions& network, const TcpOptions& tcp,
                                         const std::vector<int>& cores);
/// Bounds of one worker's endpoint, sized so that `tcp.max_connections` spread over `workers` fit.
[[nodiscard]] tcp::EndpointConfig make_endpoint(const TcpOptions& tcp, std::size_t workers,
                                                std::uint16_t mtu, bool ipv6);
/// What the machine group says; the ends are the caller's to add.
[[nodiscard]] FleetConfig make_fleet(const MachineOptions& machine);

[[nodiscard]] std::string_view name_of(tcp::TimeWaitReuse reuse);
[[nodiscard]] std::string_view name_of(tcp::TimeWaitOverflow overflow);

}  // namespace millrace
