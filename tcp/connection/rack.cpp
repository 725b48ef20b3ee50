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

void take(Rack& rack, Stamp age, Seq end, bool is_copy, Stamp now) {
  rack.rtt_us = std::max(stamps_to_us(age), 1U);
  const Stamp known_age = now - rack.sent;
  const bool later = age < known_age || (age == known_age && after(end, rack.end));
  if (rack.known && !later) return;
  rack.sent = now - age;
  rack.end = end;
  rack.is_copy = is_copy;
  rack.known = true;
}

// RACK_sent_after() for RACK's segment and a copy. An original that left in the same flush as the
// copy may have left before it.
[[nodiscard]] bool sent_after_copy(const Rack& rack, const Piece& p, Stamp now) {
  const Stamp age = now - p.sent;
  const Stamp rack_age = now - rack.sent;
  return rack_age < age || (rack_age == age && rack.is_copy && after(rack.end, p.end));
}

// Step 2: an ACK that cannot be of the copy says nothing about when that was received.
[[nodiscard]] bool is_of_the_copy(const Connection& c, const SendState& st, Stamp age,
                                  std::uint32_t tsecr, const Context& context) {
  const std::uint32_t age_us = stamps_to_us(age);
  if (c.has(Connection::kTimestamps) && tsecr != 0) {
    const std::uint32_t tsval = tsval_of(c, context.now) - (age_us / 1000 + 1);
    return !ts_before(tsecr, tsval);
  }
  // min_RTT is a smoothed one here: leave what is usual below it.
  const std::uint32_t min_rtt_us = std::min(st.min_rtt_us, c.srtt_us);
  return age_us >= min_rtt_us - min_rtt_us / 8;
}

// What was sent once, and before something that was delivered, ends here. Of originals their order
// tells it, of a copy its time.
[[nodiscard]] Seq suspects_end(const Connection& c, const SendState& st, const Rack& rack,
                               Stamp now, const Stores& stores) {
  if (!rack.is_copy) return rack.once_end;
  return later_of(rack.once_end, sent_until(c, st, stores, now, now - rack.sent + 1));
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
    const Stamp began = run_of(c, st, context.stores, delivered.once_end - 1).began;
    take(ls.rack, now - began, delivered.once_end, false, now);
    ls.rack.once_end = later_of(ls.rack.once_end, delivered.once_end);
    st.min_rtt_us = std::min(st.min_rtt_us, ls.rack.rtt_us);
    ls.board.high_sacked = later_of(ls.board.high_sacked, delivered.once_end);
  }
  if (delivered.again) {
    ls.board.high_sacked = later_of(ls.board.high_sacked, delivered.again_end);
    if (is_of_the_copy(c, st, delivered.again_age, tsecr, context)) {
      take(ls.rack, delivered.again_age, delivered.again_end, true, now);
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

bool rack_detect_loss(Connection& c, SendState& st, LossState& ls, const Context& context,
                      LostText* told) {
  ls.reorder_wait = false;
  const Rack& rack = ls.rack;
  if (!rack.known) return false;
  const Stamp now = stamp_of(context.now);
  const Stamp window = us_to_stamps(rack.rtt_us + rack_reordering_window_us(c, st, ls));
  Stores& stores = context.stores;
  const Seq suspects = suspects_end(c, st, rack, now, stores);
  const Seq edge = earlier_of(suspects, sent_until(c, st, stores, now, window));
  const bool lost = mark_lost_before(ls.board, edge, stores, told);
  // Those that still have time.
  if (after(suspects, edge) && sent_once_between(ls.board, edge, suspects, stores)) {
    const Stamp age = now - run_of(c, st, stores, suspects - 1).ended;
    if (age < window) wait_at_least(ls, window - age);
  }
  const auto is_gone = [&](const Piece& p) {
    if (!sent_after_copy(rack, p, now)) return false;
    const Stamp age = now - p.sent;
    if (age < window) wait_at_least(ls, window - age);
    return age >= window;
  };
  const std::uint32_t copies = mark_copies_lost(ls.board, stores, is_gone, told);
  if (copies != 0) ++context.counters.TCPLostRetransmit;
  return lost || copies != 0;
}

bool rack_mark_losses_on_timeout(Connection& c, SendState& st, LossState& ls,
                                 const Context& context, LostText* told) {
  const Stamp now = stamp_of(context.now);
  const std::uint32_t rtt_us = ls.rack.known ? ls.rack.rtt_us : c.srtt_us;
  const Stamp window = us_to_stamps(rtt_us + rack_reordering_window_us(c, st, ls));
  Stores& stores = context.stores;
  const Seq head = c.snd_una + std::min(std::uint32_t{c.mss}, bytes_between(c.snd_una, c.snd_nxt));
  const Seq edge = later_of(sent_until(c, st, stores, now, window), head);
  (void)mark_lost_before(ls.board, edge, stores, told);
  const auto is_gone = [&](const Piece& p) {
    return p.first == c.snd_una || now - p.sent >= window;
  };
  (void)mark_copies_lost(ls.board, stores, is_gone, told);
  ls.reorder_wait = false;
  const auto first = next_to_resend(ls.board, stores);
  return first && first->first == c.snd_una;
}

}  // namespace millrace::tcp
