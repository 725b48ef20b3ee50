// SPDX-License-Identifier: BSD-3-Clause
//
// Connections whose segments a router's packet-too-big made smaller, the earliest first. Ten
// minutes after the last of these the old size is tried again (RFC 1191 §6.3, RFC 8201 §4): routes
// change, and errors are forged. If the path still is as narrow, the router says so once more.
//
// Bounded: what finds it full keeps its small segments, as it does where a connection ends and its
// slot is used again. Looked through only when an error was believed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "tcp/base/pool.h"
#include "tcp/base/time.h"
#include "tcp/endpoint/app.h"

namespace millrace::tcp {

class LoweredPaths {
 public:
  static constexpr Duration kRest = 10min;
  static constexpr std::uint32_t kCapacity = 1024;  // a power of two

  struct Path {
    ConnectionId id;  // generation 0: it was lowered again, and has a later entry
    std::uint16_t mss = 0;
    Instant due{};
  };

  LoweredPaths()
      : pages_(kCapacity * sizeof(Path)), paths_(reinterpret_cast<Path*>(pages_.data())) {}

  [[nodiscard]] bool empty() const { return head_ == tail_; }
  [[nodiscard]] Instant next() const { return at(head_).due; }

  /// `mss` is what it was before. Of several times the largest counts, and the last begins the
  /// rest.
  void add(ConnectionId id, std::uint16_t mss, Instant now) {
    for (std::uint32_t i = head_; i != tail_; ++i) {
      Path& path = at(i);
      if (path.id != id) continue;
      mss = std::max(mss, path.mss);
      path.id.generation = 0;
    }
    while (!empty() && at(head_).id.generation == 0) ++head_;
    if (tail_ - head_ == kCapacity) return;
    at(tail_++) = {id, mss, now + kRest};
    most_ = std::max(most_, std::min(tail_, kCapacity));
  }
  /// Takes one whose rest is over.
  [[nodiscard]] std::optional<Path> pop_due(Instant now) {
    while (!empty() && (next() <= now || at(head_).id.generation == 0)) {
      const Path path = at(head_++);
      if (path.id.generation != 0) return path;
    }
    return std::nullopt;
  }

  [[nodiscard]] std::size_t reserved_bytes() const { return pages_.bytes(); }
  [[nodiscard]] std::size_t touched_bytes() const { return most_ * sizeof(Path); }

 private:
  [[nodiscard]] Path& at(std::uint32_t i) const { return paths_[i & (kCapacity - 1)]; }

  ReservedPages pages_;
  Path* paths_;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  std::uint32_t most_ = 0;
};

}  // namespace millrace::tcp
