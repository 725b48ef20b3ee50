// SPDX-License-Identifier: BSD-3-Clause
//
// How many connections can one process hold, what does each end weigh, what does a request cost
// among them, and what do more cores add? Both ends of the in-memory cable, frame by frame with
// software checksums, timestamps and SACK; each core polls a client's worker and one of apps/echo.
//
// The connections are opened first. Then requests of 64 bytes, answered with 64, go round a random
// part of them in random order, `--in-flight` at a time and core, in real time. With --churn each
// instead opens a connection, asks once and closes, and TIME_WAIT lasts for a second.
//
// With several cores each side of the cable has that many queues and spreads by RSS. Clients choose
// ports that bring both ends to their own core, but for `--across` percent of the connections,
// whose server's end is on another. No connection may change its core: that is counted.
//
//   bench_crowd --connections 20000000 [--part 10] [--windows 3] [--seconds 2] [--cores 0,1]
//               [--across 5] [--in-flight 64] [--ack-at-once] [--churn]
//
// Prints lines of `QUANTITY: NUMBER UNIT`. Memory is that of the process, less what it had before
// the first connection, over the number of ends: tables, pools and applications included.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "apps/echo/echo.h"
#include "dataplane/backend.h"
#include "dataplane/fleet.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace {
namespace {

constexpr std::size_t kMessageBytes = 64;
constexpr std::array<std::byte, kMessageBytes> kMessage{};
constexpr std::uint16_t kFirstService = 7'001;
constexpr std::uint16_t kServices = 64;  // ports of the server: few addresses serve many tuples
constexpr std::uint32_t kServer = 0xC6120001;       // 198.18.0.1
constexpr std::uint32_t kFirstClient = 0xC6120100;  // 198.18.1.0 and on
constexpr std::uint32_t kFirstPort = 1024;
constexpr std::uint32_t kPorts = 64'512;  // of an address
constexpr std::uint32_t kOpening = 128;   // at a time and core
constexpr std::size_t kAhead = 32;  // connections that the client fetches before it calls them

struct Options {
  std::uint32_t connections = 10'000;
  std::uint32_t part_percent = 10;
  std::uint32_t windows = 3;
  double seconds = 2;
  std::vector<int> cores = {0};
  std::uint32_t across_percent = 0;
  std::uint32_t in_flight = 64;
  bool ack_at_once = false;
  bool churn = false;
};

/// How both sides of the cable spread: the bench must foretell it.
struct Spread {
  explicit Spread(std::size_t workers) : key(40) {
    std::uint64_t random = 1;
    for (std::uint8_t& byte : key) {
      random = random * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
      byte = static_cast<std::uint8_t>(random >> 56);
    }
    for (std::size_t i = 0; i < 128; ++i) table.push_back(static_cast<std::uint16_t>(i % workers));
  }
  std::vector<std::uint8_t> key;
  std::vector<std::uint16_t> table;
};

/// Tuples whose client's end is at one worker, in turn.
class Tuples {
 public:
  /// If `home`, the server's end is at that worker as well; else at another.
  Tuples(const FlowSteering& steering, std::uint16_t worker, std::uint32_t addresses, bool home)
      : steering_(steering), worker_(worker), addresses_(addresses), home_(home) {}

  [[nodiscard]] tcp::OpenRequest next() {
    for (;;) {
      if (++port_ == kPorts) {
        port_ = 0;
        if (++service_ == kServices) {
          service_ = 0;
          address_ = (address_ + 1) % addresses_;
        }
      }
      tcp::OpenRequest open;
      open.local = Address::v4(kFirstClient + address_);
      open.local_port = static_cast<std::uint16_t>(kFirstPort + port_);
      open.remote = Address::v4(kServer);
      open.remote_port = static_cast<std::uint16_t>(kFirstService + service_);
      const FourTuple ours{open.local, open.remote, open.local_port, open.remote_port};
      if (steering_.worker_of(ours) != worker_) continue;
      const FourTuple theirs{open.remote, open.local, open.remote_port, open.local_port};
      if ((steering_.worker_of(theirs) == worker_) == home_) return open;
    }
  }

 private:
  const FlowSteering& steering_;
  std::uint16_t worker_;
  std::uint32_t addresses_;
  bool home_;
  std::uint32_t address_ = 0;
  std::uint16_t service_ = 0;
  std::uint32_t port_ = 0;
};

class Client final : public tcp::App {
 public:
  Client(const Options& options, const FlowSteering& steering, std::uint16_t worker,
         std::uint32_t addresses)
      : options_(options),
        wanted_(options.churn
                    ? options.in_flight
                    : options.connections / static_cast<std::uint32_t>(options.cores.size())),
        home_(steering, worker, addresses, true),
        across_(steering, worker, addresses, false),
        random_(worker + 1U) {
    part_.reserve(std::size_t{wanted_} * options.part_percent / 100 + options.in_flight);
  }

  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events,
                 Instant now) override {
    for (const tcp::Event& event : events) on_event(endpoint, event);
    if (!started_) return;
    for (int i = 0; i < 32 && opened_ - opening_done_ < kOpening && opened_ < wanted_; ++i) {
      open(endpoint, now);
    }
    if (asking_ && !options_.churn) ask_more(endpoint);
  }

  // ---- questions, on the core of the worker
  [[nodiscard]] bool ready() const { return opening_done_ == wanted_; }
  [[nodiscard]] std::uint64_t replies() const { return reply_bytes_ / kMessageBytes; }
  [[nodiscard]] std::uint64_t closed() const { return closed_; }
  [[nodiscard]] std::uint64_t failed() const { return failed_; }
  void start() { started_ = true; }
  void begin_asking() {
    for (std::size_t i = part_.size(); i > 1; --i) std::swap(part_[i - 1], part_[below(i)]);
    asking_ = true;
  }

 private:
  std::uint64_t below(std::uint64_t limit) {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_ % limit;
  }

  void open(tcp::Endpoint& endpoint, Instant now) {
    // Of every hundred, spread evenly.
    across_due_ += options_.cores.size() > 1 ? options_.across_percent : 0;
    const bool across = across_due_ >= 100;
    if (across) across_due_ -= 100;
    for (int tries = 0; tries < 1000; ++tries) {
      const auto done = endpoint.connect(across ? across_.next() : home_.next(), now);
      if (done.error == tcp::OpenError::none) {
        ++opened_;
        return;
      }
    }
    ++failed_;
  }

  /// A random part, of the right size: this connection with the chance that completes it.
  void choose(tcp::ConnectionId id) {
    const std::uint64_t seen = opening_done_;
    const std::uint64_t wanted =
        std::max<std::uint64_t>(std::uint64_t{wanted_} * options_.part_percent / 100,
                                std::min(options_.in_flight, wanted_));
    if (part_.size() < wanted && below(wanted_ - seen) < wanted - part_.size()) part_.push_back(id);
  }

  void on_event(tcp::Endpoint& endpoint, const tcp::Event& event) {
    switch (event.kind) {
      case tcp::EventKind::connected:
        if (options_.churn) {
          ask(endpoint, event.connection);
        } else {
          choose(event.connection);
          ++opening_done_;
        }
        break;
      case tcp::EventKind::data:
        reply_bytes_ += event.bytes.size();
        bytes_out_ -= event.bytes.size();
        endpoint.consume(event.connection, event.bytes.size());
        if (options_.churn) endpoint.close(event.connection);
        break;
      case tcp::EventKind::closed:
        if (options_.churn && event.reason == tcp::CloseReason::graceful) {
          ++closed_;
          --opened_;
        } else {
          ++failed_;
        }
        break;
      case tcp::EventKind::accepted:
      case tcp::EventKind::peer_closed:
      case tcp::EventKind::writable:
        break;
    }
  }

  void ask(tcp::Endpoint& endpoint, tcp::ConnectionId id) {
    if (endpoint.send(id, kMessage, tcp::Lifetime::fixed) != kMessageBytes) ++failed_;
    bytes_out_ += kMessageBytes;
  }

  void ask_more(tcp::Endpoint& endpoint) {
    while (bytes_out_ < options_.in_flight * kMessageBytes) {
      ask(endpoint, part_[next_]);
      next_ = next_ + 1 == part_.size() ? 0 : next_ + 1;
      endpoint.prefetch(part_[(next_ + kAhead) % part_.size()]);
    }
  }

  const Options& options_;
  std::uint32_t wanted_;
  Tuples home_;
  Tuples across_;
  std::uint64_t random_;
  std::vector<tcp::ConnectionId> part_;  // those that are asked
  bool started_ = false;
  bool asking_ = false;
  std::size_t next_ = 0;
  std::uint32_t across_due_ = 0;
  std::uint32_t opened_ = 0;
  std::uint32_t opening_done_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::uint64_t reply_bytes_ = 0;
  std::uint64_t closed_ = 0;
  std::uint64_t failed_ = 0;
};

[[noreturn]] void fail(const std::string& sentence, int exit_code) {
  std::fprintf(stderr, "bench_crowd: %s\n", sentence.c_str());
  std::exit(exit_code);
}

std::vector<int> parse_cores(std::string_view text) {
  std::vector<int> cores;
  for (int core = -1; const char letter : text) {
    if (letter == ',') {
      core = -1;
      continue;
    }
    if (letter < '0' || letter > '9') fail("--cores: expected numbers and commas", 2);
    if (core < 0) {
      cores.push_back(core = letter - '0');
    } else {
      cores.back() = core = core * 10 + (letter - '0');
    }
  }
  if (cores.empty()) fail("--cores: expected a core", 2);
  return cores;
}

Options parse(std::span<char*> words) {
  Options o;
  const std::array<std::pair<std::string_view, std::uint32_t*>, 5> numbers{{
      {"--connections", &o.connections},
      {"--part", &o.part_percent},
      {"--windows", &o.windows},
      {"--across", &o.across_percent},
      {"--in-flight", &o.in_flight},
  }};
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view name = words[i];
    if (name == "--ack-at-once" || name == "--churn") {
      (name == "--churn" ? o.churn : o.ack_at_once) = true;
      continue;
    }
    if (i + 1 == words.size()) fail(std::string(name) + ": unknown, or its value is missing", 2);
    const char* const value = words[++i];
    const auto* const known =
        std::find_if(numbers.begin(), numbers.end(), [&](auto& n) { return n.first == name; });
    if (known != numbers.end()) {
      *known->second = static_cast<std::uint32_t>(std::strtoul(value, nullptr, 10));
    } else if (name == "--seconds") {
      o.seconds = std::strtod(value, nullptr);
    } else if (name == "--cores") {
      o.cores = parse_cores(value);
    } else {
      fail(std::string(name) + ": unknown", 2);
    }
  }
  const bool good = o.connections >= o.cores.size() && o.part_percent <= 100 && o.windows > 0 &&
                    o.across_percent <= 100 && o.in_flight > 0 && o.seconds > 0;
  if (!good) fail("a number is out of range", 2);
  return o;
}

std::uint32_t addresses_for(const Options& o) {
  // With churn what was closed stays for a second; across takes its share of the pairs of cores.
  if (o.churn) return 4;
  const double cores = static_cast<double>(o.cores.size());
  const double share = cores == 1 ? 1 : std::max(1.0, 0.01 * (100 - o.across_percent) * cores);
  return 2 + static_cast<std::uint32_t>(1.1 * share * o.connections / kPorts / kServices);
}

EndConfig make_end(const Options& o, std::uint32_t first, std::uint32_t count) {
  EndConfig end;
  end.cores = o.cores;
  end.interface.addresses.push_back({Address::v4(first), 15, count});
  tcp::EndpointConfig& c = end.endpoint;
  const auto each = o.connections / static_cast<std::uint32_t>(o.cores.size());
  // Room for a fourth more than there are, as one would have; across makes no core's share larger.
  c.max_connections = (o.churn ? 16 * o.in_flight : each + each / 4) + 4096;
  c.max_time_wait = o.churn ? 1U << 21 : 4096;
  c.max_blocks = o.churn ? 32'768 : 1U << 17;
  c.max_send_states =
      o.churn ? 65'536 : 1U << 20;  // with data unacknowledged for a delayed ACK's time
  c.profiles[0].two_msl = 1s;
  if (o.ack_at_once) c.profiles[0].delayed_ack = Duration{0};
  return end;
}

std::uint64_t resident_bytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  unsigned long size = 0;
  unsigned long resident = 0;
  if (file == nullptr || std::fscanf(file, "%lu %lu", &size, &resident) != 2) {
    fail("/proc/self/statm cannot be read", 3);
  }
  std::fclose(file);
  return std::uint64_t{resident} * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  timespec spent{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + 1e-9 * static_cast<double>(spent.tv_nsec);
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// What all workers have done up to now.
struct Sum {
  std::uint64_t done = 0;  // requests, or connections
  std::uint64_t failed = 0;
  std::uint64_t segments = 0;  // sent by both ends
  double cpu_s = 0;
  double wall_s = 0;
};

class Crowd {
 public:
  explicit Crowd(const Options& options)
      : options_(options),
        spread_(options.cores.size()),
        steering_(spread_.key, spread_.table),
        addresses_(addresses_for(options)) {}

  void build() {
    FleetConfig config;
    config.hugepages = false;
    config.cable.rss_key = spread_.key;
    config.cable.rss_table = spread_.table;
    config.ends.push_back(make_end(options_, kFirstClient, addresses_));
    config.ends.push_back(make_end(options_, kServer, 1));
    const auto make_app = [this](std::size_t end, std::size_t worker,
                                 tcp::Endpoint& endpoint) -> std::unique_ptr<tcp::App> {
      if (end == 1) {
        for (std::uint16_t i = 0; i < kServices; ++i) {
          const auto port = static_cast<std::uint16_t>(kFirstService + i);
          if (!endpoint.listen({.local = {}, .port = port})) fail("no listener", 3);
        }
        return std::make_unique<echo::Echo>();
      }
      auto client = std::make_unique<Client>(options_, steering_,
                                             static_cast<std::uint16_t>(worker), addresses_);
      clients_.push_back(client.get());
      return client;
    };
    auto made = Fleet::create(config, make_app, make_dpdk_backend());
    if (!made) fail(made.error().sentence + " " + made.error().hint, 3);
    fleet_ = std::move(made).value();
    fleet_->start();
    while (!fleet_->reaches(0, Address::v4(kServer))) wait(0.001);
  }

  /// Opens all connections; returns the seconds that it took.
  double open() {
    const double begin = wall_seconds();
    for_each_client([](Client& client) { client.start(); });
    bool ready = options_.churn;
    for (int quiet = 0; !ready; ++quiet) {
      wait(0.02);
      ready = true;
      for_each_client([&](Client& client) { ready &= client.ready() && client.failed() == 0; });
      if (wall_seconds() - begin > 30 + 20e-6 * options_.connections) {
        fail("the connections did not open in time", 1);
      }
    }
    const double seconds = wall_seconds() - begin;
    for_each_client([](Client& client) { client.begin_asking(); });
    return seconds;
  }

  [[nodiscard]] Sum sum() {
    Sum s;
    for (std::size_t worker = 0; worker < clients_.size(); ++worker) {
      fleet_->ask(0, worker, [&](tcp::Endpoint& endpoint, tcp::App&) {
        const Client& client = *clients_[worker];
        s.done += options_.churn ? client.closed() : client.replies();
        s.failed += client.failed();
        s.segments += endpoint.counters().OutSegs;
        s.cpu_s += cpu_seconds();
      });
      fleet_->ask(1, worker, [&](tcp::Endpoint& endpoint, tcp::App&) {
        s.segments += endpoint.counters().OutSegs;
      });
    }
    s.wall_s = wall_seconds();
    return s;
  }

  [[nodiscard]] std::uint64_t held() {
    std::uint64_t ends = 0;
    for (std::size_t end = 0; end < 2; ++end) {
      for (std::size_t worker = 0; worker < clients_.size(); ++worker) {
        fleet_->ask(end, worker, [&](tcp::Endpoint& endpoint, tcp::App&) {
          ends += endpoint.states().of(tcp::State::established);
        });
      }
    }
    return ends;
  }

  /// Segments that came to another core than their connection's; after stop() all are counted.
  [[nodiscard]] std::uint64_t astray() const {
    std::uint64_t count = 0;
    for (std::size_t end = 0; end < 2; ++end) {
      for (std::size_t worker = 0; worker < clients_.size(); ++worker) {
        const WorkerStats stats = fleet_->stats(end, worker).worker;
        count += stats.strays_passed + stats.strays_taken + stats.drops.of(Drop::wrong_core);
      }
    }
    return count;
  }

  void stop() { fleet_->stop(); }
  static void wait(double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  }

 private:
  template <typename Work>
  void for_each_client(const Work& work) {
    for (std::size_t worker = 0; worker < clients_.size(); ++worker) {
      fleet_->ask(0, worker, [&](tcp::Endpoint&, tcp::App&) { work(*clients_[worker]); });
    }
  }

  const Options& options_;
  Spread spread_;
  FlowSteering steering_;
  std::uint32_t addresses_;
  std::vector<Client*> clients_;
  std::unique_ptr<Fleet> fleet_;
};

void print_windows(const Options& o, const std::vector<Sum>& at) {
  const char* const what = o.churn ? "connection" : "request";
  for (std::size_t i = 1; i < at.size(); ++i) {
    const Sum& a = at[i - 1];
    const Sum& b = at[i];
    const auto done = static_cast<double>(b.done - a.done);
    std::printf("%ss a second: %.0f 1/s\n", what, done / (b.wall_s - a.wall_s));
    std::printf("CPU time of a %s, both ends: %.1f ns\n", what, 1e9 * (b.cpu_s - a.cpu_s) / done);
    std::printf("segments of a %s: %.2f segments\n", what,
                static_cast<double>(b.segments - a.segments) / done);
  }
}

int run(const Options& options) {
  Crowd crowd(options);
  crowd.build();
  const std::uint64_t before = resident_bytes();
  const double opening_s = crowd.open();
  const std::uint64_t after = resident_bytes();
  const std::uint64_t ends = crowd.held();
  if (!options.churn) {
    const auto held = static_cast<double>(ends);
    std::printf("established ends held: %.0f ends\n", held);
    std::printf("bytes of an end, all in: %.1f bytes\n",
                static_cast<double>(after - before) / held);
    std::printf("connections opened: %.0f 1/s\n", held / 2 / opening_s);
    if (ends != 2 * (options.connections / options.cores.size() * options.cores.size())) return 1;
  }
  Crowd::wait(std::min(options.seconds, 2.0));  // the timers of opening run out
  std::vector<Sum> at{crowd.sum()};
  for (std::uint32_t i = 0; i < options.windows; ++i) {
    Crowd::wait(options.seconds);
    at.push_back(crowd.sum());
  }
  const std::uint64_t ends_left = crowd.held();
  crowd.stop();
  print_windows(options, at);
  std::printf("segments on another core than their connection's: %llu segments\n",
              static_cast<unsigned long long>(crowd.astray()));
  std::printf("failures: %llu failures\n", static_cast<unsigned long long>(at.back().failed));
  const bool all_held = options.churn || ends_left == ends;
  return at.back().failed == 0 && crowd.astray() == 0 && at.back().done > at.front().done &&
                 all_held
             ? 0
             : 1;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  return millrace::run(millrace::parse(std::span(argv, static_cast<std::size_t>(argc))));
}
