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
//
// Where only some of the range will do (own_ports.h) the walk steps over the others: they are no
// candidates, and cost nothing.
#pragma once

#include <algorithm>
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
  std::uint32_t passed = 0;  // ports of the range gone over: these, and what is no candidate
};

/// Every port is a candidate.
struct AllPorts {
  [[nodiscard]] std::uint32_t next(std::uint32_t port) const { return port; }
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
  [[nodiscard]] PortChoice choose(const FourTuple& tuple, Look&& look) {
    return choose(tuple, AllPorts{}, look);
  }
  /// Among some ports: `candidates.next(port)` is the first that is not below `port`, or beyond the
  /// range.
  template <typename Candidates, typename Look>
  [[nodiscard]] PortChoice choose(const FourTuple& tuple, const Candidates& candidates,
                                  Look&& look);

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
  /// Goes on to the next candidate, itself included; returns how many ports that passes over.
  template <typename Candidates>
  [[nodiscard]] std::uint32_t pass_others(Spot& s, const Candidates& candidates) const;
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

template <typename Candidates>
std::uint32_t EphemeralPorts::pass_others(Spot& s, const Candidates& candidates) const {
  std::uint32_t passed = 0;
  std::uint32_t port = port_at(s.offset);
  std::uint32_t next = candidates.next(port);
  if (next == port) return 0;
  if (next - first_ >= count_) {
    passed = count_ - s.offset;
    port = first_;
    next = std::min<std::uint32_t>(candidates.next(first_), first_ + count_);
  }
  passed += next - port;
  s.cell.next += passed;
  s.offset = next - first_ < count_ ? next - first_ : 0;
  return passed;
}

template <typename Candidates, typename Look>
PortChoice EphemeralPorts::choose(const FourTuple& tuple, const Candidates& candidates,
                                  Look&& look) {
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
  for (std::uint32_t step = 1; choice.passed < count_; ++step) {
    choice.passed += pass_others(s, candidates);
    if (choice.passed < count_) {
      const std::uint16_t port = port_at(s.offset);
      ++choice.passed;
      ++s.cell.next;
      if (++s.offset == count_) s.offset = 0;
      if (is_free(port)) {
        take(port, false);
        return choice;
      }
    }
    const bool last = step == allowed || choice.passed >= count_;
    if (step != kNearSteps && !last) continue;
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
    if (last) break;
  }
  note_failure(s, choice);
  return choice;
}

}  // namespace millrace::tcp
