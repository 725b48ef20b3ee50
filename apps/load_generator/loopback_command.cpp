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
#include "apps/load_generator/jobs.h"
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

Result<std::string> parse_path(std::string_view word) {
  if (!word.empty() && word.front() == '/' && word.find_first_of(" \r\n") == word.npos) {
    return std::string(word);
  }
  return bad_word(word, "a path", "a slash and no spaces", "/bytes/64");
}

void declare(Job& job) {
  job.load.rate = 20'000;
  job.load.duration = 5s;
  job.path = "/bytes/64";
  OptionSet& set = job.declared.options;
  set.heading("Target");
  set.value("path", "PATH", "what to ask the server for (default /bytes/64)", job.path, parse_path);
  add_job_options(set, job.load);
}

struct Options {
  Job only;
  Jobs jobs{declare};
  MachineOptions machine;
  TcpOptions tcp;
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
double tuples_needed(const std::vector<const Job*>& jobs, Duration two_msl) {
  const auto seconds = [](Duration d) { return std::chrono::duration<double>(d).count(); };
  double sum = 0;
  for (const Job* job : jobs) {
    const LoadOptions& load = job->load;
    if (load.mode != Mode::cps) {
      sum += 2.0 * load.connections;
      continue;
    }
    const Duration kept = std::min(load.ramp_up + load.duration + load.ramp_down, two_msl);
    sum += load.connections + (load.closed || load.search ? kClosedLoopGuess * seconds(kept)
                                                          : most_arrivals_within(load, kept));
  }
  return sum;
}

EndConfig make_cable_end(const Options& o, int core, Address first, std::uint32_t count) {
  EndConfig end;
  end.cores = {core};
  end.interface.addresses.push_back({first, static_cast<std::uint8_t>(o.ipv6 ? 64 : 15), count});
  end.interface.duplicate_detection = 0s;  // the cable has two ends, and both are ours
  end.endpoint = make_endpoint(o.tcp, 1, 1500, o.ipv6);
  return end;
}

/// The plan of one job against our own server.
Result<Plan> plan_of(const Job& job, const Url& target, bool fast_open) {
  auto plan = make_plan(job.load, target, 1);
  if (!plan) return plan.error();
  const std::vector<Target>& targets = plan.value().ask.targets;
  if (targets.size() > 1 || targets.front().address != target.address ||
      targets.front().port != target.port) {
    return Error{ErrorKind::usage, "--ask with another target: loopback has its own server",
                 fmt::format("leave http://ADDRESS out of it, or ask {}", target.text())};
  }
  plan.value().fast_open = fast_open;
  return plan;
}

struct Prepared {
  std::vector<Plan> plans;
  std::vector<JobSummary> jobs;
};

/// The plan of each job, from `clients` addresses, and what its result says of it.
Result<Prepared> prepare(const Options& o, const std::vector<const Job*>& jobs, Address server,
                         Address first_client, std::uint32_t clients) {
  Prepared prepared;
  const std::uint64_t seed = draw_seed(o.machine.seed);
  for (const Job* job : jobs) {
    Url target;
    target.address = server;
    target.path = job->path;
    auto plan = plan_of(*job, target, o.tcp.fast_open);
    if (!plan) return of_job(*job, plan.error());
    plan.value().seed = seed;
    for (std::uint32_t i = 0; i < clients; ++i) {
      plan.value().ask.targets.front().local.push_back(address_plus(first_client, i));
    }
    Setup setup = make_setup(job->load, target);
    setup.client_addresses = clients;
    setup.two_msl_s = std::chrono::duration<double>(o.tcp.two_msl).count();
    setup.time_wait_reuse = millrace::name_of(o.tcp.reuse);
    setup.packet_path = "in-memory cable, software checksums";
    setup.cores = o.machine.cores;
    setup.seed = seed;
    const bool one_core = o.machine.cores.size() == 1;
    setup.latency_label = one_core ? "latency, in process" : "latency, two cores";
    prepared.plans.push_back(std::move(plan).value());
    prepared.jobs.push_back({job->declared.name, std::move(setup), {}});
  }
  return prepared;
}

Result<int> run(Options& o, const ServerFactory& make_server) {
  if (auto good = o.jobs.settle(o.only); !good) return good.error();
  const std::vector<const Job*> jobs = o.jobs.all(o.only);
  const std::vector<int>& cores = o.machine.cores;
  if (cores.size() > 2) {
    return Error{ErrorKind::usage,
                 fmt::format("loopback runs on one core or two, not {}", cores.size()),
                 "--cores 0 or --cores 0,1"};
  }
  const double tuples = tuples_needed(jobs, o.tcp.two_msl);
  const auto clients = static_cast<std::uint32_t>(std::ceil(1.02 * tuples / kPortsPerAddress)) + 1;
  if (clients > kMostClients) {
    return Error{
        ErrorKind::usage,
        fmt::format("this load needs {} client addresses; there are {}", clients, kMostClients),
        "a lower --rate or a shorter --two-msl"};
  }
  const auto most = std::min<std::uint64_t>(connections_of(jobs) + 1024, 400'000'000);
  o.tcp.max_connections = std::max(o.tcp.max_connections, static_cast<std::uint32_t>(most));
  if (o.tcp.max_time_wait == 0) {
    o.tcp.max_time_wait = static_cast<std::uint32_t>(std::max(262'144.0, 1.25 * tuples));
  }
  const Address server = make_address(o.ipv6, kServer);
  const Address first_client = make_address(o.ipv6, kFirstClient);
  FleetConfig config = make_fleet(o.machine);
  config.ends.push_back(make_cable_end(o, cores.front(), first_client, clients));
  config.ends.push_back(make_cable_end(o, cores.back(), server, 1));

  auto prepared = prepare(o, jobs, server, first_client, clients);
  if (!prepared) return prepared.error();
  std::vector<Plan>& plans = prepared.value().plans;
  std::vector<Generator*> generators;
  const auto make_app = [&](std::size_t end, std::size_t,
                            tcp::Endpoint& endpoint) -> std::unique_ptr<tcp::App> {
    if (end == 1) return slowed(make_server(endpoint, o.tcp.max_connections), o.server_cost);
    return make_generators(plans, 0, generators);
  };
  auto streams = Streams::open(o.only.load);
  if (!streams) return streams.error();
  auto fleet = Fleet::create(config, make_app, make_dpdk_backend());
  if (!fleet) return fleet.error();
  const auto control =
      inspect::answer_questions(*fleet.value(), "loopback", o.machine.name, "in-memory cable");
  if (!control) return control.error();

  Session session{*fleet.value(), generators, o.only.load, streams.value(),
                  o.only.load.writes_to_stdout()};
  session.remarks.push_back(fmt::format(
      "{} client addresses of 64,512 ports each, for {} tuples within 2MSL of {}", clients,
      report::group_digits(static_cast<std::uint64_t>(tuples)), duration_text(o.tcp.two_msl)));
  if (cores.size() == 1) {
    session.remarks.emplace_back(
        "both ends share one core: latency is that of a process, not of a network");
  }
  return run_session(session, std::move(prepared.value().jobs));
}

}  // namespace

Command loopback_command(ServerFactory make_server) {
  auto o = std::make_shared<Options>();
  Command command;
  command.name = "loopback";
  command.summary = "generator and server in one process, over an in-memory cable";
  command.example = "millrace loopback --mode tps --rate 50k --connections 100 --duration 5s";
  declare(o->only);
  command.options = o->only.declared.options;
  add_result_options(command.options, o->only.load);
  command.options.heading("Target");
  command.options.value("server-cost", "TIME",
                        "what a request takes of the server's core beside its own work: to see "
                        "overload (default 0s)",
                        o->server_cost,
                        [](std::string_view word) { return parse_duration(word, 0s, 1s); });
  command.options.toggle("ipv6", "both ends speak IPv6", o->ipv6);
  add_machine_options(command.options, o->machine);
  add_tcp_options(command.options, o->tcp);
  command.add_job = [o](const std::string& name) -> JobOptions& { return o->jobs.add(name); };
  command.run = [o, make_server = std::move(make_server)] { return run(*o, make_server); };
  return command;
}

}  // namespace millrace::load
