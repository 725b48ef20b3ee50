// SPDX-License-Identifier: BSD-3-Clause
//
// What does the Internet checksum cost by length, alone and while copying, beside the copy that
// would be made anyway? Lengths: a header, a header with options and 64 bytes, full segments of
// 1,448 and 8,948 bytes; the odd ones begin at an odd address and end with an odd byte.
#include "tcp/wire/checksum.h"

#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

namespace millrace::bench {
namespace {

struct Bytes {
  explicit Bytes(const benchmark::State& state)
      : length(static_cast<std::size_t>(state.range(0))), from(length + 64), to(length + 64) {
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 7);
    const std::size_t skip = length % 2;
    source = std::span(from).subspan(skip, length);
    target = to.data() + skip;
  }
  std::size_t length;
  std::vector<std::byte> from;
  std::vector<std::byte> to;
  std::span<const std::byte> source;
  std::byte* target = nullptr;
};

void finish(benchmark::State& state, const Bytes& bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes.length));
}

void sum(benchmark::State& state) {
  const Bytes bytes(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(tcp::checksum_finish(tcp::checksum_add(0, bytes.source)));
    benchmark::ClobberMemory();
  }
  finish(state, bytes);
}

void sum_and_copy(benchmark::State& state) {
  const Bytes bytes(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        tcp::checksum_finish(tcp::checksum_copy(0, bytes.source, bytes.target)));
    benchmark::ClobberMemory();
  }
  finish(state, bytes);
}

void copy(benchmark::State& state) {
  const Bytes bytes(state);
  for (auto _ : state) {
    std::memcpy(bytes.target, bytes.source.data(), bytes.source.size());
    benchmark::ClobberMemory();
  }
  finish(state, bytes);
}

void lengths(benchmark::internal::Benchmark* b) {
  for (const int length : {20, 96, 97, 1448, 1447, 8948}) b->Arg(length);
}

BENCHMARK(sum)->Apply(lengths);
BENCHMARK(sum_and_copy)->Apply(lengths);
BENCHMARK(copy)->Apply(lengths);

}  // namespace
}  // namespace millrace::bench
