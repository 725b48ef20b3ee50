// SPDX-License-Identifier: BSD-3-Clause
//
// Frames on their way out, in one array and in this order: written and waiting for the port, then
// empty ones. A segment is written into the first empty frame where it lies, so that nothing is
// moved between two lists; who needs a frame of its own (control, a frame to be parked) takes the
// last.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "dataplane/port.h"
#include "tcp/base/check.h"

namespace millrace {

class Outbox {
 public:
  /// Room for `capacity` frames in all.
  explicit Outbox(std::size_t capacity) : frames_(capacity) {}

  [[nodiscard]] std::size_t empty_count() const { return end_ - written_; }
  [[nodiscard]] bool is_waiting() const { return first_ != written_; }
  /// Complete, in order.
  [[nodiscard]] std::span<Frame> waiting() { return {frames_.data() + first_, written_ - first_}; }
  [[nodiscard]] std::span<Frame> empty() { return {frames_.data() + written_, empty_count()}; }

  /// The frame that is to be written next; there must be an empty one.
  [[nodiscard]] Frame& next() { return frames_.data()[written_]; }
  /// What next() gave is complete.
  void commit() { ++written_; }

  /// An empty frame for somebody else's use.
  [[nodiscard]] Frame take() {
    MR_CHECK(end_ != written_);
    return frames_[--end_];
  }
  /// A complete frame that was not written here, behind those that wait.
  void push(const Frame& frame) {
    if (end_ == frames_.size()) close_gap();
    MR_CHECK(end_ < frames_.size());
    frames_[end_++] = frames_[written_];
    frames_[written_++] = frame;
  }

  /// Hands over what waits; returns how many frames the port took.
  std::size_t send(Port& port) {
    const std::size_t sent = port.tx_burst(waiting());
    first_ += sent;
    return sent;
  }
  /// Gets empty frames, as many as the port has and `wanted` are missing.
  void refill(Port& port, std::size_t wanted) {
    const std::size_t have = empty_count();
    if (have >= wanted) return;
    close_gap();
    end_ += port.allocate(std::span(frames_).subspan(end_, wanted - have));
  }

 private:
  /// Moves everything to the front of the array, where frames that were sent lay.
  void close_gap() {
    std::copy(frames_.begin() + static_cast<std::ptrdiff_t>(first_),
              frames_.begin() + static_cast<std::ptrdiff_t>(end_), frames_.begin());
    written_ -= first_;
    end_ -= first_;
    first_ = 0;
  }

  std::vector<Frame> frames_;
  // [first_, written_) wait, [written_, end_) are empty.
  std::size_t first_ = 0;
  std::size_t written_ = 0;
  std::size_t end_ = 0;
};

}  // namespace millrace
