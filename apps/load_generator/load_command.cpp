// SPDX-License-Identifier: BSD-3-Clause
//
// `millrace load`: from options to a fleet with a generator on each core.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "apps/config/parse_address.h"
#include "apps/config/parse_url.h"
#include "apps/config/parse_value.h"
#include "apps/config/shared_options.h"
#include "apps/inspect/instance.h"
#include "apps/load_generator/commands.h"
#include "apps/load_generator/session.h"
#include "dataplane/backend.h"

namespace millrace::load {

namespace {

struct Options {
  std::optional<Url> url;
  LoadOptions load;
  NetworkOptions network;
  MachineOptions machine;
  TcpOptions tcp;
  bool own_network = false;
};

/// Our addresses of the target's family, one by one.
Result<std::vector<Address>> sources(const NetworkOptions& network, const Address& target) {
  std::vector<Address> all;
  for (const net::InterfaceAddress& range : network.addresses) {
    if (range.address.is_v4() != target.is_v4()) continue;
    for (std::uint32_t i = 0; i < range.count; ++i) all.push_back(address_plus(range.address, i));
  }
  if (!all.empty()) return all;
  return Error{ErrorKind::usage,
               fmt::format("no --address of the family of {}", address_text(target)),
               target.is_v4() ? "--address 198.18.0.16-198.18.0.31/24" : "--address 2001:2::16/64"};
}

Result<int> run(Options& o) {
  if (auto good = settle_load_options(o.load); !good) return good.error();
  o.tcp.max_connections = std::max(o.tcp.max_connections, o.load.connections);
  auto planned = make_plan(o.load, o.url, o.machine.cores.size());
  if (!planned) return planned.error();
  Plan plan = std::move(planned).value();
  for (Target& target : plan.ask.targets) {
    if (auto s = check_own_network(target.address, o.network.addresses, o.own_network); !s) {
      return s.error();
    }
    auto local = sources(o.network, target.address);
    if (!local) return local.error();
    target.local = std::move(local).value();
  }
  auto end = make_end(o.network, o.tcp, o.machine.cores);
  if (!end) return end.error();
  FleetConfig config = make_fleet(o.machine);
  config.ends.push_back(std::move(end).value());

  plan.fast_open = o.tcp.fast_open;
  plan.seed = draw_seed(o.machine.seed);
  std::vector<Generator*> generators;
  const auto make_app = [&](std::size_t, std::size_t worker, tcp::Endpoint&) {
    plan.share.worker = static_cast<std::uint32_t>(worker);
    auto generator = std::make_unique<Generator>(plan);
    generators.push_back(generator.get());
    return generator;
  };
  auto streams = Streams::open(o.load);
  if (!streams) return streams.error();
  auto fleet = Fleet::create(config, make_app, make_dpdk_backend());
  if (!fleet) return fleet.error();
  const auto control =
      inspect::answer_questions(*fleet.value(), "load", o.machine.name, o.network.device);
  if (!control) return control.error();

  Setup setup = make_setup(o.load, o.url);
  for (const Target& target : plan.ask.targets) {
    setup.client_addresses =
        std::max(setup.client_addresses, static_cast<std::uint32_t>(target.local.size()));
  }
  setup.two_msl_s = std::chrono::duration<double>(o.tcp.two_msl).count();
  setup.time_wait_reuse = millrace::name_of(o.tcp.reuse);
  setup.packet_path = o.network.device;
  setup.cores = o.machine.cores;
  setup.seed = plan.seed;
  Session session{*fleet.value(), generators, o.load, streams.value(), o.load.writes_to_stdout()};
  return run_session(session, std::move(setup));
}

}  // namespace

Command load_command() {
  auto o = std::make_shared<Options>();
  Command command;
  command.name = "load";
  command.summary = "offer load to an HTTP/1.1 server, open loop by default";
  command.example =
      "millrace load http://198.18.0.1:8080/bytes/64 --device net_tap0,iface=mr0 \\\n"
      "    --address 198.18.0.16-198.18.0.31/24 --mode cps --rate 1k --duration 10s";
  command.options.positional("url", "URL", "http://ADDRESS[:PORT][/PATH] of the server", o->url,
                             parse_url);
  add_load_options(command.options, o->load);
  add_network_options(command.options, o->network);
  command.options.toggle("i-own-this-network",
                         "allow addresses outside private, test and documentation ranges",
                         o->own_network);
  add_machine_options(command.options, o->machine);
  add_tcp_options(command.options, o->tcp);
  command.run = [o] { return run(*o); };
  return command;
}

}  // namespace millrace::load
