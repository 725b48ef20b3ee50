// SPDX-License-Identifier: BSD-3-Clause
//
// Experiment 5, who closes first. The end that sends the first FIN keeps the connection for 2MSL;
// the other forgets it with the last ACK. Where both close at one time both keep it (RFC 9293
// §3.6).
#include <fmt/format.h>

#include <array>

#include "apps/report/units.h"
#include "apps/time_wait/experiments.h"
#include "apps/time_wait/lab.h"
#include "apps/time_wait/openers.h"

namespace millrace::time_wait {
namespace {

constexpr std::size_t kBytesPerEntry = 40;  // all in, of the entries alone

struct Case {
  std::string_view name;
  Closes client;
  Closes server;
  bool client_keeps;
  bool server_keeps;
};
constexpr std::array kCases{
    Case{"client first", Closes::at_once, Closes::second, true, false},
    Case{"server first", Closes::second, Closes::at_once, false, true},
    Case{"both at one time", Closes::after_a_while, Closes::after_a_while, true, true},
};

std::uint64_t connections_of(const Scale& scale) { return scale.full ? 1'000'000 : 100'000; }

struct End {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;  // touched by the endpoint's pools and tables since the start
};

struct Found {
  End client;
  End server;
  std::uint64_t connected = 0;
  double packets_of_client = 0;  // per connection
  double packets_of_server = 0;
};

Result<Found> run_case(const Case& c, const Scale& scale) {
  const std::uint64_t connections = connections_of(scale);
  LabConfig config;
  for (tcp::EndpointConfig* end : {&config.client, &config.server}) {
    end->max_time_wait = static_cast<std::uint32_t>(connections);
  }
  config.seed = scale.seed;
  OpenerConfig opens{.rate = 50'000, .addresses = 64, .most = connections, .closes = c.client};
  Opener opener(opens);
  Acceptor acceptor(c.server);
  auto lab = Lab::create(config, opener, acceptor);
  if (!lab) return lab.error();
  Lab& l = *lab.value();
  const auto client_before = l.client().memory().touched_bytes;
  const auto server_before = l.server().memory().touched_bytes;
  for (int i = 0; i < 50'000 && opener.counts().closed < connections; ++i) l.step();
  l.run_for(1s);
  Found found;
  found.connected = opener.counts().connected;
  found.client = {l.client().states().of(tcp::State::time_wait),
                  l.client().memory().touched_bytes - client_before};
  found.server = {l.server().states().of(tcp::State::time_wait),
                  l.server().memory().touched_bytes - server_before};
  found.packets_of_client =
      static_cast<double>(l.to_server().carried()) / static_cast<double>(connections);
  found.packets_of_server =
      static_cast<double>(l.to_client().carried()) / static_cast<double>(connections);
  return found;
}

std::vector<std::string> predict(const Scale& scale) {
  std::vector<std::string> lines;
  lines.reserve(kCases.size());
  const std::string count = report::group_digits(connections_of(scale));
  for (const Case& c : kCases) {
    lines.push_back(fmt::format("{}: {} entries at the client, {} at the server", c.name,
                                c.client_keeps ? count : "0", c.server_keeps ? count : "0"));
  }
  return lines;
}

void add_case(Study& study, const Case& c, const Found& f, std::uint64_t connections) {
  const auto keeps = [&](std::string_view end, bool kept, const End& found) {
    const std::uint64_t expected = kept ? connections : 0;
    study.checks.push_back({fmt::format("{}, at the {}", c.name, end),
                            report::group_digits(expected) + " entries",
                            report::group_digits(found.entries), found.entries == expected});
  };
  keeps("client", c.client_keeps, f.client);
  keeps("server", c.server_keeps, f.server);
  study.tables[0].rows.push_back(
      {std::string(c.name), report::group_digits(f.connected),
       report::group_digits(f.client.entries), report::nice_bytes(f.client.bytes),
       report::group_digits(f.server.entries), report::nice_bytes(f.server.bytes),
       fmt::format("{:.2f} + {:.2f}", f.packets_of_client, f.packets_of_server)});
}

Result<Study> run(const Scale& scale, const Progress& progress) {
  const std::uint64_t connections = connections_of(scale);
  Study study;
  study.title = "Who closes first";
  study.tables.push_back({{"close", "connections", "client entries", "client memory",
                           "server entries", "server memory", "packets"},
                          {}});
  Plot plot{.title = "Entries at either end", .x_name = "case"};
  Curve client{.name = "at the client", .y = {}};
  Curve server{.name = "at the server", .y = {}};
  for (const Case& c : kCases) {
    const auto found = run_case(c, scale);
    if (!found) return found.error();
    add_case(study, c, found.value(), connections);
    plot.cases.emplace_back(c.name);
    client.y.push_back(static_cast<double>(found.value().client.entries));
    server.y.push_back(static_cast<double>(found.value().server.entries));
    progress(fmt::format("{}: {} and {} entries", c.name, found.value().client.entries,
                         found.value().server.entries));
  }
  plot.curves = {client, server};
  study.plots.push_back(std::move(plot));
  study.explanation = {
      "The first FIN decides: who sent "
      "it cannot know whether the peer has its last ACK, and has to stay to answer the peer's FIN "
      "when that comes again (RFC 9293 §3.6.1). Who was closed against needs no memory of it.",
      "A server that closes first therefore carries the entries of all of its clients, and a load "
      "generator that closes first those of all its connections. Where the two FINs cross, both "
      "ends carry all of them.",
      fmt::format(
          "Memory is what the end's pools have touched since the start, the connections "
          "that were open at once among them. An entry is at most {} bytes with its place in "
          "the index, which has its memory from the start.",
          kBytesPerEntry)};
  return study;
}

}  // namespace

const Experiment kCloser{"closer", "entries and memory at the end that closes first", predict, run};

}  // namespace millrace::time_wait
