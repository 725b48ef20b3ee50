// SPDX-License-Identifier: BSD-3-Clause
//
// `millrace load`: from options to a fleet with a generator for each job on each core.
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
#include "apps/load_generator/jobs.h"
#include "apps/load_generator/needs.h"
#include "apps/load_generator/session.h"
#include "dataplane/backend.h"

namespace millrace::load {

namespace {

void declare(Job& job) {
  OptionSet& set = job.declared.options;
  set.positional("url", "URL", "http://ADDRESS[:PORT][/PATH] of the server, or a TOML file with it",
                 job.url, parse_url);
  add_job_options(set, job.load);
}

struct Options {
  Job only;
  Jobs jobs{declare};
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

Result<Plan> plan_of(const Job& job, const Options& o) {
  auto plan = make_plan(job.load, job.url, o.machine.cores.size());
  if (!plan) return plan.error();
  for (Target& target : plan.value().ask.targets) {
    if (auto s = check_own_network(target.address, o.network.addresses, o.own_network); !s) {
      return s.error();
    }
    auto local = sources(o.network, target.address);
    if (!local) return local.error();
    target.local = std::move(local).value();
  }
  plan.value().fast_open = o.tcp.fast_open;
  return plan;
}

/// All that a run is, and nothing started.
struct Prepared {
  std::vector<Plan> plans;
  std::vector<JobSummary> jobs;
  FleetConfig fleet;
};

Result<Prepared> prepare(Options& o) {
  if (auto good = o.jobs.settle(o.only); !good) return good.error();
  const std::vector<const Job*> jobs = o.jobs.all(o.only);
  const auto connections = std::min<std::uint64_t>(connections_of(jobs), 400'000'000);
  o.tcp.max_connections = std::max(o.tcp.max_connections, static_cast<std::uint32_t>(connections));
  Prepared p;
  const std::uint64_t seed = draw_seed(o.machine.seed);
  for (const Job* job : jobs) {
    auto plan = plan_of(*job, o);
    if (!plan) return of_job(*job, plan.error());
    plan.value().seed = seed;
    Setup setup = make_setup(job->load, job->url);
    for (const Target& target : plan.value().ask.targets) {
      setup.client_addresses =
          std::max(setup.client_addresses, static_cast<std::uint32_t>(target.local.size()));
    }
    setup.two_msl_s = std::chrono::duration<double>(o.tcp.two_msl).count();
    setup.time_wait_reuse = millrace::name_of(o.tcp.reuse);
    setup.packet_path = o.network.device;
    setup.cores = o.machine.cores;
    setup.seed = seed;
    p.plans.push_back(std::move(plan).value());
    p.jobs.push_back({job->declared.name, std::move(setup), {}});
  }
  auto end = make_end(o.network, o.tcp, o.machine.cores);
  if (!end) return end.error();
  p.fleet = make_fleet(o.machine);
  p.fleet.ends.push_back(std::move(end).value());
  return p;
}

Result<int> run(Options& o) {
  auto prepared = prepare(o);
  if (!prepared) return prepared.error();
  Prepared& p = prepared.value();
  std::vector<Generator*> generators;
  const auto make_app = [&](std::size_t, std::size_t worker, tcp::Endpoint&) {
    return make_generators(p.plans, worker, generators);
  };
  auto streams = Streams::open(o.only.load);
  if (!streams) return streams.error();
  auto fleet = Fleet::create(p.fleet, make_app, make_dpdk_backend());
  if (!fleet) return fleet.error();
  const auto control =
      inspect::answer_questions(*fleet.value(), "load", o.machine.name, o.network.device);
  if (!control) return control.error();
  Session session{*fleet.value(), generators, o.only.load, streams.value(),
                  o.only.load.writes_to_stdout()};
  return run_session(session, std::move(p.jobs));
}

Result<std::vector<CheckLine>> check(Options& o) {
  const auto prepared = prepare(o);
  if (!prepared) return prepared.error();
  return needs_of(o.jobs.all(o.only), prepared.value().plans, o.tcp, prepared.value().fleet);
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
  declare(o->only);
  command.options = o->only.declared.options;
  add_result_options(command.options, o->only.load);
  add_network_options(command.options, o->network);
  command.options.toggle("i-own-this-network",
                         "allow addresses outside private, test and documentation ranges",
                         o->own_network);
  add_machine_options(command.options, o->machine);
  add_tcp_options(command.options, o->tcp);
  command.takes_file = true;
  command.add_job = [o](const std::string& name) -> JobOptions& { return o->jobs.add(name); };
  command.check = [o] { return check(*o); };
  command.run = [o] { return run(*o); };
  return command;
}

}  // namespace millrace::load
