// SPDX-License-Identifier: BSD-3-Clause
//
// `millrace loopback`: both ends in one process. It computes how many client addresses the rate
// needs: a tuple that was closed is taken for 2MSL, and an address has 64,512 ports.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "apps/config/parse_address.h"
#include "apps/config/parse_url.h"
#include "apps/config/parse_value.h"
#include "apps/config/shared_options.h"
#include "apps/inspect/instance.h"
#include "apps/load_generator/commands.h"
#include "apps/load_generator/session.h"
#include "apps/load_generator/slowed.h"
#include "apps/report/units.h"
#include "dataplane/backend.h"

namespace millrace::load {

namespace {

constexpr double kPortsPerAddress = 64'512;
constexpr double kClosedLoopGuess = 500'000;   // connections per second that a core might reach
constexpr std::uint32_t kServer = 0xC6120001;  // 198.18.0.1
constexpr std::uint32_t kFirstClient = 0xC6120100;
constexpr std::uint32_t kMostClients = 65'000;

struct Options {
  LoadOptions load;
  MachineOptions machine;
  TcpOptions tcp;
  std::string path = "/bytes/64";
  Duration server_cost{0};
  bool ipv6 = false;
};

Address make_address(bool ipv6, std::uint32_t v4) {
  if (!ipv6) return Address::v4(v4);
  std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0x00, 0x02};  // 2001:2::/48 (RFC 5180)
  for (std::size_t i = 0; i < 4; ++i) bytes[12 + i] = static_cast<std::uint8_t>(v4 >> (24 - 8 * i));
  return Address::v6(bytes);
}

/// Tuples that are taken at once: open connections, and closed ones until 2MSL has passed.
double tuples_needed(const Options& o) {
  const auto seconds = [](Duration d) { return std::chrono::duration<double>(d).count(); };
  if (o.load.mode != Mode::cps) return 2.0 * o.load.connections;
  const Duration whole = o.load.ramp_up + o.load.duration + o.load.ramp_down;
  const Duration kept = std::min(whole, o.tcp.two_msl);
  const double closed =
      o.load.closed ? kClosedLoopGuess * seconds(kept) : most_arrivals_within(o.load, kept);
  return closed + o.load.connections;
}

EndConfig make_cable_end(const Options& o, int core, Address first, std::uint32_t count) {
  EndConfig end;
  end.cores = {core};
  end.interface.addresses.push_back({first, static_cast<std::uint8_t>(o.ipv6 ? 64 : 15), count});
  end.interface.duplicate_detection = 0s;  // the cable has two ends, and both are ours
  end.endpoint = make_endpoint(o.tcp, 1, 1500, o.ipv6);
  return end;
}

std::vector<Address> addresses_from(Address first, std::uint32_t count) {
  std::vector<Address> all;
  for (std::uint32_t i = 0; i < count; ++i) all.push_back(address_plus(first, i));
  return all;
}

Status check_targets(const Plan& plan, const Url& own) {
  for (const Target& target : plan.ask.targets) {
    if (target.address == own.address && target.port == own.port) continue;
    return Error{ErrorKind::usage, "--ask with another target: loopback has its own server",
                 fmt::format("leave http://ADDRESS out of it, or ask {}", own.text())};
  }
  return Ok{};
}

Result<int> run(Options& o, const ServerFactory& make_server) {
  if (auto good = settle_load_options(o.load); !good) return good.error();
  const std::vector<int>& cores = o.machine.cores;
  if (cores.size() > 2) {
    return Error{ErrorKind::usage,
                 fmt::format("loopback runs on one core or two, not {}", cores.size()),
                 "--cores 0 or --cores 0,1"};
  }
  const double tuples = tuples_needed(o);
  const auto clients = static_cast<std::uint32_t>(std::ceil(1.02 * tuples / kPortsPerAddress)) + 1;
  if (clients > kMostClients) {
    return Error{
        ErrorKind::usage,
        fmt::format("this load needs {} client addresses; there are {}", clients, kMostClients),
        "a lower --rate or a shorter --two-msl"};
  }
  o.tcp.max_connections = std::max(o.tcp.max_connections, o.load.connections + 1024);
  if (o.tcp.max_time_wait == 0) {
    o.tcp.max_time_wait = static_cast<std::uint32_t>(std::max(262'144.0, 1.25 * tuples));
  }
  const Address server = make_address(o.ipv6, kServer);
  const Address first_client = make_address(o.ipv6, kFirstClient);
  FleetConfig config = make_fleet(o.machine);
  config.ends.push_back(make_cable_end(o, cores.front(), first_client, clients));
  config.ends.push_back(make_cable_end(o, cores.back(), server, 1));

  const Url target{server, 80, o.path};
  auto planned = make_plan(o.load, target, 1);
  if (!planned) return planned.error();
  Plan plan = std::move(planned).value();
  if (auto good = check_targets(plan, target); !good) return good.error();
  plan.fast_open = o.tcp.fast_open;
  plan.seed = draw_seed(o.machine.seed);
  plan.ask.targets.front().local = addresses_from(first_client, clients);
  std::vector<Generator*> generators;
  const auto make_app = [&](std::size_t end, std::size_t,
                            tcp::Endpoint& endpoint) -> std::unique_ptr<tcp::App> {
    if (end == 1) return slowed(make_server(endpoint, o.tcp.max_connections), o.server_cost);
    auto generator = std::make_unique<Generator>(plan);
    generators.push_back(generator.get());
    return generator;
  };
  auto streams = Streams::open(o.load);
  if (!streams) return streams.error();
  auto fleet = Fleet::create(config, make_app, make_dpdk_backend());
  if (!fleet) return fleet.error();
  const auto control =
      inspect::answer_questions(*fleet.value(), "loopback", o.machine.name, "in-memory cable");
  if (!control) return control.error();

  const bool one_core = cores.size() == 1;
  Setup setup = make_setup(o.load, target);
  setup.client_addresses = clients;
  setup.two_msl_s = std::chrono::duration<double>(o.tcp.two_msl).count();
  setup.time_wait_reuse = millrace::name_of(o.tcp.reuse);
  setup.packet_path = "in-memory cable, software checksums";
  setup.cores = cores;
  setup.seed = plan.seed;
  setup.latency_label = one_core ? "latency, in process" : "latency, two cores";
  Session session{*fleet.value(), generators, o.load, streams.value(), o.load.writes_to_stdout()};
  session.remarks.push_back(fmt::format(
      "{} client addresses of 64,512 ports each, for {} tuples within 2MSL of {}", clients,
      report::group_digits(static_cast<std::uint64_t>(tuples)), duration_text(o.tcp.two_msl)));
  if (one_core) {
    session.remarks.emplace_back(
        "both ends share one core: latency is that of a process, not of a network");
  }
  return run_session(session, std::move(setup));
}

Result<std::string> parse_path(std::string_view word) {
  if (!word.empty() && word.front() == '/' && word.find_first_of(" \r\n") == word.npos) {
    return std::string(word);
  }
  return bad_word(word, "a path", "a slash and no spaces", "/bytes/64");
}

}  // namespace

Command loopback_command(ServerFactory make_server) {
  auto o = std::make_shared<Options>();
  o->load.rate = 20'000;
  o->load.duration = 5s;
  Command command;
  command.name = "loopback";
  command.summary = "generator and server in one process, over an in-memory cable";
  command.example = "millrace loopback --mode tps --rate 50k --connections 100 --duration 5s";
  command.options.heading("Target");
  command.options.value("path", "PATH", "what to ask the server for (default /bytes/64)", o->path,
                        parse_path);
  command.options.value("server-cost", "TIME",
                        "what a request takes of the server's core beside its own work: to see "
                        "overload (default 0s)",
                        o->server_cost,
                        [](std::string_view word) { return parse_duration(word, 0s, 1s); });
  command.options.toggle("ipv6", "both ends speak IPv6", o->ipv6);
  add_load_options(command.options, o->load);
  add_machine_options(command.options, o->machine);
  add_tcp_options(command.options, o->tcp);
  command.run = [o, make_server = std::move(make_server)] { return run(*o, make_server); };
  return command;
}

}  // namespace millrace::load
