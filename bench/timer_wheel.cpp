// SPDX-License-Identifier: BSD-3-Clause
//
// What does a timer cost among a million: to arm, to push later, to pull earlier, to take out, to
// let fire, and what does the wheel cost when nothing is due? The nodes lie in connections of 128
// bytes, taken at random, their line fetched before (a segment has touched its connection by then).
#include "tcp/endpoint/timer_wheel.h"

#include <benchmark/benchmark.h>

#include "bench/timing.h"
#include "tcp/connection/connection.h"

namespace millrace::bench {
namespace {

using tcp::Connection;
using tcp::WheelNode;

struct Nodes {
  Connection* connections;
  [[nodiscard]] WheelNode& node(std::uint32_t i) const { return connections[i].timer; }
  void fetch(std::uint32_t i) const {
    __builtin_prefetch(&connections[i], 1);
    __builtin_prefetch(&connections[i].timer, 1);
  }
};
using Wheel = tcp::TimerWheel<Nodes>;

constexpr Tick kRto = 200'000 / 65;       // 200 ms
constexpr Tick kSpread = 1'000'000 / 65;  // deadlines spread over a second

struct Timers {
  ReservedPages pages;
  std::uint32_t count;
  Wheel wheel;
  std::uint64_t random = 1;

  explicit Timers(std::int64_t n)
      : pages(static_cast<std::size_t>(n) * sizeof(Connection)),
        count(static_cast<std::uint32_t>(n)),
        wheel(Nodes{reinterpret_cast<Connection*>(pages.data())}, count, 0) {
    for (std::uint32_t i = 0; i < count; ++i) new (&connection(i)) Connection{};
  }
  [[nodiscard]] Connection& connection(std::uint32_t i) const {
    return reinterpret_cast<Connection*>(pages.data())[i];
  }
  std::uint32_t draw() { return static_cast<std::uint32_t>(next_random(random)); }
  Tick deadline() { return wheel.base() + kRto + draw() % kSpread; }
  void arm_all() {
    for (std::uint32_t i = 0; i < count; ++i) wheel.arm(i, deadline());
  }
};

/// Applies `work(index, tick)` to bursts of random connections whose timers' lines are loaded; all
/// else, `around` included, is not timed.
template <typename Work, typename Around>
void time_bursts(benchmark::State& state, Timers& t, Work&& work, Around&& around) {
  constexpr std::size_t kMany = 256;
  std::array<std::uint32_t, kMany> chosen;
  std::array<Tick, kMany> ticks;
  Stopwatch watch(state, kMany);
  for (auto _ : state) {
    for (std::size_t i = 0; i < kMany; ++i) {
      chosen[i] = t.draw() % t.count;
      ticks[i] = t.deadline();
    }
    around(chosen);
    std::uint32_t sum = 0;
    for (const std::uint32_t i : chosen) sum += t.connection(i).timer.filed;
    benchmark::DoNotOptimize(sum);
    watch.lap([&] {
      for (std::size_t i = 0; i < kMany; ++i) work(chosen[i], ticks[i]);
    });
  }
}

constexpr auto kNothing = [](const auto&) {};

void arm(benchmark::State& state) {
  Timers t(state.range(0));
  t.arm_all();
  time_bursts(
      state, t, [&](std::uint32_t i, Tick at) { t.wheel.arm(i, at); },
      [&](const auto& chosen) {
        for (const std::uint32_t i : chosen) t.wheel.disarm(i);
      });
}

void push_later(benchmark::State& state) {
  Timers t(state.range(0));
  t.arm_all();
  time_bursts(
      state, t, [&](std::uint32_t i, Tick at) { t.wheel.arm(i, at + kRto + kSpread); }, kNothing);
}

void pull_earlier(benchmark::State& state) {
  Timers t(state.range(0));
  t.arm_all();
  // Earlier than it was by one tick, so that it must move; put back later by around().
  time_bursts(
      state, t,
      [&](std::uint32_t i, Tick) { t.wheel.arm(i, t.connection(i).timer.filed - kRto / 2); },
      [&](const auto& chosen) {
        for (const std::uint32_t i : chosen) {
          t.wheel.disarm(i);
          t.wheel.arm(i, t.deadline());
        }
      });
}

void unlink_at_free(benchmark::State& state) {
  Timers t(state.range(0));
  t.arm_all();
  std::vector<std::uint32_t> before;
  time_bursts(
      state, t, [&](std::uint32_t i, Tick) { t.wheel.disarm(i); },
      [&](const auto& chosen) {
        for (const std::uint32_t i : before) t.wheel.arm(i, t.deadline());
        before.assign(chosen.begin(), chosen.end());
      });
}

/// A million fire in one tick, 256 at a call; and the same with deadlines spread over a second.
void fire(benchmark::State& state, bool storm) {
  Timers t(state.range(0));
  Stopwatch watch(state, t.count);
  for (auto _ : state) {
    const Tick base = t.wheel.base();
    for (std::uint32_t i = 0; i < t.count; ++i) {
      t.wheel.arm(i, storm ? base + kRto : base + kRto + t.draw() % kSpread);
    }
    std::uint32_t fired = 0;
    watch.lap([&] {
      for (Tick now = base; fired < t.count; now += 4) {
        while (t.wheel
                   .advance(now, 256,
                            [&](std::uint32_t i) {
                              benchmark::DoNotOptimize(t.connection(i).send_deadline);
                              ++fired;
                            })
                   .more) {
        }
      }
    });
  }
}

/// An iteration of a core in which no timer is due.
void nothing_due(benchmark::State& state) {
  Timers t(state.range(0));
  for (std::uint32_t i = 0; i < t.count; ++i) t.wheel.arm(i, 0x7000'0000 - (t.draw() % kSpread));
  Tick now = 0;
  std::uint32_t fired = 0;
  for (auto _ : state) {
    fired += t.wheel.advance(now++, 256, [](std::uint32_t) {}).fired;
  }
  if (fired != 0) state.SkipWithError("something was due");
}

void populations(benchmark::internal::Benchmark* b) {
  for (const std::int64_t n : {1'000, 100'000, 1'000'000, 10'000'000}) b->Arg(n);
}

BENCHMARK(arm)->Apply(populations)->UseManualTime();
BENCHMARK(push_later)->Apply(populations)->UseManualTime();
BENCHMARK(pull_earlier)->Apply(populations)->UseManualTime();
BENCHMARK(unlink_at_free)->Apply(populations)->UseManualTime();
BENCHMARK_CAPTURE(fire, in_one_tick, true)->Arg(1'000'000)->UseManualTime();
BENCHMARK_CAPTURE(fire, over_a_second, false)->Arg(1'000'000)->UseManualTime();
BENCHMARK(nothing_due)->Arg(1'000'000);

}  // namespace
}  // namespace millrace::bench
