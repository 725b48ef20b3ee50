// SPDX-License-Identifier: BSD-3-Clause
//
// socket_agent: Millrace's TCP for tools that make socket calls over a Unix socket.
//
//   socket_agent --device net_tap0,iface=mr0 --address 192.168.0.1/16 --route 192.0.2.0/24
//       --socket /tmp/agent
//
// Prints "ready" and serves until a signal.
#include <algorithm>
#include <cstdio>

#include "apps/config/command_line.h"
#include "apps/config/exit_code.h"
#include "apps/config/interrupt.h"
#include "apps/config/parse_address.h"
#include "apps/config/shared_options.h"
#include "dataplane/backend.h"
#include "tests/conformance/agent/agent.h"

namespace millrace {
namespace {

struct Options {
  std::string socket;
  NetworkOptions network;
  MachineOptions machine;
  TcpOptions tcp;
};

/// The address of ours on the remote end's own network, else the first of its family if a route
/// leads there.
[[nodiscard]] std::optional<Address> source_for(const net::InterfaceConfig& interface,
                                                const Address& remote) {
  for (const net::InterfaceAddress& own : interface.addresses) {
    if (in_prefix(remote, own.address, own.prefix_length)) return own.address;
  }
  const bool routed = std::any_of(
      interface.routes.begin(), interface.routes.end(),
      [&](const net::Route& r) { return in_prefix(remote, r.prefix, r.prefix_length); });
  for (const net::InterfaceAddress& own : interface.addresses) {
    if (routed && own.address.is_v4() == remote.is_v4()) return own.address;
  }
  return std::nullopt;
}

/// Listeners are made for each address, so there must not be very many.
[[nodiscard]] Result<std::vector<Address>> all_addresses(const net::InterfaceConfig& interface) {
  std::vector<Address> all;
  for (const net::InterfaceAddress& own : interface.addresses) {
    if (own.count != 1) {
      return Error{ErrorKind::usage, "socket_agent takes single addresses, no ranges.",
                   "repeat --address"};
    }
    all.push_back(own.address);
  }
  return all;
}

Result<int> run(const Options& o) {
  if (o.socket.empty()) {
    return Error{ErrorKind::usage, "no socket was given: expected --socket",
                 "try --socket /tmp/agent"};
  }
  if (o.machine.cores.size() != 1) {
    return Error{ErrorKind::usage, "socket_agent runs on one core.", "name one with --cores"};
  }
  auto end = make_end(o.network, o.tcp, o.machine.cores);
  if (!end) return end.error();
  auto addresses = all_addresses(end.value().interface);
  if (!addresses) return addresses.error();
  auto listener = agent::listen_at(o.socket);
  if (!listener) return listener.error();
  const net::InterfaceConfig interface = end.value().interface;
  FleetConfig config = make_fleet(o.machine);
  config.ends.push_back(std::move(end).value());
  const auto make_app = [&](std::size_t, std::size_t, tcp::Endpoint& endpoint) {
    agent::SocketsConfig sockets;
    sockets.addresses = addresses.value();
    sockets.source_for = [&](const Address& remote) { return source_for(interface, remote); };
    return std::make_unique<agent::Agent>(endpoint, std::move(sockets), listener.value());
  };
  auto fleet = Fleet::create(config, make_app, make_dpdk_backend());
  if (!fleet) return fleet.error();
  for (const std::string& note : fleet.value()->notes()) std::printf("%s\n", note.c_str());
  fleet.value()->start();
  std::printf("ready: socket calls at %s\n", o.socket.c_str());
  std::fflush(stdout);
  while (sleep_unless_interrupted(1h)) {
  }
  fleet.value()->stop();
  return static_cast<int>(kExitInterrupted);
}

Command agent_command(Options& o) {
  Command c;
  c.name = "agent";
  c.summary = "make socket calls for an outside tool";
  c.example = "socket_agent --device net_tap0,iface=mr0 --address 192.168.0.1/16 --socket /tmp/a";
  c.options.value("socket", "PATH", "where tools connect (AF_UNIX, SOCK_SEQPACKET)", o.socket,
                  parse_text);
  add_network_options(c.options, o.network);
  add_machine_options(c.options, o.machine);
  add_tcp_options(c.options, o.tcp);
  c.run = [&o] { return run(o); };
  return c;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  millrace::Options options;
  return millrace::run_one_command(millrace::agent_command(options), "socket_agent\n", argc, argv);
}
