// SPDX-License-Identifier: BSD-3-Clause
//
// N established connections of one endpoint, and the other ends of them as plain numbers: what the
// benchmarks of input and output feed an endpoint with, and take from it, without frames.
#pragma once

#include <benchmark/benchmark.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <unordered_map>
#include <vector>

#include "bench/timing.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace::bench {

inline constexpr std::uint16_t kPort = 80;

/// The far end of one connection.
struct Peer {
  FourTuple tuple;  // as the endpoint sees it
  std::uint64_t hash = 0;
  tcp::ConnectionId connection;
  tcp::Seq seq;  // what it sends next
  tcp::Seq ack;  // what it expects next
};

inline void require(bool good) {
  if (!good) std::abort();
}

class Peers {
 public:
  explicit Peers(std::uint32_t count) : all_(count), order_(count) {
    auto made = tcp::Endpoint::create(config_for(count));
    require(made.ok());
    endpoint_ = std::move(made).value();
    require(endpoint_->listen({.local = {}, .port = kPort}).ok());
    for (std::uint32_t i = 0; i < count; ++i) open(i);
    std::uint64_t random = 1;
    for (std::uint32_t i = 0; i < count; ++i) order_[i] = i;
    for (std::uint32_t i = count; i > 1; --i) {
      std::swap(order_[i - 1], order_[next_random(random) % i]);
    }
  }

  [[nodiscard]] tcp::Endpoint& endpoint() { return *endpoint_; }
  [[nodiscard]] Instant now() const { return now_; }

  /// The next kBurst peers, each another, in an order that memory does not follow.
  [[nodiscard]] std::array<Peer*, kBurst> next_burst() {
    std::array<Peer*, kBurst> burst;
    for (Peer*& peer : burst) {
      peer = &all_[order_[at_]];
      at_ = at_ + 1 == order_.size() ? 0 : at_ + 1;
    }
    return burst;
  }

  /// A segment of `peer` with ACK and timestamps, as it would send it now.
  [[nodiscard]] tcp::SegmentIn segment(const Peer& peer, std::span<const std::byte> payload) const {
    tcp::SegmentIn in;
    in.seq = peer.seq;
    in.ack = peer.ack;
    in.window = 0xffff;
    in.flags.bits = tcp::Flags::kAck;
    in.options.has = tcp::Options::kTimestamps;
    in.options.tsval = 1;
    in.payload = payload;
    return in;
  }
  Drop input(const Peer& peer, const tcp::SegmentIn& in) {
    return endpoint_->input(peer.hash, peer.tuple, in, now_);
  }

  /// What follows input in an iteration: the application takes all, what was lent ends.
  void end_input() {
    for (const tcp::Event& event : endpoint_->events()) {
      if (event.kind == tcp::EventKind::data) {
        endpoint_->consume(event.connection, event.bytes.size());
      }
    }
    endpoint_->settle(now_);
  }
  /// One pull of up to kBurst segments; their peers hear them. Returns how many.
  std::size_t flush() { return endpoint_->flush(out_, now_); }
  /// Pulls until nothing is due. A microsecond passes.
  void flush_all() {
    while (flush() != 0) {
    }
    now_ += 1us;
    (void)endpoint_->advance(now_);
  }

 private:
  static tcp::EndpointConfig config_for(std::uint32_t count) {
    tcp::EndpointConfig config;
    config.max_connections = count + count / 4 + 64;
    config.secrets = {{1, 2}, kKey, {5, 6}, {7, 8}};
    config.profiles[0].nagle = false;
    return config;
  }

  void open(std::uint32_t i) {
    Peer& peer = all_[i];
    const PackedTuple packed = tuple_of(i);
    peer.tuple = {Address::v4(0xC6120001), Address::v4(0x0a000001 + i / 64'000), kPort,
                  packed.remote_port};
    peer.hash = endpoint_->hash(peer.tuple);
    peer.seq = tcp::Seq(1000);
    tcp::SegmentIn syn = segment(peer, {});
    syn.flags.bits = tcp::Flags::kSyn;
    syn.options.has |=
        tcp::Options::kMss | tcp::Options::kWindowScale | tcp::Options::kSackPermitted;
    syn.options.mss = 1460;
    syn.options.window_scale = 7;
    require(input(peer, syn) == Drop::none);
    end_input();
    require(flush() == 1);
    peer.seq = peer.seq + 1;
    peer.ack = out_[0].seq + 1;
    require(input(peer, segment(peer, {})) == Drop::none);
    for (const tcp::Event& event : endpoint_->events()) peer.connection = event.connection;
    end_input();
    flush_all();
  }

  std::unique_ptr<tcp::Endpoint> endpoint_;
  std::vector<Peer> all_;
  std::vector<std::uint32_t> order_;
  std::size_t at_ = 0;
  Instant now_{1h};
  std::array<tcp::SegmentOut, kBurst> out_;
};

/// One population at a time: made for the first benchmark of its size.
inline Peers& peers(std::int64_t count) {
  static std::unique_ptr<Peers> made;
  static std::int64_t made_for = 0;
  if (made_for != count) {
    made.reset();
    made = std::make_unique<Peers>(static_cast<std::uint32_t>(count));
    made_for = count;
  }
  return *made;
}

inline void populations(benchmark::internal::Benchmark* b) {
  b->Arg(1'000)->Arg(100'000)->Arg(1'000'000)->UseManualTime();
}

}  // namespace millrace::bench
