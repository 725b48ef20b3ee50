// SPDX-License-Identifier: BSD-3-Clause
//
// What a generator measures, in nanoseconds, and how another thread gets it while the run goes on:
// there are two sets of histograms, the polling core records into one, and changes to the other
// when it is asked to. Whoever asked then reads and clears the first at leisure.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "apps/report/histogram.h"

namespace millrace::load {

/// Times without `raw` count from when the schedule intended the start, those with it from the
/// actual one.
enum class Measure : std::uint8_t {
  connect,         // open to established
  connect_raw,     //
  first_byte,      // to the first byte of the answer
  first_byte_raw,  // from the request's start
  last_byte,       // to the last byte
  last_byte_raw,   // from the request's start
  close,           // from our close to the end of the connection; no schedule has it
  schedule_lag,    // how late a launch was
};
inline constexpr std::size_t kMeasures = 8;
/// In results.
inline constexpr std::array<std::string_view, kMeasures> kMeasureNames{
    "connect",   "connect_raw",   "first_byte", "first_byte_raw",
    "last_byte", "last_byte_raw", "close",      "schedule_lag"};
/// In histogram logs, which know TTFB and TTLB.
inline constexpr std::array<std::string_view, kMeasures> kMeasureTags{
    "connect", "connect_raw", "ttfb", "ttfb_raw", "ttlb", "ttlb_raw", "close", "schedule_lag"};

class Latencies {
 public:
  [[nodiscard]] report::Histogram& operator[](Measure m) { return of_[index(m)]; }
  [[nodiscard]] const report::Histogram& operator[](Measure m) const { return of_[index(m)]; }
  [[nodiscard]] const std::array<report::Histogram, kMeasures>& all() const { return of_; }

  void merge(const Latencies& other) {
    for (std::size_t i = 0; i < kMeasures; ++i) of_[i].merge(other.of_[i]);
  }
  void clear() {
    for (report::Histogram& h : of_) h.clear();
  }

 private:
  static std::size_t index(Measure m) { return static_cast<std::size_t>(m); }
  std::array<report::Histogram, kMeasures> of_;
};

class LatencyPair {
 public:
  // The polling core.
  [[nodiscard]] report::Histogram& operator[](Measure m) { return (*recording_)[m]; }
  /// Changes sets if that was asked for.
  void turn() {
    const std::uint32_t asked = asked_.load(std::memory_order_acquire);
    if (asked == turned_.load(std::memory_order_relaxed)) return;
    recording_ = &sets_[asked & 1];
    turned_.store(asked, std::memory_order_release);
  }

  // One other thread.
  /// Asks for a turn; nothing where one is due already.
  void ask() {
    if (resting() != nullptr) asked_.fetch_add(1, std::memory_order_release);
  }
  /// The set that is not recorded into, or null while a turn is due.
  [[nodiscard]] Latencies* resting() {
    const std::uint32_t turned = turned_.load(std::memory_order_acquire);
    if (turned != asked_.load(std::memory_order_relaxed)) return nullptr;
    return &sets_[~turned & 1];
  }

  /// After the polling core has stopped: both.
  [[nodiscard]] const std::array<Latencies, 2>& both() const { return sets_; }

 private:
  std::array<Latencies, 2> sets_;
  Latencies* recording_ = sets_.data();
  std::atomic<std::uint32_t> asked_{0};
  std::atomic<std::uint32_t> turned_{0};
};

}  // namespace millrace::load
