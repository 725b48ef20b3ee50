// SPDX-License-Identifier: BSD-3-Clause
//
// The TIME_WAIT store: what RFC 9293 §3.6.1 asks to be remembered of a closed connection, 32 bytes
// for IPv4 and 64 for IPv6, each within one cache line, and nothing else per entry.
//
// Entries lie in order of expiry, in one sequence for each family and distinct 2MSL. A sequence is
// a chain of runs of 4 KiB from one shared reserve; inserting appends to its last run, expiring
// walks its first. An entry that goes before its time (reopened, or restarted by a retransmitted
// FIN, which appends it anew) leaves a tombstone. A run without a live entry goes back at once, and
// two neighbours with few are merged, so tombstones never exceed three times the live entries by
// much. Restarts stop making tombstones when an eighth of the capacity is tombstones: the entry
// then stays where it is with its later expiry, and moves to the end when its old place comes up.
// Such a "deferred" entry may stay up to 2MSL too long, never too short.
//
// The store moves entries, so it keeps their slots in the index itself: in expire(),
// recycle_oldest(), restart() and when release() merges. insert() and release() leave the slot of
// the entry in question to the caller, who puts one reference in the place of another. Any call
// that is not const may invalidate any EntryRef of this store but those it returns.
//
// Refuses: to answer segments (the endpoint does), to store our timestamp offset (isn.h derives
// it), to choose what happens when it is full (a policy of the operator, carried out by the
// endpoint).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tcp/base/four_tuple.h"
#include "tcp/base/packed_tuple.h"
#include "tcp/base/pool.h"
#include "tcp/base/seq.h"
#include "tcp/base/time.h"
#include "tcp/connection/config.h"
#include "tcp/endpoint/index.h"
#include "tcp/endpoint/tuple_hash.h"

namespace millrace::tcp {

/// What is kept besides the tuple and the expiry.
struct TimeWaitState {
  Seq snd_nxt;
  Seq rcv_nxt;
  std::uint32_t ts_recent = 0;
  std::uint16_t window = 0;  // as our last header had it
  std::uint8_t flags = 0;    // TimeWaitState::k...
  std::uint8_t profile = 0;  // decides 2MSL

  static constexpr std::uint8_t kTimestamps = 1 << 0;
  static constexpr std::uint8_t kSack = 1 << 1;
  static constexpr std::uint8_t kActiveOpen = 1 << 2;  // the local port is one of EphemeralPorts
  static constexpr std::uint8_t kScaled = 1 << 3;      // `window` is in units of our scale
  static constexpr std::uint8_t kForCaller = 0x3f;     // bits that the store hands back untouched

  [[nodiscard]] bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};
static_assert(sizeof(TimeWaitState) == 16);

/// An entry that is no more.
struct TimeWaitGone {
  FourTuple tuple;
  std::uint8_t flags = 0;
  std::uint8_t profile = 0;
};

class TimeWait {
 public:
  static constexpr std::uint32_t kMaxCapacity = 1U << 27;

  /// Room for `capacity` entries of both families; 2MSL by profile from `profiles`. Looks after its
  /// entries' slots in `index`, hashed by `hasher`.
  TimeWait(std::uint32_t capacity, std::span<const TcpConfig> profiles, Index& index,
           const TupleHasher& hasher);
  /// True if a profile that it was made with has this 2MSL.
  [[nodiscard]] bool has_two_msl(Duration two_msl) const;
  /// One more profile, kMaxProfiles at most: its number is the next. Its 2MSL must be such a one.
  void add_profile(Duration two_msl);

  /// A new entry that expires 2MSL after `now`; none if the store is full. Not yet in the index.
  [[nodiscard]] EntryRef insert(const FourTuple& tuple, const TimeWaitState& state, Instant now);
  /// The same for a tuple that is packed already.
  [[nodiscard]] EntryRef insert_v4(const PackedTuple& tuple, const TimeWaitState& state,
                                   Instant now);

  /// `ref` must be a live entry of this store, here and below.
  [[nodiscard]] bool matches(EntryRef ref, const FourTuple& tuple) const {
    if (ref.ipv6()) return v6(ref).tuple == tuple;
    return tuple.local.is_v4() && v4(ref).tuple == pack_v4(tuple);
  }
  /// The same for a caller that has packed the tuple of its segment once.
  [[nodiscard]] bool matches_v4(EntryRef ref, const PackedTuple& tuple) const {
    return !ref.ipv6() && v4(ref).tuple == tuple;
  }
  [[nodiscard]] const TimeWaitState& state(EntryRef ref) const {
    return ref.ipv6() ? v6(ref).state : v4(ref).state;
  }
  [[nodiscard]] FourTuple tuple(EntryRef ref) const;
  void set_ts_recent(EntryRef ref, std::uint32_t ts_recent);
  [[nodiscard]] Tick expiry(EntryRef ref) const {
    return ref.ipv6() ? v6(ref).expiry : v4(ref).expiry;
  }
  /// Time since the entry was made or last restarted.
  [[nodiscard]] Duration age(EntryRef ref, Instant now) const;
  void prefetch(EntryRef ref) const { __builtin_prefetch(address(ref), 1); }

  /// 2MSL begins anew (a retransmitted FIN). The entry moves: go on with the reference returned.
  [[nodiscard]] EntryRef restart(std::uint64_t hash, EntryRef ref, Instant now);

  /// The entry goes (reopened by either end). Its slot in the index is the caller's, who must have
  /// erased or replaced it before.
  void release(EntryRef ref);

  struct Progress {
    std::uint32_t gone = 0;   // entries written to `out`
    std::uint32_t steps = 0;  // entries and tombstones walked over
    bool more = false;        // more is due
  };
  /// Takes out entries whose time has passed, from the index too: at most out.size() of them and
  /// four times as many steps. Never before 2MSL.
  Progress expire(Instant now, std::span<TimeWaitGone> out);

  /// Takes out the entry that is first in line to expire, from the index too; nothing if empty.
  /// With nothing but IPv6 entries and many tombstones it can take a few to make room for the next
  /// insert.
  std::optional<TimeWaitGone> recycle_oldest();

  /// The earliest expiry; may be that of a tombstone, so that nothing happens then.
  [[nodiscard]] std::optional<Tick> next_expiry() const;

  struct Stats {
    std::uint64_t inserted = 0;
    std::uint64_t expired = 0;
    std::uint64_t released = 0;
    std::uint64_t recycled = 0;
    std::uint64_t restarted = 0;
    std::uint64_t deferred = 0;  // of these, left in place
    std::uint64_t moved = 0;     // by merging runs or because deferred
  };
  [[nodiscard]] const Stats& stats() const { return stats_; }
  [[nodiscard]] std::uint32_t size() const { return live_; }
  [[nodiscard]] std::uint32_t tombstones() const { return tombstones_; }
  [[nodiscard]] std::uint32_t capacity() const { return capacity_; }
  /// Runs in use; of 4 KiB each.
  [[nodiscard]] std::uint32_t runs() const { return runs_used_; }
  [[nodiscard]] std::size_t reserved_bytes() const;
  [[nodiscard]] std::size_t touched_bytes() const;

 private:
  static constexpr std::uint8_t kDead = 0x80;
  static constexpr std::uint8_t kDeferred = 0x40;
  static constexpr std::size_t kRunBytes = 4096;

  struct Entry4 {
    PackedTuple tuple;
    Tick expiry = 0;
    TimeWaitState state;
  };
  static_assert(sizeof(Entry4) == 32);
  struct Entry6 {
    FourTuple tuple;
    Tick expiry = 0;
    TimeWaitState state;
    std::uint64_t unused = 0;
  };
  static_assert(sizeof(Entry6) == 64);

  /// Slots [begin, end) are in use, `live` of them by entries.
  struct Run {
    std::uint32_t prev = kNil;
    std::uint32_t next = kNil;
    std::uint16_t begin = 0;
    std::uint16_t end = 0;
    std::uint16_t live = 0;
    std::uint16_t sequence = 0;
  };
  static_assert(sizeof(Run) == 16);

  /// The runs of one family and one 2MSL, oldest first.
  struct Sequence {
    std::uint32_t first = kNil;
    std::uint32_t last = kNil;
    Duration two_msl{};
    bool ipv6 = false;
  };

  [[nodiscard]] static constexpr unsigned shift(bool ipv6) { return ipv6 ? 6 : 7; }
  [[nodiscard]] static constexpr std::uint32_t run_slots(bool ipv6) { return 1U << shift(ipv6); }
  [[nodiscard]] static EntryRef make_ref(bool ipv6, std::uint32_t run, std::uint32_t slot) {
    return {EntryKind::time_wait, (ipv6 ? EntryRef::kIpv6 : 0U) | ((run << shift(ipv6)) + slot)};
  }
  [[nodiscard]] static std::uint32_t position(EntryRef ref) {
    return ref.index() & ~EntryRef::kIpv6;
  }
  [[nodiscard]] static std::uint32_t run_of(EntryRef ref) {
    return position(ref) >> shift(ref.ipv6());
  }
  [[nodiscard]] std::byte* address(EntryRef ref) const {
    return entries_.data() + (std::size_t{position(ref)} << (ref.ipv6() ? 6 : 5));
  }
  [[nodiscard]] Entry4& v4(EntryRef ref) const { return *reinterpret_cast<Entry4*>(address(ref)); }
  [[nodiscard]] Entry6& v6(EntryRef ref) const { return *reinterpret_cast<Entry6*>(address(ref)); }
  [[nodiscard]] TimeWaitState& state_of(EntryRef ref) const {
    return ref.ipv6() ? v6(ref).state : v4(ref).state;
  }
  void set_expiry(EntryRef ref, Tick expiry) {
    (ref.ipv6() ? v6(ref).expiry : v4(ref).expiry) = expiry;
  }
  [[nodiscard]] Run& run(std::uint32_t number) const {
    return reinterpret_cast<Run*>(headers_.data())[number];
  }
  [[nodiscard]] std::uint64_t hash_of(EntryRef ref) const;
  [[nodiscard]] TimeWaitGone gone(EntryRef ref) const;
  [[nodiscard]] unsigned sequence_of(std::uint8_t profile, bool ipv6) const {
    return by_profile_[profile] * 2U + (ipv6 ? 1U : 0U);
  }

  struct Batch;

  [[nodiscard]] EntryRef insert_at(EntryRef ref, const TimeWaitState& state, Tick expiry);
  /// A slot at the end of the sequence, counted as live; none if no run is left.
  [[nodiscard]] EntryRef append(unsigned sequence);
  void copy(EntryRef from, EntryRef to);
  [[nodiscard]] std::uint32_t take_run(unsigned sequence);
  void free_run(std::uint32_t number);
  /// The first slot of the first run is done with: it held a tombstone, or an entry now counted
  /// out.
  void pop_front(Sequence& s, bool was_live);
  /// The entry becomes a tombstone, or its run goes.
  void bury(EntryRef ref);
  /// Takes what is due from the head of a sequence; false if steps or room ran out first.
  bool expire_some(unsigned sequence, Tick now, std::span<TimeWaitGone> out, Progress& done);
  /// Moves a deferred entry from the head to the end of its sequence; false if no run is left.
  bool move_to_end(unsigned sequence, EntryRef ref);
  void find_earliest();
  [[nodiscard]] bool is_sparse(std::uint32_t first, std::uint32_t second) const;
  void merge(std::uint32_t first, std::uint32_t second);
  void pop_tombstones(Sequence& s);

  ReservedPages entries_;
  ReservedPages headers_;
  Index& index_;
  TupleHasher hasher_;
  std::uint32_t capacity_;
  std::uint32_t run_count_ = 0;
  std::uint32_t runs_touched_ = 0;
  std::uint32_t runs_used_ = 0;
  std::uint32_t free_run_ = kNil;
  std::uint32_t live_ = 0;
  std::uint32_t tombstones_ = 0;
  Tick earliest_ = 0;  // no head expires before it; meaningful unless empty
  unsigned turn_ = 0;  // the sequence that expire() begins with
  EntryRef watched_;   // follows an entry through a merge
  Stats stats_;
  std::vector<std::uint8_t> by_profile_;  // which 2MSL
  std::vector<Sequence> sequences_;       // two for each distinct 2MSL: IPv4, IPv6
};

}  // namespace millrace::tcp
