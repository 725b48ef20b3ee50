// SPDX-License-Identifier: BSD-3-Clause
//
// Two endpoints with an application each, joined by function calls: no frames, no loss, a clock
// that the test turns. For testing applications; the protocol itself is tested by tests/sim.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "tcp/endpoint/endpoint.h"

namespace millrace::test {

/// One endpoint, its application, and the segments that wait for it.
class Half {
 public:
  Half(const tcp::EndpointConfig& config, tcp::App& app);

  [[nodiscard]] tcp::Endpoint& endpoint() { return *endpoint_; }
  /// One iteration: what waits goes in, the application is called, what is due goes to `peer`.
  void iterate(Half& peer, Instant now);
  [[nodiscard]] bool has_input() const { return !inbox_.empty(); }
  /// Segments that bring payload to this half, and their largest.
  [[nodiscard]] std::uint64_t payload_segments() const { return payload_segments_; }

 private:
  struct Carried {
    FourTuple tuple;
    tcp::SegmentIn segment;
    std::vector<std::byte> payload;
  };
  void carry(const tcp::SegmentOut& out);

  std::unique_ptr<tcp::Endpoint> endpoint_;
  tcp::App& app_;
  std::deque<Carried> inbox_;
  std::uint64_t payload_segments_ = 0;
};

class EndpointPair {
 public:
  EndpointPair(const tcp::EndpointConfig& client, tcp::App& client_app,
               const tcp::EndpointConfig& server, tcp::App& server_app);

  [[nodiscard]] tcp::Endpoint& client() { return client_.endpoint(); }
  [[nodiscard]] tcp::Endpoint& server() { return server_.endpoint(); }
  [[nodiscard]] Half& client_half() { return client_; }
  [[nodiscard]] Half& server_half() { return server_; }
  [[nodiscard]] Instant now() const { return now_; }
  /// One iteration of both, ten microseconds later.
  void step();
  /// Steps until nothing is on the way any more, or `most` steps.
  void settle(int most = 100'000);
  /// Lets that much time pass, from one deadline to the next and at least every millisecond.
  void pass(Duration time);
  /// A connection from 198.18.0.1 to 198.18.0.2 (or 2001:2::1, 2001:2::2).
  [[nodiscard]] tcp::ConnectionId connect(std::uint16_t port, bool ipv6 = false);

 private:
  Half client_;
  Half server_;
  Instant now_{std::chrono::seconds(1000)};
};

/// Keys that differ from each other and are the same in each run.
[[nodiscard]] tcp::Secrets fixed_secrets(std::uint64_t seed);

}  // namespace millrace::test
