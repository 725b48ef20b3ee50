// SPDX-License-Identifier: BSD-3-Clause
//
// NewReno (RFC 6582), the "impatient" variant: the timer is restarted by the first partial ACK
// only. The inflated window of fast recovery is cwnd + inflation, so that congestion control's own
// number is ssthresh from the start of recovery on.
#include "tcp/connection/recovery.h"

#include <algorithm>

#include "tcp/connection/calls.h"
#include "tcp/connection/ecn.h"
#include "tcp/connection/loss_recovery.h"
#include "tcp/connection/path_model.h"

namespace millrace::tcp {
namespace {

constexpr std::uint8_t kDupThreshold = 3;  // RFC 5681 §3.2

void enter_recovery(Connection& c, SendState& st, const Context& context) {
  // What limited transmit sent does not count as flight (RFC 5681 §3.2 step 2).
  const std::uint32_t flight = bytes_between(c.snd_una, st.limited_from);
  if (has_model(c, context.config)) {
    LostText lost;
    lost.add({c.snd_una, c.snd_una + std::min(flight, std::uint32_t{c.mss})}, false);
    model_on_recovery(c, context);
    model_on_lost(c, lost, context);
  } else {
    congestion_on_loss(algorithm_of(c, context.config), c.congestion, flight, c.mss, context.now);
  }
  note_reduction(c, st);
  st.recover = c.snd_nxt;
  st.in_recovery = true;
  st.partial_acked = false;
  st.retransmit_first = true;
  st.inflation = kDupThreshold * c.mss;
}

// Each duplicate ACK says that a segment left the network. No more of them can be true than were
// in flight when loss was found: forged ones gain nothing beyond (RFC 5681 §3.2, Savage 1999).
void inflate(const Connection& c, SendState& st) {
  const auto most = static_cast<std::int32_t>(bytes_between(c.snd_una, st.recover));
  st.inflation = std::min(st.inflation + c.mss, std::max(most, kDupThreshold * c.mss));
}

void leave_recovery(Connection& c, SendState& st, Seq ack, const Context& context) {
  if (has_model(c, context.config)) {
    model_on_recovery_end(c, context);
  } else {
    // RFC 6582 §3.2 step 3, full acknowledgment, option 1: no burst.
    const std::uint32_t flight = bytes_between(ack, c.snd_nxt);
    const std::uint32_t mss = c.mss;
    c.congestion.cwnd = std::min(c.congestion.ssthresh, std::max(flight, mss) + mss);
  }
  st.in_recovery = false;
  st.retransmit_first = false;
  st.inflation = 0;
}

// Returns whether this was the first one.
bool on_partial_ack(Connection& c, SendState& st, std::uint32_t acked_bytes) {
  st.retransmit_first = true;
  std::int64_t window = std::int64_t{c.congestion.cwnd} + st.inflation - acked_bytes;
  if (acked_bytes >= c.mss) window += c.mss;
  window = std::max(window, std::int64_t{c.mss});
  st.inflation = static_cast<std::int32_t>(window - c.congestion.cwnd);
  const bool first = !st.partial_acked;
  st.partial_acked = true;
  return first;
}

void restart_cursor(SendState& st) {
  st.cursor_chunk = st.chunk_head;
  st.cursor_offset = st.head_offset;
}

void go_back(Connection& c, SendState& st, const Context& context) {
  release_loss_state(st, context.stores);
  st.in_recovery = false;
  st.retransmit_first = false;
  st.inflation = 0;
  st.dup_acks = 0;
  st.rtt_at = Instant{};
  st.resending = true;
  st.resend_next = c.snd_una;
  restart_cursor(st);
}

}  // namespace

void on_duplicate_ack(Connection& c, SendState& st, const Context& context) {
  if (st.resending) return;
  if (st.in_recovery) return inflate(c, st);
  if (st.dup_acks == 0) st.limited_from = c.snd_nxt;
  if (st.dup_acks != 0xff) ++st.dup_acks;
  // RFC 6582 §3.2 step 1: not for ACKs that our own go-back-N provoked.
  if (!after(c.snd_una, st.recover)) return;
  if (st.dup_acks < kDupThreshold) {
    st.inflation = st.dup_acks * c.mss;  // RFC 3042
  } else if (st.dup_acks == kDupThreshold) {
    enter_recovery(c, st, context);
  }
}

bool on_new_ack(Connection& c, SendState& st, Seq ack, std::uint32_t acked_bytes,
                std::uint32_t rtt_us, const Context& context) {
  if (!st.in_recovery) {
    grow_window(c, st, ack, acked_bytes, rtt_us, context);
    return true;
  }
  st.dup_acks = 0;
  if (before(ack, st.recover)) return on_partial_ack(c, st, acked_bytes);
  leave_recovery(c, st, ack, context);
  return true;
}

void on_timeout_loss(Connection& c, SendState& st, bool first, const Context& context) {
  if (take_timeout(c, st, first, context)) return;
  const bool modelled = has_model(c, context.config);
  if (modelled) {
    LostText lost;
    lost.add({c.snd_una, c.snd_nxt}, false);
    model_on_recovery(c, context);
    model_on_lost(c, lost, context);
  } else {
    congestion_on_timeout(algorithm_of(c, context.config), c.congestion, flight_bytes(c), c.mss,
                          first, context.now);
  }
  note_reduction(c, st);
  st.recover = c.snd_nxt;
  go_back(c, st, context);
  if (modelled) model_on_timeout(c, st, context);
}

void resend_refused(Connection& c, SendState& st, const Context& context) {
  if (st.loss != kNil) return resend_all(c, st, context);
  go_back(c, st, context);
}

void resend_all(Connection& c, SendState& st, const Context& context) {
  if (!resend_unsacked(c, st, context)) go_back(c, st, context);
}

}  // namespace millrace::tcp
