// SPDX-License-Identifier: BSD-3-Clause
//
// What does a TIME_WAIT entry cost among N: to make, to find, to restart, to expire, in
// nanoseconds, and to hold, in bytes? In bursts of 32, the store and its index together, beside the
// raw cost of changing one line and one record of tables of that size. MILLRACE_BENCH_LARGE=1 goes
// up to 100 million (needs 6 GiB).
#include "tcp/endpoint/time_wait.h"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>

#include "bench/timing.h"

namespace millrace::bench {
namespace {

using tcp::EntryRef;
using tcp::Index;
using tcp::TimeWait;
using tcp::TimeWaitGone;
using tcp::TimeWaitState;

constexpr std::size_t kChunk = 1024;
constexpr Duration kGap{100'000};  // between entries: well above a tick, so that few expire at once

double resident_bytes() {
  long size = 0, resident = 0;
  if (std::FILE* f = std::fopen("/proc/self/statm", "r"); f != nullptr) {
    if (std::fscanf(f, "%ld %ld", &size, &resident) != 2) resident = 0;
    std::fclose(f);
  }
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

/// N entries in a store for 1.25 N, the oldest first to go, and time that makes them go.
struct House {
  std::array<tcp::TcpConfig, 1> profiles;
  Index index;
  TimeWait store;
  std::uint32_t next = 0;  // number of the next entry
  Instant now{};
  std::uint32_t population;

  explicit House(std::uint32_t count)
      : profiles{config()},
        index(count + count / 4),
        store(count + count / 4, profiles, index, kHasher),
        population(count) {
    while (next < count) insert_burst();
  }
  /// 2MSL is not what limits the population here; the benchmark moves time itself.
  static tcp::TcpConfig config() {
    tcp::TcpConfig c;
    c.two_msl = 60s;
    return c;
  }
  void insert_burst() {
    std::array<std::uint64_t, kBurst> hashes;
    for (std::size_t i = 0; i < kBurst; ++i) {
      hashes[i] = kHasher.v4(tuple_of(next + static_cast<std::uint32_t>(i)));
      index.prefetch(hashes[i]);
    }
    for (const std::uint64_t hash : hashes) {
      TimeWaitState s;
      s.ts_recent = next;
      const EntryRef ref = store.insert_v4(tuple_of(next++), s, now);
      if (!ref || !index.insert(hash, ref)) std::abort();
      now += step();
    }
  }
  /// So that all N entries are spread over half of 2MSL.
  [[nodiscard]] Duration step() const {
    return std::min(kGap, Duration{30s} / static_cast<int>(population));
  }
  /// Expires `count` of the oldest.
  void expire(std::size_t count) {
    std::array<TimeWaitGone, kBurst> gone;
    for (std::size_t done = 0; done < count;) done += store.expire(now + 300s, gone).gone;
  }
};

House& house(std::int64_t count) {
  static std::unique_ptr<House> made;
  static std::int64_t made_for = 0;
  if (made_for != count) {
    made.reset();
    made = std::make_unique<House>(static_cast<std::uint32_t>(count));
    made_for = count;
  }
  return *made;
}

void raw(benchmark::State& state, bool burst) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  const Index like(count + count / 4);
  const Raw memory(like.bucket_count(), count, 32);
  const std::vector<Probe> all = probes(0, count);
  run_raw(state, memory, all, burst, true);
}

void insert(benchmark::State& state) {
  House& h = house(state.range(0));
  Stopwatch watch(state, kChunk);
  for (auto _ : state) {
    watch.lap([&] {
      for (std::size_t i = 0; i < kChunk; i += kBurst) h.insert_burst();
    });
    h.expire(kChunk);
  }
}

void expire(benchmark::State& state) {
  House& h = house(state.range(0));
  Stopwatch watch(state, kChunk);
  for (auto _ : state) {
    for (std::size_t i = 0; i < kChunk; i += kBurst) h.insert_burst();
    watch.lap([&] { h.expire(kChunk); });
  }
}

/// A late segment finds its entry; with `again` it restarts 2MSL (a retransmitted FIN).
void find(benchmark::State& state, bool burst, bool again) {
  House& h = house(state.range(0));
  const std::vector<Probe> all = probes(h.next - h.population, h.population);
  std::size_t at = 0;
  std::uint64_t found = 0;
  for (auto _ : state) {
    const Probe* p = &all[at];
    at = (at + kBurst) & (kProbes - 1);
    if (burst) {
      for (std::size_t i = 0; i < kBurst; ++i) h.index.prefetch(p[i].hash);
      for (std::size_t i = 0; i < kBurst; ++i) {
        const EntryRef likely = h.index.candidate(p[i].hash);
        if (likely) h.store.prefetch(likely);
      }
    }
    for (std::size_t i = 0; i < kBurst; ++i) {
      const PackedTuple t = tuple_of(p[i].number);
      const EntryRef ref =
          h.index.find(p[i].hash, [&](EntryRef r) { return h.store.matches_v4(r, t); });
      if (!ref) continue;
      found += h.store.state(ref).snd_nxt.raw() + 1;
      if (again) (void)h.store.restart(p[i].hash, ref, h.now);
    }
  }
  if (!again && found != state.iterations() * kBurst) state.SkipWithError("entries are missing");
  report_each(state, kBurst);
}

/// Resident memory of the process with N entries less that with none, by entry.
void bytes(benchmark::State& state) {
  double each = 0;
  for (auto _ : state) {
    const double before = resident_bytes();
    const House h(static_cast<std::uint32_t>(state.range(0)));
    each = (resident_bytes() - before) / static_cast<double>(h.store.size());
  }
  state.counters["bytes_each"] = each;
}

void up_to_ten_million(benchmark::internal::Benchmark* b) { sizes(b, 10'000'000); }

BENCHMARK_CAPTURE(raw, one_by_one, false)->Apply(up_to_ten_million);
BENCHMARK_CAPTURE(raw, burst, true)->Apply(up_to_ten_million);
BENCHMARK(insert)->Apply(up_to_ten_million)->UseManualTime();
BENCHMARK(expire)->Apply(up_to_ten_million)->UseManualTime();
BENCHMARK_CAPTURE(find, one_by_one, false, false)->Apply(up_to_ten_million);
BENCHMARK_CAPTURE(find, burst, true, false)->Apply(up_to_ten_million);
BENCHMARK_CAPTURE(find, restart_in_burst, true, true)->Apply(up_to_ten_million);
BENCHMARK(bytes)->Apply(up_to_ten_million)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millrace::bench
