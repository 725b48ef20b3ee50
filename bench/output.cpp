// SPDX-License-Identifier: BSD-3-Clause
//
// What does a segment cost to send, and how does that grow with the connections there are? Calls of
// the application and the pull of segments, each timed by itself, for 32 connections at a time in
// random order; headers and frames are not part of it.
#include <array>
#include <functional>

#include "bench/peers.h"

namespace millrace::bench {
namespace {

constexpr std::array<std::byte, 14'480> kBody{};  // ten full segments, an initial window
using Burst = std::array<Peer*, kBurst>;

void send_to_all(Peers& all, const Burst& burst, std::size_t bytes, tcp::Lifetime lifetime) {
  for (const Peer* peer : burst) {
    require(all.endpoint().send(peer->connection, std::span(kBody).first(bytes), lifetime) ==
            bytes);
  }
}

void acknowledge(Peers& all, const Burst& burst, std::size_t bytes) {
  for (Peer* peer : burst) {
    peer->ack = peer->ack + static_cast<std::uint32_t>(bytes);
    require(all.input(*peer, all.segment(*peer, {})) == Drop::none);
  }
  all.end_input();
  all.flush_all();
}

/// The call: bytes are queued, nothing is sent yet.
void send_call(benchmark::State& state, tcp::Lifetime lifetime) {
  Peers& all = peers(state.range(0));
  Stopwatch watch(state, kBurst);
  for (auto _ : state) {
    const Burst burst = all.next_burst();
    watch.lap([&] { send_to_all(all, burst, 64, lifetime); });
    all.flush_all();
    acknowledge(all, burst, 64);
  }
}

/// The pull of `segments` segments of each connection, `bytes` of payload altogether.
void pull(benchmark::State& state, std::size_t bytes, std::size_t segments) {
  Peers& all = peers(state.range(0));
  Stopwatch watch(state, kBurst * segments);
  for (auto _ : state) {
    const Burst burst = all.next_burst();
    send_to_all(all, burst, bytes, tcp::Lifetime::fixed);
    std::size_t pulled = 0;
    watch.lap([&] {
      while (pulled < kBurst * segments) {
        const std::size_t count = all.flush();
        pulled += count;
        if (count == 0) break;
      }
    });
    if (pulled != kBurst * segments) state.SkipWithError("another number of segments");
    acknowledge(all, burst, bytes);
  }
}

/// Two full segments arrived on each: an ACK is owed (RFC 9293 §3.8.6.3).
void pull_ack(benchmark::State& state) {
  Peers& all = peers(state.range(0));
  Stopwatch watch(state, kBurst);
  for (auto _ : state) {
    const Burst burst = all.next_burst();
    for (int segment = 0; segment < 2; ++segment) {
      for (Peer* peer : burst) {
        require(all.input(*peer, all.segment(*peer, std::span(kBody).first(1448))) == Drop::none);
        peer->seq = peer->seq + 1448;
      }
    }
    all.end_input();
    std::size_t pulled = 0;
    watch.lap([&] { pulled = all.flush(); });
    if (pulled != kBurst) state.SkipWithError("another number of segments");
    all.flush_all();
  }
}

BENCHMARK_CAPTURE(send_call, 64_bytes_fixed, tcp::Lifetime::fixed)->Apply(populations);
BENCHMARK_CAPTURE(send_call, 64_bytes_copied, tcp::Lifetime::copied)->Apply(populations);
BENCHMARK_CAPTURE(pull, one_short_segment, 64, 1)->Apply(populations);
BENCHMARK_CAPTURE(pull, ten_full_segments, 14'480, 10)->Apply(populations);
BENCHMARK(pull_ack)->Apply(populations);

}  // namespace
}  // namespace millrace::bench
