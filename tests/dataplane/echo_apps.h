// SPDX-License-Identifier: BSD-3-Clause
//
// The two smallest applications for tests of fleets: one returns what it gets, one opens
// connections, sends 64 bytes on each, waits for them to come back and closes.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <thread>

#include "tcp/base/address.h"
#include "tcp/endpoint/app.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace::test {

inline const Address kServer = Address::v4(0xc612'0001);  // 198.18.0.1
inline const Address kClient = Address::v4(0xc612'0010);
inline const Address kServer6 =
    Address::v6({0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});  // 2001:2::1
inline const Address kClient6 = Address::v6({0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10});
inline constexpr std::uint16_t kEchoPort = 7;

class EchoApp final : public tcp::App {
 public:
  explicit EchoApp(tcp::Endpoint& endpoint) {
    tcp::ListenRequest request;
    request.port = kEchoPort;
    listening = endpoint.listen(request).ok();
  }
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant) override {
    calls.fetch_add(1, std::memory_order_relaxed);
    thread = std::this_thread::get_id();
    for (const tcp::Event& e : events) {
      if (e.kind == tcp::EventKind::accepted) accepted.fetch_add(1);
      if (e.kind == tcp::EventKind::data) {
        const std::size_t sent = endpoint.send(e.connection, e.bytes, tcp::Lifetime::copied);
        endpoint.consume(e.connection, sent);
      }
      if (e.kind == tcp::EventKind::peer_closed) endpoint.close(e.connection);
    }
  }

  bool listening = false;
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint32_t> accepted{0};
  std::thread::id thread;  // read it by Fleet::ask
};

class CallerApp final : public tcp::App {
 public:
  explicit CallerApp(std::uint32_t connections, bool ipv6 = false)
      : left_(connections), ipv6_(ipv6) {}

  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events,
                 Instant now) override {
    for (const tcp::Event& e : events) on_event(endpoint, e);
    while (left_ > 0 && open_ < at_once) {
      tcp::OpenRequest request;
      request.local = ipv6_ ? kClient6 : kClient;
      request.remote = ipv6_ ? kServer6 : kServer;
      request.remote_port = kEchoPort;
      const tcp::OpenResult opened = endpoint.connect(request, now);
      if (opened.error != tcp::OpenError::none) break;
      if (const auto status = endpoint.status(opened.connection)) {
        if (first_port.load() == 0) first_port = status->tuple.local_port;
        ports.insert(status->tuple.local_port);
      }
      --left_;
      ++open_;
    }
  }

  std::uint32_t at_once = 16;
  std::atomic<std::uint32_t> echoed{0};
  std::atomic<std::uint32_t> graceful{0};
  std::atomic<std::uint32_t> failed{0};
  std::atomic<std::uint16_t> first_port{0};
  std::set<std::uint16_t> ports;  // read it by Fleet::ask

 private:
  void on_event(tcp::Endpoint& endpoint, const tcp::Event& e) {
    static constexpr std::array<std::byte, 64> kBytes{};
    switch (e.kind) {
      case tcp::EventKind::connected:
        (void)endpoint.send(e.connection, kBytes, tcp::Lifetime::fixed);
        break;
      case tcp::EventKind::data:
        echoed.fetch_add(static_cast<std::uint32_t>(e.bytes.size()));
        endpoint.consume(e.connection, e.bytes.size());  // empties e.bytes
        endpoint.close(e.connection);
        break;
      case tcp::EventKind::closed:
        --open_;
        (e.reason == tcp::CloseReason::graceful ? graceful : failed).fetch_add(1);
        break;
      case tcp::EventKind::accepted:
      case tcp::EventKind::peer_closed:
      case tcp::EventKind::writable:
        break;
    }
  }

  std::uint32_t left_;
  bool ipv6_;
  std::uint32_t open_ = 0;
};

}  // namespace millrace::test
