// SPDX-License-Identifier: BSD-3-Clause
//
// Segments out of one endpoint become segments into the other.
#include "tests/support/endpoint_pair.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "tcp/base/check.h"

namespace millrace::test {
namespace {

Address address(bool ipv6, std::uint8_t host) {
  if (!ipv6) return Address::v4(0xC6120000U + host);
  std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0x00, 0x02};
  bytes[15] = host;
  return Address::v6(bytes);
}

}  // namespace

tcp::Secrets fixed_secrets(std::uint64_t seed) {
  const auto key = [&](std::uint64_t i) {
    return SipKey{seed * 1'000'003 + i, i * 0x9E3779B97F4A7C15};
  };
  tcp::Secrets secrets;
  secrets.numbers = key(1);
  secrets.table = key(2);
  secrets.ports = key(3);
  secrets.cookies = key(5);
  return secrets;
}

Half::Half(const tcp::EndpointConfig& config, tcp::App& app) : app_(app) {
  auto made = tcp::Endpoint::create(config);
  MR_CHECK(made.ok());
  endpoint_ = std::move(made).value();
}

void Half::carry(const tcp::SegmentOut& out) {
  Carried carried;
  carried.tuple = {out.tuple.remote, out.tuple.local, out.tuple.remote_port, out.tuple.local_port};
  for (std::size_t i = 0; i < out.piece_count; ++i) {
    carried.payload.insert(carried.payload.end(), out.pieces[i].begin(), out.pieces[i].end());
  }
  MR_CHECK(carried.payload.size() == out.payload_bytes && out.segment_size == 0);
  carried.segment.seq = out.seq;
  carried.segment.ack = out.ack;
  carried.segment.window = out.window;
  carried.segment.flags = out.flags;
  carried.segment.ecn = out.ecn;
  carried.segment.options = out.options;
  if (!carried.payload.empty()) ++payload_segments_;
  inbox_.push_back(std::move(carried));
}

void Half::iterate(Half& peer, Instant now) {
  std::deque<Carried> arrived;
  arrived.swap(inbox_);
  for (Carried& carried : arrived) {
    carried.segment.payload = carried.payload;
    (void)endpoint_->input(endpoint_->hash(carried.tuple), carried.tuple, carried.segment, now);
  }
  (void)endpoint_->advance(now);
  app_.on_events(*endpoint_, endpoint_->events(), now);
  endpoint_->settle(now);
  // What was lent is gone now; whoever looks at it later reads this.
  for (Carried& carried : arrived) std::ranges::fill(carried.payload, std::byte{0xdd});
  std::array<tcp::SegmentOut, 32> out;
  for (std::size_t count = 0; (count = endpoint_->flush(out, now)) != 0;) {
    for (std::size_t i = 0; i < count; ++i) peer.carry(out[i]);
  }
}

EndpointPair::EndpointPair(const tcp::EndpointConfig& client, tcp::App& client_app,
                           const tcp::EndpointConfig& server, tcp::App& server_app)
    : client_(client, client_app), server_(server, server_app) {}

void EndpointPair::step() {
  now_ += 10us;
  client_.iterate(server_, now_);
  server_.iterate(client_, now_);
}

void EndpointPair::settle(int most) {
  int quiet = 0;
  for (int i = 0; i < most && quiet < 3; ++i) {
    step();
    quiet = client_.has_input() || server_.has_input() ? 0 : quiet + 1;
  }
}

void EndpointPair::pass(Duration time) {
  const Instant until = now_ + time;
  while (now_ < until) {
    settle();
    Instant next = std::min(until, now_ + 1ms);
    for (tcp::Endpoint* endpoint : {&client(), &server()}) {
      const auto due = endpoint->next_deadline(now_);
      if (due && *due > now_) next = std::min(next, *due);
    }
    now_ = std::max(now_, next);
  }
  settle();
}

tcp::ConnectionId EndpointPair::connect(std::uint16_t port, bool ipv6) {
  const tcp::OpenResult opened = client().connect(
      {.local = address(ipv6, 1), .remote = address(ipv6, 2), .remote_port = port}, now_);
  MR_CHECK(opened.error == tcp::OpenError::none);
  return opened.connection;
}

}  // namespace millrace::test
