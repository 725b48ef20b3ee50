// SPDX-License-Identifier: BSD-3-Clause
//
// Declares the shared options and turns them into the configuration of a fleet. Memory of an
// endpoint is reserved as address space and touched as it is used, so bounds may be generous.
#include "apps/config/shared_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "apps/config/parse_address.h"
#include "apps/config/parse_device.h"

namespace millrace {
namespace {

constexpr std::array kReuseNames{"none", "timestamp", "sequence", "immediate"};
constexpr std::array kOverflowNames{"refuse", "recycle", "reset"};
constexpr std::uint64_t kMostConnections = 400'000'000;

std::vector<std::string> words(std::span<const char* const> names) {
  return {names.begin(), names.end()};
}

/// Bytes a second, 0 for none.
Result<std::uint64_t> parse_pacing(std::string_view word) {
  auto rate = parse_count(word);
  if (!rate) return rate;
  if (rate.value() == 0 || (rate.value() >= 1'000 && rate.value() <= 1'000'000'000'000))
    return rate;
  return bad_word(word, "a pacing rate", "bytes a second from 1k to 1T, or 0", "1M");
}

Result<std::string> parse_instance_name(std::string_view word) {
  const bool plain = std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  if (plain && !word.empty() && word.front() != '.' && word.size() <= 64) return std::string(word);
  return bad_word(word, "a name", "up to 64 letters, digits, '-', '_' and '.'", "try serve1");
}

/// "64KiB": fixed. "64KiB-6MiB": between these.
Result<BufferRange> parse_buffer(std::string_view word) {
  const auto bad = [&] {
    return bad_word(word, "a buffer size, or two with a dash", "2KiB to 1GiB, the smaller first",
                    "try 64KiB-6MiB");
  };
  const std::size_t dash = word.find('-');
  const auto first = parse_size(word.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_size(word.substr(dash + 1));
  if (!first || !last) return bad();
  constexpr std::uint64_t kLeast = 2048;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 30;
  if (first.value() < kLeast || last.value() > kMost || first.value() > last.value()) return bad();
  return BufferRange{static_cast<std::uint32_t>(first.value()),
                     static_cast<std::uint32_t>(last.value())};
}

Result<std::uint64_t> parse_memory(std::string_view word) {
  constexpr std::uint64_t kLeast = 65'536;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 38;
  auto size = parse_size(word);
  if (size && size.value() >= kLeast && size.value() <= kMost) return size;
  return bad_word(word, "a size of memory", "64KiB to 256GiB", "try 64MiB");
}

bool on_link(const NetworkOptions& network, const Address& via) {
  for (const auto& own : network.addresses) {
    if (in_prefix(via, own.address, own.prefix_length)) return true;
  }
  for (const auto& route : network.routes) {
    if (!route.via && in_prefix(via, route.prefix, route.prefix_length)) return true;
  }
  return false;
}

Status check_routes(const NetworkOptions& network) {
  const auto check = [&](const net::Route& route, std::string_view option) -> Status {
    if (!route.via || on_link(network, *route.via)) return Ok{};
    return Error{ErrorKind::usage,
                 fmt::format("{}: {} is in none of our networks, so it cannot be reached", option,
                             address_text(*route.via)),
                 fmt::format("give an --address with the prefix length of its network, or --route "
                             "{}/{}",
                             address_text(*route.via), route.via->is_v4() ? 32 : 128)};
  };
  for (const auto& route : network.gateways) {
    if (auto good = check(route, "--gateway"); !good) return good;
  }
  for (const auto& route : network.routes) {
    if (auto good = check(route, "--route"); !good) return good;
  }
  return Ok{};
}

bool has_ipv6(const NetworkOptions& network) {
  return std::any_of(network.addresses.begin(), network.addresses.end(),
                     [](const auto& own) { return !own.address.is_v4(); });
}

}  // namespace

void add_network_options(OptionSet& set, NetworkOptions& o) {
  set.heading("Network");
  set.value("device", "DEVICE", "as DPDK names it: net_tap0,iface=mr0 or 0000:01:00.0", o.device,
            parse_device);
  set.repeated("address", "A[-B]/LENGTH", "addresses of our own, IPv4 or IPv6; may be repeated",
               o.addresses, parse_address_range);
  set.repeated("gateway", "ADDRESS", "the way to everything that is not on the link", o.gateways,
               parse_gateway);
  set.repeated("route", "PREFIX[,via ADDRESS]", "one more route; without via: on the link",
               o.routes, parse_route);
  set.value("vlan", "ID", "802.1Q tag of all frames (default: none)", o.vlan,
            count_between(1, 4094));
  set.value("outer-vlan", "ID", "802.1ad tag before that of --vlan (default: none)", o.outer_vlan,
            count_between(1, 4094));
  set.value("mtu", "BYTES", "largest IP packet (default 1500)", o.mtu, count_between(576, 9216));
  set.value("ttl", "N", "hop limit of what TCP sends (default 64)", o.ttl, count_between(1, 255));
  set.value("dscp", "N", "service class of what TCP sends, 0 to 63 (default 0)", o.dscp,
            count_between(0, 63));
}

void add_machine_options(OptionSet& set, MachineOptions& o) {
  set.heading("Machine");
  set.value("cores", "LIST", "cores to poll on, as 0,2-3 (default 0)", o.cores, parse_cores);
  set.value("memory", "SIZE", "memory for packet buffers, as 256MiB (default: as needed)",
            o.memory_bytes, [](std::string_view word) -> Result<std::uint64_t> {
              auto bytes = parse_size(word);
              if (!bytes || bytes.value() >= std::uint64_t{1} << 20) return bytes;
              return bad_word(word, "enough memory", "1MiB or more", "try 256MiB");
            });
  set.toggle("no-hugepages", "use ordinary memory even if there are hugepages", o.no_hugepages);
  set.value("eal-extra", "WORDS", "more arguments for DPDK's EAL: --eal-extra='--log-level 7'",
            o.eal_extra, parse_text);
  set.value("seed", "N", "secrets from this number instead of the kernel: for replaying a run",
            o.seed, parse_any_count);
  set.value("name", "NAME", "what `millrace ss` finds this instance by (default: the process id)",
            o.name, parse_instance_name);
}

void add_tcp_options(OptionSet& set, TcpOptions& o) {
  set.heading("TCP");
  set.value("two-msl", "TIME", "time spent in TIME_WAIT, 0s to 240s (default 60s)", o.two_msl,
            duration_between(0s, 240s));
  set.value("max-connections", "N", "connections at once, all cores together (default 100k)",
            o.max_connections, count_between(1, kMostConnections));
  set.value("max-time-wait", "N", "TIME_WAIT entries at once (default: four times the connections)",
            o.max_time_wait, count_between(1, kMostConnections));
  set.value("time-wait-reuse", "RULE",
            "when an open may take its tuple from TIME_WAIT: none, timestamp, sequence or "
            "immediate (default timestamp)",
            o.reuse, choice_of<tcp::TimeWaitReuse>(words(kReuseNames)));
  set.value("time-wait-overflow", "RULE",
            "when TIME_WAIT is full: refuse, recycle or reset (default recycle)", o.overflow,
            choice_of<tcp::TimeWaitOverflow>(words(kOverflowNames)));
  set.value("syn-cookies", "WHEN",
            "a SYN is answered with a cookie, and not remembered: never, when-full or always "
            "(default when-full)",
            o.cookies, choice_of<tcp::SynCookieUse>({"never", "when-full", "always"}));
  set.value("congestion", "NAME",
            "congestion control: newreno, cubic, dctcp or bbr (default cubic)", o.congestion,
            choice_of<tcp::CongestionAlgorithm>({"newreno", "cubic", "dctcp", "bbr"}));
  set.value(
      "bbr-loss-threshold", "PERCENT",
      "how much loss bbr takes for chance and not for congestion: 1 to 50 percent; more keeps "
      "its rate on links that lose at random, at the cost of others (default 2)",
      o.bbr_loss, count_between(1, 50));
  set.value(
      "pacing", "BYTES",
      "text leaves no faster than so many bytes a second, in small quanta: 1k to 1T, or 0 for "
      "no such limit; bbr paces itself (default 0)",
      o.pacing, parse_pacing);
  set.value(
      "ecn", "WHEN",
      "explicit congestion notification: never, when-asked by the peer, or always; dctcp asks "
      "unless it is never (default when-asked)",
      o.ecn, choice_of<tcp::EcnUse>({"never", "when-asked", "always"}));
  set.toggle("fast-open",
             "TCP Fast Open: text in a SYN for who has a cookie; load sends its first request so "
             "(default off)",
             o.fast_open);
  set.value(
      "receive-buffer", "SIZE[-SIZE]",
      "receive buffer of a connection, which is its window: fixed, or from the first size to the "
      "second as the transfer asks for (default 64KiB-6MiB)",
      o.receive_buffer, parse_buffer);
  set.value("send-buffer", "SIZE[-SIZE]",
            "what may be queued and unacknowledged, likewise (default 64KiB-4MiB)", o.send_buffer,
            parse_buffer);
  set.value("buffer-memory", "SIZE",
            "of a worker, for text to be sent, unread or out of order; at nine tenths of it what "
            "stands still is ended (default 4KiB a connection, 16MiB to 512MiB)",
            o.buffer_memory, parse_memory);
  set.value("min-rto", "TIME", "least retransmission timeout (default 200ms)", o.min_rto,
            duration_between(1ms, 60s));
  set.value("delayed-ack", "TIME", "how long an ACK may wait, 0s to 500ms (default 40ms)",
            o.delayed_ack, duration_between(0s, 500ms));
  add_socket_options(set, o.socket);
}

tcp::EndpointConfig make_endpoint(const TcpOptions& tcp, std::size_t workers, std::uint16_t mtu,
                                  bool ipv6) {
  // Hashing does not spread evenly: each of several workers gets a quarter more than its share.
  const auto share = [workers](std::uint64_t total) {
    const std::uint64_t each = (total + workers - 1) / workers;
    return static_cast<std::uint32_t>(workers == 1 ? each : each + each / 4 + 64);
  };
  const std::uint32_t connections = share(tcp.max_connections);
  tcp::EndpointConfig config;
  config.max_connections = connections;
  config.max_half_open = std::clamp(connections, 1024U, 65'536U);
  const std::uint64_t time_wait =
      tcp.max_time_wait != 0
          ? tcp.max_time_wait
          : std::clamp<std::uint64_t>(tcp.max_connections * 4ULL, 262'144, kMostConnections);
  config.max_time_wait = share(time_wait);
  config.max_ipv6_pairs = ipv6 ? connections + config.max_half_open : 1024;
  config.max_send_states = connections;
  config.max_models = connections;
  config.max_receive_states = std::max(1024U, connections);
  constexpr std::uint64_t kBlockBytes = 2048;
  config.max_blocks = tcp.buffer_memory != 0
                          ? static_cast<std::uint32_t>(tcp.buffer_memory / kBlockBytes)
                          : std::clamp(connections * 2, 8192U, 262'144U);
  config.time_wait_reuse = tcp.reuse;
  config.time_wait_overflow = tcp.overflow;
  tcp::TcpConfig& profile = config.profiles.front();
  profile.mtu = mtu;
  profile.two_msl = tcp.two_msl;
  profile.min_rto = tcp.min_rto;
  profile.syn_cookies = tcp.cookies;
  profile.congestion = tcp.congestion;
  profile.bbr_loss_percent = static_cast<std::uint8_t>(tcp.bbr_loss);
  profile.pacing = tcp.pacing;
  profile.ecn = tcp.ecn;
  profile.fast_open = tcp.fast_open;
  profile.receive_buffer = tcp.receive_buffer.fixed();
  profile.receive_buffer_initial = tcp.receive_buffer.initial;
  profile.receive_buffer_max = tcp.receive_buffer.most;
  profile.send_buffer = tcp.send_buffer.fixed();
  profile.send_buffer_initial = tcp.send_buffer.initial;
  profile.send_buffer_max = tcp.send_buffer.most;
  profile.max_rto = std::max(profile.max_rto, tcp.min_rto);
  profile.initial_rto = std::max(profile.initial_rto, tcp.min_rto);
  profile.delayed_ack = tcp.delayed_ack;
  apply(tcp.socket, profile);
  return config;
}

Result<EndConfig> make_end(const NetworkOptions& network, const TcpOptions& tcp,
                           const std::vector<int>& cores) {
  if (network.device.empty()) {
    return Error{ErrorKind::usage, "no device was given: expected --device",
                 "try --device net_tap0,iface=mr0"};
  }
  if (network.addresses.empty()) {
    return Error{ErrorKind::usage, "no address of our own was given: expected --address",
                 "try --address 198.18.0.2/24"};
  }
  const bool ipv6 = has_ipv6(network);
  if (ipv6 && network.mtu < 1280) {
    return Error{ErrorKind::usage,
                 fmt::format("--mtu {} is too small for IPv6: expected 1280 or more", network.mtu),
                 "try --mtu 1280"};
  }
  if (network.outer_vlan != 0 && network.vlan == 0) {
    return Error{ErrorKind::usage, "--outer-vlan without --vlan: expected both tags or one",
                 fmt::format("try --vlan {}", network.outer_vlan)};
  }
  if (auto good = check_routes(network); !good) return good.error();
  EndConfig end;
  end.device = network.device;
  end.cores = cores;
  end.interface.mtu = network.mtu;
  if (network.vlan != 0) end.interface.vlan = network.vlan;
  if (network.outer_vlan != 0) end.interface.outer_vlan = network.outer_vlan;
  end.interface.addresses = network.addresses;
  end.interface.routes = network.routes;
  end.interface.routes.insert(end.interface.routes.end(), network.gateways.begin(),
                              network.gateways.end());
  end.endpoint = make_endpoint(tcp, cores.size(), network.mtu, ipv6);
  end.endpoint.profiles.front().ttl = network.ttl;
  end.endpoint.profiles.front().dscp = network.dscp;
  return end;
}

FleetConfig make_fleet(const MachineOptions& machine) {
  FleetConfig fleet;
  fleet.memory_mib = static_cast<std::uint32_t>(machine.memory_bytes >> 20);
  fleet.hugepages = !machine.no_hugepages;
  fleet.eal_extra = machine.eal_extra;
  fleet.seed = machine.seed;
  return fleet;
}

std::string_view name_of(tcp::TimeWaitReuse reuse) {
  return kReuseNames[static_cast<std::size_t>(reuse)];
}
std::string_view name_of(tcp::TimeWaitOverflow overflow) {
  return kOverflowNames[static_cast<std::size_t>(overflow)];
}

}  // namespace millrace
