// SPDX-License-Identifier: BSD-3-Clause
//
// Loss recovery with SACK: joins the scoreboard (RFC 2018, RFC 6675), RACK-TLP (RFC 8985), PRR
// (RFC 9937), F-RTO (RFC 5682) and undoing to what input, output and timers ask. Loss is found by
// RACK alone; how much may be sent meanwhile is RFC 6675's pipe under PRR's window.
//
// SendState::inflation is SND.NXT - SND.UNA less pipe, so that what output.cpp knows as CWND and
// inflation stays right. Where no LossState can be had the connection falls back to go-back-N.
#pragma once

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/connection/loss_figures.h"
#include "tcp/connection/loss_state.h"
#include "tcp/connection/send_queue.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// True if an ACK has to go through here: SACK was agreed, and something is missing or told of.
[[nodiscard]] inline bool needs_scoreboard(const Connection& c, const SendState& st,
                                           const SegmentIn& segment) {
  return c.has(Connection::kSack) && (st.loss != kNil || segment.options.sack_count != 0);
}

/// Takes an acceptable ACK that is not old, before SND.UNA moves to it; tells congestion control.
/// `acked_bytes` of text are newly acknowledged. False if it is for the way without SACK.
[[nodiscard]] bool take_sack_ack(Connection& c, SendState& st, const SegmentIn& segment,
                                 std::uint32_t acked_bytes, std::uint32_t rtt_us,
                                 const Context& context);
/// After that, when SND.UNA has moved and the timers were set: the reordering timer where RACK
/// wants it, what is to be sent, and no LossState where none is needed any more.
void settle_losses(Connection& c, SendState& st, const Context& context);

/// The retransmission timer expired, `first` for this SND.UNA. False: go back N.
[[nodiscard]] bool take_timeout(Connection& c, SendState& st, bool first, const Context& context);
/// Everything that is not SACKed goes again, without a judgement on the path. False: go back N.
[[nodiscard]] bool resend_unsacked(Connection& c, SendState& st, const Context& context);
/// PTO expired. False if no probe can be sent.
[[nodiscard]] bool owe_loss_probe(Connection& c, SendState& st, const Context& context);
/// The reordering timer expired.
void recheck_losses(Connection& c, SendState& st, const Context& context);

/// What goes now before any new text; `fresh`: new text as a probe, whatever CWND says.
struct Resend {
  bool any = false;
  bool fresh = false;
  Seq first;
  std::uint32_t bytes = 0;  // of sequence space
};
[[nodiscard]] Resend next_resend(const Connection& c, const SendState& st, const Context& context);
/// True while new text has to wait for something else.
[[nodiscard]] bool holds_new_text(const SendState& st, const Context& context);
/// [first, end) went again; new text up to SND.NXT went out.
void note_sent_again(Connection& c, SendState& st, Seq first, Seq end, const Context& context);
void note_sent_new(Connection& c, SendState& st, std::uint32_t bytes, const Context& context);

/// The place of the byte `offset` beyond SND.UNA in the queue, from where the last one was found.
[[nodiscard]] QueuePosition seek_again(const Connection& c, SendState& st, const Context& context,
                                       std::uint32_t offset);

void release_loss_state(SendState& st, Stores& stores);

[[nodiscard]] LossFigures loss_figures(const Connection& c, const Context& context);

}  // namespace millrace::tcp
