// SPDX-License-Identifier: BSD-3-Clause
//
// The two harnesses: see harness.h.
#include "tests/tcp/endpoint/harness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "tcp/wire/emit.h"
#include "tcp/wire/parse.h"

namespace millrace::tcp::test {
namespace {

[[nodiscard]] FourTuple swapped(const FourTuple& t) {
  return {t.remote, t.local, t.remote_port, t.local_port};
}

[[nodiscard]] std::string payload_of(const SegmentOut& s) {
  std::string payload;
  for (std::size_t i = 0; i < s.piece_count; ++i) payload += as_string(s.pieces[i]);
  EXPECT_EQ(payload.size(), s.payload_bytes);
  return payload;
}

/// The bytes of a segment and back: what the peer will see.
[[nodiscard]] Packet to_packet(const SegmentOut& s) {
  Packet p;
  p.tuple = swapped(s.tuple);
  const std::string payload = payload_of(s);
  p.bytes.resize(header_bytes(s) + payload.size());
  const std::size_t header = emit_header(s, p.bytes.data());
  std::memcpy(p.bytes.data() + header, payload.data(), payload.size());
  Ports ports;
  EXPECT_EQ(parse_segment(p.bytes, ports, p.segment), Drop::none);
  EXPECT_EQ(ports.source, s.tuple.local_port);
  EXPECT_EQ(ports.destination, s.tuple.remote_port);
  return p;
}

/// What a burst of the driver holds: garbage where nothing was written.
[[nodiscard]] std::vector<SegmentOut> dirty_segments(std::size_t count) {
  std::vector<SegmentOut> out(count);
  std::memset(static_cast<void*>(out.data()), 0x5a, count * sizeof(SegmentOut));
  return out;
}

}  // namespace

Address address_of(bool ipv6, unsigned host) {
  if (!ipv6) return Address::v4(0xC6120000 + host);
  std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0, 0x02};
  bytes[14] = static_cast<std::uint8_t>(host >> 8);
  bytes[15] = static_cast<std::uint8_t>(host);
  return Address::v6(bytes);
}

EndpointConfig small_config() {
  EndpointConfig c;
  c.max_connections = 1024;
  c.max_half_open = 256;
  c.max_time_wait = 4096;
  c.max_ipv6_pairs = 1024;
  c.max_send_states = 1024;
  c.max_receive_states = 512;
  c.max_blocks = 2048;
  c.secrets = {.numbers = {1, 2}, .table = {3, 4}, .ports = {5, 6}, .cookies = {9, 10}};
  return c;
}

std::span<const std::byte> as_bytes(const std::string& s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}
std::string as_string(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Host::Host(const EndpointConfig& config, Address the_address) : address(the_address) {
  auto result = Endpoint::create(config);
  if (!result) ADD_FAILURE() << result.error().sentence;
  endpoint_ = std::move(result).value();
}

void Host::on_event(const Event& event) {
  log.push_back({event.kind, event.connection, event.user, event.reason, event.listener,
                 as_string(event.bytes)});
  if (greedy && event.kind == EventKind::data) {
    received_[{event.connection.index, event.connection.generation}] += as_string(event.bytes);
    endpoint_->consume(event.connection, event.bytes.size());
  }
  if (react) react(*this, event);
}

void Host::iterate(Host& peer, Instant now) {
  std::deque<Packet> held;
  held.swap(inbox);
  for (const Packet& p : held) {
    ++drops[endpoint_->input(endpoint_->hash(p.tuple), p.tuple, p.segment, now)];
  }
  while (!endpoint_->advance(now)) {
  }
  for (const Event& event : endpoint_->events()) on_event(event);
  endpoint_->settle(now);
  for (Packet& p : held) std::ranges::fill(p.bytes, std::byte{0xdd});
  std::vector<SegmentOut> out = dirty_segments(8);
  for (std::size_t n = 1; n != 0;) {
    n = endpoint_->flush(out, now);
    for (const SegmentOut& s : std::span(out).first(n)) {
      Packet p = to_packet(s);
      if (!pass_out || pass_out(p)) {
        peer.inbox.push_back(std::move(p));
      }
    }
  }
}

std::size_t Host::count(EventKind kind) const { return of(kind).size(); }

std::vector<Record> Host::of(EventKind kind) const {
  std::vector<Record> records;
  std::ranges::copy_if(log, std::back_inserter(records),
                       [&](const Record& r) { return r.kind == kind; });
  return records;
}

const std::string& Host::received(ConnectionId id) { return received_[{id.index, id.generation}]; }

void Host::check_log() const {
  std::set<std::pair<std::uint32_t, std::uint32_t>> over;
  for (const Record& r : log) {
    const std::pair key{r.id.index, r.id.generation};
    ASSERT_FALSE(over.contains(key)) << "an event after the closed event of its connection";
    if (r.kind == EventKind::closed) over.insert(key);
  }
}

Pair::Pair(bool ipv6, EndpointConfig client_config, EndpointConfig server_config)
    : client(client_config, address_of(ipv6, 1)), server(server_config, address_of(ipv6, 2)) {}

void Pair::exchange() {
  for (int i = 0; i < 100'000; ++i) {
    client.iterate(server, now);
    server.iterate(client, now);
    if (client.is_idle(now) && server.is_idle(now)) return;
    now += 10us;
  }
  FAIL() << "the exchange does not end";
}

void Pair::run_for(Duration d) {
  const Instant end = now + d;
  for (;;) {
    exchange();
    std::optional<Instant> next;
    for (Host* host : {&client, &server}) {
      const auto at = (*host)->next_deadline(now);
      if (at && (!next || *at < *next)) next = at;
    }
    if (!next || *next > end || now >= end) break;
    now = std::max(*next, now + 1us);
  }
  now = std::max(now, end);
  exchange();
}

ListenerId Pair::listen(std::uint32_t backlog) {
  auto result = server->listen({.local = {}, .port = kPort, .backlog = backlog});
  if (!result) ADD_FAILURE() << result.error().sentence;
  return result.value();
}

OpenResult Pair::connect(std::uint32_t user, std::uint16_t local_port) {
  return client->connect({.local = client.address,
                          .remote = server.address,
                          .remote_port = kPort,
                          .local_port = local_port,
                          .user = user},
                         now);
}

Pair::Ends Pair::open() {
  const std::size_t accepted_before = server.count(EventKind::accepted);
  const OpenResult result = connect();
  EXPECT_EQ(result.error, OpenError::none);
  exchange();
  const auto accepted = server.of(EventKind::accepted);
  if (accepted.size() != accepted_before + 1) {
    ADD_FAILURE() << "not accepted";
    return {};
  }
  return {result.connection, accepted.back().id};
}

Solo::Solo(bool ipv6, EndpointConfig config) : ipv6_(ipv6) {
  auto result = Endpoint::create(config);
  if (!result) ADD_FAILURE() << result.error().sentence;
  endpoint_ = std::move(result).value();
}

FourTuple Solo::tuple(std::uint16_t remote_port, std::uint16_t local_port) const {
  return {address_of(ipv6_, 2), address_of(ipv6_, 1), local_port, remote_port};
}

Drop Solo::in(const FourTuple& t, const SegmentIn& s) {
  return endpoint_->input(endpoint_->hash(t), t, s, now);
}

std::vector<Sent> Solo::out() {
  std::vector<Sent> sent;
  std::vector<SegmentOut> burst = dirty_segments(8);
  for (std::size_t n = 1; n != 0;) {
    n = endpoint_->flush(burst, now);
    for (std::size_t i = 0; i < n; ++i) sent.push_back({burst[i], payload_of(burst[i])});
  }
  return sent;
}

std::vector<Record> Solo::events() {
  while (!endpoint_->advance(now)) {
  }
  std::vector<Record> records;
  for (const Event& e : endpoint_->events()) {
    records.push_back({e.kind, e.connection, e.user, e.reason, e.listener, as_string(e.bytes)});
  }
  endpoint_->settle(now);
  return records;
}

Solo::Opened Solo::accept(std::uint16_t remote_port, Seq isn) {
  Opened o;
  o.tuple = tuple(remote_port);
  const auto stamped = [&](SegmentIn s) { return timestamps ? with_timestamps(s, peer_tsval) : s; };
  EXPECT_EQ(in(o.tuple, stamped(segment(kSyn, isn))), Drop::none);
  const std::vector<Sent> answer = out();
  if (answer.size() != 1 || !answer[0].is(kSyn | kAck)) {
    ADD_FAILURE() << "no SYN-ACK";
    return o;
  }
  o.ours = answer[0].segment.seq + 1;
  o.theirs = isn + 1;
  EXPECT_EQ(in(o.tuple, stamped(segment(kAck, o.theirs, o.ours))), Drop::none);
  for (const Record& r : events()) {
    if (r.kind == EventKind::accepted) o.id = r.id;
  }
  (void)out();
  return o;
}

Solo::Opened Solo::accept_and_close(std::uint16_t remote_port, Seq isn) {
  Opened o = accept(remote_port, isn);
  endpoint_->close(o.id);
  (void)out();
  o.ours += 1;
  SegmentIn fin = segment(kFin | kAck, o.theirs, o.ours);
  if (timestamps) fin = with_timestamps(fin, peer_tsval);
  EXPECT_EQ(in(o.tuple, fin), Drop::none);
  o.theirs += 1;
  (void)events();
  const std::vector<Sent> answer = out();
  EXPECT_EQ(answer.size(), 1u);
  return o;
}

SegmentIn segment(std::uint8_t flags, Seq seq, Seq ack, const std::string* payload) {
  SegmentIn s;
  s.flags = Flags{flags};
  s.seq = seq;
  s.ack = ack;
  s.window = 65'535;
  if (payload != nullptr) s.payload = as_bytes(*payload);
  return s;
}

SegmentIn with_timestamps(SegmentIn s, std::uint32_t tsval, std::uint32_t tsecr) {
  s.options.has |= Options::kTimestamps;
  s.options.tsval = tsval;
  s.options.tsecr = tsecr;
  return s;
}

std::uint64_t live_connections(const Endpoint& endpoint) {
  std::uint64_t sum = 0;
  for (std::size_t s = 0; s < kStateCount; ++s) {
    const auto state = static_cast<State>(s);
    if (state != State::listen && state != State::time_wait) sum += endpoint.states().of(state);
  }
  return sum;
}

}  // namespace millrace::tcp::test
