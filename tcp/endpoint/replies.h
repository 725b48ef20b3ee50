// SPDX-License-Identifier: BSD-3-Clause
//
// Segments that no connection owns: RST for closed ports (RFC 9293 §3.10.7.1), SYN-ACK and
// challenge ACK of half-open connections, ACK of TIME-WAIT. A bounded queue in order of arrival;
// what finds it full is not sent, and its cause will come again: a peer repeats what was not
// answered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "tcp/base/four_tuple.h"
#include "tcp/base/pool.h"
#include "tcp/base/seq.h"
#include "tcp/connection/config.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// A segment without payload and without SACK blocks.
struct Reply {
  FourTuple tuple;
  Seq seq;
  Seq ack;
  std::uint16_t window = 0;
  Flags flags;
  std::uint8_t ttl = 64;
  std::uint8_t dscp = 0;
  std::uint8_t options = 0;  // Options::has
  std::uint8_t window_scale = 0;
  std::uint16_t mss = 0;
  std::uint32_t tsval = 0;
  std::uint32_t tsecr = 0;

  void take_options(const Options& from) {
    options = from.has;
    window_scale = from.window_scale;
    mss = from.mss;
    tsval = from.tsval;
    tsecr = from.tsecr;
  }
};

/// The answer to a segment for which there is no connection (§3.10.7.1). Not to be called for RST:
/// a reset is never answered.
[[nodiscard]] Reply reset_for(const FourTuple& tuple, const SegmentIn& segment);
/// The same from a port whose listener has settings of its own.
[[nodiscard]] Reply reset_for(const FourTuple& tuple, const SegmentIn& segment,
                              const TcpConfig& config);

/// Writes every field of `out` that counts; no more is touched.
void write_reply(const Reply& reply, SegmentOut& out);

class Replies {
 public:
  static constexpr std::uint32_t kCapacity = 4096;  // a power of two

  Replies();

  /// A new one at the end, to be filled in place; null if the queue is full.
  [[nodiscard]] Reply* add() {
    if (full()) return nullptr;
    // Starting over whenever the queue is empty keeps the pages that are touched few.
    if (head_ == tail_) head_ = tail_ = 0;
    const std::uint32_t slot = tail_++ & (kCapacity - 1);
    if (slot >= high_water_) high_water_ = slot + 1;
    return new (slots_ + slot) Reply;
  }
  /// False if the queue is full.
  bool push(const Reply& reply);
  [[nodiscard]] bool empty() const { return head_ == tail_; }
  [[nodiscard]] bool full() const { return tail_ - head_ == kCapacity; }
  /// The oldest; the queue must not be empty. Stays readable until the next push().
  [[nodiscard]] const Reply& pop();

  [[nodiscard]] std::size_t reserved_bytes() const { return pages_.bytes(); }
  [[nodiscard]] std::size_t touched_bytes() const { return high_water_ * sizeof(Reply); }

 private:
  ReservedPages pages_;
  Reply* slots_;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  std::uint32_t high_water_ = 0;
};

}  // namespace millrace::tcp
