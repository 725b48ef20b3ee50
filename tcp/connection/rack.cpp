// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 8985 §6.2 and §6.3, by their names.
#include "tcp/connection/rack.h"

#include <algorithm>

#include "tcp/connection/send_log.h"
#include "tcp/connection/timestamps.h"

namespace millrace::tcp {
namespace {

constexpr std::uint32_t kDupThreshold = 3;
constexpr std::uint8_t kMostMult = 64;  // the window is bounded by SRTT anyway
constexpr std::uint8_t kPersist = 16;

// RACK_sent_after().
[[nodiscard]] bool sent_after(Stamp sent1, Seq end1, Stamp sent2, Seq end2) {
  return stamp_before(sent2, sent1) || (sent1 == sent2 && after(end1, end2));
}

void take(Rack& rack, Stamp sent, Seq end, Stamp now) {
  rack.rtt_us = std::max(stamps_to_us(now - sent), 1U);
  if (rack.known && !sent_after(sent, end, rack.sent, rack.end)) return;
  rack.sent = sent;
  rack.end = end;
  rack.known = true;
}

// Step 2: an ACK that cannot be of the copy says nothing about when that was received.
[[nodiscard]] bool is_of_the_copy(const Connection& c, const SendState& st, Stamp sent,
                                  std::uint32_t tsecr, const Context& context) {
  const std::uint32_t age_us = stamps_to_us(stamp_of(context.now) - sent);
  if (c.has(Connection::kTimestamps) && tsecr != 0) {
    const std::uint32_t tsval = tsval_of(c, context.now) - (age_us / 1000 + 1);
    return !ts_before(tsecr, tsval);
  }
  return age_us >= std::min(st.min_rtt_us, c.srtt_us);
}

// What was sent before RACK's segment and at `limit` at the latest ends here.
[[nodiscard]] Seq edge_of(const Connection& c, const SendState& st, const Rack& rack, Stamp limit,
                          const Stores& stores) {
  if (stamp_before(limit, rack.sent)) return sent_until(c, st, stores, limit);
  const Seq earlier = sent_until(c, st, stores, rack.sent - 1);
  return later_of(earlier, earlier_of(sent_until(c, st, stores, rack.sent), rack.end));
}

void wait_at_least(LossState& ls, Stamp stamps) {
  ls.reorder_stamps = ls.reorder_wait ? std::max(ls.reorder_stamps, stamps) : stamps;
  ls.reorder_wait = true;
}

}  // namespace

void rack_update(Connection& c, SendState& st, LossState& ls, const Delivered& delivered,
                 std::uint32_t tsecr, const Context& context) {
  const Stamp now = stamp_of(context.now);
  if (delivered.once) {
    const Stamp sent = first_sent(st, context.stores, delivered.once_end - 1);
    take(ls.rack, sent, delivered.once_end, now);
    st.min_rtt_us = std::min(st.min_rtt_us, ls.rack.rtt_us);
    ls.board.high_sacked = later_of(ls.board.high_sacked, delivered.once_end);
  }
  if (delivered.again) {
    ls.board.high_sacked = later_of(ls.board.high_sacked, delivered.again_end);
    if (is_of_the_copy(c, st, delivered.again_sent, tsecr, context)) {
      take(ls.rack, delivered.again_sent, delivered.again_end, now);
    }
  }
  if (delivered.reordered && c.reordering == 0) {
    c.reordering = 1;
    ++context.counters.TCPSACKReorder;
  }
}

void rack_on_dsack(const Connection& c, Rack& rack) {
  if (rack.dsack_round_open && before(c.snd_una, rack.dsack_round)) return;
  rack.dsack_round_open = true;
  rack.dsack_round = c.snd_nxt;
  if (rack.wnd_mult < kMostMult) ++rack.wnd_mult;
  rack.wnd_persist = kPersist;
}

void rack_on_recovery_end(Rack& rack) {
  if (rack.wnd_persist == 0) return;
  if (--rack.wnd_persist == 0) rack.wnd_mult = 1;
}

std::uint32_t rack_reordering_window_us(const Connection& c, const SendState& st,
                                        const LossState& ls) {
  if (c.reordering == 0) {
    if (ls.phase != LossPhase::open) return 0;
    const bool many = ls.board.sacked_bytes > (kDupThreshold - 1) * std::uint32_t{c.mss};
    if (many || st.dup_acks >= kDupThreshold) return 0;
  }
  const std::uint32_t quarter = std::min(st.min_rtt_us, c.srtt_us) / 4;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::uint64_t{quarter} * ls.rack.wnd_mult, c.srtt_us));
}

bool rack_detect_loss(Connection& c, SendState& st, LossState& ls, const Context& context) {
  ls.reorder_wait = false;
  const Rack& rack = ls.rack;
  if (!rack.known) return false;
  const Stamp now = stamp_of(context.now);
  const Stamp window = us_to_stamps(rack.rtt_us + rack_reordering_window_us(c, st, ls));
  Stores& stores = context.stores;
  bool lost = mark_lost_before(ls.board, edge_of(c, st, rack, now - window, stores), stores);
  // Those that were sent before and still have time.
  const Seq suspect = edge_of(c, st, rack, rack.sent, stores);
  if (after(suspect, ls.board.lost_before) &&
      sent_once_between(ls.board, ls.board.lost_before, suspect, stores)) {
    wait_at_least(ls, first_sent(st, stores, suspect - 1) + window - now);
  }
  if (ls.board.retransmitted_bytes == 0 || stamp_before(rack.sent, ls.board.oldest_again)) {
    return lost;
  }
  const std::uint32_t copies = mark_copies_lost(ls.board, stores, [&](const Piece& p) {
    if (!sent_after(rack.sent, rack.end, p.sent, p.end)) return false;
    const Stamp due = p.sent + window;
    if (!stamp_before(now, due)) return true;
    wait_at_least(ls, due - now);
    return false;
  });
  if (copies != 0) ++context.counters.TCPLostRetransmit;
  return lost || copies != 0;
}

bool rack_mark_losses_on_timeout(Connection& c, SendState& st, LossState& ls,
                                 const Context& context) {
  const Stamp now = stamp_of(context.now);
  const std::uint32_t rtt_us = ls.rack.known ? ls.rack.rtt_us : c.srtt_us;
  const Stamp window = us_to_stamps(rtt_us + rack_reordering_window_us(c, st, ls));
  Stores& stores = context.stores;
  const Seq head = c.snd_una + std::min(std::uint32_t{c.mss}, bytes_between(c.snd_una, c.snd_nxt));
  const Seq edge = later_of(sent_until(c, st, stores, now - window), head);
  (void)mark_lost_before(ls.board, edge, stores);
  (void)mark_copies_lost(ls.board, stores, [&](const Piece& p) {
    return p.first == c.snd_una || !stamp_before(now, p.sent + window);
  });
  ls.reorder_wait = false;
  const auto first = next_to_resend(ls.board, stores);
  return first && first->first == c.snd_una;
}

}  // namespace millrace::tcp
