// SPDX-License-Identifier: BSD-3-Clause
//
// The fifth check of SEGMENT ARRIVES: the ACK field (RFC 9293 §3.10.7.4, RFC 5961 §5), the send
// window, and what an acknowledgment sets free.
#pragma once

#include "tcp/base/drop.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// Fifth check in the states after SYN-RECEIVED. May end the connection (LAST-ACK) or move it to
/// TIME-WAIT (CLOSING).
Drop check_ack(Connection& c, const SegmentIn& segment, const Context& context, Outcome& outcome);

/// SND.WND, SND.WL1; only for an ACK that is not old, so SND.WL2 =< SEG.ACK holds. True if the
/// window is another one now. A new ACK was sent after all that came before, whatever its sequence
/// number: what is sent again must not keep its window from us, or SND.UNA would move under the old
/// one and we send beyond what was offered.
inline bool update_send_window(Connection& c, const SegmentIn& segment) {
  if (segment.ack == c.snd_una && before(segment.seq, c.snd_wl1)) return false;
  c.snd_wl1 = later_of(c.snd_wl1, segment.seq);
  const std::uint32_t window = std::uint32_t{segment.window} << c.peer_scale();
  if (window == c.snd_wnd) return false;
  c.snd_wnd = window;
  if (segment.window > c.max_snd_wnd) c.max_snd_wnd = segment.window;
  return true;
}

/// What becomes of a SendState of which nothing is needed any more: `keep` it where the application
/// may answer what has just come, in this iteration (send_queue.h).
enum class Emptied : std::uint8_t { release, keep };

/// The ACK covers SND.NXT and thereby all that is queued, outside recovery. True if the application
/// waits to write and may.
[[nodiscard]] bool all_acknowledged(Connection& c, const SegmentIn& segment, Emptied emptied,
                                    const Context& context);

/// The peer has acknowledged our SYN: SND.UNA moves over it, its round trip is sampled, and the
/// send window is taken from this segment.
void syn_acknowledged(Connection& c, const SegmentIn& segment, std::uint32_t window_bytes,
                      Emptied emptied, const Context& context, Outcome& outcome);

}  // namespace millrace::tcp
