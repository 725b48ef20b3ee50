// SPDX-License-Identifier: BSD-3-Clause
//
// What does a segment cost to take in, and how does that grow with the connections there are?
// Bursts of 32 segments, each for another connection in random order, buckets fetched ahead as the
// worker does. Timed is Endpoint::input() alone; the application and the answers are outside.
#include <array>
#include <functional>

#include "bench/peers.h"

namespace millrace::bench {
namespace {

constexpr std::array<std::byte, 1448> kPayload{};
using Burst = std::array<Peer*, kBurst>;
using Segments = std::array<tcp::SegmentIn, kBurst>;

/// Each iteration: `prepare` untimed, the burst timed, `after` untimed.
void run(benchmark::State& state, const std::function<Segments(Peers&, const Burst&)>& prepare,
         const std::function<void(Peers&, const Burst&)>& after) {
  Peers& all = peers(state.range(0));
  Stopwatch watch(state, kBurst);
  std::uint64_t refused = 0;
  for (auto _ : state) {
    const Burst burst = all.next_burst();
    const Segments segments = prepare(all, burst);
    watch.lap([&] {
      for (const Peer* peer : burst) all.endpoint().prefetch(peer->hash);
      for (std::size_t i = 0; i < kBurst; ++i) {
        refused += all.input(*burst[i], segments[i]) == Drop::none ? 0 : 1;
      }
    });
    all.end_input();
    all.flush_all();
    after(all, burst);
  }
  if (refused != 0) state.SkipWithError("segments were dropped");
}

Segments plain(Peers& all, const Burst& burst, std::size_t payload_bytes) {
  Segments segments;
  for (std::size_t i = 0; i < kBurst; ++i) {
    segments[i] = all.segment(*burst[i], std::span(kPayload).first(payload_bytes));
  }
  return segments;
}

void data_in_order(benchmark::State& state, std::size_t bytes) {
  run(
      state, [bytes](Peers& all, const Burst& burst) { return plain(all, burst, bytes); },
      [bytes](Peers&, const Burst& burst) {
        for (Peer* peer : burst) peer->seq = peer->seq + static_cast<std::uint32_t>(bytes);
      });
}

/// 64 bytes of ours are in flight on each, and acknowledged.
void ack_of_data(benchmark::State& state) {
  run(
      state,
      [](Peers& all, const Burst& burst) {
        for (Peer* peer : burst) {
          require(all.endpoint().send(peer->connection, std::span(kPayload).first(64),
                                      tcp::Lifetime::fixed) == 64);
          peer->ack = peer->ack + 64;
        }
        all.flush_all();
        return plain(all, burst, 0);
      },
      [](Peers&, const Burst&) {});
}

/// A segment is missing: what comes behind it is copied aside, then the gap is closed.
void data_out_of_order(benchmark::State& state) {
  run(
      state,
      [](Peers& all, const Burst& burst) {
        Segments segments = plain(all, burst, 64);
        for (tcp::SegmentIn& in : segments) in.seq = in.seq + 64;
        return segments;
      },
      [](Peers& all, const Burst& burst) {
        for (Peer* peer : burst) {
          require(all.input(*peer, all.segment(*peer, std::span(kPayload).first(64))) ==
                  Drop::none);
          peer->seq = peer->seq + 128;
        }
        all.end_input();
        all.flush_all();
      });
}

/// A SYN becomes a half-open entry; a RST of the same peer ends it.
void syn(benchmark::State& state) {
  std::array<Peer, kBurst> strangers;
  Peers& there = peers(state.range(0));
  for (std::size_t i = 0; i < kBurst; ++i) {
    strangers[i].tuple = {Address::v4(0xC6120001), Address::v4(0x0b000001), kPort,
                          static_cast<std::uint16_t>(2000 + i)};
    strangers[i].hash = there.endpoint().hash(strangers[i].tuple);
    strangers[i].seq = tcp::Seq(77);
  }
  Stopwatch watch(state, kBurst);
  std::uint64_t refused = 0;
  for (auto _ : state) {
    watch.lap([&] {
      for (const Peer& peer : strangers) there.endpoint().prefetch(peer.hash);
      for (const Peer& peer : strangers) {
        tcp::SegmentIn in = there.segment(peer, {});
        in.flags.bits = tcp::Flags::kSyn;
        refused += there.input(peer, in) == Drop::none ? 0 : 1;
      }
    });
    there.flush_all();
    for (const Peer& peer : strangers) {
      tcp::SegmentIn in = there.segment(peer, {});
      in.flags.bits = tcp::Flags::kRst;
      in.seq = peer.seq + 1;
      (void)there.input(peer, in);
    }
    there.end_input();
    there.flush_all();
  }
  if (refused != 0) state.SkipWithError("SYNs were dropped");
}

BENCHMARK_CAPTURE(data_in_order, 64_bytes, 64)->Apply(populations);
BENCHMARK_CAPTURE(data_in_order, 1448_bytes, 1448)->Apply(populations);
BENCHMARK(ack_of_data)->Apply(populations);
BENCHMARK(data_out_of_order)->Apply(populations);
BENCHMARK(syn)->Apply(populations);

}  // namespace
}  // namespace millrace::bench
