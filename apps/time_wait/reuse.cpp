// SPDX-License-Identifier: BSD-3-Clause
//
// Experiment 4, reuse safety. A client with one port makes connection after connection to one
// server, over a path that loses, doubles and delays for longer than a connection lasts. Each sends
// text that names it, fast enough that its sequence numbers run ahead of the clock that initial
// ones come from (RFC 6528). Is text of one connection ever delivered to a later one?
#include <fmt/format.h>
#include <tbb/blocked_range.h>
#include <tbb/parallel_reduce.h>

#include <array>
#include <cstring>

#include "apps/report/units.h"
#include "apps/time_wait/experiments.h"
#include "apps/time_wait/lab.h"

namespace millrace::time_wait {
namespace {

using tcp::TimeWaitReuse;

constexpr std::size_t kTextBytes = 192 * 1024;
constexpr Duration kLength = 12s;  // of the lab's time for a run
constexpr std::uint16_t kClientPort = 40'000;
constexpr Duration kPause = 200ms;  // between an end and the next open

struct Policy {
  std::string_view name;
  TimeWaitReuse reuse;
  bool timestamps;
};
constexpr std::array kPolicies{
    Policy{"none", TimeWaitReuse::none, true},
    Policy{"timestamp", TimeWaitReuse::timestamp, true},
    Policy{"sequence", TimeWaitReuse::sequence, true},
    Policy{"sequence, no timestamps", TimeWaitReuse::sequence, false},
    Policy{"immediate", TimeWaitReuse::immediate, true},
    Policy{"immediate, no timestamps", TimeWaitReuse::immediate, false},
};

struct PathKind {
  std::string_view name;
  Faults faults;
};
constexpr std::array kPaths{
    PathKind{"clean", {}},
    PathKind{"loss 2 %", {.loss = 0.02}},
    PathKind{"late copies", {.duplicate = 0.05, .late = 3s}},
    PathKind{"all of these, reordering",
             {.loss = 0.02, .duplicate = 0.05, .reorder = 0.02, .late = 3s}},
};

int seeds_of(const Scale& scale) {
  if (scale.seeds != 0) return static_cast<int>(scale.seeds);
  return scale.full ? 1000 : 48;
}

struct Tally {
  std::uint64_t opened = 0;
  std::uint64_t refused = 0;
  std::uint64_t completed = 0;      // the server had all of the text
  std::uint64_t stale_bytes = 0;    // delivered to another connection than they were sent in
  std::uint64_t stale_streams = 0;  // connections that this happened to
  void add(const Tally& other) {
    opened += other.opened;
    refused += other.refused;
    completed += other.completed;
    stale_bytes += other.stale_bytes;
    stale_streams += other.stale_streams;
  }
};

/// Sends text that says in each eight bytes which connection it is of, closes, and comes again.
class Writer final : public tcp::App {
 public:
  explicit Writer(Tally& tally) : tally_(tally), text_(kTextBytes) {}
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events,
                 Instant now) override {
    for (const tcp::Event& event : events) {
      if (event.connection != open_) continue;
      if (event.kind == tcp::EventKind::closed) {
        open_ = {};
        next_ = now + kPause;
      } else if (event.kind == tcp::EventKind::connected ||
                 event.kind == tcp::EventKind::writable) {
        write(endpoint);
      }
    }
    if (open_ == tcp::ConnectionId{} && now >= next_) start(endpoint, now);
  }

 private:
  void start(tcp::Endpoint& endpoint, Instant now) {
    tcp::OpenRequest request{.local = client_address(0), .remote = server_address()};
    request.remote_port = kPort;
    request.local_port = kClientPort;
    const tcp::OpenResult result = endpoint.connect(request, now);
    next_ = now + kPause;
    if (result.error != tcp::OpenError::none) {
      ++tally_.refused;
      return;
    }
    ++tally_.opened;
    open_ = result.connection;
    sent_ = 0;
    for (std::size_t at = 0; at < text_.size(); at += sizeof tally_.opened) {
      std::memcpy(&text_[at], &tally_.opened, sizeof tally_.opened);
    }
  }
  void write(tcp::Endpoint& endpoint) {
    sent_ += endpoint.send(open_, std::span(text_).subspan(sent_), tcp::Lifetime::copied);
    if (sent_ == text_.size()) endpoint.close(open_);
  }

  Tally& tally_;
  std::vector<std::byte> text_;
  std::size_t sent_ = 0;
  tcp::ConnectionId open_{};
  Instant next_{};
};

/// Looks whose text it is. The first eight bytes of a stream name it; the client's clock is ahead
/// of what it sent before, so a stream is never named by one that is younger.
class Reader final : public tcp::App {
 public:
  explicit Reader(Tally& tally) : tally_(tally) {}
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant) override {
    for (const tcp::Event& event : events) {
      if (event.kind == tcp::EventKind::accepted) {
        stream_ = {event.connection, tally_.opened, 0, false};
      } else if (event.kind == tcp::EventKind::data) {
        read(event.bytes);
        endpoint.consume(event.connection, event.bytes.size());
      } else if (event.kind == tcp::EventKind::peer_closed) {
        if (stream_.bytes == kTextBytes && !stream_.stale) ++tally_.completed;
        endpoint.close(event.connection);
      }
    }
  }

 private:
  struct Stream {
    tcp::ConnectionId id;
    std::uint64_t number = 0;  // of the connection that the client has open
    std::size_t bytes = 0;
    bool stale = false;
  };
  void read(std::span<const std::byte> bytes) {
    std::array<std::byte, sizeof(std::uint64_t)> name;
    std::memcpy(name.data(), &stream_.number, name.size());
    for (const std::byte b : bytes) {
      if (b == name[stream_.bytes++ % name.size()]) continue;
      ++tally_.stale_bytes;
      if (!stream_.stale) ++tally_.stale_streams;
      stream_.stale = true;
    }
  }
  Tally& tally_;
  Stream stream_;
};

Tally run_seed(const Policy& policy, const Faults& faults, std::uint64_t seed) {
  LabConfig config;
  tcp::TcpConfig profile;
  profile.timestamps = policy.timestamps;
  for (tcp::EndpointConfig* end : {&config.client, &config.server}) {
    end->profiles = {profile};
    end->max_connections = 64;
    end->max_half_open = 64;
    end->max_time_wait = 64;
    end->max_ipv6_pairs = 1;
    end->max_send_states = 64;
    end->max_receive_states = 64;
    end->max_models = 1;
    end->max_blocks = 4096;
    end->max_fast_open_paths = 1;
    end->time_wait_reuse = policy.reuse;
  }
  config.one_way = 2ms;
  config.faults = faults;
  config.seed = seed;
  Tally tally;
  Writer writer(tally);
  Reader reader(tally);
  auto lab = Lab::create(config, writer, reader);
  if (lab) lab.value()->run_for(kLength);
  return tally;
}

/// Seeds are independent: as many at once as there are cores.
Tally run_seeds(const Policy& policy, const Faults& faults, const Scale& scale) {
  return tbb::parallel_reduce(
      tbb::blocked_range<int>(0, seeds_of(scale)), Tally{},
      [&](const tbb::blocked_range<int>& range, Tally tally) {
        for (int i = range.begin(); i < range.end(); ++i) {
          tally.add(run_seed(policy, faults, scale.seed * 1'000'003 + static_cast<unsigned>(i)));
        }
        return tally;
      },
      [](Tally a, const Tally& b) {
        a.add(b);
        return a;
      });
}

std::vector<std::string> predict(const Scale& scale) {
  return {
      fmt::format("{} seeds for each policy and path; stale bytes: none, timestamp and sequence 0 "
                  "on every path, immediate without timestamps more than 0 where copies are late",
                  seeds_of(scale))};
}

Result<Study> run(const Scale& scale, const Progress& progress) {
  Study study;
  study.title = "Reuse safety";
  Table table{{"policy", "path", "opened", "refused", "completed", "stale bytes", "stale streams"},
              {}};
  Plot plot{.title = "Stale bytes delivered", .x_name = "path"};
  for (const PathKind& path : kPaths) plot.cases.emplace_back(path.name);
  std::uint64_t seen_unsafe = 0;
  for (const Policy& policy : kPolicies) {
    Curve curve{.name = std::string(policy.name), .y = {}};
    std::uint64_t stale = 0;
    for (const PathKind& path : kPaths) {
      const Tally t = run_seeds(policy, path.faults, scale);
      stale += t.stale_bytes;
      curve.y.push_back(static_cast<double>(t.stale_bytes));
      table.rows.push_back({std::string(policy.name), std::string(path.name),
                            report::group_digits(t.opened), report::group_digits(t.refused),
                            report::group_digits(t.completed), report::group_digits(t.stale_bytes),
                            report::group_digits(t.stale_streams)});
    }
    plot.curves.push_back(std::move(curve));
    progress(fmt::format("{}: {} stale bytes", policy.name, stale));
    if (policy.reuse == TimeWaitReuse::immediate) {
      if (!policy.timestamps) seen_unsafe = stale;
      continue;
    }
    study.checks.push_back({fmt::format("stale bytes, reuse {}", policy.name), "0",
                            report::group_digits(stale), stale == 0});
  }
  study.checks.push_back({"stale bytes, reuse immediate without timestamps", "more than 0",
                          report::group_digits(seen_unsafe), seen_unsafe > 0});
  study.tables.push_back(std::move(table));
  study.plots.push_back(std::move(plot));
  study.explanation = {
      "TIME_WAIT exists so that segments of a connection that is over cannot be taken for those of "
      "the next with the same addresses and ports (RFC 9293 §3.6.1, RFC 1337). The path here keeps "
      "copies for up to three seconds, and connections follow each other within a fraction of one.",
      "`none` refuses to open until 2MSL is over. `timestamp` takes the tuple when a second has "
      "passed: the new connection's timestamps are younger, so PAWS (RFC 7323 §5) drops what is "
      "old. `sequence` begins beyond the last number of the old connection, so that old segments "
      "lie to the left of the window.",
      "`immediate` begins where the clock of initial sequence numbers stands (RFC 6528), 250,000 a "
      "second. The connection before ran ahead of it, so its late copies lie inside the new "
      "window; without timestamps nothing tells them apart, and they are delivered. That is what "
      "the unsafe shortcuts of benchmarks risk."};
  return study;
}

}  // namespace

const Experiment kReuse{"reuse", "which reuse policies let old bytes into new connections", predict,
                        run};

}  // namespace millrace::time_wait
