// SPDX-License-Identifier: BSD-3-Clause
//
// What the receivers of bulk data measure (autotune.h), one round trip at a time: a table of fixed
// size beside the connections, so that none of them carries it. A connection has one place, which
// its keyed timestamp offset says; who finds it taken by another that is active goes without, and
// its window stays as it is. Nothing is ever given back: a place whose owner fell silent is taken
// over.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "tcp/base/pool.h"
#include "tcp/base/seq.h"
#include "tcp/base/time.h"
#include "tcp/connection/connection.h"

namespace millrace::tcp {

struct ReceiveRound {
  std::uint32_t owner = 0;       // Connection::ts_offset
  std::uint32_t generation = 0;  // of the connection, and one bit more: 0 is nobody
  Seq began;                     // how far the application had read when the round began
  Stamp began_at = 0;
  Stamp rtt = 0;                 // 0: not known
  Stamp least_rtt = 0;           // of this round, by echoed timestamps; 0: none
  std::uint32_t most_bytes = 0;  // taken in any round
  Seq window_end;                // when RCV.NXT is here, a window has passed
  Stamp window_at = 0;           // since then
};
static_assert(sizeof(ReceiveRound) == 36);

class ReceiveRounds {
 public:
  /// Room for `capacity` connections, rounded up to a power of two.
  explicit ReceiveRounds(std::uint32_t capacity)
      : mask_(std::bit_ceil(capacity) - 1),
        pages_((std::size_t{mask_} + 1) * sizeof(ReceiveRound)) {}

  /// The connection's place, nullptr if it has none.
  [[nodiscard]] ReceiveRound* find(const Connection& c) {
    ReceiveRound& r = place(c);
    return is_of(r, c) ? &r : nullptr;
  }
  /// A place of its own, which begins now; nullptr if another one is active there.
  [[nodiscard]] ReceiveRound* claim(const Connection& c, Stamp now) {
    constexpr std::uint32_t kSilent = 1'000'000;  // a second
    ReceiveRound& r = place(c);
    if (r.generation != 0 && now - r.began_at < kSilent + 2 * r.rtt) return nullptr;
    ++claimed_;
    r = ReceiveRound{};
    r.owner = c.ts_offset;
    r.generation = tag_of(c);
    return &r;
  }

  [[nodiscard]] std::size_t reserved_bytes() const { return pages_.bytes(); }
  /// Of these at most: each place may lie in a page of its own.
  [[nodiscard]] std::size_t touched_bytes() const {
    constexpr std::uint64_t kPageBytes = 4096;
    return std::min<std::uint64_t>(pages_.bytes(), claimed_ * kPageBytes);
  }

 private:
  [[nodiscard]] static std::uint32_t tag_of(const Connection& c) {
    return 0x1'0000U | c.generation;
  }
  [[nodiscard]] static bool is_of(const ReceiveRound& r, const Connection& c) {
    return r.owner == c.ts_offset && r.generation == tag_of(c);
  }
  [[nodiscard]] ReceiveRound& place(const Connection& c) {
    return reinterpret_cast<ReceiveRound*>(pages_.data())[c.ts_offset & mask_];
  }

  std::uint32_t mask_;
  std::uint64_t claimed_ = 0;
  ReservedPages pages_;  // zeros are places that nobody has
};

}  // namespace millrace::tcp
