// SPDX-License-Identifier: BSD-3-Clause
//
// What does it cost to find a connection among N, and how does that grow? The index with records of
// 128 bytes beside it, in random order, one by one and in bursts of 32 fetched ahead; beside it the
// raw cost of reading one line and one record of tables of that size.
#include <benchmark/benchmark.h>

#include <memory>

#include "bench/timing.h"
#include "tcp/connection/connection.h"
#include "tcp/endpoint/index.h"

namespace millrace::bench {
namespace {

using tcp::EntryKind;
using tcp::EntryRef;
using tcp::Index;

struct Record {
  PackedTuple tuple;
  std::uint8_t rest[sizeof(tcp::Connection) - sizeof(PackedTuple)];
};
static_assert(sizeof(Record) == 128);

/// N entries in an index for 1.25 N.
struct Table {
  Index index;
  ReservedPages pages;
  std::vector<Probe> hits;
  std::vector<Probe> misses;

  explicit Table(std::uint32_t count)
      : index(count + count / 4),
        pages(std::size_t{count} * sizeof(Record)),
        hits(probes(0, count)),
        misses(probes(count, count)) {
    for (std::uint32_t i = 0; i < count; ++i) {
      record(i).tuple = tuple_of(i);
      const bool inserted =
          index.insert(kHasher.v4(tuple_of(i)), EntryRef(EntryKind::connection, i));
      if (!inserted) std::abort();
    }
  }
  [[nodiscard]] Record& record(std::uint32_t i) const {
    return reinterpret_cast<Record*>(pages.data())[i];
  }
  [[nodiscard]] EntryRef find(std::uint64_t hash, const PackedTuple& t) const {
    return index.find(hash, [&](EntryRef ref) { return record(ref.index()).tuple == t; });
  }
};

/// One table at a time: made for the first benchmark of its size.
Table& table(std::int64_t count) {
  static std::unique_ptr<Table> made;
  static std::int64_t made_for = 0;
  if (made_for != count) {
    made.reset();
    made = std::make_unique<Table>(static_cast<std::uint32_t>(count));
    made_for = count;
  }
  return *made;
}

void run_find(benchmark::State& state, const Table& t, const std::vector<Probe>& all, bool burst) {
  std::size_t at = 0;
  std::uint64_t found = 0;
  for (auto _ : state) {
    const Probe* p = &all[at];
    at = (at + kBurst) & (kProbes - 1);
    if (burst) {
      for (std::size_t i = 0; i < kBurst; ++i) t.index.prefetch(p[i].hash);
      for (std::size_t i = 0; i < kBurst; ++i) {
        const EntryRef likely = t.index.candidate(p[i].hash);
        if (likely) __builtin_prefetch(&t.record(likely.index()));
      }
    }
    for (std::size_t i = 0; i < kBurst; ++i) {
      found += t.find(p[i].hash, tuple_of(p[i].number)).exists() ? 1 : 0;
    }
  }
  benchmark::DoNotOptimize(found);
  report_each(state, kBurst);
}

void raw_read(benchmark::State& state, bool burst) {
  Table& t = table(state.range(0));
  const Raw raw(t.index.bucket_count(), static_cast<std::uint64_t>(state.range(0)), sizeof(Record));
  run_raw(state, raw, t.hits, burst, false);
}
void hit(benchmark::State& state, bool burst) {
  run_find(state, table(state.range(0)), table(state.range(0)).hits, burst);
}
void miss(benchmark::State& state, bool burst) {
  run_find(state, table(state.range(0)), table(state.range(0)).misses, burst);
}

/// A connection comes and one goes: insert and erase of an entry, the population staying the same.
void insert_and_erase(benchmark::State& state) {
  Table& t = table(state.range(0));
  const EntryRef ref(EntryKind::half_open, 0);
  std::size_t at = 0;
  for (auto _ : state) {
    const Probe* p = &t.misses[at];
    at = (at + kBurst) & (kProbes - 1);
    for (std::size_t i = 0; i < kBurst; ++i) t.index.prefetch(p[i].hash);
    for (std::size_t i = 0; i < kBurst; ++i) {
      if (!t.index.insert(p[i].hash, ref) || !t.index.erase(p[i].hash, ref)) std::abort();
    }
  }
  report_each(state, kBurst);
}

void hash(benchmark::State& state) {
  std::uint32_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(kHasher.v4(tuple_of(++i)));
}

void up_to_ten_million(benchmark::internal::Benchmark* b) { sizes(b, 10'000'000); }

BENCHMARK(hash);
BENCHMARK_CAPTURE(raw_read, one_by_one, false)->Apply(up_to_ten_million);
BENCHMARK_CAPTURE(hit, one_by_one, false)->Apply(up_to_ten_million);
BENCHMARK_CAPTURE(miss, one_by_one, false)->Apply(up_to_ten_million);
BENCHMARK_CAPTURE(raw_read, burst, true)->Apply(up_to_ten_million);
BENCHMARK_CAPTURE(hit, burst, true)->Apply(up_to_ten_million);
BENCHMARK_CAPTURE(miss, burst, true)->Apply(up_to_ten_million);
BENCHMARK(insert_and_erase)->Apply(up_to_ten_million);

}  // namespace
}  // namespace millrace::bench
