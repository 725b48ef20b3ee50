// SPDX-License-Identifier: BSD-3-Clause
//
// What does a latency cost to record on a polling core, and what do the questions cost afterwards?
// Values as latencies are: most about 50 us, some ten times that, a few a thousand times.
#include "apps/report/histogram.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "bench/timing.h"

namespace millrace::bench {
namespace {

std::vector<std::uint64_t> latencies_ns() {
  std::vector<std::uint64_t> values(std::size_t{1} << 16);
  std::uint64_t random = 1;
  for (std::uint64_t& value : values) {
    const std::uint64_t r = next_random(random);
    value = 30'000 + r % 40'000;
    if (r >> 56 < 8) value *= 10;
    if (r >> 52 < 4) value *= 100;
  }
  return values;
}

void record(benchmark::State& state) {
  const std::vector<std::uint64_t> values = latencies_ns();
  report::Histogram histogram;
  std::size_t at = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBurst; ++i) histogram.record(values[at + i]);
    at = (at + kBurst) & (values.size() - 1);
  }
  if (histogram.count() != state.iterations() * kBurst) state.SkipWithError("values were lost");
  report_each(state, kBurst);
}

report::Histogram filled() {
  report::Histogram histogram;
  for (const std::uint64_t value : latencies_ns()) histogram.record(value);
  return histogram;
}

void percentile(benchmark::State& state) {
  const report::Histogram histogram = filled();
  for (auto _ : state) benchmark::DoNotOptimize(histogram.percentile(99.9));
}

void merge(benchmark::State& state) {
  const report::Histogram one = filled();
  report::Histogram total;
  for (auto _ : state) total.merge(one);
  benchmark::DoNotOptimize(total.count());
}

BENCHMARK(record);
BENCHMARK(percentile);
BENCHMARK(merge);

}  // namespace
}  // namespace millrace::bench
