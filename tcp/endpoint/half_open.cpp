// SPDX-License-Identifier: BSD-3-Clause
//
// Half-open entries in their queues. Links and counts only; what is sent is the endpoint's.
#include "tcp/endpoint/half_open.h"

#include <algorithm>

#include "tcp/base/check.h"

namespace millrace::tcp {

namespace {
// Timeouts are compared modulo 2^32 microseconds.
constexpr Duration kLongest = 30min;
constexpr std::size_t kMaxLevels = 16;  // config_check.cpp: syn_retries is 15 at most

std::uint32_t us_of(Instant t) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(t.time_since_epoch().count()) /
                                    1000);
}
bool reached(std::uint32_t now_us, std::uint32_t deadline_us) {
  return static_cast<std::int32_t>(now_us - deadline_us) >= 0;
}
}  // namespace

HalfOpen::HalfOpen(std::uint32_t capacity, std::span<const TcpConfig> profiles)
    : v4_(capacity), v6_(capacity), by_listener_(std::size_t{65'536} * sizeof(std::uint32_t)) {
  MR_CHECK(capacity <= kPosition && !profiles.empty());
  of_profile_.reserve(kMaxProfiles);
  queues_.reserve(kMaxProfiles * kMaxLevels);
  for (const TcpConfig& config : profiles) add_profile(config);
}

void HalfOpen::add_profile(const TcpConfig& config) {
  MR_CHECK(of_profile_.size() < kMaxProfiles && config.syn_retries < kMaxLevels);
  OfProfile of{queues_.size(), 0};
  Duration timeout = std::min(config.initial_rto, config.max_rto);
  Duration begun{};  // from the first SYN-ACK to where the level begins
  for (unsigned level = 0; level <= config.syn_retries; ++level) {
    Queue queue;
    queue.timeout_us = to_us(std::min(timeout, kLongest));
    queue.last_level = level == config.syn_retries;
    queue.may_defer = begun < config.defer_accept && !queue.last_level;
    if (queue.may_defer) ++of.deferrals;
    queues_.push_back(queue);
    begun += timeout;
    timeout = std::min(timeout * 2, config.max_rto);  // RFC 6298 §5.5
  }
  of_profile_.push_back(of);
}

void HalfOpen::append(std::uint32_t index, std::uint32_t now_us) {
  Entry& e = entry(index);
  Queue& queue = queues_[queue_of(e.state)];
  e.sent_us = now_us;
  e.next = kNil;
  e.prev = queue.last;
  (queue.last == kNil ? queue.first : entry(queue.last).next) = index;
  queue.last = index;
  const std::uint32_t deadline_us = queue.deadline_us(e);
  if (!reached(deadline_us, earliest_us_)) earliest_us_ = deadline_us;
}

void HalfOpen::unlink(std::uint32_t index) {
  const Entry& e = entry(index);
  Queue& queue = queues_[queue_of(e.state)];
  (e.prev == kNil ? queue.first : entry(e.prev).next) = e.next;
  (e.next == kNil ? queue.last : entry(e.next).prev) = e.prev;
}

EntryRef HalfOpen::insert(const FourTuple& tuple, const HalfOpenState& state, Instant now) {
  if (size() == capacity()) {
    ++stats_.refused;
    return {};
  }
  std::uint32_t index = 0;
  if (tuple.local.is_v4()) {
    index = v4_.create();
    v4_[index].tuple = pack_v4(tuple);
  } else {
    const std::uint32_t position = v6_.create();
    v6_[position].tuple = tuple;
    index = position | EntryRef::kIpv6;
  }
  HalfOpenState& kept = entry(index).state;
  kept = state;
  kept.level = 0;
  kept.flags &= HalfOpenState::kTimestamps | HalfOpenState::kSack | HalfOpenState::kWindowScaling |
                HalfOpenState::kEcn | HalfOpenState::kFastOpen;
  if (size() == 1) earliest_us_ = us_of(now) + queues_[queue_of(kept)].timeout_us + 1;
  append(index, us_of(now));
  ++count_of(state.listener);
  ++stats_.inserted;
  return {EntryKind::half_open, index};
}

bool HalfOpen::matches(EntryRef ref, const FourTuple& tuple) const {
  const std::uint32_t position = ref.index() & kPosition;
  if (ref.ipv6()) return v6_[position].tuple == tuple;
  return tuple.local.is_v4() && v4_[position].tuple == pack_v4(tuple);
}

FourTuple HalfOpen::tuple(EntryRef ref) const {
  const std::uint32_t position = ref.index() & kPosition;
  return ref.ipv6() ? v6_[position].tuple : unpack_v4(v4_[position].tuple);
}

void HalfOpen::prefetch(EntryRef ref) const {
  const std::uint32_t position = ref.index() & kPosition;
  if (ref.ipv6()) {
    v6_.prefetch(position);
  } else {
    v4_.prefetch(position);
  }
}

std::uint32_t HalfOpen::rtt_us(EntryRef ref, Instant now) const {
  const Entry& e = entry(ref.index());
  if (e.state.has(HalfOpenState::kAmbiguous | HalfOpenState::kDeferred)) return 0;
  return std::max<std::uint32_t>(1, us_of(now) - e.sent_us);
}

void HalfOpen::release(EntryRef ref) {
  const std::uint32_t index = ref.index();
  --count_of(entry(index).state.listener);
  unlink(index);
  if (ref.ipv6()) {
    v6_.free(index & kPosition);
  } else {
    v4_.free(index);
  }
  ++stats_.released;
}

std::size_t HalfOpen::due(Instant now, std::span<Due> out) {
  const std::uint32_t now_us = us_of(now);
  if (size() == 0 || !reached(now_us, earliest_us_)) return 0;
  std::size_t count = 0;
  // From the last level down: an entry that moves up a level is not met again in this call.
  for (std::size_t q = queues_.size(); q > 0 && count < out.size(); --q) {
    count += due_of(q - 1, now_us, out.subspan(count));
  }
  if (count < out.size()) find_earliest();
  return count;
}

std::size_t HalfOpen::due_of(std::size_t queue, std::uint32_t now_us, std::span<Due> out) {
  const Queue& q = queues_[queue];
  std::size_t count = 0;
  std::size_t seen = 0;  // bounds the call where nothing is written
  for (std::uint32_t index = q.first; index != kNil && seen < out.size(); ++seen) {
    Entry& e = entry(index);
    if (!reached(now_us, q.deadline_us(e))) break;
    const std::uint32_t next = e.next;
    const bool waits = e.state.has(HalfOpenState::kDeferred) && next_may_defer(queue);
    if (!waits) out[count++] = {{EntryKind::half_open, index}, q.last_level};
    if (!q.last_level) {
      unlink(index);
      ++e.state.level;
      append(index, now_us);
    }
    if (!q.last_level && !waits) {
      e.state.flags |= HalfOpenState::kAmbiguous;
      ++stats_.retransmissions;
    }
    index = next;
  }
  return count;
}

void HalfOpen::find_earliest() {
  bool found = false;
  for (const Queue& q : queues_) {
    if (q.first == kNil) continue;
    const std::uint32_t deadline_us = q.deadline_us(entry(q.first));
    if (!found || !reached(deadline_us, earliest_us_)) earliest_us_ = deadline_us;
    found = true;
  }
}

std::optional<Instant> HalfOpen::next_due(Instant now) const {
  if (size() == 0) return std::nullopt;
  const auto ahead_us = static_cast<std::int32_t>(earliest_us_ - us_of(now));
  return now + std::chrono::microseconds(std::max(ahead_us, 0));
}

std::size_t HalfOpen::list(std::uint16_t listener, std::span<EntryRef> out) const {
  std::size_t count = 0;
  for (const Queue& q : queues_) {
    for (std::uint32_t index = q.first; index != kNil; index = entry(index).next) {
      if (entry(index).state.listener != listener) continue;
      if (count == out.size()) return count;
      out[count++] = {EntryKind::half_open, index};
    }
  }
  return count;
}

std::size_t HalfOpen::reserved_bytes() const {
  return std::size_t{v4_.capacity()} * sizeof(Entry4) +
         std::size_t{v6_.capacity()} * sizeof(Entry6);
}
std::size_t HalfOpen::touched_bytes() const {
  return std::size_t{v4_.touched()} * sizeof(Entry4) + std::size_t{v6_.touched()} * sizeof(Entry6);
}

}  // namespace millrace::tcp
