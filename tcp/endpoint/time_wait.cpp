// SPDX-License-Identifier: BSD-3-Clause
//
// The TIME_WAIT store: entries in and out, and their expiry. Runs, tombstones and merging are in
// time_wait_runs.cpp.
#include "tcp/endpoint/time_wait.h"

#include <algorithm>

#include "tcp/base/check.h"
#include "tcp/endpoint/tuple_hash.h"

namespace millrace::tcp {

namespace {
// Steps that expire() may take for each entry that it may give back: tombstones cost less.
constexpr std::size_t kStepsPerEntry = 4;
}  // namespace

/// Entries on their way out: their buckets are fetched while more are gathered.
struct TimeWait::Batch {
  static constexpr std::size_t kSize = 16;

  explicit Batch(Index& the_index) : index(the_index) {}
  ~Batch() { flush(); }

  void add(std::uint64_t hash, EntryRef ref) {
    index.prefetch(hash);
    hashes[count] = hash;
    refs[count] = ref;
    if (++count == kSize) flush();
  }
  void flush() {
    for (std::size_t i = 0; i < count; ++i) {
      const bool was_there = index.erase(hashes[i], refs[i]);
      MR_CHECK(was_there);
    }
    count = 0;
  }

  Index& index;
  std::size_t count = 0;
  std::array<std::uint64_t, kSize> hashes;
  std::array<EntryRef, kSize> refs;
};

EntryRef TimeWait::insert_at(EntryRef ref, const TimeWaitState& state, Tick expiry) {
  TimeWaitState& kept = state_of(ref);
  kept = state;
  kept.flags = static_cast<std::uint8_t>(kept.flags & TimeWaitState::kForCaller);
  set_expiry(ref, expiry);
  if (live_ == 1 || tick_before(expiry, earliest_)) earliest_ = expiry;
  ++stats_.inserted;
  return ref;
}

EntryRef TimeWait::insert_v4(const PackedTuple& tuple, const TimeWaitState& state, Instant now) {
  if (live_ == capacity_) return {};
  const unsigned sequence = sequence_of(state.profile, false);
  const EntryRef ref = append(sequence);
  if (!ref) return {};
  v4(ref).tuple = tuple;
  return insert_at(ref, state, deadline_after(now, sequences_[sequence].two_msl));
}

EntryRef TimeWait::insert(const FourTuple& tuple, const TimeWaitState& state, Instant now) {
  if (tuple.local.is_v4()) return insert_v4(pack_v4(tuple), state, now);
  if (live_ == capacity_) return {};
  const unsigned sequence = sequence_of(state.profile, true);
  const EntryRef ref = append(sequence);
  if (!ref) return {};
  v6(ref).tuple = tuple;
  return insert_at(ref, state, deadline_after(now, sequences_[sequence].two_msl));
}

FourTuple TimeWait::tuple(EntryRef ref) const {
  return ref.ipv6() ? v6(ref).tuple : unpack_v4(v4(ref).tuple);
}

void TimeWait::set_ts_recent(EntryRef ref, std::uint32_t ts_recent) {
  state_of(ref).ts_recent = ts_recent;
}

Duration TimeWait::age(EntryRef ref, Instant now) const {
  const Sequence& s = sequences_[sequence_of(state(ref).profile, ref.ipv6())];
  const Tick began = expiry(ref) - ticks_for(s.two_msl);
  // Both ends were rounded: by one tick less, the age is never overstated.
  const auto ticks = static_cast<std::int32_t>(tick_of(now) - began) - 1;
  return ticks_to_duration(static_cast<Tick>(std::max(ticks, 0)));
}

std::uint64_t TimeWait::hash_of(EntryRef ref) const {
  return ref.ipv6() ? hasher_(v6(ref).tuple) : hasher_.v4(v4(ref).tuple);
}

TimeWaitGone TimeWait::gone(EntryRef ref) const {
  const TimeWaitState& s = state(ref);
  return {tuple(ref), static_cast<std::uint8_t>(s.flags & TimeWaitState::kForCaller), s.profile};
}

EntryRef TimeWait::restart(std::uint64_t hash, EntryRef ref, Instant now) {
  ++stats_.restarted;
  const unsigned sequence = sequence_of(state(ref).profile, ref.ipv6());
  const Sequence& s = sequences_[sequence];
  const Tick expiry = deadline_after(now, s.two_msl);
  const std::uint32_t number = run_of(ref);
  const std::uint32_t slot = position(ref) & (run_slots(ref.ipv6()) - 1);
  const bool is_last = number == s.last && slot + 1U == run(number).end;
  if (is_last) {
    set_expiry(ref, expiry);
    return ref;
  }
  const std::uint32_t allowed = capacity_ / 8 + run_slots(false);
  const EntryRef to = tombstones_ < allowed ? append(sequence) : EntryRef{};
  if (!to) {
    set_expiry(ref, expiry);
    state_of(ref).flags |= kDeferred;
    ++stats_.deferred;
    return ref;
  }
  copy(ref, to);
  set_expiry(to, expiry);
  state_of(to).flags &= static_cast<std::uint8_t>(~kDeferred);
  const bool was_there = index_.replace(hash, ref, to);
  MR_CHECK(was_there);
  watched_ = to;
  bury(ref);
  return watched_;
}

void TimeWait::release(EntryRef ref) {
  ++stats_.released;
  bury(ref);
}

TimeWait::Progress TimeWait::expire(Instant now, std::span<TimeWaitGone> out) {
  Progress done;
  const Tick tick = tick_of(now);
  if (live_ == 0 || tick_before(tick, earliest_)) return done;
  const auto count = static_cast<unsigned>(sequences_.size());
  for (unsigned i = 0; i < count; ++i) {
    const unsigned sequence = (turn_ + i) % count;
    if (expire_some(sequence, tick, out, done)) continue;
    turn_ = sequence + 1;  // the others are not to starve behind this one
    done.more = true;
    return done;
  }
  find_earliest();
  return done;
}

bool TimeWait::expire_some(unsigned sequence, Tick now, std::span<TimeWaitGone> out,
                           Progress& done) {
  Sequence& s = sequences_[sequence];
  Batch batch(index_);
  while (s.first != kNil) {
    const EntryRef ref = make_ref(s.ipv6, s.first, run(s.first).begin);
    const std::uint8_t flags = state(ref).flags;
    const bool due = !tick_before(now, expiry(ref));
    if ((flags & (kDead | kDeferred)) == 0 && !due) return true;
    if (done.gone == out.size() || done.steps == out.size() * kStepsPerEntry) return false;
    ++done.steps;
    if ((flags & kDead) != 0) {
      pop_front(s, false);
    } else if (due) {
      out[done.gone++] = gone(ref);
      ++stats_.expired;
      batch.add(hash_of(ref), ref);
      pop_front(s, true);
    } else {
      batch.flush();  // moving may take a run whose references are still in the index
      if (!move_to_end(sequence, ref)) return true;
    }
  }
  return true;
}

bool TimeWait::move_to_end(unsigned sequence, EntryRef ref) {
  const EntryRef to = append(sequence);
  if (!to) return false;
  copy(ref, to);
  state_of(to).flags &= static_cast<std::uint8_t>(~kDeferred);
  const bool was_there = index_.replace(hash_of(ref), ref, to);
  MR_CHECK(was_there);
  ++stats_.moved;
  pop_front(sequences_[sequence], true);
  return true;
}

void TimeWait::find_earliest() {
  bool found = false;
  for (const Sequence& s : sequences_) {
    if (s.first == kNil) continue;
    const Tick head = expiry(make_ref(s.ipv6, s.first, run(s.first).begin));
    if (!found || tick_before(head, earliest_)) earliest_ = head;
    found = true;
  }
}

std::optional<TimeWaitGone> TimeWait::recycle_oldest() {
  Sequence* oldest = nullptr;
  EntryRef ref;
  for (Sequence& s : sequences_) {
    pop_tombstones(s);
    if (s.first == kNil) continue;
    const EntryRef head = make_ref(s.ipv6, s.first, run(s.first).begin);
    if (oldest != nullptr && !tick_before(expiry(head), expiry(ref))) continue;
    oldest = &s;
    ref = head;
  }
  if (oldest == nullptr) return std::nullopt;
  const TimeWaitGone result = gone(ref);
  const bool was_there = index_.erase(hash_of(ref), ref);
  MR_CHECK(was_there);
  pop_front(*oldest, true);
  ++stats_.recycled;
  return result;
}

std::optional<Tick> TimeWait::next_expiry() const {
  if (live_ == 0) return std::nullopt;
  return earliest_;
}

}  // namespace millrace::tcp
