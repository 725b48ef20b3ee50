// SPDX-License-Identifier: BSD-3-Clause
//
// The wire's accidents, in the order in which a frame meets them: loss, the queue, the rate, delay.
#include "tests/support/link.h"

#include <algorithm>

#include "tests/support/frame_view.h"

namespace millrace::sim {
namespace {

struct Look {
  bool tcp = false;
  std::uint8_t flags = 0;
  bool payload = false;
};

/// What kind of segment a frame of ours carries. Frames here are well formed: they were just sent.
Look look_at(std::span<const std::byte> frame) {
  const auto view = view_frame(frame);
  if (!view) return {};
  return {true, view->segment.flags.bits, !view->segment.payload.empty()};
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
  h.router = router;
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

/// Sets "congestion experienced" in an ECN-capable packet; false if it is none (RFC 3168 §5).
bool mark(std::vector<std::byte>& frame) {
  const auto byte = [&](std::size_t at) { return std::to_integer<unsigned>(frame[at]); };
  const unsigned type = byte(12) << 8 | byte(13);
  if (type == 0x86dd) {
    if ((byte(15) >> 4 & 3) == 0) return false;
    frame[15] |= std::byte{0x30};
    return true;
  }
  if (type != 0x0800 || (byte(15) & 3) == 0) return false;
  // RFC 1624: what is added to the header is taken off its checksum.
  const unsigned added = 3 - (byte(15) & 3);
  unsigned sum = (byte(24) << 8 | byte(25)) + 0xffff - added;
  sum = (sum & 0xffff) + (sum >> 16);
  frame[15] |= std::byte{3};
  frame[24] = static_cast<std::byte>(sum >> 8);
  frame[25] = static_cast<std::byte>(sum & 0xff);
  return true;
}

void Link::schedule(Delivery delivery) {
  delivery.order = order_++;
  flying_.push(std::move(delivery));
}

/// The router drops `frame`. What it says of that comes back by the other way, and may get lost
/// there.
void Link::turn_back(int from, std::span<const std::byte> frame, std::uint16_t mtu, Instant now,
                     std::uint32_t tag) {
  Way& way = ways_[from];
  const Impairment& back = ways_[1 - from].impairment;
  ++way.stats.too_big;
  if (!way.random.chance(way.impairment.router.tells)) return;
  const bool lost = back.loss_kind == LossKind::iid && way.random.chance(back.loss);
  if (lost) return;
  const Instant at = now + (way.impairment.delay + back.delay) / 2;
  schedule({at, 0, from, tag, Damage::none, packet_too_big(way.impairment.router, frame, mtu)});
}

void Link::send(int from, std::span<const std::byte> frame, Instant now, std::uint32_t tag) {
  Way& way = ways_[from];
  const Impairment& i = way.impairment;
  ++way.stats.sent;
  if (loses(way, frame, now)) {
    ++way.stats.lost;
    return;
  }
  if (i.router.is_narrow()) {
    if (const auto mtu = too_big_for(i.router, frame))
      return turn_back(from, frame, *mtu, now, tag);
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
  Delivery d{at, 0, 1 - from, tag, Damage::none, {frame.begin(), frame.end()}};
  if (i.mark > 0 && way.random.chance(i.mark) && mark(d.frame)) ++way.stats.marked;
  if (way.random.chance(i.duplicate)) {
    ++way.stats.duplicated;
    const Duration later = std::max(i.jitter, i.reorder_delay);
    Delivery again = d;
    again.at += Duration{
        static_cast<std::int64_t>(way.random.below(static_cast<std::uint64_t>(later.count()) + 1))};
    schedule(std::move(again));
  }
  // ARP carries no checksum of its own, so a flipped bit there is a lie that nobody can see.
  const bool arp = frame[12] == std::byte{0x08} && frame[13] == std::byte{0x06};
  if (!arp && way.random.chance(i.corrupt)) {
    ++way.stats.corrupted;
    const std::uint64_t bit = way.random.below(d.frame.size() * 8);
    d.frame[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const auto place = find_tcp(frame);
    const bool ipv4 = frame[12] == std::byte{0x08} && bit / 8 >= 22 && bit / 8 < 34;
    d.damage = place && bit / 8 >= place->first ? Damage::segment
               : ipv4                           ? Damage::ipv4
                                                : Damage::below_tcp;
  }
  schedule(std::move(d));
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
