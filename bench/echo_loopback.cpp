// SPDX-License-Identifier: BSD-3-Clause
//
// What does a connection, and what does a keep-alive request cost, both ends and all layers
// together? Two workers on one thread, joined by the in-memory cable, frame by frame with software
// checksums, timestamps and SACK; the server is apps/echo, the client asks with 64 bytes and reads
// 64 back. With --http the server is that of `millrace serve`, asked for /bytes/64, and the client
// only counts bytes. Time is virtual (2 us an iteration), so that a run does the same work every
// time: instructions come from callgrind as the difference of two run lengths
// (bench/instructions.sh). Times are of the processor.
//
//   bench_echo_loopback --connections 20000 --requests 1 [--idle 100000] [--in-flight 32] [--ipv6]
//                       [--http]
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/echo/echo.h"
#include "apps/http_server/server.h"
#include "dataplane/backend.h"
#include "dataplane/worker.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace {
namespace {

constexpr std::size_t kMessageBytes = 64;
constexpr std::array<std::byte, kMessageBytes> kMessage{};
constexpr std::string_view kRequest =
    "GET /bytes/64 HTTP/1.1\r\nHost: 198.18.0.1\r\nUser-Agent: bench\r\n\r\n";
constexpr Duration kIteration = 2us;
constexpr std::uint16_t kPort = 7;

struct Options {
  std::uint64_t connections = 20'000;
  std::uint32_t requests = 1;
  std::uint32_t idle = 0;
  std::uint32_t in_flight = 32;
  bool ipv6 = false;
  bool http = false;
};

std::span<const std::byte> request_of(const Options& options) {
  return options.http ? std::as_bytes(std::span(kRequest)) : std::span(kMessage);
}

Address client_address(const Options& options, std::uint32_t n) {
  if (!options.ipv6) return Address::v4(0xC6120100 + n);  // 198.18.1.0 and on
  std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0, 2};
  bytes[13] = 1;
  bytes[14] = static_cast<std::uint8_t>(n >> 8);
  bytes[15] = static_cast<std::uint8_t>(n);
  return Address::v6(bytes);
}

Address server_address(const Options& options) {
  if (!options.ipv6) return Address::v4(0xC6120001);
  std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0, 2};
  bytes[15] = 2;
  return Address::v6(bytes);
}

/// Opens idle connections first, then keeps `in_flight` busy ones until all are done.
class Client final : public tcp::App {
 public:
  Client(const Options& options, std::uint32_t addresses)
      : options_(options), addresses_(addresses), got_(options.in_flight), left_(got_.size()) {
    for (std::uint32_t i = 0; i < options.in_flight; ++i) free_.push_back(i);
  }

  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events,
                 Instant now) override {
    for (const tcp::Event& event : events) on_event(endpoint, event);
    if (!warm_) return warm_up(endpoint, now);
    if (idle_opened_ < options_.idle) return open_idle(endpoint, now);
    if (idle_connected_ < options_.idle) return;
    while (!free_.empty() && opened_ < options_.connections) {
      const std::uint32_t slot = free_.back();
      if (!open(endpoint, slot, now)) return;
      free_.pop_back();
      ++opened_;
    }
  }
  [[nodiscard]] bool idle_ready() const { return warm_ && idle_connected_ == options_.idle; }
  [[nodiscard]] std::size_t reply_bytes() const { return reply_bytes_; }
  [[nodiscard]] bool done() const { return closed_ == options_.connections; }
  [[nodiscard]] std::uint64_t failed() const { return failed_; }

 private:
  static constexpr std::uint32_t kIdle = 0xffff'fff0;
  static constexpr std::uint32_t kWarm = 0xffff'fff1;

  /// One connection before all others: the ends learn each other's link addresses, and the client
  /// the length of an answer.
  void warm_up(tcp::Endpoint& endpoint, Instant now) {
    if (std::exchange(warming_, true)) return;
    if (!open(endpoint, kWarm, now)) ++failed_;
  }

  void on_warm_event(tcp::Endpoint& endpoint, const tcp::Event& event) {
    const std::span<const std::byte> request = request_of(options_);
    if (event.kind == tcp::EventKind::connected &&
        endpoint.send(event.connection, request, tcp::Lifetime::fixed) != request.size()) {
      ++failed_;
    }
    if (event.kind == tcp::EventKind::data) {
      reply_bytes_ += event.bytes.size();  // both servers send it as one segment
      endpoint.consume(event.connection, event.bytes.size());
      endpoint.close(event.connection);
    }
    if (event.kind == tcp::EventKind::closed) warm_ = true;
  }

  bool open(tcp::Endpoint& endpoint, std::uint32_t user, Instant now) {
    tcp::OpenRequest request;
    request.local = client_address(options_, next_address_);
    next_address_ = (next_address_ + 1) % addresses_;
    request.remote = server_address(options_);
    request.remote_port = kPort;
    request.user = user;
    return endpoint.connect(request, now).error == tcp::OpenError::none;
  }

  void open_idle(tcp::Endpoint& endpoint, Instant now) {
    for (int i = 0; i < 32 && idle_opened_ < options_.idle; ++i) {
      if (open(endpoint, kIdle, now)) ++idle_opened_;
    }
  }

  void on_event(tcp::Endpoint& endpoint, const tcp::Event& event) {
    if (event.user == kWarm) return on_warm_event(endpoint, event);
    if (event.user == kIdle) {
      if (event.kind == tcp::EventKind::connected) ++idle_connected_;
      if (event.kind == tcp::EventKind::closed) ++failed_;
      return;
    }
    switch (event.kind) {
      case tcp::EventKind::connected:
        left_[event.user] = options_.requests;
        ask(endpoint, event);
        break;
      case tcp::EventKind::data:
        got_[event.user] += static_cast<std::uint32_t>(event.bytes.size());
        endpoint.consume(event.connection, event.bytes.size());
        if (got_[event.user] < reply_bytes_) break;
        if (--left_[event.user] > 0) {
          ask(endpoint, event);
        } else {
          endpoint.close(event.connection);
        }
        break;
      case tcp::EventKind::closed:
        if (event.reason != tcp::CloseReason::graceful) ++failed_;
        ++closed_;
        free_.push_back(event.user);
        break;
      case tcp::EventKind::accepted:
      case tcp::EventKind::peer_closed:
      case tcp::EventKind::writable:
        break;
    }
  }

  void ask(tcp::Endpoint& endpoint, const tcp::Event& event) {
    got_[event.user] = 0;
    const std::span<const std::byte> request = request_of(options_);
    if (endpoint.send(event.connection, request, tcp::Lifetime::fixed) != request.size()) ++failed_;
  }

  Options options_;
  std::uint32_t addresses_;
  std::uint32_t next_address_ = 0;
  std::uint64_t opened_ = 0;
  std::uint64_t closed_ = 0;
  std::uint64_t failed_ = 0;
  std::size_t reply_bytes_ = 0;
  bool warming_ = false;
  bool warm_ = false;
  std::uint32_t idle_opened_ = 0;
  std::uint32_t idle_connected_ = 0;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> got_;
  std::vector<std::uint32_t> left_;
};

[[noreturn]] void fail(const Error& error) {
  std::fprintf(stderr, "%s\n%s\n", error.sentence.c_str(), error.hint.c_str());
  std::exit(3);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--ipv6") {
      options.ipv6 = true;
      continue;
    }
    if (name == "--http") {
      options.http = true;
      continue;
    }
    const auto value = i + 1 < argc ? std::strtoul(argv[++i], nullptr, 10) : 0;
    if (name == "--connections") {
      options.connections = value;
    } else if (name == "--requests") {
      options.requests = static_cast<std::uint32_t>(value);
    } else if (name == "--idle") {
      options.idle = static_cast<std::uint32_t>(value);
    } else if (name == "--in-flight") {
      options.in_flight = static_cast<std::uint32_t>(value);
    } else {
      std::fprintf(stderr, "unknown option %s\n", argv[i - 1]);
      std::exit(2);
    }
  }
  return options;
}

tcp::EndpointConfig endpoint_config(const Options& options) {
  tcp::EndpointConfig config;
  config.max_connections = options.idle + options.in_flight + 65'536;
  config.max_ipv6_pairs = 2 * config.max_connections;
  config.max_time_wait = 1 << 21;
  config.profiles[0].two_msl = 1s;
  config.secrets = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
  return config;
}

net::InterfaceConfig interface_config(const Options& options, const Port& port, Address address,
                                      std::uint32_t count) {
  net::InterfaceConfig config;
  config.mac = port.info().mac;
  config.mtu = port.info().mtu;
  const std::uint8_t prefix = options.ipv6 ? 64 : 15;
  config.addresses.push_back({address, prefix, count});
  config.neighbour_key = {11, 12};
  return config;
}

std::unique_ptr<tcp::App> make_server(const Options& options) {
  if (!options.http) return std::make_unique<echo::Echo>();
  return std::make_unique<http::HttpServer>(http::ServerConfig{});
}

int run(const Options& options) {
  const auto backend = make_dpdk_backend();
  BackendConfig backend_config;
  backend_config.devices.resize(2);
  backend_config.cores = {0};
  backend_config.hugepages = false;
  auto opened = backend->open(backend_config);
  if (!opened) fail(opened.error());
  std::vector<Device>& devices = opened.value();

  auto client_end = tcp::Endpoint::create(endpoint_config(options));
  auto server_end = tcp::Endpoint::create(endpoint_config(options));
  if (!client_end || !server_end) fail((client_end ? server_end : client_end).error());
  const std::uint32_t addresses = 16 + options.idle / 32'768;
  Client client(options, addresses);
  const std::unique_ptr<tcp::App> server = make_server(options);
  tcp::ListenRequest listen;
  listen.port = kPort;
  if (const auto listening = server_end.value()->listen(listen); !listening) {
    fail(listening.error());
  }

  Port& near = *devices[0].ports[0];
  Port& far = *devices[1].ports[0];
  WorkerConfig near_config;
  near_config.interface = interface_config(options, near, client_address(options, 0), addresses);
  WorkerConfig far_config;
  far_config.interface = interface_config(options, far, server_address(options), 1);
  Worker client_worker(near_config, near, *client_end.value(), client, nullptr);
  Worker server_worker(far_config, far, *server_end.value(), *server, nullptr);

  Instant now{1h};
  std::uint64_t iterations = 0;
  const auto poll_until = [&](const auto& finished) {
    for (; !finished(); ++iterations) {
      now += kIteration;
      client_worker.poll(now);
      server_worker.poll(now);
    }
  };
  poll_until([&] { return client.idle_ready(); });
  iterations = 0;
  const std::clock_t begin = std::clock();
  poll_until([&] { return client.done(); });
  const double spent_ns = 1e9 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  const auto total = static_cast<double>(options.connections);
  std::printf("%llu connections, %u requests each, %u idle beside: %.1f ns a connection",
              static_cast<unsigned long long>(options.connections), options.requests, options.idle,
              spent_ns / total);
  std::printf(", %.1f ns a request of %zu and %zu bytes; %llu iterations, %llu failed\n",
              spent_ns / total / options.requests, request_of(options).size(), client.reply_bytes(),
              static_cast<unsigned long long>(iterations),
              static_cast<unsigned long long>(client.failed()));
  return client.failed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) { return millrace::run(millrace::parse(argc, argv)); }
