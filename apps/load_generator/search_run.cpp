// SPDX-License-Identifier: BSD-3-Clause
//
// How a generator is told which rate to try. One thread asks; the polling core takes it up in its
// next iteration.
#include "apps/load_generator/generator.h"

namespace millrace::load {

namespace {

constexpr Duration kUntilSteered = 1h;  // the schedule of a window; it is replaced long before

}  // namespace

void Generator::steer(double per_second, Duration settle, Duration window) {
  const std::uint32_t turn = asked_turn_.load(std::memory_order_relaxed);
  if (turn != turned_.load(std::memory_order_acquire)) return;  // not taken up yet
  asked_ = {per_second, settle, window};
  asked_turn_.store(turn + 1, std::memory_order_release);
}

void Generator::sustain_at(double per_second) { steer(per_second, {}, {}); }

void Generator::retune() {
  const Steering asked = asked_;
  turned_.store(asked_turn_.load(std::memory_order_relaxed), std::memory_order_release);
  miss_what_is_due();
  if (asked.window > 0s) {
    sustain_from_ = now_ + asked.settle;
    sustain_until_ = sustain_from_ + asked.window;
    const std::uint64_t turn = turned_.load(std::memory_order_relaxed);
    schedule_ = Schedule(now_, now_ + kUntilSteered, asked.per_second, plan_.arrivals, plan_.share,
                         Random(plan_.seed, turn << 32 | stream_of(plan_)));
    return;
  }
  if (asked.per_second <= 0) {
    schedule_ = {};
    return enter(Phase::collect);
  }
  searched_rate_ = asked.per_second;
  begin_load();
}

}  // namespace millrace::load
