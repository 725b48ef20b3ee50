// SPDX-License-Identifier: BSD-3-Clause
//
// A hierarchical timer wheel: four levels of 256 slots cover all 2^32 ticks of 65.536 us. A slot is
// a list of chunks of a cache line, with the indices of its nodes; a node knows its place in them.
// A walk over a slot therefore sees which nodes come next and fetches them ahead, where a list
// through the nodes would wait for each in turn: among millions of connections that was half of a
// request. Only the first chunk of a slot is not full. An armed timer costs its twelve bytes in the
// owner and at most five here.
//
// A node lies at the level of the highest byte in which its tick differs from `base_`, the next
// tick to be processed, in the slot of that byte. When base_ enters a slot of a higher level, its
// nodes are filed again further down. Occupancy bitmaps let base_ jump over empty time.
//
// One node serves the earliest of its owner's deadlines. Arming later leaves the node where it is:
// it fires early and the owner, finding nothing due, arms it again. Cancelling is the same. Only an
// owner that goes away must call disarm().
//
// Never early by the tick it is filed under; late only as far as the caller's budget defers it.
// Each node fired or filed again costs one of the budget, so a storm is spread over calls.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "tcp/base/check.h"
#include "tcp/base/pool.h"
#include "tcp/base/time.h"
#include "tcp/connection/connection.h"

namespace millrace::tcp {

/// Nodes: a cheap copyable object with `WheelNode& node(std::uint32_t index)`, and
/// `fetch(std::uint32_t index)`, which may prefetch what firing will touch.
template <typename Nodes>
class TimerWheel {
 public:
  /// For `count` nodes. `start`: the time before the first advance().
  TimerWheel(Nodes nodes, std::uint32_t count, Tick start)
      : nodes_(nodes),
        chunks_(count / kEntries + kLevels * kSlots + 1),
        base_(start),
        quiet_until_(start) {
    for (auto& level : heads_) level.fill(kNil);
  }

  /// Begins anew at `start`, with nothing armed.
  void restart(Tick start) {
    MR_CHECK(armed_ == 0);
    base_ = quiet_until_ = start;
  }

  /// Sees to it that `index` fires at `at` or before; with the next advance() if `at` has passed.
  /// `at` must lie no further ahead than kMaxTimeout. A node filed earlier stays.
  void arm(std::uint32_t index, Tick at) { arm(index, nodes_.node(index), at); }
  /// The same with the node at hand.
  void arm(std::uint32_t index, WheelNode& n, Tick at) {
    if (n.place != kNil) {
      if (!tick_before(at, n.filed)) return;
      unlink(n);
    } else {
      ++armed_;
    }
    const Tick floor = firing_ ? base_ + 1 : base_;
    if (tick_before(at, floor)) at = floor;
    if (tick_before(at, quiet_until_)) quiet_until_ = at;
    file(index, n, at);
  }

  /// Takes a node out, if it is in: for an owner that goes away.
  void disarm(std::uint32_t index) {
    WheelNode& n = nodes_.node(index);
    if (n.place == kNil) return;
    unlink(n);
    n.place = kNil;
    --armed_;
  }

  [[nodiscard]] bool is_armed(std::uint32_t index) { return nodes_.node(index).place != kNil; }

  struct Progress {
    std::uint32_t fired = 0;
    std::uint32_t steps = 0;  // of the budget: nodes fired and nodes filed again
    bool more = false;        // the budget ended before the work did
  };

  /// Fires what is filed under ticks up to and including `now`, in order of tick: calls
  /// `fire(index)` with the node already out of the wheel, free to be armed again or to go away.
  /// Other nodes may be armed and disarmed from within. At most `budget` steps.
  template <typename Fire>
  Progress advance(Tick now, std::uint32_t budget, Fire&& fire) {
    Progress done;
    if (tick_before(now, quiet_until_)) return done;
    while (!tick_before(now, base_)) {
      if (const Slot from = pending(); from.level != 0) {
        if (!refile(from, budget, done)) return done;
        continue;
      }
      const std::optional<Tick> next = next_work();
      if (!next || tick_before(now, *next)) {
        base_ = now + 1;
        // Bounded, so that base_ never lags so far behind that ticks ahead of it look past.
        const Tick limit = base_ + kLongestQuiet;
        quiet_until_ = next && tick_before(*next, limit) ? *next : limit;
        return done;
      }
      base_ = *next;
      if (pending().level != 0) continue;
      if (!fire_slot(base_ & kMask, budget, done, fire)) return done;
      ++base_;
    }
    quiet_until_ = base_;
    return done;
  }

  /// When advance() has work next: never later than the earliest node, earlier by as much as filing
  /// again takes. Nothing if no node is armed.
  [[nodiscard]] std::optional<Tick> next_tick() const {
    const std::optional<Tick> next = next_work();
    return next && tick_before(*next, quiet_until_) ? quiet_until_ : next;
  }

  [[nodiscard]] std::uint32_t armed() const { return armed_; }
  /// The next tick to be processed: everything before it has fired. Lags behind in quiet times.
  [[nodiscard]] Tick base() const { return base_; }

  [[nodiscard]] std::size_t reserved_bytes() const {
    return std::size_t{chunks_.capacity()} * sizeof(Chunk);
  }
  [[nodiscard]] std::size_t touched_bytes() const {
    return std::size_t{chunks_.touched()} * sizeof(Chunk);
  }

 private:
  static constexpr unsigned kLevels = 4;
  static constexpr unsigned kBits = 8;
  static constexpr unsigned kSlots = 1U << kBits;
  static constexpr Tick kMask = kSlots - 1;
  static constexpr Tick kLongestQuiet = Tick{1} << 24;  // 18 minutes
  static constexpr std::uint32_t kEntries = 14;
  static constexpr std::uint32_t kPlaces = 16;  // WheelNode::place is chunk * kPlaces + entry
  static constexpr std::uint32_t kAhead = 8;    // nodes that are fetched before their turn

  struct Chunk {
    std::uint32_t next = kNil;  // of the same slot, and full
    std::uint32_t count = 0;    // of entries: more than none
    std::array<std::uint32_t, kEntries> nodes{};
  };
  static_assert(sizeof(Chunk) == 64);

  struct Slot {
    unsigned level = 0;
    unsigned number = 0;
  };

  /// The slot of a higher level that base_ has entered and that still holds nodes; level 0: none.
  [[nodiscard]] Slot pending() const {
    for (unsigned level = kLevels - 1; level > 0; --level) {
      const unsigned number = (base_ >> (level * kBits)) & kMask;
      if (heads_[level][number] != kNil) return {level, number};
    }
    return {};
  }

  [[nodiscard]] std::optional<Tick> next_work() const {
    if (armed_ == 0) return std::nullopt;
    if (pending().level != 0) return base_;
    if (const int s = next_occupied(0, base_ & kMask); s >= 0) {
      return (base_ & ~kMask) | static_cast<Tick>(s);
    }
    for (unsigned level = 1; level < kLevels; ++level) {
      const unsigned shift = level * kBits;
      const Tick above = static_cast<Tick>(~((std::uint64_t{1} << (shift + kBits)) - 1));
      if (const int s = next_occupied(level, ((base_ >> shift) & kMask) + 1); s >= 0) {
        return (base_ & above) | (static_cast<Tick>(s) << shift);
      }
    }
    // The uppermost level is a circle: what remains lies beyond the wrap of the tick.
    const int s = next_occupied(kLevels - 1, 0);
    MR_DCHECK(s >= 0);
    return static_cast<Tick>(s) << ((kLevels - 1) * kBits);
  }

  void file(std::uint32_t index, WheelNode& n, Tick at) {
    const Tick differing = at ^ base_;
    const unsigned level =
        differing == 0 ? 0 : (31U - static_cast<unsigned>(std::countl_zero(differing))) / kBits;
    const unsigned number = (at >> (level * kBits)) & kMask;
    std::uint32_t& head = heads_[level][number];
    if (head == kNil || chunks_[head].count == kEntries) add_chunk({level, number});
    Chunk& chunk = chunks_[head];
    n.filed = at;
    n.slot = (level << kBits) | number;
    n.place = head * kPlaces + chunk.count;
    chunk.nodes.data()[chunk.count++] = index;
  }

  [[gnu::noinline]] void add_chunk(Slot slot) {
    std::uint32_t& head = heads_[slot.level][slot.number];
    const std::uint32_t fresh = chunks_.create();
    MR_CHECK(fresh != kNil);  // there is one for every slot, and for all that are full
    chunks_[fresh].next = head;
    head = fresh;
    occupied_[slot.level][slot.number / 64] |= std::uint64_t{1} << (slot.number % 64);
  }

  /// Takes the last node out of the first chunk of a slot that is not empty.
  std::uint32_t take_last(Slot slot) {
    std::uint32_t& head = heads_[slot.level][slot.number];
    Chunk& chunk = chunks_[head];
    const std::uint32_t index = chunk.nodes.data()[--chunk.count];
    if (chunk.count == 0) {
      const std::uint32_t spent = head;
      head = chunk.next;
      chunks_.free(spent);
      if (head == kNil) {
        occupied_[slot.level][slot.number / 64] &= ~(std::uint64_t{1} << (slot.number % 64));
      }
    }
    return index;
  }

  /// Out of its slot, whose last node takes its place; leaves n.place for the caller to set.
  void unlink(const WheelNode& n) {
    const std::uint32_t last = take_last({n.slot >> kBits, n.slot & kMask});
    WheelNode& moved = nodes_.node(last);
    if (&moved == &n) return;
    chunks_[n.place / kPlaces].nodes.data()[n.place % kPlaces] = last;
    moved.place = n.place;
  }

  /// Calls fetch(index) for the nodes whose turn comes first.
  template <typename Fetch>
  void fetch_first(Slot slot, Fetch&& fetch) {
    const std::uint32_t head = heads_[slot.level][slot.number];
    if (head == kNil) return;
    const Chunk& chunk = chunks_[head];
    if (chunk.next != kNil) chunks_.prefetch(chunk.next);
    for (std::uint32_t i = 1; i <= kAhead; ++i) fetch_ahead(chunk, i, fetch);
  }
  /// The same for the one whose turn comes `ahead` turns from now.
  template <typename Fetch>
  void fetch_ahead(const Chunk& chunk, std::uint32_t ahead, Fetch&& fetch) {
    if (chunk.count >= ahead) {
      fetch(chunk.nodes.data()[chunk.count - ahead]);
    } else if (chunk.next != kNil) {
      const Chunk& next = chunks_[chunk.next];
      if (next.next != kNil) chunks_.prefetch(next.next);
      fetch(next.nodes.data()[next.count + chunk.count - ahead]);
    }
  }

  /// Files the nodes of a slot anew, closer to base_. False if the budget ended first.
  bool refile(Slot from, std::uint32_t budget, Progress& done) {
    const auto fetch = [this](std::uint32_t i) { __builtin_prefetch(&nodes_.node(i), 1); };
    const std::uint32_t& head = heads_[from.level][from.number];
    if (done.steps != budget) fetch_first(from, fetch);
    while (head != kNil) {
      if (done.steps == budget) return !(done.more = true);
      ++done.steps;
      fetch_ahead(chunks_[head], kAhead + 1, fetch);
      const std::uint32_t index = take_last(from);
      WheelNode& n = nodes_.node(index);
      file(index, n, n.filed);
    }
    return true;
  }

  template <typename Fire>
  bool fire_slot(unsigned number, std::uint32_t budget, Progress& done, Fire& fire) {
    const auto fetch = [this](std::uint32_t i) { nodes_.fetch(i); };
    const std::uint32_t& head = heads_[0][number];
    if (done.steps != budget) fetch_first({0, number}, fetch);
    while (head != kNil) {
      if (done.steps == budget) return !(done.more = true);
      ++done.steps;
      ++done.fired;
      fetch_ahead(chunks_[head], kAhead + 1, fetch);
      const std::uint32_t index = take_last({0, number});
      nodes_.node(index).place = kNil;
      --armed_;
      firing_ = true;
      fire(index);
      firing_ = false;
    }
    return true;
  }

  /// The first occupied slot at or after `from`, -1 if there is none up to the end of the level.
  [[nodiscard]] int next_occupied(unsigned level, unsigned from) const {
    for (unsigned word = from / 64; word < kSlots / 64; ++word) {
      std::uint64_t bits = occupied_[level][word];
      if (word == from / 64) bits &= ~std::uint64_t{0} << (from % 64);
      if (bits != 0) return static_cast<int>(word * 64) + std::countr_zero(bits);
    }
    return -1;
  }

  Nodes nodes_;
  Pool<Chunk> chunks_;
  Tick base_;
  Tick quiet_until_;  // no work before it: most calls of advance() end there
  std::uint32_t armed_ = 0;
  bool firing_ = false;
  std::array<std::array<std::uint64_t, kSlots / 64>, kLevels> occupied_{};
  std::array<std::array<std::uint32_t, kSlots>, kLevels> heads_;
};

}  // namespace millrace::tcp
