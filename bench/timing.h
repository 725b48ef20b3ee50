// SPDX-License-Identifier: BSD-3-Clause
//
// What the benchmarks of tables and wheels share: a clock for parts of an iteration, random order,
// and the yardstick, the raw cost of touching a bucket and a record somewhere in memory.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "tcp/base/packed_tuple.h"
#include "tcp/base/pool.h"
#include "tcp/base/siphash.h"
#include "tcp/endpoint/tuple_hash.h"

namespace millrace::bench {

inline constexpr SipKey kKey{0x1234, 0x5678};
inline const tcp::TupleHasher kHasher(kKey);
inline constexpr std::size_t kBurst = 32;
inline constexpr std::size_t kProbes = std::size_t{1} << 20;

/// Reports the CPU time of one of `items` done in each iteration as `each`, in seconds.
inline void report_each(benchmark::State& state, std::size_t items) {
  using benchmark::Counter;
  state.counters["each"] = Counter(static_cast<double>(state.iterations() * items),
                                   Counter::Flags(Counter::kIsRate | Counter::kInvert));
}

/// Times parts of iterations, for benchmarks with UseManualTime(): `each` is the median over the
/// iterations, which other processes' use of the core does not move.
class Stopwatch {
 public:
  Stopwatch(benchmark::State& state, std::size_t items_each) : state_(state), items_(items_each) {}
  ~Stopwatch() {
    if (laps_.empty()) return;
    const auto middle = laps_.begin() + static_cast<std::ptrdiff_t>(laps_.size() / 2);
    std::nth_element(laps_.begin(), middle, laps_.end());
    state_.counters["each"] = *middle / static_cast<double>(items_);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  template <typename Work>
  void lap(Work&& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    laps_.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    state_.SetIterationTime(laps_.back());
  }

 private:
  benchmark::State& state_;
  std::size_t items_;
  std::vector<double> laps_;
};

inline std::uint64_t next_random(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// The tuple of entry `number`: a server and its clients.
inline PackedTuple tuple_of(std::uint32_t number) {
  return {0xC6120001, 0x0a000000 + number / 64'000, 80,
          static_cast<std::uint16_t>(1024 + number % 64'000)};
}

struct Probe {
  std::uint64_t hash;
  std::uint32_t number;
};
/// A million of the numbers [first, first + count) in random order, with their hashes: read in
/// sequence, so that drawing and hashing are not part of what is measured.
inline std::vector<Probe> probes(std::uint32_t first, std::uint32_t count) {
  std::vector<Probe> result(kProbes);
  std::uint64_t state = 1;
  for (Probe& p : result) {
    p.number = first + static_cast<std::uint32_t>(next_random(state) % count);
    p.hash = kHasher.v4(tuple_of(p.number));
  }
  return result;
}

/// The yardstick: lines of 64 bytes and records of `record_bytes`, both at random.
class Raw {
 public:
  Raw(std::uint64_t lines, std::uint64_t records, std::size_t record_bytes)
      : lines_(lines * 64),
        records_(records * record_bytes),
        count_(lines),
        record_count_(records),
        record_bytes_(record_bytes) {
    for (std::size_t i = 0; i < lines_.bytes(); i += 64) lines_.data()[i] = std::byte{1};
    for (std::size_t i = 0; i < records_.bytes(); i += 64) records_.data()[i] = std::byte{1};
  }

  [[nodiscard]] std::uint64_t* line(std::uint64_t hash) const {
    const auto at = static_cast<std::size_t>((static_cast<unsigned __int128>(hash) * count_) >> 64);
    return reinterpret_cast<std::uint64_t*>(lines_.data() + at * 64);
  }
  /// Depends on what was read from the line, as a lookup does.
  [[nodiscard]] std::uint32_t* record(std::uint32_t number, std::uint64_t from_line) const {
    const std::size_t at = (number + (from_line & 2)) % record_count_;
    return reinterpret_cast<std::uint32_t*>(records_.data() + at * record_bytes_);
  }

 private:
  ReservedPages lines_;
  ReservedPages records_;
  std::uint64_t count_;
  std::uint64_t record_count_;
  std::size_t record_bytes_;
};

/// Reads (or with `write` changes) one bucket and one record for each probe; one by one, or in
/// bursts whose lines are fetched ahead in two rounds.
inline void run_raw(benchmark::State& state, const Raw& raw, const std::vector<Probe>& all,
                    bool burst, bool write) {
  std::size_t at = 0;
  std::uint64_t sum = 0;
  for (auto _ : state) {
    const Probe* p = &all[at];
    at = (at + kBurst) & (kProbes - 1);
    if (burst) {
      for (std::size_t i = 0; i < kBurst; ++i) __builtin_prefetch(raw.line(p[i].hash), 1);
      for (std::size_t i = 0; i < kBurst; ++i) {
        __builtin_prefetch(raw.record(p[i].number, *raw.line(p[i].hash)), 1);
      }
    }
    for (std::size_t i = 0; i < kBurst; ++i) {
      std::uint64_t* line = raw.line(p[i].hash);
      std::uint32_t* record = raw.record(p[i].number, *line);
      sum += *record;
      if (write) ++line[1], ++record[1];
    }
  }
  benchmark::DoNotOptimize(sum);
  report_each(state, kBurst);
}

/// Sizes up to `usual`, and further ones up to a hundred million if MILLRACE_BENCH_LARGE is set.
inline void sizes(benchmark::internal::Benchmark* b, std::int64_t usual) {
  const std::int64_t most = std::getenv("MILLRACE_BENCH_LARGE") != nullptr ? 100'000'000 : usual;
  for (std::int64_t n = 10'000; n <= most; n *= 10) b->Arg(n);
}

}  // namespace millrace::bench
