// SPDX-License-Identifier: BSD-3-Clause
//
// The server on one endpoint and a client that a test moves by hand on another.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "apps/http_server/server.h"
#include "tests/support/endpoint_pair.h"

namespace millrace::http {

/// What one connection of the client has seen.
struct Seen {
  std::string received;     // if `keep`
  std::uint64_t bytes = 0;  // received in all
  bool connected = false;
  bool peer_closed = false;
  bool closed = false;
  tcp::CloseReason reason = tcp::CloseReason::none;
};

class TestClient final : public tcp::App {
 public:
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant now) override;

  bool reading = true;  // false: what comes stays in the receive queue
  bool keep = true;     // false: bytes are compared with the pattern from `pattern_from` on
  std::uint64_t pattern_from = 0;
  std::uint64_t wrong_bytes = 0;
  std::map<std::uint32_t, Seen> seen;  // by index of the connection

 private:
  void take(std::uint32_t index, Bytes bytes);
};

/// A response taken apart.
struct Response {
  int status = 0;
  std::string head;
  std::string body;
  std::size_t length = 0;  // bytes of the whole
};
/// The first response in `text`; status 0 if it is not whole. `of_head`: it answers HEAD.
[[nodiscard]] Response parse_response(std::string_view text, bool of_head = false);

class Rig {
 public:
  explicit Rig(const ServerConfig& config = {}, std::uint32_t send_buffer = 262'144,
               std::uint16_t mtu = 1500);

  [[nodiscard]] tcp::ConnectionId open(bool ipv6 = false);
  /// Queues `text` and lets it arrive, with everything that follows at once.
  void send(tcp::ConnectionId id, std::string_view text);
  /// Each piece in a segment of its own.
  void drip(tcp::ConnectionId id, std::string_view text, std::size_t piece);
  [[nodiscard]] Seen& seen(tcp::ConnectionId id) { return client.seen[id.index]; }
  /// A connection of its own for `text`; what came back.
  [[nodiscard]] std::string ask(std::string_view text, bool ipv6 = false);
  [[nodiscard]] Response get(const std::string& path, bool ipv6 = false);
  /// Closes what is open and lets all timers end.
  void finish();

  TestClient client;
  HttpServer server;
  test::EndpointPair pair;
};

/// "GET PATH HTTP/1.1", a Host, and `fields`.
[[nodiscard]] std::string request(const std::string& path, const std::string& fields = "",
                                  const std::string& method = "GET");
[[nodiscard]] std::string pattern_text(std::size_t bytes);

}  // namespace millrace::http
