// SPDX-License-Identifier: BSD-3-Clause
//
// How far the hand of pressure.h has come, and what it has seen on this round.
#pragma once

#include <cstdint>

#include "tcp/base/time.h"

namespace millrace::tcp {

/// The pools that ran short: each from nine tenths of its capacity until no more than three
/// quarters are used.
struct Pressed {
  bool blocks = false;
  bool send = false;
  bool receive = false;
  bool connections = false;  // by connections that nobody owns any more
  [[nodiscard]] bool any() const { return blocks || send || receive || connections; }
};

/// What the hand does on its way round, beside looking.
enum class Sweep : std::uint8_t {
  look,               // nothing
  end_who_stand,      // connections that stand still for as long as `least`
  drop_out_of_order,  // the out-of-order data of every connection
};

/// So many live objects call for a closer look; one number is 0 while any pool is pressed.
struct Watermarks {
  std::uint32_t blocks, send, receive, connections;
};

struct Shedding {
  explicit Shedding(Watermarks high) : high_marks(high), watch(high) {}

  Watermarks high_marks;
  Watermarks watch;
  Pressed pressed;
  bool refuses = false;  // a pool has nothing left: who is new is refused
  Sweep sweep = Sweep::look;
  std::uint32_t hand = 0;    // the connection looked at next
  std::uint32_t looked = 0;  // on this round
  Tick least = 0;
  Instant rests_until{};

  // Seen on this round.
  Tick longest = 0;                          // that any connection stands still
  std::uint32_t out_of_order_blocks = 0;     // that out-of-order data hold
  std::uint32_t out_of_order_receivers = 0;  // that hold nothing else
};

}  // namespace millrace::tcp
