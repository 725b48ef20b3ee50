// SPDX-License-Identifier: BSD-3-Clause
//
// Where TIME_WAIT entries lie: runs of 4 KiB, chained in order of expiry, their tombstones, and the
// merging of neighbours that hold few entries. What entries mean is in time_wait.cpp.
#include <algorithm>
#include <cstring>

#include "tcp/base/check.h"
#include "tcp/endpoint/time_wait.h"

namespace millrace::tcp {

namespace {
// Survivors of a merge: half of what a run of the smaller entries holds.
constexpr std::size_t kMostSurvivors = 64;
}  // namespace

TimeWait::TimeWait(std::uint32_t capacity, std::span<const TcpConfig> profiles, Index& index,
                   const TupleHasher& hasher)
    : index_(index), hasher_(hasher), capacity_(capacity) {
  MR_CHECK(capacity <= kMaxCapacity && !profiles.empty() && profiles.size() <= kMaxProfiles);
  by_profile_.reserve(kMaxProfiles);
  for (const TcpConfig& config : profiles) {
    if (!has_two_msl(config.two_msl)) {
      for (const bool ipv6 : {false, true}) {
        sequences_.push_back({kNil, kNil, config.two_msl, ipv6});
      }
    }
    add_profile(config.two_msl);
  }
  // Address space only. Twice what IPv6 entries alone need, because of tombstones.
  const std::size_t wanted = 2 * (capacity / run_slots(true) + 1) + 2 * sequences_.size();
  run_count_ = static_cast<std::uint32_t>(
      std::min<std::size_t>(wanted, std::size_t{EntryRef::kIpv6} >> shift(false)));
  entries_ = ReservedPages(run_count_ * kRunBytes);
  headers_ = ReservedPages(run_count_ * sizeof(Run));
}

bool TimeWait::has_two_msl(Duration two_msl) const {
  return std::any_of(sequences_.begin(), sequences_.end(),
                     [&](const Sequence& s) { return s.two_msl == two_msl; });
}

void TimeWait::add_profile(Duration two_msl) {
  std::size_t which = 0;
  while (sequences_[which].two_msl != two_msl) which += 2;
  MR_CHECK(by_profile_.size() < kMaxProfiles);
  by_profile_.push_back(static_cast<std::uint8_t>(which / 2));
}

std::uint32_t TimeWait::take_run(unsigned sequence) {
  std::uint32_t number = free_run_;
  if (number != kNil) {
    free_run_ = run(number).next;
  } else if (runs_touched_ < run_count_) {
    number = runs_touched_++;
  } else {
    return kNil;
  }
  ++runs_used_;
  Sequence& s = sequences_[sequence];
  Run& r = run(number);
  r = Run{};
  r.sequence = static_cast<std::uint16_t>(sequence);
  r.prev = s.last;
  (s.last == kNil ? s.first : run(s.last).next) = number;
  s.last = number;
  return number;
}

void TimeWait::free_run(std::uint32_t number) {
  Run& r = run(number);
  Sequence& s = sequences_[r.sequence];
  tombstones_ -= r.end - r.begin - r.live;
  (r.prev == kNil ? s.first : run(r.prev).next) = r.next;
  (r.next == kNil ? s.last : run(r.next).prev) = r.prev;
  r.next = free_run_;
  free_run_ = number;
  --runs_used_;
}

EntryRef TimeWait::append(unsigned sequence) {
  const Sequence& s = sequences_[sequence];
  std::uint32_t number = s.last;
  if (number == kNil || run(number).end == run_slots(s.ipv6)) {
    number = take_run(sequence);
    if (number == kNil) return {};
  }
  Run& r = run(number);
  ++r.live;
  ++live_;
  const EntryRef ref = make_ref(s.ipv6, number, r.end++);
  return ref;
}

void TimeWait::copy(EntryRef from, EntryRef to) {
  if (from.ipv6()) {
    v6(to) = v6(from);
  } else {
    v4(to) = v4(from);
  }
}

void TimeWait::pop_front(Sequence& s, bool was_live) {
  const std::uint32_t number = s.first;
  Run& r = run(number);
  ++r.begin;
  if (!was_live) {
    --tombstones_;
    return;  // a run in a chain has a live entry
  }
  --live_;
  if (--r.live == 0) free_run(number);
}

void TimeWait::pop_tombstones(Sequence& s) {
  while (s.first != kNil) {
    const EntryRef head = make_ref(s.ipv6, s.first, run(s.first).begin);
    if ((state(head).flags & kDead) == 0) return;
    pop_front(s, false);
  }
}

void TimeWait::bury(EntryRef ref) {
  TimeWaitState& st = state_of(ref);
  MR_DCHECK((st.flags & kDead) == 0);
  st.flags = kDead;
  const std::uint32_t number = run_of(ref);
  Run& r = run(number);
  ++tombstones_;
  --live_;
  if (--r.live == 0) {
    free_run(number);
  } else if (r.next != kNil && is_sparse(number, r.next)) {
    merge(number, r.next);
  } else if (r.prev != kNil && is_sparse(r.prev, number)) {
    merge(r.prev, number);
  }
}

bool TimeWait::is_sparse(std::uint32_t first, std::uint32_t second) const {
  const Run& a = run(first);
  const Run& b = run(second);
  const unsigned half = run_slots(sequences_[a.sequence].ipv6) / 2;
  const unsigned live = unsigned{a.live} + b.live;
  const unsigned slots = unsigned{a.end} - a.begin + b.end - b.begin;
  // Each merge frees at least as many tombstones as it may move entries: moving is paid for.
  return live <= half && slots - live >= half;
}

void TimeWait::merge(std::uint32_t first, std::uint32_t second) {
  const bool ipv6 = sequences_[run(first).sequence].ipv6;
  std::array<EntryRef, kMostSurvivors> from;
  std::array<std::uint64_t, kMostSurvivors> hashes;
  std::size_t count = 0;
  for (const std::uint32_t number : {first, second}) {
    for (std::uint32_t slot = run(number).begin; slot < run(number).end; ++slot) {
      const EntryRef ref = make_ref(ipv6, number, slot);
      if ((state(ref).flags & kDead) != 0) continue;
      from[count] = ref;
      hashes[count] = hash_of(ref);
      index_.prefetch(hashes[count++]);
    }
  }
  for (std::uint32_t slot = 0; slot < count; ++slot) {
    const EntryRef to = make_ref(ipv6, first, slot);
    if (from[slot] == to) continue;
    copy(from[slot], to);
    const bool was_there = index_.replace(hashes[slot], from[slot], to);
    MR_CHECK(was_there);
    if (watched_ == from[slot]) watched_ = to;
    ++stats_.moved;
  }
  Run& a = run(first);
  Run& b = run(second);
  tombstones_ -= unsigned{a.end} - a.begin - a.live + b.end - b.begin - b.live;
  a.begin = 0;
  a.end = a.live = static_cast<std::uint16_t>(count);
  b.begin = b.end = b.live = 0;
  free_run(second);
}

std::size_t TimeWait::reserved_bytes() const { return entries_.bytes() + headers_.bytes(); }
std::size_t TimeWait::touched_bytes() const {
  return std::size_t{runs_touched_} * (kRunBytes + sizeof(Run));
}

}  // namespace millrace::tcp
