// SPDX-License-Identifier: BSD-3-Clause
//
// One end for tests of the worker: a counted port, a real endpoint and worker, and an application
// that writes down what happens. Frames that leave are kept until the test passes them on.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/worker.h"
#include "tests/support/memory_port.h"
#include "tests/support/offload.h"

namespace millrace {

/// Consumes everything it is given and remembers it.
class Notebook final : public tcp::App {
 public:
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events,
                 Instant now) override {
    ++calls;
    last_now = now;
    for (const tcp::Event& e : events) {
      seen.push_back(e.kind);
      if (e.kind == tcp::EventKind::accepted || e.kind == tcp::EventKind::connected) {
        connection = e.connection;
      }
      if (e.kind == tcp::EventKind::closed) reason = e.reason;
      if (e.kind == tcp::EventKind::data) {
        received.append(reinterpret_cast<const char*>(e.bytes.data()), e.bytes.size());
        endpoint.consume(e.connection, e.bytes.size());
      }
    }
    if (on_call) on_call(endpoint, now);
  }
  [[nodiscard]] int count(tcp::EventKind kind) const {
    return static_cast<int>(std::count(seen.begin(), seen.end(), kind));
  }

  std::vector<tcp::EventKind> seen;
  tcp::ConnectionId connection;
  tcp::CloseReason reason = tcp::CloseReason::none;
  std::string received;
  std::uint64_t calls = 0;
  Instant last_now{};
  std::function<void(tcp::Endpoint&, Instant)> on_call;
};

struct StationOptions {
  int side = 0;
  tcp::TcpConfig tcp;
  test::MemoryPortConfig port;
  WorkerConfig worker;
  Inbox* inbox = nullptr;
};

[[nodiscard]] inline StationOptions on_side(int side) {
  StationOptions options;
  options.side = side;
  return options;
}

class Station {
 public:
  explicit Station(StationOptions options = {}) : side(options.side) {
    const auto last = static_cast<std::uint8_t>(side + 1);
    address4 = Address::v4(0xC6120000U + last);
    address6 = Address::v6({0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last});
    options.port.info.mac = {2, 0, 0, 0, 0, last};
    port =
        std::make_unique<test::MemoryPort>(options.port, [this](std::span<const std::byte> frame) {
          sent.emplace_back(frame.begin(), frame.end());
        });
    tcp::EndpointConfig config;
    config.max_connections = 64;
    config.max_half_open = 64;
    config.max_time_wait = 64;
    config.max_ipv6_pairs = 128;
    config.max_send_states = 64;
    config.max_receive_states = 64;
    config.max_blocks = 2048;
    config.profiles = {options.tcp};
    config.steering = options.worker.steering;
    config.worker = options.worker.index;
    config.secrets = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
    endpoint = std::move(tcp::Endpoint::create(config)).value();
    WorkerConfig worker_config = options.worker;
    worker_config.interface.mac = options.port.info.mac;
    worker_config.interface.addresses = {{address4, 24, 1}, {address6, 64, 1}};
    worker_config.max_segment_bytes = options.tcp.max_segment_burst;
    worker = std::make_unique<Worker>(worker_config, *port, *endpoint, app, options.inbox);
  }

  void listen(std::uint16_t at) {
    tcp::ListenRequest request;
    request.port = at;
    ASSERT_TRUE(endpoint->listen(request).ok());
  }
  tcp::ConnectionId connect(const Station& peer, std::uint16_t to, bool ipv6, Instant now) {
    tcp::OpenRequest request;
    request.local = ipv6 ? address6 : address4;
    request.remote = ipv6 ? peer.address6 : peer.address4;
    request.remote_port = to;
    const tcp::OpenResult result = endpoint->connect(request, now);
    EXPECT_EQ(result.error, tcp::OpenError::none);
    return result.connection;
  }
  std::size_t send(const std::string& text) {
    return endpoint->send(app.connection, std::as_bytes(std::span(text)), tcp::Lifetime::copied);
  }

  int side;
  Address address4, address6;
  std::deque<test::Bytes> sent;
  std::unique_ptr<test::MemoryPort> port;
  std::unique_ptr<tcp::Endpoint> endpoint;
  Notebook app;
  std::unique_ptr<Worker> worker;
};

/// Passes on what each sent to the other. Returns how many frames that were.
inline std::size_t exchange(Station& a, Station& b) {
  std::size_t moved = 0;
  for (auto [from, to] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
    for (; !from->sent.empty(); from->sent.pop_front(), ++moved)
      to->port->deliver(from->sent.front());
  }
  return moved;
}

/// Runs both until nothing moves any more and nothing is due within half a second. Time goes on by
/// `step` between iterations, or to the next deadline.
inline void run(Station& a, Station& b, Instant& now, Duration step = 10us, int limit = 50'000) {
  for (; limit > 0; --limit) {
    now += step;
    bool busy = a.worker->poll(now);
    busy |= b.worker->poll(now);
    busy |= exchange(a, b) > 0;
    if (busy) continue;
    const Instant never = Instant::max();
    const Instant next = std::min(a.worker->next_deadline(now).value_or(never),
                                  b.worker->next_deadline(now).value_or(never));
    if (next > now + 500ms) return;
    now = std::max(now, next);
  }
  ADD_FAILURE() << "never came to rest";
}

}  // namespace millrace
