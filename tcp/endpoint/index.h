// SPDX-License-Identifier: BSD-3-Clause
//
// The one index of an endpoint: from the hash of a four-tuple to a connection, a half-open entry or
// a TIME_WAIT entry. Open addressing in buckets of one cache line: twelve slots of an 8-bit tag and
// a 32-bit reference. A lookup touches one line, compares twelve tags at once, and asks the caller
// to compare the tuple in the entry only where a tag agrees (a wrong guess in 3 lookups of 100).
//
// A bucket counts the entries that found it full and went on; while that count is zero a lookup
// stops there. Entries that go on step by an amount of their own hash (double hashing over a prime
// number of buckets), so that full buckets do not grow into clusters, at most kMaxProbes times.
//
// Capacity is fixed; memory is address space until a bucket is first used. There is no rehash and
// no operation that takes longer than kMaxProbes buckets. 5.33 bytes a slot, kMaxLoad of them in
// use at capacity: 5.8 bytes for each entry of the capacity, 7.3 while it is used to four fifths.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "tcp/base/check.h"
#include "tcp/base/pool.h"

namespace millrace::tcp {

enum class EntryKind : std::uint8_t { connection, half_open, time_wait };

/// What the index holds: which store, and which entry of it. Stores of two families mark IPv6
/// entries by kIpv6 in the index; that of connections uses all thirty bits.
class EntryRef {
 public:
  static constexpr std::uint32_t kIpv6 = 1U << 29;
  static constexpr std::uint32_t kMaxIndex = (1U << 30) - 1;

  constexpr EntryRef() = default;  // none
  constexpr EntryRef(EntryKind kind, std::uint32_t index)
      : bits_((static_cast<std::uint32_t>(kind) << 30) | index) {}
  static constexpr EntryRef from_bits(std::uint32_t bits) {
    EntryRef r;
    r.bits_ = bits;
    return r;
  }

  /// False for "none": not found, or no room.
  [[nodiscard]] constexpr bool exists() const { return bits_ != kNone; }
  constexpr explicit operator bool() const { return exists(); }
  [[nodiscard]] constexpr bool is_connection() const { return bits_ <= kMaxIndex; }
  [[nodiscard]] constexpr EntryKind kind() const { return static_cast<EntryKind>(bits_ >> 30); }
  [[nodiscard]] constexpr std::uint32_t index() const { return bits_ & kMaxIndex; }
  [[nodiscard]] constexpr bool ipv6() const { return (bits_ & kIpv6) != 0; }
  [[nodiscard]] constexpr std::uint32_t bits() const { return bits_; }
  friend constexpr bool operator==(EntryRef, EntryRef) = default;

 private:
  static constexpr std::uint32_t kNone = 0xffff'ffff;
  std::uint32_t bits_ = kNone;
};

class Index {
 public:
  static constexpr std::size_t kSlots = 12;
  static constexpr std::uint32_t kMaxProbes = 48;
  static constexpr double kMaxLoad = 0.92;

  /// Room for `capacity` entries of all kinds together.
  explicit Index(std::uint32_t capacity);

  /// The entry of `hash` for which `matches(EntryRef) -> bool` holds, or none. `matches` is called
  /// with entries whose tag agrees, rarely with more than one.
  template <typename Matches>
  [[nodiscard]] EntryRef find(std::uint64_t hash, Matches&& matches) const;

  /// Adds an entry that is not there. False if the index is at capacity or, counted in
  /// stats().refused, no slot was free within kMaxProbes.
  [[nodiscard]] bool insert(std::uint64_t hash, EntryRef ref);
  /// Takes an entry out; false if it is not there.
  bool erase(std::uint64_t hash, EntryRef ref);
  /// Puts `now` where `old` is, in place: a connection that becomes a TIME_WAIT entry keeps its
  /// slot, and this cannot fail for want of room. False if `old` is not there.
  bool replace(std::uint64_t hash, EntryRef old, EntryRef now);

  /// Fetches the bucket ahead of find(), insert(), erase() or replace().
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&buckets()[home(hash)], 1); }
  /// The first entry whose tag agrees in the home bucket, without comparing: what to prefetch next.
  [[nodiscard]] EntryRef candidate(std::uint64_t hash) const;

  struct Stats {
    std::uint64_t refused = 0;     // inserts that found kMaxProbes full buckets
    std::uint64_t displaced = 0;   // inserts that did not find room in their home bucket
    std::uint32_t max_probes = 0;  // buckets that the longest insert looked at
  };
  [[nodiscard]] const Stats& stats() const { return stats_; }
  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::uint32_t capacity() const { return capacity_; }
  [[nodiscard]] std::uint64_t bucket_count() const { return bucket_count_; }
  [[nodiscard]] std::size_t reserved_bytes() const { return pages_.bytes(); }
  /// The sum of all overflow counts; walks the table (for tests: an empty index has none).
  [[nodiscard]] std::uint64_t overflow_total() const;

 private:
  struct alignas(64) Bucket {
    std::array<std::uint8_t, kSlots> tags;
    std::uint16_t used;      // bit i: slot i holds an entry
    std::uint16_t overflow;  // entries that found this bucket full and lie further on
    std::array<std::uint32_t, kSlots> refs;
  };
  static_assert(sizeof(Bucket) == 64);
  static constexpr unsigned kAllUsed = (1U << kSlots) - 1;
  static constexpr std::uint16_t kStuck = 0xffff;  // an overflow count that no longer counts

  /// Where a hash looks, one bucket after the other.
  struct Walk {
    std::uint64_t bucket;
    std::uint64_t step;
  };

  [[nodiscard]] Bucket* buckets() const { return reinterpret_cast<Bucket*>(pages_.data()); }
  [[nodiscard]] std::uint64_t home(std::uint64_t hash) const {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(hash) * bucket_count_) >> 64);
  }
  [[nodiscard]] static std::uint8_t tag(std::uint64_t hash) {
    return static_cast<std::uint8_t>(hash);
  }
  [[nodiscard]] std::uint64_t step(std::uint64_t hash) const {
    return 1 + ((((hash >> 8) & 0xffff) * step_range_) >> 16);
  }
  [[nodiscard]] Walk start(std::uint64_t hash) const { return {home(hash), step(hash)}; }
  void advance(Walk& w) const {
    w.bucket += w.step;
    if (w.bucket >= bucket_count_) w.bucket -= bucket_count_;
  }
  /// Bits of the slots in use whose tag is that of `hash`.
  [[nodiscard]] static unsigned agreeing(const Bucket& b, std::uint64_t hash) {
    const __m128i line = _mm_load_si128(reinterpret_cast<const __m128i*>(b.tags.data()));
    const __m128i wanted = _mm_set1_epi8(static_cast<char>(tag(hash)));
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(line, wanted))) & b.used;
  }

  struct Place {
    Bucket* bucket = nullptr;
    unsigned slot = 0;
    std::uint32_t distance = 0;  // buckets passed on the way
  };
  [[nodiscard]] Place locate(std::uint64_t hash, EntryRef ref) const;
  /// Puts an entry into a bucket that is not full.
  void put(Bucket& b, std::uint64_t hash, EntryRef ref);
  /// insert() where the home bucket is full.
  [[nodiscard]] bool insert_beyond(std::uint64_t hash, EntryRef ref);

  ReservedPages pages_;
  std::uint64_t bucket_count_ = 0;
  std::uint64_t step_range_ = 1;
  std::uint32_t capacity_ = 0;
  std::uint32_t size_ = 0;
  Stats stats_;
};

template <typename Matches>
[[gnu::always_inline]] inline EntryRef Index::find(std::uint64_t hash, Matches&& matches) const {
  Walk w{home(hash), 0};
  for (std::uint32_t probe = 0; probe < kMaxProbes; ++probe, advance(w)) {
    const Bucket& b = buckets()[w.bucket];
    for (unsigned left = agreeing(b, hash); left != 0; left &= left - 1) {
      const EntryRef ref =
          EntryRef::from_bits(b.refs.data()[static_cast<std::size_t>(__builtin_ctz(left))]);
      if (matches(ref)) return ref;
    }
    if (b.overflow == 0) return {};
    w.step = step(hash);  // only now: nearly all lookups end in the first bucket
  }
  return {};
}

[[gnu::always_inline]] inline EntryRef Index::candidate(std::uint64_t hash) const {
  const Bucket& b = buckets()[home(hash)];
  const unsigned agree = agreeing(b, hash);
  if (agree == 0) [[unlikely]]
    return {};
  return EntryRef::from_bits(b.refs.data()[static_cast<std::size_t>(__builtin_ctz(agree))]);
}

inline Index::Place Index::locate(std::uint64_t hash, EntryRef ref) const {
  Walk w = start(hash);
  for (std::uint32_t probe = 0; probe < kMaxProbes; ++probe, advance(w)) {
    Bucket& b = buckets()[w.bucket];
    for (unsigned left = agreeing(b, hash); left != 0; left &= left - 1) {
      const auto slot = static_cast<unsigned>(__builtin_ctz(left));
      if (b.refs.data()[slot] == ref.bits()) return {&b, slot, probe};
    }
    if (b.overflow == 0) break;
  }
  return {};
}

inline void Index::put(Bucket& b, std::uint64_t hash, EntryRef ref) {
  const auto slot = static_cast<unsigned>(__builtin_ctz(~unsigned{b.used}));
  b.used = static_cast<std::uint16_t>(b.used | (1U << slot));
  b.tags.data()[slot] = tag(hash);
  b.refs.data()[slot] = ref.bits();
  ++size_;
}

inline bool Index::insert(std::uint64_t hash, EntryRef ref) {
  MR_DCHECK(ref.exists());
  if (size_ == capacity_) return false;
  Bucket& b = buckets()[home(hash)];
  if (b.used == kAllUsed) [[unlikely]]
    return insert_beyond(hash, ref);
  put(b, hash, ref);
  return true;
}

inline bool Index::replace(std::uint64_t hash, EntryRef old, EntryRef now) {
  const Place place = locate(hash, old);
  if (place.bucket == nullptr) return false;
  place.bucket->refs.data()[place.slot] = now.bits();
  return true;
}

}  // namespace millrace::tcp
