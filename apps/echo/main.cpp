// SPDX-License-Identifier: BSD-3-Clause
//
// millrace-echo: the echo application on a device. What a program around an application has to do:
// read options, give the fleet a factory, start, wait, stop.
#include <cstdio>

#include "apps/config/command_line.h"
#include "apps/config/exit_code.h"
#include "apps/config/interrupt.h"
#include "apps/config/shared_options.h"
#include "apps/echo/echo.h"
#include "dataplane/backend.h"
#include "millrace_version.h"

namespace millrace {
namespace {

struct Options {
  std::uint16_t port = 7;
  NetworkOptions network;
  MachineOptions machine;
  TcpOptions tcp;
};

Result<int> run(const Options& o) {
  auto end = make_end(o.network, o.tcp, o.machine.cores);
  if (!end) return end.error();
  FleetConfig config = make_fleet(o.machine);
  config.ends.push_back(std::move(end).value());

  Status listening = Ok{};
  const auto make_app = [&](std::size_t, std::size_t, tcp::Endpoint& endpoint) {
    if (auto l = endpoint.listen({.local = {}, .port = o.port}); !l) listening = l.error();
    return std::make_unique<echo::Echo>();
  };
  auto fleet = Fleet::create(config, make_app, make_dpdk_backend());
  if (!fleet) return fleet.error();
  if (!listening) return listening.error();
  for (const std::string& note : fleet.value()->notes()) std::printf("%s\n", note.c_str());
  fleet.value()->start();
  std::printf("ready: echo on port %u\n", unsigned{o.port});
  std::fflush(stdout);
  while (sleep_unless_interrupted(1h)) {
  }
  fleet.value()->stop();
  return static_cast<int>(kExitInterrupted);
}

Command echo_command(Options& o) {
  Command c;
  c.name = "echo";
  c.summary = "send back what comes";
  c.example = "millrace-echo --device net_tap0,iface=mr0 --address 198.18.0.2/24";
  c.options.value("port", "PORT", "where to listen (default 7)", o.port, parse_port);
  add_network_options(c.options, o.network);
  add_machine_options(c.options, o.machine);
  add_tcp_options(c.options, o.tcp);
  c.run = [&o] { return run(o); };
  return c;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  using namespace millrace;
  Options options;
  const std::string version = std::string("millrace-echo ") + std::string(build::kVersion) + "\n";
  return run_one_command(echo_command(options), version, argc, argv);
}
