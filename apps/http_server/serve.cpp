// SPDX-License-Identifier: BSD-3-Clause
//
// `millrace serve`: from options to a fleet with a server on each core, a line a second, and an end
// that leaves nobody without an answer.
#include "apps/http_server/serve.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "apps/config/exit_code.h"
#include "apps/config/interrupt.h"
#include "apps/config/parse_address.h"
#include "apps/config/shared_options.h"
#include "apps/http_server/status_line.h"
#include "apps/inspect/instance.h"
#include "dataplane/backend.h"

namespace millrace::http {
namespace {

struct ServeOptions {
  std::vector<std::uint16_t> ports = {80};
  Duration duration{0};  // 0: until a signal
  Duration drain = 5s;
  bool json = false;
  Idle idle = Idle::poll;
  NetworkOptions network;
  MachineOptions machine;
  TcpOptions tcp;
};

// One run: the fleet, its servers, and what is printed of them.
class Run {
 public:
  Run(const ServeOptions& options, Fleet& fleet, std::vector<HttpServer*> servers)
      : options_(options), fleet_(fleet), servers_(std::move(servers)) {}

  void announce(const std::string& name) const {
    if (options_.json) return;
    for (const std::string& note : fleet_.notes()) std::printf("%s\n", note.c_str());
    std::string urls;
    for (const auto& own : options_.network.addresses) {
      for (const std::uint16_t port : options_.ports) {
        urls += fmt::format(" http://{}/", endpoint_text(own.address, port));
      }
    }
    std::printf("ready:%s   (millrace ss -s %s)\n%s\n", urls.c_str(), name.c_str(),
                line_header().c_str());
    std::fflush(stdout);
  }

  void serve() {
    start_ = fleet_.now();
    last_ = snapshot();
    Instant next = start_ + 1s;
    while (true) {
      const Instant now = fleet_.now();
      if (options_.duration > Duration{0} && now >= start_ + options_.duration) return;
      if (now >= next) {
        line();
        next = std::max(next + 1s, now);
      }
      Duration pause = next - now;
      if (options_.duration > Duration{0}) {
        pause = std::min(pause, start_ + options_.duration - now);
      }
      if (!sleep_unless_interrupted(std::max(pause, Duration{0}))) return;
    }
  }

  // Stops listening, lets answers under way end, and closes what is idle; what is left when the
  // time is up is reset.
  void drain() {
    each([](HttpServer& server, tcp::Endpoint& endpoint) { server.start_draining(endpoint); });
    const Instant until = fleet_.now() + options_.drain;
    bool left = true;
    while (left && fleet_.now() < until) {
      close_idle();
      // Statistics are published a few times a second: two looks apart see the last FINs go.
      (void)pause(50ms);
      left = open_connections() != 0;
    }
    if (left) abort_all();
  }

  void conclude() {
    const Snapshot end = snapshot();
    if (options_.json) {
      std::printf("%s\n", line_json(last_, end, start_).c_str());
    } else {
      std::printf("%s\n", totals_text(end, start_).c_str());
    }
    std::fflush(stdout);
  }

 private:
  template <typename Work>
  void each(const Work& work) {
    for (std::size_t worker = 0; worker < servers_.size(); ++worker) {
      fleet_.ask(0, worker,
                 [&](tcp::Endpoint& endpoint, tcp::App&) { work(*servers_[worker], endpoint); });
    }
  }

  void close_idle() {
    constexpr std::size_t kSlice = 4096;
    for (std::size_t worker = 0; worker < servers_.size(); ++worker) {
      for (std::uint32_t from = 0; from != kNil;) {
        fleet_.ask(0, worker, [&](tcp::Endpoint& endpoint, tcp::App&) {
          from = servers_[worker]->close_idle(endpoint, from, kSlice);
        });
      }
    }
  }

  void abort_all() {
    for (std::size_t worker = 0; worker < servers_.size(); ++worker) {
      for (std::uint32_t from = 0; from != kNil;) {
        fleet_.ask(0, worker, [&](tcp::Endpoint& endpoint, tcp::App&) {
          std::array<tcp::ConnectionStatus, 256> slice;
          std::size_t count = 0;
          from = endpoint.list(from, slice, count);
          for (std::size_t i = 0; i < count; ++i) endpoint.abort(slice[i].id);
        });
      }
    }
    (void)pause(50ms);  // for the resets to leave
  }

  // Also after a signal, which ends sleep_unless_interrupted() at once.
  static bool pause(Duration duration) {
    return usleep(static_cast<useconds_t>(duration / 1us)) == 0;
  }

  [[nodiscard]] std::uint64_t open_connections() const {
    const tcp::StateCounts states = inspect::total_stats(fleet_).states;
    std::uint64_t open = 0;
    for (std::size_t i = 0; i < tcp::kStateCount; ++i) {
      const auto state = static_cast<tcp::State>(i);
      if (state != tcp::State::listen && state != tcp::State::time_wait) open += states.of(state);
    }
    return open;
  }

  [[nodiscard]] Snapshot snapshot() const {
    Snapshot s{fleet_.now(), {}, inspect::total_stats(fleet_)};
    for (const HttpServer* server : servers_) s.server.add(server->published());
    return s;
  }

  void line() {
    const Snapshot now = snapshot();
    const auto write = options_.json ? line_json : line_text;
    std::printf("%s\n", write(last_, now, start_).c_str());
    std::fflush(stdout);
    last_ = now;
  }

  const ServeOptions& options_;
  Fleet& fleet_;
  std::vector<HttpServer*> servers_;
  Instant start_{};
  Snapshot last_;
};

Result<int> run_serve(const ServeOptions& o) {
  auto end = make_end(o.network, o.tcp, o.machine.cores);
  if (!end) return end.error();
  // An answer is queued whole, so there is nothing that Nagle's delay would put together.
  end.value().endpoint.profiles.front().nagle = !o.tcp.socket.nodelay.value_or(true);
  FleetConfig config = make_fleet(o.machine);
  config.idle = o.idle;
  config.ends.push_back(std::move(end).value());

  std::vector<HttpServer*> servers(o.machine.cores.size());
  Status listening = Ok{};
  const std::uint32_t each_connections = config.ends.front().endpoint.max_connections;
  const auto make_app = [&](std::size_t, std::size_t worker, tcp::Endpoint& endpoint) {
    auto server = std::make_unique<HttpServer>(server_config(each_connections));
    for (const std::uint16_t port : o.ports) {
      if (auto good = server->listen(endpoint, port); !good && listening) listening = good;
    }
    servers.at(worker) = server.get();
    return server;
  };
  auto created = Fleet::create(config, make_app, make_dpdk_backend());
  if (!created) return created.error();
  if (!listening) return listening.error();
  Fleet& fleet = *created.value();

  const std::string name = o.machine.name.empty() ? std::to_string(getpid()) : o.machine.name;
  auto control = inspect::answer_questions(fleet, "serve", o.machine.name, o.network.device);
  if (!control) return control.error();
  Run run(o, fleet, servers);
  fleet.start();
  run.announce(name);
  run.serve();
  run.drain();
  control.value().reset();
  fleet.stop();
  run.conclude();
  // SIGTERM is how a service is ended: all is well. Ctrl-C interrupts.
  return static_cast<int>(interrupted_by() == SIGINT ? kExitInterrupted : kExitGood);
}

}  // namespace

ServerConfig server_config(std::uint32_t max_connections) {
  ServerConfig config;
  config.max_exchanges = max_connections;
  return config;
}

Command serve_command() {
  auto o = std::make_shared<ServeOptions>();
  Command c;
  c.name = "serve";
  c.summary = "an HTTP/1.1 test server";
  c.example =
      "millrace serve --device net_tap0,iface=mr0 --address 198.18.0.2/24 \\\n"
      "    --address 2001:2::2/64 --listen 80";
  c.options.heading("Server");
  c.options.repeated("listen", "PORT", "where to listen; may be repeated (default 80)", o->ports,
                     parse_port);
  c.options.value("duration", "TIME", "end after this time (default: at a signal)", o->duration,
                  parse_any_duration);
  c.options.value("drain", "TIME", "how long answers under way may take at the end (default 5s)",
                  o->drain, duration_between(0s, 1h));
  c.options.value("idle", "HOW",
                  "what cores do when nothing comes: poll, pause between looks, or sleep for up to "
                  "250us at a time, which delays what comes then (default poll)",
                  o->idle, choice_of<Idle>({"poll", "pause", "sleep"}));
  c.options.toggle("json", "a JSON object a second instead of a line", o->json);
  add_network_options(c.options, o->network);
  add_machine_options(c.options, o->machine);
  add_tcp_options(c.options, o->tcp);
  c.run = [o] { return run_serve(*o); };
  return c;
}

}  // namespace millrace::http
