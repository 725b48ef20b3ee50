// SPDX-License-Identifier: BSD-3-Clause
//
// What does a segment of a hostile peer cost? One connection, the segments handed in one by one,
// each timed with the answers that it brings about.
//
//   sack_panic     4 MiB in flight in segments of 48 bytes, and ACKs with four blocks each that
//   SACK
//                  every second segment, or every second byte (CVE-2019-11477, -11478, -11479)
//   segment_smack  single bytes of a window, every second one of them (CVE-2018-5390)
#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "bench/timing.h"
#include "tcp/connection/calls.h"
#include "tcp/connection/handshake.h"
#include "tcp/connection/input.h"
#include "tcp/connection/output.h"
#include "tcp/connection/reassembly.h"

namespace millrace::bench {
namespace {

using tcp::Seq;

constexpr std::uint32_t kWindow = 4'194'304;
constexpr std::size_t kBlocksAnAck = 4;

enum class Order : std::uint8_t { rising, falling, random };

/// A connection that is open, with the memory of an endpoint that has few.
struct Victim {
  Victim() {
    config.min_peer_mss = 48;
    config.send_buffer = config.receive_buffer = kWindow;
    config.congestion = tcp::CongestionAlgorithm::newreno;
    tcp::Handshake h;
    h.iss = Seq(1000);
    h.irs = Seq(5000);
    h.snd_wnd = kWindow;
    h.peer_mss = 48;
    h.sack = h.window_scaling = true;
    h.peer_scale = 8;
    h.our_scale = tcp::our_scale(config);
    h.rcv_wnd = kWindow;
    h.rtt_us = 10'000;
    establish(c, h, context());
    c.congestion.cwnd = kWindow;
  }
  [[nodiscard]] tcp::Context context() { return {config, *stores, counters, now}; }
  [[nodiscard]] tcp::SegmentIn segment() const {
    tcp::SegmentIn in;
    in.flags.bits = tcp::Flags::kAck;
    in.seq = c.rcv_nxt;
    in.ack = c.snd_una;
    in.window = kWindow >> 8;
    return in;
  }
  Drop input(const tcp::SegmentIn& in) {
    tcp::Outcome outcome;
    return on_segment(c, in, context(), outcome);
  }
  std::uint32_t flush() {
    std::uint32_t segments = 0;
    for (tcp::SegmentOut out; next_segment(c, context(), out);) ++segments;
    return segments;
  }

  tcp::TcpConfig config;
  std::unique_ptr<tcp::Stores> stores = std::make_unique<tcp::Stores>(
      tcp::Stores{Pool<tcp::SendState>(16), Pool<tcp::ReceiveState>(16), Pool<tcp::Chunk>(4096),
                  Pool<tcp::Block>(8192), Pool<tcp::SendLog>(16), Pool<tcp::LossState>(16),
                  Pool<tcp::PathModel>(16), tcp::RateLogs(16), Pool<AddressPair6>(1)});
  tcp::Counters counters;
  Instant now{1000s};
  tcp::Connection c;
};

std::vector<std::uint32_t> places(std::uint32_t count, Order order) {
  std::vector<std::uint32_t> all(count);
  std::iota(all.begin(), all.end(), 0U);
  if (order == Order::falling) std::reverse(all.begin(), all.end());
  if (order == Order::random) std::shuffle(all.begin(), all.end(), std::mt19937(7));
  return all;
}

/// In seconds, of all laps: the mean, the median, which other processes' use of the core does not
/// move, and the slowest of a thousand.
void report(benchmark::State& state, std::vector<double>& laps) {
  if (laps.empty()) return;
  state.counters["mean"] =
      std::accumulate(laps.begin(), laps.end(), 0.0) / static_cast<double>(laps.size());
  const auto slowest = [&](std::size_t of) {
    const auto at = laps.end() - static_cast<std::ptrdiff_t>(laps.size() / of + 1);
    std::nth_element(laps.begin(), at, laps.end());
    return *at;
  };
  state.counters["median"] = slowest(2);
  state.counters["p99.9"] = slowest(1000);
}

template <typename Work>
double timed(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// `stride`: bytes of each stretch that is SACKed, and of each that is not.
void sack_panic(benchmark::State& state, Order order, std::uint32_t stride) {
  static const std::vector<std::byte> kText(kWindow);
  std::vector<double> laps;
  std::uint64_t again = 0;
  for (auto _ : state) {
    Victim v;
    if (enqueue(v.c, kText, false, v.context()) != kWindow) state.SkipWithError("not queued");
    (void)v.flush();
    const std::vector<std::uint32_t> order_of = places(kWindow / stride / 2 - 1, order);
    double sum = 0;
    for (std::size_t i = 0; i + kBlocksAnAck <= order_of.size(); i += kBlocksAnAck) {
      tcp::SegmentIn in = v.segment();
      for (std::size_t k = i; k < i + kBlocksAnAck; ++k) {
        const Seq left = v.c.snd_una + (2 * order_of[k] + 1) * stride;
        in.options.sack[in.options.sack_count++] = {left, left + stride};
      }
      v.now += 1us;
      laps.push_back(timed([&] {
        benchmark::DoNotOptimize(v.input(in));
        again += v.flush();
      }));
      sum += laps.back();
    }
    state.SetIterationTime(sum);
  }
  state.counters["resent"] = static_cast<double>(again) / static_cast<double>(laps.size());
  report(state, laps);
}

void segment_smack(benchmark::State& state, Order order, std::uint32_t span) {
  constexpr std::array<std::byte, 1> kByte{};
  std::vector<double> laps;
  std::uint32_t most = 0;
  for (auto _ : state) {
    Victim v;
    double sum = 0;
    for (const std::uint32_t place : places(span / 2, order)) {
      tcp::SegmentIn in = v.segment();
      in.seq = v.c.rcv_nxt + (2 * place + 1);
      in.payload = kByte;
      v.now += 1us;
      laps.push_back(timed([&] {
        benchmark::DoNotOptimize(v.input(in));
        (void)v.flush();
      }));
      sum += laps.back();
      const tcp::ReceiveState& r = v.stores->receive[v.c.receive];
      if (v.c.has_receive_state() && r.reassembly != kNil) {
        most = std::max(most, tcp::reassembly_of(r, *v.stores).range_count);
      }
    }
    state.SetIterationTime(sum);
  }
  state.counters["gaps"] = most;
  report(state, laps);
}

void few(benchmark::internal::Benchmark* b) {
  b->UseManualTime()->Iterations(3)->Unit(benchmark::kMillisecond);
}

BENCHMARK_CAPTURE(sack_panic, segments_rising, Order::rising, 48)->Apply(few);
BENCHMARK_CAPTURE(sack_panic, segments_falling, Order::falling, 48)->Apply(few);
BENCHMARK_CAPTURE(sack_panic, segments_random, Order::random, 48)->Apply(few);
BENCHMARK_CAPTURE(sack_panic, bytes_rising, Order::rising, 1)->Apply(few);
BENCHMARK_CAPTURE(sack_panic, bytes_falling, Order::falling, 1)->Apply(few);
BENCHMARK_CAPTURE(sack_panic, bytes_random, Order::random, 1)->Apply(few);
BENCHMARK_CAPTURE(segment_smack, rising, Order::rising, 65'536)->Apply(few);
BENCHMARK_CAPTURE(segment_smack, falling, Order::falling, 65'536)->Apply(few);
BENCHMARK_CAPTURE(segment_smack, random, Order::random, 65'536)->Apply(few);
BENCHMARK_CAPTURE(segment_smack, random_4MiB, Order::random, kWindow)->Apply(few);

}  // namespace
}  // namespace millrace::bench
