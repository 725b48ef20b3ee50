// SPDX-License-Identifier: BSD-3-Clause
//
// Ephemeral ports by double hashing (RFC 6056 §3.3.4): where to begin is a keyed hash of (local
// address, remote address, remote port), how far along is a counter shared by the destinations of
// one cell. Each destination walks the whole range in order, so a port is used again as late as can
// be, and every port of the range can be reached.
//
// A call looks at no more than kMaxSteps candidates. The next call goes on where this one ended,
// and once a whole round has found nothing a call looks at kTiredSteps only: connecting while all
// ports are taken stays cheap. Ports given back meanwhile are remembered as hints, so that they are
// found at once. Near exhaustion a call may therefore say "none" although a few are left that were
// given back before anyone was looking; `whole_round` tells whether the range was really seen to be
// full.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "tcp/base/four_tuple.h"
#include "tcp/base/siphash.h"

namespace millrace::tcp {

/// What a candidate port is towards the destination in question.
enum class PortState : std::uint8_t {
  free,
  reusable,   // in TIME_WAIT, and the policy lets us take it: used where no free one is near
  time_wait,  // in TIME_WAIT, to be waited out
  in_use,
};

struct PortChoice {
  std::uint16_t port = 0;    // 0: none
  bool reusable = false;     // to be taken out of TIME_WAIT
  bool time_wait = false;    // none, and at least one of those seen was in TIME_WAIT
  bool whole_round = false;  // none, after every port of the range was looked at in turn
  std::uint32_t steps = 0;   // candidates looked at
};

class EphemeralPorts {
 public:
  static constexpr std::uint32_t kNearSteps = 32;  // before a reusable port is taken
  static constexpr std::uint32_t kMaxSteps = 1024;
  static constexpr std::uint32_t kTiredSteps = 16;
  static constexpr std::size_t kHints = 16;

  /// Ports [first, last]. `cells` is rounded up to a power of two; 64 bytes each.
  EphemeralPorts(SipKey key, std::uint16_t first, std::uint16_t last, std::uint32_t cells = 4096);

  /// `tuple` without its local port; `look(std::uint16_t local_port) -> PortState`.
  template <typename Look>
  [[nodiscard]] PortChoice choose(const FourTuple& tuple, Look&& look);

  /// A port that choose() gave is free again (its connection or TIME_WAIT entry is gone). Optional
  /// but for finding it fast near exhaustion; costs one comparison while nobody is short of ports.
  void released(const FourTuple& tuple) {
    if (short_cells_ != 0) remember(tuple);
  }

  [[nodiscard]] std::uint32_t count() const { return count_; }
  [[nodiscard]] std::size_t bytes() const { return cells_.size() * sizeof(Cell) + sizeof(memos_); }
  [[nodiscard]] bool contains(std::uint16_t port) const {
    return port >= first_ && port - first_ < static_cast<int>(count_);
  }

 private:
  struct alignas(64) Cell {
    std::uint32_t next = 0;       // how far along
    std::uint32_t owner = 0;      // fingerprint of the destination that `fruitless` speaks of
    std::uint32_t fruitless = 0;  // candidates in a row that were not free; 0: not short of ports
    std::uint8_t hint_begin = 0;
    std::uint8_t hint_count = 0;
    bool saw_time_wait = false;  // in the present round
    bool saw_before = false;     // in the round before
    std::array<std::uint16_t, kHints> hints{};
  };
  static_assert(sizeof(Cell) == 64);

  struct Spot {
    Cell& cell;
    std::uint32_t offset;  // into the range, of the next candidate
    std::uint32_t owner;
  };
  struct Search;

  /// The hash of a destination that was asked for lately. A memo: it changes what choosing costs,
  /// never what it says. Who opens many connections opens them to few destinations.
  struct Memo {
    Address local, remote;
    std::uint32_t remote_port = 0x1'0000;  // none has it
    std::uint64_t hash = 0;
  };
  static constexpr std::size_t kMemos = 64;

  [[nodiscard]] std::uint64_t hash_of(const FourTuple& tuple);
  [[nodiscard]] Spot spot(const FourTuple& tuple);
  [[nodiscard]] std::uint16_t port_at(std::uint32_t offset) const {
    return static_cast<std::uint16_t>(first_ + offset);
  }
  /// Candidates that this call may look at in order.
  [[nodiscard]] std::uint32_t allowance(const Spot& s) const;
  [[nodiscard]] static bool take_hint(const Spot& s, std::uint16_t& port);
  void remember(const FourTuple& tuple);
  void note_success(const Spot& s, std::uint16_t port);
  void note_failure(const Spot& s, PortChoice& choice);

  SipKey key_;
  std::uint16_t first_;
  std::uint32_t count_;
  std::uint32_t short_cells_ = 0;
  std::vector<Cell> cells_;
  std::array<Memo, kMemos> memos_{};
};

template <typename Look>
PortChoice EphemeralPorts::choose(const FourTuple& tuple, Look&& look) {
  PortChoice choice;
  Spot s = spot(tuple);
  std::uint16_t reusable = 0;
  const auto is_free = [&](std::uint16_t port) {
    ++choice.steps;
    switch (look(port)) {
      case PortState::free:
        return true;
      case PortState::reusable:
        if (reusable == 0) reusable = port;
        return false;
      case PortState::time_wait:
        choice.time_wait = true;
        return false;
      case PortState::in_use:
        return false;
    }
    return false;
  };
  const auto take = [&](std::uint16_t port, bool by_hint) {
    if (!by_hint) note_success(s, port);
    choice.port = port;
    choice.time_wait = false;
  };
  const std::uint32_t allowed = allowance(s);
  for (std::uint32_t step = 0; step < allowed; ++step) {
    const std::uint16_t port = port_at(s.offset);
    ++s.cell.next;
    if (++s.offset == count_) s.offset = 0;
    if (is_free(port)) {
      take(port, false);
      return choice;
    }
    if (step + 1 != kNearSteps && step + 1 != allowed) continue;
    // Not near: before going further, what others gave back, and what may be reused.
    for (std::uint16_t hint = 0; take_hint(s, hint);) {
      if (!is_free(hint)) continue;
      take(hint, true);
      return choice;
    }
    if (reusable != 0) {
      take(reusable, false);
      choice.reusable = true;
      return choice;
    }
  }
  note_failure(s, choice);
  return choice;
}

}  // namespace millrace::tcp
