// SPDX-License-Identifier: BSD-3-Clause
//
// Experiment 8, the same on Linux. A network namespace of its own, sockets on its loopback, the
// client closes first: where does the kernel stop, and what does an entry cost it? The same number
// of connections on our endpoint stands beside it.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <optional>

#include "apps/report/units.h"
#include "apps/time_wait/experiments.h"
#include "apps/time_wait/kernel_load.h"
#include "apps/time_wait/lab.h"
#include "apps/time_wait/openers.h"

namespace millrace::time_wait {
namespace {

constexpr std::uint64_t kPorts = 64'511;

std::uint32_t connections_of(const Scale& scale) { return scale.full ? 400'000 : 200'000; }

std::vector<std::string> predict(const Scale& scale) {
  return {fmt::format("Linux towards one address: {} connections, then no port is left",
                      report::group_digits(kPorts)),
          "Linux towards several: entries up to tcp_max_tw_buckets, what comes beyond has no "
          "TIME_WAIT at all and is counted as TCPTimeWaitOverflow",
          fmt::format("Millrace: {} entries, every one kept",
                      report::group_digits(connections_of(scale)))};
}

struct Ours {
  std::uint64_t entries = 0;
  double bytes_each = 0;
};

Result<Ours> run_ours(const Scale& scale) {
  LabConfig config;
  config.client.max_time_wait = connections_of(scale);
  config.seed = scale.seed;
  Opener opener({.rate = 50'000, .addresses = 8, .most = connections_of(scale)});
  Acceptor acceptor(Closes::second);
  auto lab = Lab::create(config, opener, acceptor);
  if (!lab) return lab.error();
  tcp::Endpoint& client = lab.value()->client();
  while (opener.counts().closed < 1000) lab.value()->step();
  // From here on only entries are added: what is open at once is there already.
  const auto before = client.memory().touched_bytes;
  const auto entries_before = client.states().of(tcp::State::time_wait);
  while (opener.counts().closed < connections_of(scale)) lab.value()->step();
  Ours ours;
  ours.entries = client.states().of(tcp::State::time_wait);
  ours.bytes_each = static_cast<double>(client.memory().touched_bytes - before) /
                    static_cast<double>(ours.entries - entries_before);
  return ours;
}

void judge(Study& study, const KernelFound& one, const KernelFound& many, const Ours& ours,
           const Scale& scale) {
  const auto digits = [](std::uint64_t n) { return report::group_digits(n); };
  study.checks.push_back({"Linux, one address: connections", digits(one.ports), digits(one.made),
                          one.made == one.ports});
  study.checks.push_back({"Linux, one address: of three more opens, how many find a port", "0",
                          digits(one.again), one.again == 0});
  const std::uint64_t expected = std::min<std::uint64_t>(many.made, many.max_buckets);
  study.checks.push_back({"Linux, several addresses: entries",
                          fmt::format("at most {}", digits(expected)), digits(many.entries),
                          many.entries <= expected});
  study.checks.push_back({"Linux: connections without TIME_WAIT, by its counter",
                          digits(many.made - many.entries), digits(many.overflows),
                          many.overflows + many.entries == many.made});
  study.checks.push_back({"Millrace: entries", digits(connections_of(scale)), digits(ours.entries),
                          ours.entries == connections_of(scale)});
}

Result<Study> run(const Scale& scale, const Progress& progress) {
  const auto one = load_kernel({.connections = connections_of(scale), .addresses = 1});
  if (!one) return one.error();
  progress(fmt::format("Linux, one address: {} connections", one.value().made));
  const auto many = load_kernel({.connections = connections_of(scale), .addresses = 8});
  if (!many) return many.error();
  progress(fmt::format("Linux, eight addresses: {} connections, {} entries", many.value().made,
                       many.value().entries));
  const auto ours = run_ours(scale);
  if (!ours) return ours.error();

  Study study;
  study.title = "Against Linux";
  Table table{{"stack", "connections", "TIME_WAIT entries", "without", "bytes an entry"}, {}};
  const auto row = [&](std::string name, const KernelFound& found) {
    table.rows.push_back(
        {std::move(name), report::group_digits(found.made), report::group_digits(found.entries),
         report::group_digits(found.overflows),
         found.entry_bytes == 0 ? "not readable" : report::group_digits(found.entry_bytes)});
  };
  row("Linux, one address", one.value());
  row("Linux, eight addresses", many.value());
  table.rows.push_back({"Millrace, eight addresses", report::group_digits(connections_of(scale)),
                        report::group_digits(ours.value().entries), "0",
                        fmt::format("{:.1f}", ours.value().bytes_each)});
  study.tables.push_back(std::move(table));
  Plot plot{.title = "TIME_WAIT entries by connections made (eight addresses)",
            .x_name = "connections"};
  Curve kernel{.name = "Linux", .y = {}};
  Curve all{.name = "all of them: Millrace", .y = {}, .theory = true};
  for (const auto& [made, entries] : many.value().curve) {
    plot.x.push_back(static_cast<double>(made));
    kernel.y.push_back(static_cast<double>(entries));
    all.y.push_back(static_cast<double>(made));
  }
  plot.curves = {kernel, all};
  study.plots.push_back(std::move(plot));
  judge(study, one.value(), many.value(), ours.value(), scale);
  study.explanation = {
      fmt::format("Linux keeps an entry as a socket of a smaller kind, in its hash of all sockets, "
                  "with a timer of its own, and at most tcp_max_tw_buckets of them ({} here). "
                  "Beyond that a connection is forgotten when it closes: the protection of RFC "
                  "9293 §3.6.1 is then missing, and only a counter says so.",
                  report::group_digits(many.value().max_buckets)),
      "Towards one address the ports end first. Reuse by timestamps was off for this run "
      "(tcp_tw_reuse 0), the ports are those from 1,024 to 65,535 without that of the server.",
      "Bytes of Linux are the object size of its slab (tw_sock_TCP), to which the hash's place and "
      "the port's bucket have to be added; ours are what the store has touched, to which a place "
      "in "
      "the index has to be added, eight bytes."};
  return study;
}

}  // namespace

const Experiment kLinux{"linux", "the same connections on the kernel's stack", predict, run};

}  // namespace millrace::time_wait
