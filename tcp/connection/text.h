// SPDX-License-Identifier: BSD-3-Clause
//
// The last two steps of SEGMENT ARRIVES (RFC 9293 §3.10.7.4): seventh, the segment text; eighth,
// the FIN bit.
#pragma once

#include <span>

#include "tcp/base/drop.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"

namespace millrace::tcp {

/// What a segment carries in sequence space once its SYN is off.
struct Text {
  Seq seq;
  std::span<const std::byte> bytes;
  bool fin = false;

  [[nodiscard]] Seq end() const { return seq + static_cast<std::uint32_t>(bytes.size()); }
};

/// True while text may still come (RFC 9293 §3.10.7.4, seventh): before the peer's FIN.
[[nodiscard]] inline bool may_receive(State state) {
  return state == State::established || state == State::fin_wait_1 || state == State::fin_wait_2;
}

/// Eighth, check the FIN bit: its sequence number is RCV.NXT, and the state may still receive.
void process_fin(Connection& c, const Context& context, Outcome& outcome);

/// Trims to the window, delivers, keeps or refuses the bytes, and processes the FIN when its turn
/// has come.
Drop take_text(Connection& c, Text text, const Context& context, Outcome& outcome);

}  // namespace millrace::tcp
