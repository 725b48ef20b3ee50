// SPDX-License-Identifier: BSD-3-Clause
//
// The two ends of the feedback: RFC 3168 §6.1.2 and §6.1.3, RFC 8257 §3.2 and §3.3.
#include "tcp/connection/ecn.h"

#include "tcp/connection/ack_policy.h"
#include "tcp/connection/calls.h"
#include "tcp/connection/path_model.h"

namespace millrace::tcp {
namespace {

// RFC 8257 §3.2: an ACK speaks of one kind of segments. When the marking changes, what came before
// and is not acknowledged yet is, with the old echo. Of several changes in one burst only the first
// is told apart.
void follow_marks(Connection& c, bool marked) {
  if (marked == (c.ce_seen != 0)) return;
  c.ce_seen = marked ? 1 : 0;
  if (c.edge_owed != 0 || c.last_ack_sent == c.rcv_nxt) return;
  c.edge_owed = 1;
  c.clear(Connection::kAckDelayed);
  c.ack_deadline = Tick{c.rcv_nxt.raw()};
  if (c.acks_owed == 0) c.acks_owed = 1;  // of what follows: the deadline's place is taken
}

}  // namespace

void ecn_arrived(Connection& c, const SegmentIn& segment, const Context& context) {
  const bool marked = segment.ecn == kCongestionExperienced;
  if (marked) ++context.counters.ECNMarksReceived;
  if (is_dctcp(context.config)) return follow_marks(c, marked);
  if (segment.flags.cwr()) c.ce_seen = 0;
  if (!marked) return;
  if (c.ce_seen == 0) owe_ack(c);  // the first goes at once
  c.ce_seen = 1;
}

bool ecn_acknowledged(Connection& c, SendState& st, const SegmentIn& segment,
                      std::uint32_t acked_bytes, const Context& context) {
  const bool echoed = segment.flags.ece();
  const CongestionAlgorithm algorithm = algorithm_of(c, context.config);
  congestion_count_marks(algorithm, c.congestion, acked_bytes, echoed, segment.ack, c.snd_nxt);
  if (!echoed) return false;
  // Once for each window of data, and not beside a reduction for loss.
  if (st.in_recovery || st.resending || !after(segment.ack, st.ecn_recover)) return true;
  if (st.loss != kNil) {
    LossState& ls = context.stores.loss[st.loss];
    if (ls.phase != LossPhase::open) return true;
    ls.undo.possible = false;  // this reduction stands, whatever comes of the one before
  }
  if (algorithm == CongestionAlgorithm::bbr) {
    model_on_mark(c, context);
  } else {
    congestion_on_mark(algorithm, c.congestion, flight_bytes(c), c.mss, context.now);
  }
  note_reduction(c, st);
  ++context.counters.ECNReductions;
  return true;
}

}  // namespace millrace::tcp
