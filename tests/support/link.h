// SPDX-License-Identifier: BSD-3-Clause
//
// A wire between two ports with everything that real ones do to frames: delay and jitter, a rate
// and a queue, a router with a smaller MTU, loss of several kinds, reordering, duplication and
// flipped bits. Each direction has its own state and its own random numbers. Time is virtual: the
// caller asks when something is due.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <span>
#include <string_view>
#include <vector>

#include "tcp/base/time.h"
#include "tests/support/random.h"
#include "tests/support/router.h"

namespace millrace::sim {

enum class LossKind : std::uint8_t { iid, burst, tail, ack_only, syn_only, fin_only };
inline constexpr std::string_view kLossNames[] = {"iid", "burst", "tail", "ack", "syn", "fin"};

/// What one direction does to frames.
struct Impairment {
  Duration delay{50'000};
  Duration jitter{0};                 // added to the delay, uniformly
  std::uint64_t bits_per_second = 0;  // 0: no limit
  std::uint32_t queue_bytes = 256 * 1024;
  LossKind loss_kind = LossKind::iid;
  double loss = 0;
  double reorder = 0;  // probability that a frame is held back by up to `reorder_delay`
  Duration reorder_delay{0};
  double duplicate = 0;
  double mark = 0;     // an ECN-capable packet is marked as having met congestion (RFC 3168 §5)
  double corrupt = 0;  // one bit is flipped: the TCP checksum must see every one of these
  Router router;       // half way

  /// The same wire without the harm: delay, rate and what its router takes stay.
  [[nodiscard]] Impairment healed() const;
};

struct LinkStats {
  std::uint64_t sent = 0, lost = 0, overflowed = 0, reordered = 0, duplicated = 0, corrupted = 0,
                marked = 0, too_big = 0;
};

/// Where a bit was flipped. A header below TCP may bear it (IPv6 has no checksum); one of IPv4
/// behind its lengths must be told by its checksum, and a segment by its own.
enum class Damage : std::uint8_t { none, below_tcp, ipv4, segment };

struct Delivery {
  Instant at;
  std::uint64_t order = 0;
  int to = 0;             // which port
  std::uint32_t tag = 0;  // the sender's, for whoever keeps the books
  Damage damage = Damage::none;
  std::vector<std::byte> frame;
};

class Link {
 public:
  Link(const Impairment& from_0, const Impairment& from_1, std::uint64_t seed);

  void set(int from, const Impairment& impairment) { ways_[from].impairment = impairment; }
  [[nodiscard]] const Impairment& impairment(int from) const { return ways_[from].impairment; }
  void send(int from, std::span<const std::byte> frame, Instant now, std::uint32_t tag = 0);
  [[nodiscard]] std::optional<Instant> next_delivery() const;
  /// The next frame due at `now` or before.
  [[nodiscard]] std::optional<Delivery> receive(Instant now);
  [[nodiscard]] const LinkStats& stats(int from) const { return ways_[from].stats; }

 private:
  struct Way {
    Way(const Impairment& i, std::uint64_t seed) : impairment(i), random(seed) {}

    Impairment impairment;
    test::Random random;
    Instant wire_free{};  // when the last bit of the queue will have left
    Instant last_arrival{};
    bool burst_bad = false;  // Gilbert and Elliott's bad state
    Instant burst_seen{};
    LinkStats stats;
  };
  struct Later {
    bool operator()(const Delivery& a, const Delivery& b) const {
      return a.at != b.at ? a.at > b.at : a.order > b.order;
    }
  };

  [[nodiscard]] bool loses(Way& way, std::span<const std::byte> frame, Instant now);
  void turn_back(int from, std::span<const std::byte> frame, std::uint16_t mtu, Instant now,
                 std::uint32_t tag);
  void schedule(Delivery delivery);

  Way ways_[2];
  std::priority_queue<Delivery, std::vector<Delivery>, Later> flying_;
  std::uint64_t order_ = 0;
};

}  // namespace millrace::sim
