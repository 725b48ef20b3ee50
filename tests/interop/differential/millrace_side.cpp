// SPDX-License-Identifier: BSD-3-Clause
//
// Calls and segments of a script to an endpoint.
#include "tests/interop/differential/millrace_side.h"

#include <algorithm>
#include <array>

#include "tcp/base/check.h"
#include "tcp/wire/emit.h"
#include "tcp/wire/parse.h"

namespace millrace::differential {

MillraceSide::MillraceSide(tcp::EndpointConfig config) {
  config.profiles[0].delayed_ack = 0s;
  auto made = tcp::Endpoint::create(config);
  MR_CHECK(made.ok());
  endpoint_ = std::move(made).value();
}

tcp::ConnectionId MillraceSide::id_of(const FourTuple& tuple) const {
  for (auto it = connections_.rbegin(); it != connections_.rend(); ++it) {
    if (it->first == tuple) return it->second;
  }
  return {};
}

void MillraceSide::listen(std::uint16_t port, std::uint32_t backlog) {
  auto made = endpoint_->listen({.local = {}, .port = port, .backlog = backlog});
  if (made) listener_ = made.value();
}
void MillraceSide::unlisten() {
  if (listener_) endpoint_->stop_listening(*listener_);
}
void MillraceSide::connect(const FourTuple& tuple, std::span<const std::byte> text) {
  const tcp::OpenResult opened = endpoint_->connect({.local = tuple.local,
                                                     .remote = tuple.remote,
                                                     .remote_port = tuple.remote_port,
                                                     .local_port = tuple.local_port},
                                                    now_);
  if (opened.error != tcp::OpenError::none) return;
  connections_.emplace_back(tuple, opened.connection);
  if (!text.empty()) send(tuple, text);
}

void MillraceSide::inject(const Packet& packet) {
  arrived_.push_back(packet.bytes);
  tcp::Ports ports;
  tcp::SegmentIn in;
  if (tcp::parse_segment(arrived_.back(), ports, in) == Drop::none) {
    in.ecn = packet.ecn;
    (void)endpoint_->input(endpoint_->hash(packet.tuple), packet.tuple, in, now_);
  }
  iterate();
}

void MillraceSide::send(const FourTuple& tuple, std::span<const std::byte> bytes) {
  (void)endpoint_->send(id_of(tuple), bytes, tcp::Lifetime::copied);
}
void MillraceSide::read(const FourTuple& tuple, std::size_t bytes) {
  while (bytes != 0) {
    const auto there = endpoint_->readable(id_of(tuple));
    if (there.empty()) return;
    const std::size_t n = std::min(bytes, there.size());
    endpoint_->consume(id_of(tuple), n);
    bytes -= n;
  }
}
void MillraceSide::shutdown(const FourTuple& tuple) { endpoint_->shutdown(id_of(tuple)); }
void MillraceSide::close(const FourTuple& tuple) { endpoint_->close(id_of(tuple)); }
void MillraceSide::abort(const FourTuple& tuple) { endpoint_->abort(id_of(tuple)); }
void MillraceSide::nodelay(const FourTuple& tuple, bool on) {
  endpoint_->set_nodelay(id_of(tuple), on);
}

void MillraceSide::reading(bool on) {
  reading_ = on;
  if (!on) return;
  for (const auto& [tuple, id] : connections_) {
    for (auto bytes = endpoint_->readable(id); !bytes.empty(); bytes = endpoint_->readable(id)) {
      endpoint_->consume(id, bytes.size());
    }
  }
}

void MillraceSide::pass(Duration time) {
  const Instant until = now_ + time;
  iterate();
  for (;;) {
    const auto due = endpoint_->next_deadline(now_);
    if (!due || *due > until) break;
    now_ = std::max(now_ + Duration{1}, *due);
    iterate();
  }
  now_ = std::max(now_, until);
}

void MillraceSide::iterate() {
  while (!endpoint_->advance(now_)) {
  }
  for (const tcp::Event& event : endpoint_->events()) {
    if (event.kind == tcp::EventKind::accepted) {
      connections_.emplace_back(endpoint_->status(event.connection)->tuple, event.connection);
    }
    if (event.kind == tcp::EventKind::data && reading_) {
      endpoint_->consume(event.connection, event.bytes.size());
    }
  }
  endpoint_->settle(now_);
  arrived_.clear();
  std::array<tcp::SegmentOut, 16> out;
  for (std::size_t n = 0; (n = endpoint_->flush(out, now_)) != 0;) {
    for (const tcp::SegmentOut& s : std::span(out).first(n)) {
      Packet packet{s.tuple, std::vector<std::byte>(tcp::header_bytes(s)), s.ecn};
      (void)tcp::emit_header(s, packet.bytes.data());
      for (std::size_t i = 0; i < s.piece_count; ++i) {
        packet.bytes.insert(packet.bytes.end(), s.pieces[i].begin(), s.pieces[i].end());
      }
      sent_.push_back(std::move(packet));
    }
  }
}

std::vector<Packet> MillraceSide::take() { return std::exchange(sent_, {}); }

}  // namespace millrace::differential
