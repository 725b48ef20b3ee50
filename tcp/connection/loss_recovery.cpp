// SPDX-License-Identifier: BSD-3-Clause
//
// The phases of LossState: open, recovery, loss, and what leads from one to another. RFC 6675 §5,
// §5.1; RFC 8985 §6, §7; RFC 5682 §3.1; RFC 2018 §8 (reneging).
#include "tcp/connection/loss_recovery.h"

#include <algorithm>

#include "tcp/connection/calls.h"
#include "tcp/connection/ecn.h"
#include "tcp/connection/frto.h"
#include "tcp/connection/path_model.h"
#include "tcp/connection/prr.h"
#include "tcp/connection/rack.h"
#include "tcp/connection/recovery.h"
#include "tcp/connection/scoreboard.h"
#include "tcp/connection/timers.h"
#include "tcp/connection/timestamps.h"
#include "tcp/connection/tlp.h"
#include "tcp/connection/undo.h"

namespace millrace::tcp {
namespace {

void start_loss_state(LossState& ls, Seq una) {
  start_scoreboard(ls.board, una);
  ls.rack.once_end = una;
}

// False if there is none to be had, or the connection goes another way until that has ended.
[[nodiscard]] bool ensure_loss_state(const Connection& c, SendState& st, const Context& context) {
  if (st.loss != kNil) return true;
  if (st.in_recovery || st.resending) return false;
  st.loss = context.stores.loss.create();
  if (st.loss == kNil) return false;
  start_loss_state(context.stores.loss[st.loss], c.snd_una);
  return true;
}

// A SACK while all is sent again in order: from here on only what is missing is.
[[nodiscard]] bool leave_go_back(Connection& c, SendState& st, const Context& context) {
  Stores& stores = context.stores;
  st.loss = stores.loss.create();
  if (st.loss == kNil) return false;
  LossState& ls = stores.loss[st.loss];
  start_loss_state(ls, c.snd_una);
  (void)mark_lost_before(ls.board, c.snd_nxt, stores);
  if (ls.board.lost_bytes != flight_bytes(c)) {
    release_loss_state(st, stores);
    return false;
  }
  if (st.resend_next != c.snd_una) {
    note_resent(ls.board, c.snd_una, st.resend_next, stamp_of(context.now), stores);
  }
  ls.phase = LossPhase::loss;
  st.recover = c.snd_nxt;
  st.resending = false;
  const QueuePosition at = seek(st, stores, std::min(flight_bytes(c), st.queued_bytes));
  st.cursor_chunk = at.chunk;
  st.cursor_offset = at.offset;
  return true;
}

[[nodiscard]] bool waits_to_resend(LossState& ls, Stores& stores) {
  return ls.frto == Frto::off && next_to_resend(ls.board, stores).has_value();
}

[[nodiscard]] std::uint32_t pipe_bytes(const Connection& c, const LossState& ls, Seq una) {
  const auto flight = static_cast<std::int64_t>(bytes_between(una, c.snd_nxt));
  return static_cast<std::uint32_t>(std::max<std::int64_t>(flight - pipe_relief(ls.board), 0));
}

// What congestion control is told to have been in flight: no more than its window, which limited
// transmit has let grow by what was SACKed (RFC 5681 §3.2 step 2).
[[nodiscard]] std::uint32_t flight_for_congestion(const Connection& c) {
  return std::min(flight_bytes(c), c.congestion.cwnd);
}

void refresh(SendState& st, LossState& ls, Stores& stores) {
  st.inflation = pipe_relief(ls.board);
  st.retransmit_first = ls.tlp.due || ls.force || waits_to_resend(ls, stores);
}

// ---- what an ACK says

struct Blocks {
  bool dsack = false;
  SackBlock twice;
};

// RFC 2883 §4: the first block tells of text that came twice if it lies below the ACK, or within
// the second block.
[[nodiscard]] Blocks find_dsack(const Connection& c, const SegmentIn& segment) {
  Blocks found;
  if (segment.options.sack_count == 0) return found;
  const auto& sack = segment.options.sack;
  const SackBlock& first = sack[0];
  if (!before(first.left, first.right) || after(first.right, c.snd_nxt)) return found;
  bool twice = at_or_before(first.right, segment.ack);
  if (!twice && segment.options.sack_count > 1) {
    twice = at_or_after(first.left, sack[1].left) && at_or_before(first.right, sack[1].right);
  }
  // Older than any window of ours is nobody's honest word (RFC 5961 §5.2 draws the same line).
  const std::uint32_t most = std::uint32_t{c.max_snd_wnd} << c.peer_scale();
  if (twice && !before(first.left, c.snd_una - most)) {
    found.dsack = true;
    found.twice = first;
  }
  return found;
}

// True if the block tells of text beyond SEG.ACK that was sent.
[[nodiscard]] bool is_news(const Connection& c, const SegmentIn& segment, const SackBlock& block) {
  return before(block.left, block.right) && at_or_before(block.right, c.snd_nxt) &&
         after(block.right, segment.ack) && at_or_after(block.left, c.snd_una);
}

void count_lies(const Connection& c, const SegmentIn& segment, const Context& context) {
  for (std::size_t i = 0; i < segment.options.sack_count; ++i) {
    const SackBlock& block = segment.options.sack[i];
    if (before(block.left, block.right) && !after(block.right, c.snd_nxt)) continue;
    ++context.counters.TCPSACKDiscard;
  }
}

[[nodiscard]] bool has_news(const Connection& c, const SegmentIn& segment) {
  for (std::size_t i = 0; i < segment.options.sack_count; ++i) {
    if (is_news(c, segment, segment.options.sack[i])) return true;
  }
  return false;
}

[[nodiscard]] Delivered update_scoreboard(const Connection& c, LossState& ls,
                                          const SegmentIn& segment, bool dsack,
                                          const Context& context) {
  Delivered delivered;
  Stores& stores = context.stores;
  const Stamp now = stamp_of(context.now);
  advance_scoreboard(ls.board, c.snd_una, segment.ack, now, stores, delivered);
  for (std::size_t i = dsack ? 1 : 0; i < segment.options.sack_count; ++i) {
    const SackBlock& block = segment.options.sack[i];
    if (is_news(c, segment, block)) {
      const Seq left = later_of(block.left, segment.ack);
      sack_range(ls.board, left, block.right, now, stores, delivered);
    }
  }
  return delivered;
}

// ---- phases

void enter_recovery(Connection& c, SendState& st, LossState& ls, Seq ack,
                    std::uint32_t delivered_bytes, const Context& context) {
  undo_begin(c, ls.undo, context);
  // A model has heard of it with the losses.
  congestion_on_loss(algorithm_of(c, context.config), c.congestion, flight_for_congestion(c), c.mss,
                     context.now);
  note_reduction(c, st);
  st.recover = c.snd_nxt;
  ls.phase = LossPhase::recovery;
  ls.tlp = Tlp{};
  prr_begin(ls.prr, bytes_between(ack, c.snd_nxt) - ls.board.sacked_bytes + delivered_bytes);
  ++context.counters.TCPSackRecovery;
}

void end_recovery(Connection& c, LossState& ls, const Context& context) {
  if (has_model(c, context.config)) {
    model_on_recovery_end(c, context);
  } else if (ls.phase == LossPhase::recovery) {
    c.congestion.cwnd = c.congestion.ssthresh;
  }
  ls.phase = LossPhase::open;
  ls.frto = Frto::off;
  ls.force = ls.alone = false;
  ls.undo.first_pending = false;
  ls.undo.expires = c.snd_nxt;
  rack_on_recovery_end(ls.rack);
}

// It was not a loss: as if nothing had happened (RFC 4015 §3).
void undo(Connection& c, SendState& st, LossState& ls, const Context& context) {
  undo_window(c, ls.undo, context);
  forgive_losses(ls.board, c.snd_una, context.stores);
  ls.phase = LossPhase::open;
  ls.frto = Frto::off;
  ls.force = ls.alone = false;
  st.recover = c.snd_una - 1;
  st.dup_acks = 0;
}

// True if this ACK shows that nothing was lost.
[[nodiscard]] bool is_spurious(Connection& c, SendState& st, LossState& ls,
                               const SegmentIn& segment, const Blocks& blocks,
                               const Delivered& delivered, const Context& context) {
  if (frto_on_ack(c, st, ls, segment.ack, delivered)) {
    ++context.counters.TCPSpuriousRTOs;
    return true;
  }
  if (undo_by_timestamp(c, ls.undo, segment)) {
    if (ls.phase == LossPhase::loss) {
      ++context.counters.TCPLossUndo;
    } else {
      ++context.counters.TCPFullUndo;
      c.reordering = 1;
    }
    return true;
  }
  if (blocks.dsack && undo_by_dsack(ls.undo, blocks.twice)) {
    ++context.counters.TCPDSACKUndo;
    return true;
  }
  return false;
}

void respond_to_probe(Connection& c, SendState& st, const SegmentIn& segment, LossState& ls,
                      const Blocks& blocks, const Context& context) {
  if (!tlp_on_ack(c, ls.tlp, segment, blocks.dsack ? &blocks.twice : nullptr)) return;
  ++context.counters.TCPLossProbeRecovery;
  // §7.4.2: the probe repaired a loss that nobody else will ever hear of. Of the flight it belonged
  // to only the tail is left.
  if (has_model(c, context.config)) {
    LostText lost;
    lost.add({ls.tlp.end - c.mss, ls.tlp.end}, false);
    model_on_lost(c, lost, context);
  }
  congestion_on_loss(algorithm_of(c, context.config), c.congestion, c.congestion.cwnd, c.mss,
                     context.now);
  note_reduction(c, st);
}

// RACK's judgement; a model of the path hears what is lost, first that recovery begins by it.
[[nodiscard]] bool detect_loss(Connection& c, SendState& st, LossState& ls,
                               const Context& context) {
  if (!has_model(c, context.config)) [[likely]]
    return rack_detect_loss(c, st, ls, context);
  LostText told;
  const bool any = rack_detect_loss(c, st, ls, context, &told);
  if (told.count != 0 && ls.phase == LossPhase::open) model_on_recovery(c, context);
  model_on_lost(c, told, context);
  return any;
}

// RFC 6675 §5: what the phase makes of what was delivered and lost.
void react(Connection& c, SendState& st, LossState& ls, const SegmentIn& segment,
           const Delivered& delivered, bool newly_lost, std::uint32_t acked_bytes,
           std::uint32_t rtt_us, const Context& context) {
  const Seq ack = segment.ack;
  const bool moved = after(ack, c.snd_una);
  const bool ends = ls.phase != LossPhase::open && at_or_after(ack, st.recover);
  const bool was_recovery = ls.phase == LossPhase::recovery;
  if (ends) end_recovery(c, ls, context);
  if (ls.phase == LossPhase::open && ls.board.lost_bytes != 0) {
    enter_recovery(c, st, ls, ack, delivered.bytes, context);
  }
  if (ls.phase != LossPhase::recovery) {
    // What ends a recovery was sent in it, and has earned nothing.
    if (moved && !was_recovery) grow_window(c, st, ack, acked_bytes, rtt_us, context);
    if (moved) st.dup_acks = 0;
    return;
  }
  if (moved) st.dup_acks = 0;
  if (delivered.bytes == 0 || has_model(c, context.config)) return;
  PrrSample sample;
  sample.delivered_bytes = delivered.bytes;
  sample.pipe_bytes = pipe_bytes(c, ls, ack);
  sample.ssthresh_bytes = c.congestion.ssthresh;
  sample.mss = c.mss;
  sample.safe = moved && !newly_lost;
  c.congestion.cwnd = prr_window(ls.prr, sample);
}

[[nodiscard]] bool is_needed(const Connection& c, const LossState& ls) {
  if (ls.phase != LossPhase::open || ls.board.count != 0 || ls.board.sacked_bytes != 0) return true;
  if (ls.tlp.open || ls.tlp.due) return true;
  // For as long as a DSACK may still come for what was sent again.
  return ls.undo.possible && ls.undo.bytes != 0 && before(c.snd_una, ls.undo.expires);
}

void arm_reordering_timer(Connection& c, const LossState& ls, const Context& context) {
  const Duration wait = Duration{std::int64_t{ls.reorder_stamps} << kStampShift};
  const Tick due = deadline_after(context.now, wait);
  if (c.send_timer == SendTimer::retransmit && !tick_before(due, c.send_deadline)) return;
  c.send_timer = SendTimer::reorder;
  c.send_deadline = due;
}

}  // namespace

bool take_sack_ack(Connection& c, SendState& st, const SegmentIn& segment,
                   std::uint32_t acked_bytes, std::uint32_t rtt_us, const Context& context) {
  const Blocks blocks = find_dsack(c, segment);
  if (blocks.dsack) ++context.counters.TCPDSACKRecv;
  count_lies(c, segment, context);
  if (st.loss == kNil) {
    if (!has_news(c, segment)) return false;
    const bool ready =
        st.resending ? leave_go_back(c, st, context) : ensure_loss_state(c, st, context);
    if (!ready) return false;
  }
  LossState& ls = context.stores.loss[st.loss];
  ls.alone = false;
  if (blocks.dsack) rack_on_dsack(c, ls.rack);
  respond_to_probe(c, st, segment, ls, blocks, context);
  const Delivered delivered = update_scoreboard(c, ls, segment, blocks.dsack, context);
  if (has_model(c, context.config)) model_on_delivered(c, delivered, context);
  // What is SACKed beyond a hole is acknowledged with the echo of what came before the hole (RFC
  // 7323 §4.3), which tells nothing about it.
  const bool echoed =
      segment.options.has_timestamps() && at_or_before(delivered.again_end, segment.ack);
  const std::uint32_t tsecr = echoed ? segment.options.tsecr : 0;
  const bool moved = after(segment.ack, c.snd_una);
  if (!moved && delivered.bytes != 0 && st.dup_acks != 0xff) ++st.dup_acks;
  if (delivered.bytes != 0) rack_update(c, st, ls, delivered, tsecr, context);
  if (is_spurious(c, st, ls, segment, blocks, delivered, context)) undo(c, st, ls, context);
  const bool newly_lost = detect_loss(c, st, ls, context);
  react(c, st, ls, segment, delivered, newly_lost, acked_bytes, rtt_us, context);
  return true;
}

void settle_losses(Connection& c, SendState& st, const Context& context) {
  if (st.loss == kNil) return;
  LossState& ls = context.stores.loss[st.loss];
  if (!is_needed(c, ls)) {
    release_loss_state(st, context.stores);
    return start_send_timer(c, st, context);
  }
  refresh(st, ls, context.stores);
  const bool reneging = begins_sacked(ls.board, c.snd_una, context.stores);
  if (c.snd_una == c.snd_nxt || c.send_timer == SendTimer::persist) return;
  if (c.send_timer == SendTimer::loss_probe) {
    c.send_timer = SendTimer::none;
    start_send_timer(c, st, context);
  }
  if (reneging) {
    // RFC 2018 §8. An ACK that was overtaken would look the same: wait for it a little.
    constexpr Duration kLeast = 10ms;
    const Duration half{std::int64_t{c.srtt_us} * 500};
    if (!ls.reneging) c.send_deadline = deadline_after(context.now, std::max(half, kLeast));
    c.send_timer = SendTimer::retransmit;
  } else if (ls.reorder_wait) {
    arm_reordering_timer(c, ls, context);
  } else if (c.send_timer == SendTimer::reorder) {
    start_send_timer(c, st, context);
  }
  ls.reneging = reneging;
}

bool take_timeout(Connection& c, SendState& st, bool first, const Context& context) {
  if (!c.has(Connection::kSack) || !ensure_loss_state(c, st, context)) return false;
  LossState& ls = context.stores.loss[st.loss];
  Stores& stores = context.stores;
  ls.tlp = Tlp{};
  if (begins_sacked(ls.board, c.snd_una, stores)) {
    ++context.counters.TCPSACKReneging;
    forget_sacks(ls.board, c.snd_una, stores);
  }
  ls.reneging = false;
  const LossPhase was = ls.phase;
  if (was == LossPhase::open) {
    undo_begin(c, ls.undo, context);
  } else {
    ls.undo.first_pending = false;
    if (was == LossPhase::recovery) ++context.counters.TCPSackRecoveryFail;
  }
  const bool reduce = first && was != LossPhase::recovery;
  const bool modelled = has_model(c, context.config);
  if (modelled) {
    if (was == LossPhase::open) model_on_recovery(c, context);
  } else {
    congestion_on_timeout(algorithm_of(c, context.config), c.congestion, flight_for_congestion(c),
                          c.mss, reduce, context.now);
  }
  note_reduction(c, st);
  ls.frto = was == LossPhase::open && first ? Frto::resent : Frto::off;
  ls.phase = LossPhase::loss;
  ls.force = ls.alone = true;
  st.recover = c.snd_nxt;
  st.dup_acks = 0;
  st.rtt_at = Instant{};
  LostText told;
  if (!rack_mark_losses_on_timeout(c, st, ls, context, modelled ? &told : nullptr)) return false;
  refresh(st, ls, stores);
  if (modelled) {
    model_on_lost(c, told, context);
    model_on_timeout(c, st, context);
  }
  return true;
}

bool resend_unsacked(Connection& c, SendState& st, const Context& context) {
  if (!c.has(Connection::kSack) || !ensure_loss_state(c, st, context)) return false;
  LossState& ls = context.stores.loss[st.loss];
  Stores& stores = context.stores;
  (void)mark_copies_lost(ls.board, stores, [](const Piece&) { return true; });
  (void)mark_lost_before(ls.board, c.snd_nxt, stores);
  if (ls.board.lost_bytes + ls.board.sacked_bytes != flight_bytes(c)) return false;
  ls.phase = LossPhase::loss;
  ls.frto = Frto::off;
  ls.force = ls.alone = ls.reneging = ls.reorder_wait = false;
  ls.tlp = Tlp{};
  ls.undo.possible = false;
  st.recover = c.snd_nxt;
  st.dup_acks = 0;
  st.rtt_at = Instant{};
  refresh(st, ls, stores);
  return true;
}

bool owe_loss_probe(Connection& c, SendState& st, const Context& context) {
  if (c.snd_una == c.snd_nxt || !ensure_loss_state(c, st, context)) return false;
  LossState& ls = context.stores.loss[st.loss];
  if (ls.board.sacked_bytes != 0 || ls.phase != LossPhase::open) return false;
  ls.tlp.due = true;
  refresh(st, ls, context.stores);
  return true;
}

void recheck_losses(Connection& c, SendState& st, const Context& context) {
  if (st.loss == kNil) return;
  LossState& ls = context.stores.loss[st.loss];
  if (detect_loss(c, st, ls, context) && ls.phase == LossPhase::open) {
    enter_recovery(c, st, ls, c.snd_una, 0, context);
    if (!has_model(c, context.config)) {
      c.congestion.cwnd = std::max(c.congestion.ssthresh, pipe_bytes(c, ls, c.snd_una) + c.mss);
    }
  }
  refresh(st, ls, context.stores);
  if (ls.reorder_wait) arm_reordering_timer(c, ls, context);
}

Resend next_resend(const Connection& c, const SendState& st, const Context& context) {
  LossState& ls = context.stores.loss[st.loss];
  const std::uint32_t flight = flight_bytes(c);
  const std::uint32_t fin = c.has(Connection::kFinSent) ? 1 : 0;
  Resend next;
  if (ls.tlp.due) {
    const std::uint32_t unsent = st.queued_bytes + fin > flight ? st.queued_bytes - flight : 0;
    const bool held = unsent < c.mss && nagle_holds(c, st);
    if (unsent != 0 && c.snd_wnd > flight && !held) {
      next = {true, true, c.snd_nxt, std::min({unsent, std::uint32_t{c.mss}, c.snd_wnd - flight})};
      return next;
    }
    // The last segment, as it was cut if SND.UNA lies where one begins.
    const std::uint32_t text = flight - fin;
    const std::uint32_t mss = std::max<std::uint32_t>(c.mss, 1);
    const std::uint32_t rest = text % mss;
    const std::uint32_t last = text == 0 ? 0 : (rest == 0 ? mss : rest);
    next = {true, false, c.snd_una + (text - last), last + fin};
  } else if (const auto lost = next_to_resend(ls.board, context.stores);
             lost && (ls.force || (ls.frto == Frto::off && !ls.alone))) {
    const std::uint32_t length = bytes_between(lost->first, lost->end);
    const bool has_fin = fin != 0 && lost->end == c.snd_nxt;
    const std::uint32_t most = c.mss + (has_fin && length == c.mss + 1U ? 1U : 0U);
    next = {true, false, lost->first, std::min(length, most)};
    if (!ls.force && pipe_bytes(c, ls, c.snd_una) + next.bytes > c.congestion.cwnd) return {};
  }
  // A window that was taken back: nothing goes beyond it.
  const std::uint32_t offset = bytes_between(c.snd_una, next.first);
  if (!next.any || offset >= c.snd_wnd) return {};
  next.bytes = std::min(next.bytes, c.snd_wnd - offset);
  return next;
}

bool holds_new_text(const SendState& st, const Context& context) {
  LossState& ls = context.stores.loss[st.loss];
  return ls.alone || waits_to_resend(ls, context.stores);
}

void note_sent_again(Connection& c, SendState& st, Seq first, Seq end, const Context& context) {
  LossState& ls = context.stores.loss[st.loss];
  const std::uint32_t bytes = bytes_between(first, end);
  if (ls.tlp.due) {
    ls.tlp = {false, true, true, end, tsval_of(c, context.now)};
    ++context.counters.TCPLossProbes;
  } else {
    undo_note_resent(c, ls.undo, first, bytes, context);
    ls.prr.out += bytes;
    // The copy of the head has as long as the head had; after a timeout it has more already.
    if (first == c.snd_una && !ls.force && c.send_timer == SendTimer::retransmit) {
      start_send_timer(c, st, context);
    }
    if (ls.phase == LossPhase::recovery) {
      ++context.counters.TCPFastRetrans;
    } else if (first != c.snd_una) {
      ++context.counters.TCPSlowStartRetrans;
    }
  }
  ls.force = false;
  note_resent(ls.board, first, end, stamp_of(context.now), context.stores);
  refresh(st, ls, context.stores);
}

void note_sent_new(Connection& c, SendState& st, std::uint32_t bytes, const Context& context) {
  LossState& ls = context.stores.loss[st.loss];
  ls.prr.out += bytes;
  if (!ls.tlp.due) return;
  ls.tlp = {false, true, false, c.snd_nxt, 0};
  ++context.counters.TCPLossProbes;
  refresh(st, ls, context.stores);
}

QueuePosition seek_again(const Connection& c, SendState& st, const Context& context,
                         std::uint32_t offset) {
  LossState& ls = context.stores.loss[st.loss];
  const Stores& stores = context.stores;
  const Seq wanted = c.snd_una + offset;
  QueuePosition at{st.chunk_head, 0};
  Seq begin = c.snd_una - st.head_offset;
  // A chunk is kept until all of it is acknowledged, so one that ends beyond SND.UNA is still
  // there.
  if (ls.hint_chunk != kNil && at_or_before(ls.hint_begin, wanted) &&
      after(ls.hint_end, c.snd_una)) {
    at.chunk = ls.hint_chunk;
    begin = ls.hint_begin;
  }
  while (true) {
    const Chunk& chunk = chunk_of(st, stores, at.chunk);
    const std::uint32_t within = bytes_between(begin, wanted);
    ls.hint_chunk = at.chunk;
    ls.hint_begin = begin;
    ls.hint_end = begin + chunk.bytes;
    if (within < chunk.bytes || chunk.next == kNil) {
      at.offset = within;
      return at;
    }
    begin += chunk.bytes;
    at.chunk = chunk.next;
  }
}

void release_loss_state(SendState& st, Stores& stores) {
  if (st.loss == kNil) return;
  clear_scoreboard(stores.loss[st.loss].board, stores);
  stores.loss.free(st.loss);
  st.loss = kNil;
  st.inflation = 0;
  st.retransmit_first = false;
}

LossFigures loss_figures(const Connection& c, const Context& context) {
  LossFigures f;
  f.pipe = flight_bytes(c);
  if (c.send == kNil) return f;
  const SendState& st = context.stores.send[c.send];
  if (st.loss == kNil) {  // by duplicate ACKs (recovery.h)
    if (st.in_recovery) f.phase = LossPhase::recovery;
    return f;
  }
  const LossState& loss = context.stores.loss[st.loss];
  const Scoreboard& board = loss.board;
  f.phase = loss.phase;
  f.sacked = board.sacked_bytes;
  f.lost = board.lost_bytes;
  f.retransmitted = board.retransmitted_bytes;
  f.pipe = f.pipe - f.sacked - f.lost + f.retransmitted;
  return f;
}

}  // namespace millrace::tcp
