// SPDX-License-Identifier: BSD-3-Clause
//
// One writer, many readers: each worker keeps plain counters of its own and publishes a copy a few
// times a second through a sequence lock, from which any thread may read a consistent snapshot.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dataplane/port.h"
#include "tcp/base/counters.h"
#include "tcp/base/drop.h"
#include "tcp/base/state.h"

namespace millrace {

struct WorkerStats {
  DropCounters drops;  // index `none`: frames delivered
  std::uint64_t rx_frames = 0;
  std::uint64_t tx_frames = 0;
  std::uint64_t tx_stalls = 0;         // iterations in which the port took less than it was given
  std::uint64_t buffer_stalls = 0;     // iterations in which no buffer could be had
  std::uint64_t unresolved_drops = 0;  // segments to a neighbour that did not answer, or no route
  std::uint64_t control_drops = 0;     // ARP, NDP and ICMP not sent for want of a buffer or of room
  std::uint64_t inbox_frames = 0;      // from other workers of the port; not in rx_frames
  std::uint64_t inbox_drops = 0;       // copies that other workers could not take
  std::uint64_t strays_passed = 0;     // segments that came here and went to their own core
  std::uint64_t strays_taken = 0;      // those that other workers passed here; not in rx_frames
  std::uint64_t iterations = 0;
  std::uint64_t busy_iterations = 0;
  std::uint64_t gaps = 0;  // times between iterations above 1 ms: the machine's, not ours
  std::uint64_t longest_gap_ns = 0;
  std::uint64_t clock_jumps = 0;  // see worker.h: each makes what was measured doubtful
};

struct StatsSnapshot {
  WorkerStats worker;
  PortStats port;
  tcp::Counters counters;
  tcp::StateCounts states;
  std::uint64_t memory_touched_bytes = 0;
};

/// A sequence lock around a T: one thread publishes, any thread reads a consistent copy. The words
/// are atomics, so readers race with nothing.
template <typename T>
class Board {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  void publish(const T& value) {
    const std::uint64_t s = sequence_.load(std::memory_order_relaxed);
    sequence_.store(s + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    std::uint64_t words[kWords] = {};
    std::memcpy(words, &value, sizeof value);
    for (std::size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_relaxed);
    sequence_.store(s + 2, std::memory_order_release);
  }

  [[nodiscard]] T read() const {
    std::uint64_t words[kWords];
    std::uint64_t before = 0;
    std::uint64_t after = 1;
    while (before != after || (before & 1) != 0) {
      before = sequence_.load(std::memory_order_acquire);
      for (std::size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);
      after = sequence_.load(std::memory_order_relaxed);
    }
    T value;
    std::memcpy(&value, words, sizeof value);
    return value;
  }

 private:
  static constexpr std::size_t kWords = (sizeof(T) + 7) / 8;
  std::atomic<std::uint64_t> sequence_{0};
  std::atomic<std::uint64_t> words_[kWords]{};
};

using StatsBoard = Board<StatsSnapshot>;

}  // namespace millrace
