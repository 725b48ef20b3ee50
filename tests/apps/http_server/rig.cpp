// SPDX-License-Identifier: BSD-3-Clause
//
// A client without opinions, and a reader of responses.
#include "tests/apps/http_server/rig.h"

#include "apps/http_server/chunk_reader.h"
#include "tcp/base/check.h"

namespace millrace::http {

void TestClient::on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant) {
  for (const tcp::Event& event : events) {
    Seen& s = seen[event.connection.index];
    switch (event.kind) {
      case tcp::EventKind::connected:
        s.connected = true;
        break;
      case tcp::EventKind::data: {
        if (!reading) break;
        const std::size_t count = event.bytes.size();
        take(event.connection.index, event.bytes);
        endpoint.consume(event.connection, count);
        break;
      }
      case tcp::EventKind::peer_closed:
        s.peer_closed = true;
        break;
      case tcp::EventKind::closed:
        s.closed = true;
        s.reason = event.reason;
        break;
      case tcp::EventKind::accepted:
      case tcp::EventKind::writable:
        break;
    }
  }
}

void TestClient::take(std::uint32_t index, Bytes bytes) {
  Seen& s = seen[index];
  if (keep) {
    s.received += view_of(bytes);
  } else {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const std::uint64_t at = s.bytes + i;
      if (at >= pattern_from && bytes[i] != pattern_byte(at - pattern_from)) ++wrong_bytes;
    }
  }
  s.bytes += bytes.size();
}

Response parse_response(std::string_view text, bool of_head) {
  Response r;
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos || !text.starts_with("HTTP/1.1 ")) return {};
  r.head = text.substr(0, end + 4);
  const int status = std::stoi(std::string(text.substr(9, 3)));
  std::string_view body = text.substr(end + 4);
  const std::size_t length_at = r.head.find("Content-Length: ");
  if (of_head || status == 204 || status == 304 || status < 200) {
    r.length = r.head.size();
  } else if (r.head.find("Transfer-Encoding: chunked") != std::string::npos) {
    ChunkReader reader;
    r.length = r.head.size();
    while (true) {
      const ChunkReader::Step step = reader.next(body, body.size());
      MR_CHECK(step.outcome != ChunkReader::Outcome::bad);
      r.body += step.data;
      r.length += step.used;
      body.remove_prefix(step.used);
      if (step.outcome == ChunkReader::Outcome::done) break;
      if (step.used == 0) return {};
    }
  } else if (length_at != std::string::npos) {
    const std::size_t length = std::stoul(r.head.substr(length_at + 16));
    if (body.size() < length) return {};
    r.body = body.substr(0, length);
    r.length = r.head.size() + length;
  } else {
    r.body = body;  // to the end of the connection
    r.length = text.size();
  }
  r.status = status;
  return r;
}

namespace {

tcp::EndpointConfig endpoint_config(std::uint64_t seed, std::uint32_t send_buffer,
                                    std::uint16_t mtu) {
  tcp::EndpointConfig config;
  config.max_connections = 4096;
  config.max_time_wait = 4096;
  config.secrets = test::fixed_secrets(seed);
  config.profiles.front().nagle = false;
  config.profiles.front().send_buffer = send_buffer;
  config.profiles.front().mtu = mtu;
  config.profiles.front().two_msl = 1s;
  return config;
}

}  // namespace

Rig::Rig(const ServerConfig& config, std::uint32_t send_buffer, std::uint16_t mtu)
    : server(config),
      pair(endpoint_config(1, 262'144, mtu), client, endpoint_config(2, send_buffer, mtu), server) {
  MR_CHECK(server.listen(pair.server(), 80).ok());
}

tcp::ConnectionId Rig::open(bool ipv6) {
  const tcp::ConnectionId id = pair.connect(80, ipv6);
  client.seen[id.index] = {};
  pair.settle();
  MR_CHECK(seen(id).connected);
  return id;
}

void Rig::send(tcp::ConnectionId id, std::string_view text) {
  while (!text.empty()) {
    const std::size_t sent = pair.client().send(id, bytes_of(text), tcp::Lifetime::copied);
    text.remove_prefix(sent);
    const bool had_room = sent != 0;
    pair.settle();
    if (!had_room && pair.client().send_space(id) == 0) return;
  }
}

void Rig::drip(tcp::ConnectionId id, std::string_view text, std::size_t piece) {
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    (void)!pair.client().send(id, bytes_of(text.substr(0, piece)), tcp::Lifetime::copied);
    pair.step();
  }
  pair.settle();
}

std::string Rig::ask(std::string_view text, bool ipv6) {
  const tcp::ConnectionId id = open(ipv6);
  send(id, text);
  pair.client().close(id);
  pair.settle();
  return seen(id).received;
}

Response Rig::get(const std::string& path, bool ipv6) {
  return parse_response(ask(request(path), ipv6));
}

void Rig::finish() {
  client.reading = true;
  for (auto& [index, s] : client.seen) (void)index;
  std::array<tcp::ConnectionStatus, 256> slice;
  for (std::uint32_t from = 0; from != kNil;) {
    std::size_t count = 0;
    from = pair.client().list(from, slice, count);
    for (std::size_t i = 0; i < count; ++i) pair.client().abort(slice[i].id);
  }
  pair.pass(5s);
}

std::string request(const std::string& path, const std::string& fields, const std::string& method) {
  return method + " " + path + " HTTP/1.1\r\nHost: 198.18.0.2\r\n" + fields + "\r\n";
}

std::string pattern_text(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i % 251);
  return text;
}

}  // namespace millrace::http
