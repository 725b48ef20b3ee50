// SPDX-License-Identifier: BSD-3-Clause
//
// Connections in SYN-RECEIVED that a listener may get: what our SYN-ACK said and what the peer's
// SYN asked, 48 bytes for IPv4 and 72 for IPv6, in bounded pools (RFC 4987). Nothing else is spent
// on a peer before it has shown that it receives at its address.
//
// All entries of one profile that have sent equally many SYN-ACKs wait equally long (RFC 6298
// §5.5), so each such level is a queue in order of time and no timer wheel is needed.
//
// Refuses: to send (due() says what is), to touch the index, to evict: full is full.
#pragma once

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

namespace millrace::tcp {

/// What is kept besides the tuple. The window and scale that we offer follow from the profile.
struct HalfOpenState {
  Seq iss;
  Seq irs;
  std::uint32_t ts_recent = 0;
  std::uint32_t ts_offset = 0;
  std::uint16_t peer_mss = 0;  // as clamped
  std::uint16_t listener = 0;
  std::uint8_t window_scales = 0;  // low nibble: the peer's; high: ours
  std::uint8_t profile = 0;
  std::uint8_t flags = 0;  // HalfOpenState::k...
  std::uint8_t level = 0;  // the store's own: how often the SYN-ACK was retransmitted

  static constexpr std::uint8_t kTimestamps = 1 << 0;
  static constexpr std::uint8_t kSack = 1 << 1;
  static constexpr std::uint8_t kWindowScaling = 1 << 2;
  static constexpr std::uint8_t kEcn = 1 << 3;
  static constexpr std::uint8_t kFastOpen = 1 << 4;   // the SYN-ACK has a cookie
  static constexpr std::uint8_t kDeferred = 1 << 6;   // the store's own: acknowledged, no text yet
  static constexpr std::uint8_t kAmbiguous = 1 << 7;  // the store's own: no round trip to be told

  [[nodiscard]] bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};
static_assert(sizeof(HalfOpenState) == 24);

class HalfOpen {
 public:
  /// Room for `capacity` entries of both families. Timeouts and retries by profile.
  HalfOpen(std::uint32_t capacity, std::span<const TcpConfig> profiles);
  /// One more profile, kMaxProfiles at most: its number is the next. Allocates nothing.
  void add_profile(const TcpConfig& config);

  /// A new entry whose SYN-ACK is sent at `now`; none if the store is full. Not yet in the index.
  [[nodiscard]] EntryRef insert(const FourTuple& tuple, const HalfOpenState& state, Instant now);

  /// `ref` must be a live entry of this store, here and below.
  [[nodiscard]] bool matches(EntryRef ref, const FourTuple& tuple) const;
  /// The same for a caller that has packed the tuple of its segment once.
  [[nodiscard]] bool matches_v4(EntryRef ref, const PackedTuple& tuple) const {
    return !ref.ipv6() && v4_[ref.index()].tuple == tuple;
  }
  [[nodiscard]] const HalfOpenState& state(EntryRef ref) const { return entry(ref.index()).state; }
  [[nodiscard]] FourTuple tuple(EntryRef ref) const;
  /// For rare changes (TS.Recent of a retransmitted SYN); never listener or profile.
  [[nodiscard]] HalfOpenState& mutable_state(EntryRef ref) { return entry(ref.index()).state; }
  void prefetch(EntryRef ref) const;

  /// The SYN-ACK was sent again because the SYN came again: no change of timers, but the
  /// handshake's round trip can no longer be told (Karn).
  void resent(EntryRef ref) { entry(ref.index()).state.flags |= HalfOpenState::kAmbiguous; }
  /// Microseconds from the SYN-ACK to `now`, at least 1; 0 if that is no round trip, because it was
  /// sent more than once or the entry was deferred.
  [[nodiscard]] std::uint32_t rtt_us(EntryRef ref, Instant now) const;
  /// The SYN-ACK went out more than once.
  [[nodiscard]] bool was_resent(EntryRef ref) const {
    return entry(ref.index()).state.has(HalfOpenState::kAmbiguous);
  }

  /// True while the listener waits for text before it accepts (TcpConfig::defer_accept, in whole
  /// retransmission timeouts). An entry whose SYN-ACK was acknowledged is then deferred: no SYN-ACK
  /// is sent again until that time is over.
  [[nodiscard]] bool defers(EntryRef ref) const {
    const HalfOpenState& s = entry(ref.index()).state;
    return s.level < of_profile_[s.profile].deferrals;
  }
  void defer(EntryRef ref) { entry(ref.index()).state.flags |= HalfOpenState::kDeferred; }

  /// The entry goes (accepted, reset, given up). Its slot in the index is the caller's.
  void release(EntryRef ref);

  struct Due {
    EntryRef ref;
    /// True: the retries are used up, and the caller must erase and release() the entry. False:
    /// the SYN-ACK is to be sent again; the entry has been filed under its next timeout.
    bool expired = false;
  };
  /// Writes entries whose time has come and returns how many; if that is due.size(), there may be
  /// more. Never early. An expired entry is reported again until it is released.
  [[nodiscard]] std::size_t due(Instant now, std::span<Due> out);
  /// When due() has work next.
  [[nodiscard]] std::optional<Instant> next_due(Instant now) const;

  [[nodiscard]] std::uint32_t size() const { return v4_.live() + v6_.live(); }
  [[nodiscard]] std::uint32_t capacity() const { return v4_.capacity(); }
  [[nodiscard]] bool full() const { return size() >= capacity(); }
  /// Entries of one listener: for its backlog.
  [[nodiscard]] std::uint32_t size_of(std::uint16_t listener) const { return count_of(listener); }
  /// Up to out.size() entries of one listener, for when it closes; walks the store.
  [[nodiscard]] std::size_t list(std::uint16_t listener, std::span<EntryRef> out) const;

  struct Stats {
    std::uint64_t inserted = 0;
    std::uint64_t released = 0;
    std::uint64_t retransmissions = 0;
    std::uint64_t refused = 0;  // because full
  };
  [[nodiscard]] const Stats& stats() const { return stats_; }
  [[nodiscard]] std::size_t reserved_bytes() const;
  [[nodiscard]] std::size_t touched_bytes() const;

 private:
  /// Links are indices as in EntryRef: with kIpv6 for entries of that pool.
  struct Entry {
    std::uint32_t prev = kNil;
    std::uint32_t next = kNil;
    std::uint32_t sent_us = 0;  // when the timeout began: insertion or retransmission
    HalfOpenState state;
  };
  struct Entry4 {
    Entry entry;
    PackedTuple tuple;
  };
  static_assert(sizeof(Entry4) == 48);
  struct Entry6 {
    Entry entry;
    FourTuple tuple;
  };
  static_assert(sizeof(Entry6) == 72);

  /// Entries that wait for the same time, oldest first.
  struct Queue {
    std::uint32_t first = kNil;
    std::uint32_t last = kNil;
    std::uint32_t timeout_us = 0;
    bool last_level = false;
    bool may_defer = false;

    [[nodiscard]] std::uint32_t deadline_us(const Entry& e) const {
      return e.sent_us + timeout_us + 1;  // the microsecond in which it was sent does not count
    }
  };

  struct OfProfile {
    std::size_t first_queue = 0;  // its levels follow one another
    unsigned deferrals = 0;       // levels below this wait for text
  };

  static constexpr std::uint32_t kPosition = EntryRef::kIpv6 - 1;

  [[nodiscard]] Entry& entry(std::uint32_t index) {
    if ((index & EntryRef::kIpv6) != 0) return v6_[index & kPosition].entry;
    return v4_[index].entry;
  }
  [[nodiscard]] const Entry& entry(std::uint32_t index) const {
    return const_cast<HalfOpen*>(this)->entry(index);
  }
  [[nodiscard]] std::size_t queue_of(const HalfOpenState& state) const {
    return of_profile_[state.profile].first_queue + state.level;
  }
  /// Whether an entry that moves up from this level goes on waiting for text.
  [[nodiscard]] bool next_may_defer(std::size_t queue) const {
    return !queues_[queue].last_level && queues_[queue + 1].may_defer;
  }
  [[nodiscard]] std::uint32_t& count_of(std::uint16_t listener) const {
    return reinterpret_cast<std::uint32_t*>(by_listener_.data())[listener];
  }
  [[gnu::always_inline]] inline void append(std::uint32_t index, std::uint32_t now_us);
  [[gnu::always_inline]] inline void unlink(std::uint32_t index);
  std::size_t due_of(std::size_t queue, std::uint32_t now_us, std::span<Due> out);
  void find_earliest();

  Pool<Entry4> v4_;
  Pool<Entry6> v6_;
  ReservedPages by_listener_;  // a count for each of 65,536
  std::vector<OfProfile> of_profile_;
  std::vector<Queue> queues_;
  std::uint32_t earliest_us_ = 0;  // no deadline is before it; meaningful unless empty
  Stats stats_;
};

}  // namespace millrace::tcp
