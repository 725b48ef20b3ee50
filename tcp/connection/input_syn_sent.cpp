// SPDX-License-Identifier: BSD-3-Clause
//
// SEGMENT ARRIVES in SYN-SENT (RFC 9293 §3.10.7.3), its five checks in order; simultaneous open
// (§3.5) leads to SYN-RECEIVED from here.
//
// Text that comes with a bare SYN is not kept for later, as the RFC would have it: it is not
// acknowledged either, so the peer sends it again.
#include "tcp/connection/input_syn_sent.h"

#include "tcp/connection/ack.h"
#include "tcp/connection/ack_policy.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/ecn.h"
#include "tcp/connection/fast_open.h"
#include "tcp/connection/handshake.h"
#include "tcp/connection/receive_window.h"
#include "tcp/connection/text.h"

namespace millrace::tcp {
namespace {

enum class AckVerdict : std::uint8_t { absent, acceptable, wrong };

// First, check the ACK bit. Only our SYN can be acknowledged, with what text it had. Before the
// first flush it has not even been sent.
[[nodiscard]] AckVerdict check_ack_bit(const Connection& c, const SegmentIn& segment,
                                       const Context& context) {
  if (!segment.flags.ack()) return AckVerdict::absent;
  const bool in_range =
      after(segment.ack, c.snd_una) && at_or_before(segment.ack, end_of_syn(c, context));
  return in_range ? AckVerdict::acceptable : AckVerdict::wrong;
}

// Second, check the RST bit. RFC 5961 §3.2: in this state it must acknowledge the SYN.
Drop check_reset(Connection& c, AckVerdict ack, const Context& context, Outcome& outcome) {
  if (ack != AckVerdict::acceptable) return Drop::tcp_syn_sent_bad_ack;
  finish(c, CloseReason::refused, context, outcome);
  return Drop::tcp_reset;
}

// What the peer's SYN tells.
void learn_from_syn(Connection& c, const SegmentIn& segment, const Context& context) {
  const bool ecn = is_ecn_answer(context.config, segment.flags);
  apply_agreement(c, agree(context.config, c.has(Connection::kIpv6), segment.options, ecn),
                  context);
  c.rcv_nxt = segment.seq + 1;
  c.last_ack_sent = c.rcv_nxt;
  c.rcv_adv = c.rcv_nxt + syn_window(context.config);
}

// Fourth, check the SYN bit.
Drop take_syn(Connection& c, const SegmentIn& segment, AckVerdict ack, const Context& context,
              Outcome& outcome) {
  learn_from_syn(c, segment, context);
  if (ack == AckVerdict::acceptable) {
    learn_fast_open(c, segment, context);
    // The window of a SYN is not scaled (RFC 7323 §2.2).
    syn_acknowledged(c, segment, segment.window, Emptied::release, context, outcome);
    if (segment.ack != c.snd_una) syn_text_acknowledged(c, segment.ack, context, outcome);
    ack_progress_now(c);
    // "If there are other controls or text ... continue processing at the sixth step."
    return take_text(c, {segment.seq + 1, segment.payload, segment.flags.fin()}, context, outcome);
  }
  c.state = State::syn_received;
  c.snd_wl1 = segment.seq;
  c.snd_wnd = segment.window;
  context.stores.send[c.send].retransmit_first = true;  // our SYN again, with an ACK
  owe_ack(c);  // which must go even if the peer's SYN-ACK comes before it
  return segment.payload.empty() && !segment.flags.fin() ? Drop::none : Drop::tcp_window_closed;
}

}  // namespace

[[gnu::flatten]] bool input_syn_ack(Connection& c, const SegmentIn& segment,
                                    const Context& context) {
  Outcome outcome;
  learn_from_syn(c, segment, context);
  if (context.config.fast_open) [[unlikely]]
    learn_fast_open(c, segment, context);
  syn_acknowledged(c, segment, segment.window, Emptied::keep, context, outcome);
  ack_progress_now(c);
  return outcome.writable;
}

Drop input_syn_sent(Connection& c, const SegmentIn& segment, const Context& context,
                    Outcome& outcome) {
  const AckVerdict ack = check_ack_bit(c, segment, context);
  if (ack == AckVerdict::wrong && !segment.flags.rst()) {
    outcome.reset_reply = true;
    outcome.reset_seq = segment.ack;
    return Drop::tcp_syn_sent_bad_ack;
  }
  if (segment.flags.rst()) return check_reset(c, ack, context, outcome);
  // Third, check security: there are no security compartments here.
  if (segment.flags.syn()) return take_syn(c, segment, ack, context, outcome);
  return Drop::tcp_syn_sent_no_syn;  // fifth
}

}  // namespace millrace::tcp
