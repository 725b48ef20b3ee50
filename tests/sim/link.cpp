// SPDX-License-Identifier: BSD-3-Clause
//
// The wire's accidents, in the order in which a frame meets them: loss, the queue, the rate, delay.
#include "tests/sim/link.h"

#include <algorithm>

namespace millrace::sim {
namespace {

struct Look {
  bool tcp = false;
  std::uint8_t flags = 0;
  bool payload = false;
};

std::uint32_t byte_at(std::span<const std::byte> b, std::size_t at) {
  return at < b.size() ? std::to_integer<std::uint32_t>(b[at]) : 0;
}

/// What kind of segment a frame of ours carries. Frames here are well formed: they were just sent.
Look look_at(std::span<const std::byte> frame) {
  const std::uint32_t ethertype = byte_at(frame, 12) << 8 | byte_at(frame, 13);
  std::size_t l4 = 0;
  std::size_t end = 0;
  if (ethertype == 0x0800 && byte_at(frame, 23) == 6) {
    l4 = 14 + (byte_at(frame, 14) & 0x0f) * 4;
    end = 14 + (byte_at(frame, 16) << 8 | byte_at(frame, 17));
  } else if (ethertype == 0x86dd && byte_at(frame, 20) == 6) {
    l4 = 54;
    end = 54 + (byte_at(frame, 18) << 8 | byte_at(frame, 19));
  } else {
    return {};
  }
  const std::size_t data = l4 + (byte_at(frame, l4 + 12) >> 4) * 4;
  return {true, static_cast<std::uint8_t>(byte_at(frame, l4 + 13)), end > data};
}

constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8;

bool is_target(LossKind kind, const Look& look) {
  if (!look.tcp) return kind == LossKind::iid || kind == LossKind::burst;
  switch (kind) {
    case LossKind::iid:
    case LossKind::burst:
      return true;
    case LossKind::tail:  // the end of what an application wrote
      return look.payload && (look.flags & kPsh) != 0;
    case LossKind::ack_only:
      return !look.payload && (look.flags & (kFin | kSyn | kRst)) == 0;
    case LossKind::syn_only:
      return (look.flags & kSyn) != 0;
    case LossKind::fin_only:
      return (look.flags & kFin) != 0;
  }
  return false;
}

}  // namespace

Impairment Impairment::healed() const {
  Impairment h;
  h.delay = delay;
  h.bits_per_second = bits_per_second;
  h.queue_bytes = queue_bytes;
  return h;
}

Link::Link(const Impairment& from_0, const Impairment& from_1, std::uint64_t seed)
    : ways_{Way(from_0, seed), Way(from_1, ~seed)} {}

bool Link::loses(Way& way, std::span<const std::byte> frame, Instant now) {
  const Impairment& i = way.impairment;
  if (i.loss <= 0 || !is_target(i.loss_kind, look_at(frame))) return false;
  if (i.loss_kind != LossKind::burst) return way.random.chance(i.loss);
  // Bursts of five frames on average, so that `loss` is their share of all frames; a pause ends
  // one.
  constexpr double kLeave = 0.2;
  if (now - way.burst_seen > 200ms) way.burst_bad = false;
  way.burst_seen = now;
  const double enter = kLeave * i.loss / (1 - i.loss);
  way.burst_bad = way.random.chance(way.burst_bad ? 1 - kLeave : enter);
  return way.burst_bad;
}

void Link::schedule(int to, Instant at, std::vector<std::byte> frame) {
  flying_.push({at, order_++, to, std::move(frame)});
}

void Link::send(int from, std::span<const std::byte> frame, Instant now) {
  Way& way = ways_[from];
  const Impairment& i = way.impairment;
  ++way.stats.sent;
  if (loses(way, frame, now)) {
    ++way.stats.lost;
    return;
  }
  Instant leaves = now;
  if (i.bits_per_second > 0) {
    const auto wire_time = [&](std::uint64_t bytes) {
      return Duration{static_cast<std::int64_t>(bytes * 8 * 1'000'000'000 / i.bits_per_second)};
    };
    const Instant start = std::max(now, way.wire_free);
    if (start - now > wire_time(i.queue_bytes)) {
      ++way.stats.overflowed;
      return;
    }
    leaves = way.wire_free = start + wire_time(frame.size());
  }
  Instant at = leaves + i.delay;
  if (i.jitter > Duration{0}) {
    at += Duration{static_cast<std::int64_t>(
        way.random.below(static_cast<std::uint64_t>(i.jitter.count()) + 1))};
  }
  at = way.last_arrival = std::max(at, way.last_arrival);  // jitter alone keeps the order
  if (way.random.chance(i.reorder)) {
    ++way.stats.reordered;
    at += Duration{static_cast<std::int64_t>(
        way.random.below(static_cast<std::uint64_t>(i.reorder_delay.count()) + 1))};
  }
  std::vector<std::byte> copy(frame.begin(), frame.end());
  if (way.random.chance(i.duplicate)) {
    ++way.stats.duplicated;
    const Duration later = std::max(i.jitter, i.reorder_delay);
    schedule(1 - from,
             at + Duration{static_cast<std::int64_t>(
                      way.random.below(static_cast<std::uint64_t>(later.count()) + 1))},
             copy);
  }
  // ARP carries no checksum of its own, so a flipped bit there is a lie that nobody can see.
  const bool arp = byte_at(frame, 12) == 0x08 && byte_at(frame, 13) == 0x06;
  if (!arp && way.random.chance(i.corrupt)) {
    ++way.stats.corrupted;
    const std::uint64_t bit = way.random.below(copy.size() * 8);
    copy[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
  }
  schedule(1 - from, at, std::move(copy));
}

std::optional<Instant> Link::next_delivery() const {
  if (flying_.empty()) return std::nullopt;
  return flying_.top().at;
}

std::optional<Delivery> Link::receive(Instant now) {
  if (flying_.empty() || flying_.top().at > now) return std::nullopt;
  Delivery d = flying_.top();
  flying_.pop();
  return d;
}

}  // namespace millrace::sim
