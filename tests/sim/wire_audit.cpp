// SPDX-License-Identifier: BSD-3-Clause
//
// Whose a frame is, and what an end has heard. What it may say is wire_rules.cpp's.
#include "tests/sim/wire_audit.h"

#include <algorithm>

namespace millrace::sim {

using tcp::SegmentIn;
using tcp::Seq;

namespace {

constexpr std::size_t kArpOperation = 21, kNdpType = 54;

std::byte at(std::span<const std::byte> frame, std::size_t offset) {
  return offset < frame.size() ? frame[offset] : std::byte{};
}

bool is_ipv6(std::span<const std::byte> frame) { return at(frame, 12) == std::byte{0x86}; }
bool is_arp(std::span<const std::byte> frame) {
  return at(frame, 12) == std::byte{0x08} && at(frame, 13) == std::byte{0x06};
}
bool is_icmpv6(std::span<const std::byte> frame) {
  return is_ipv6(frame) && at(frame, 20) == std::byte{58};
}

/// To all, and not whether its own address is free: the end does not know its neighbour's.
bool asks_for_address(std::span<const std::byte> frame) {
  if ((at(frame, 0) & std::byte{1}) == std::byte{}) return false;
  const auto is_own = [&](std::size_t from, std::size_t to, std::size_t bytes) {
    return std::ranges::equal(frame.subspan(from, bytes), frame.subspan(to, bytes));
  };
  if (is_arp(frame)) return at(frame, kArpOperation) == std::byte{1} && !is_own(28, 38, 4);
  constexpr std::array<std::byte, 16> kNobody{};
  return is_icmpv6(frame) && at(frame, kNdpType) == std::byte{135} &&
         !std::ranges::equal(frame.subspan(22, 16), kNobody);
}

bool tells_address(std::span<const std::byte> frame) {
  if (is_arp(frame)) return at(frame, kArpOperation) == std::byte{2};
  return is_icmpv6(frame) && at(frame, kNdpType) == std::byte{136};
}

}  // namespace

WireAudit::WireAudit(const Plan& plan, const PortBook& ports, const Talks& talks)
    : plan_(plan),
      ports_(ports),
      talks_(talks),
      pattern_(plan.seed),
      flows_(plan.connections.size()) {
  for (std::size_t side = 0; side < 2; ++side) {
    exact_[side] = !plan.end[side].is_scarce();
    for (const Fault& f : plan.faults) {
      if (static_cast<std::size_t>(f.side) == side) exact_[side] = false;
    }
    if (plan.way[side].loss > 0 || plan.way[side].corrupt > 0) neighbour_time_ = 4s;
  }
  calm_ = plan.faults.empty();
}

void WireAudit::complain(const Look& look, const std::string& what) {
  if (!complaint_.empty()) return;
  complaint_ = "connection " + std::to_string(look.index) + ", end " + std::to_string(look.side) +
               ", ports " + std::to_string(look.view.ports.source) + " to " +
               std::to_string(look.view.ports.destination) + ": " + what;
}

Instant WireAudit::heard(std::size_t connection, int side) const {
  return flows_[connection].way[static_cast<std::size_t>(side)].heard;
}

Instant WireAudit::progress(std::size_t connection, int side) const {
  return flows_[connection].way[static_cast<std::size_t>(side)].progress;
}

Instant WireAudit::finished(std::size_t connection, int side) const {
  return flows_[connection].way[static_cast<std::size_t>(side)].finished;
}

bool WireAudit::strayed(std::size_t connection, int side) const {
  return flows_[connection].way[static_cast<std::size_t>(side)].strayed;
}

unsigned WireAudit::tries(std::size_t connection, int side) const {
  return flows_[connection].way[static_cast<std::size_t>(side)].tries;
}

/// The planned connection that a segment from `side` belongs to, plus one; 0 if none. An end that
/// was not told of the latest one on these ports still speaks for the one before.
std::uint32_t WireAudit::find(int side, const FrameView& view) {
  const std::uint16_t from = view.ports.source;
  const std::uint16_t to = view.ports.destination;
  const bool opens = from != kListenPort;
  const std::uint16_t port = opens ? from : to;
  const int opener = opens ? side : 1 - side;
  const auto found = ports_.find({opener * 2 + (view.ipv6 ? 1 : 0), port});
  if (found == ports_.end()) return 0;
  std::size_t index = found->second;
  while (!view.segment.flags.syn() && !flows_[index].way[static_cast<std::size_t>(side)].begun) {
    const auto& previous = plan_.connections[index].after;
    if (!previous) return 0;
    index = *previous;
  }
  return static_cast<std::uint32_t>(index + 1);
}

std::uint32_t WireAudit::sent(int side, std::span<const std::byte> frame, Instant now) {
  const auto view = view_frame(frame);
  if (!view) {
    if (asks_for_address(frame)) waits_[is_ipv6(frame)][static_cast<std::size_t>(side)].asked = now;
    return 0;
  }
  const std::uint32_t tag = find(side, *view);
  if (tag == 0) return 0;
  Flow& flow = flows_[tag - 1];
  const auto own = static_cast<std::size_t>(side);
  const Look look{*view, tag - 1, side, now, flow.way[own], flow.way[1 - own]};
  if (!is_over(look)) ++look.own.tries;
  if (view->segment.flags.syn()) begin(look, flow);
  if (flow.muddled || !look.own.begun) return tag;
  if (view->segment.flags.rst()) {
    check_reset(look);
  } else {
    check_sent(look);
    note_sent(look);
  }
  look.own.answer_by = look.own.full_by = Instant::max();
  look.own.full_segments = 0;
  return tag;
}

/// A SYN or SYN-ACK, the first or again.
void WireAudit::begin(const Look& look, Flow& flow) {
  const SegmentIn& s = look.view.segment;
  Way& own = look.own;
  if (own.begun && s.seq != own.iss) flow.muddled = true;
  // The same cookie again, for a copy of the SYN of one that is over.
  const bool over = is_over(look) || own.finished != Instant{};
  if (s.flags.ack() && own.synchronized && over) flow.muddled = true;
  if (own.begun && s.seq != own.last_syn) own.syns = 0;
  own.last_syn = s.seq;
  // A late copy of an earlier incarnation's SYN found the listener free, and is answered.
  const std::uint32_t acked = bytes_between(look.peer.iss + 1, s.ack);
  if (s.flags.ack() && look.peer.begun && acked > look.peer.syn_text) flow.muddled = true;
  if (plan_.is_unsafe(look.index)) flow.muddled = true;
  if (!own.begun) {
    own.begun = true;
    own.iss = own.una = own.nxt = s.seq;
    own.nxt += 1;
    own.syn = s.options;
    own.offered = s.seq + 1;
    // Text may follow a SYN-ACK at once (RFC 7413 §4.2.2).
    if (s.flags.ack() && config(look.side).fast_open) own.offered += own.syn_window;
    own.recover = s.seq;
  }
  const auto text = static_cast<std::uint32_t>(s.payload.size());
  own.syn_text = std::max(own.syn_text, text);
  if (text != 0 && !config(look.side).fast_open) complain(look, "W4: a SYN with text");
  if (!pattern_.matches(look.index, look.side, 0, s.payload)) {
    complain(look, "W4: other bytes in the SYN than the stream has");
  }
  const unsigned limit = 1U + config(look.side).syn_retries;
  if (++own.syns > limit + own.syns_heard) complain(look, "W12: one SYN more than it may");
}

int WireAudit::scale(const Way& of, const Way& other) const {
  const bool both = of.syn.has_window_scale() && other.syn.has_window_scale();
  return both ? of.syn.window_scale : 0;
}

// ---- hearing

void WireAudit::delivered(int side, std::uint32_t tag, std::span<const std::byte> frame, bool whole,
                          Instant now) {
  if (whole && tells_address(frame)) {
    waits_[is_ipv6(frame)][static_cast<std::size_t>(side)].told = now;
  }
  if (tag == 0) return;
  const auto view = view_frame(frame);
  if (!view) return hear_router(side, tag, frame);
  Flow& flow = flows_[tag - 1];
  const auto own = static_cast<std::size_t>(side);
  const Look look{*view, tag - 1, side, now, flow.way[own], flow.way[1 - own]};
  if (!whole) look.own.doubtful = true;
  const bool again = view->segment.flags.syn() && look.own.synchronized;
  if (whole && !is_over(look) && !is_stale(look) && !again) {
    look.own.heard = now;
    look.own.tries = 0;
  }
  if (view->segment.flags.rst()) {
    look.own.answer_by = look.own.full_by = Instant::max();
    return;
  }
  if (view->segment.flags.syn()) {
    ++look.own.syns_heard;
    look.own.syn_window = view->segment.window;
  }
  const Talk& talk = (*talks_[own])[look.index];
  if (talk.phase == Talk::Phase::unborn && !view->segment.flags.syn() &&
      view->segment.seq != look.peer.iss + 1) {
    look.own.strayed = true;
  }
  if (view->segment.flags.ack()) look.own.last_told = view->segment.ack;
  if (flow.muddled) return;
  check_duty(look);
  hear_ack(look, whole);
  hear_text(look, whole);
  note_finished(look);
}

/// A router has dropped a segment that was too big for it (RFC 1191 §6.5): all that is in flight
/// may go again, in smaller pieces.
void WireAudit::hear_router(int side, std::uint32_t tag, std::span<const std::byte> frame) {
  const auto mtu = told_mtu(frame);
  if (!mtu) return;
  Flow& flow = flows_[tag - 1];
  Way& own = flow.way[static_cast<std::size_t>(side)];
  own.narrowed = own.recovering = true;
  own.recover = own.nxt;
  own.alone = false;
}

void WireAudit::note_finished(const Look& look) {
  Way& own = look.own;
  if (!own.fin || !look.peer.fin || own.finished != Instant{}) return;
  const std::uint32_t all = bytes_between(look.peer.iss, look.peer.fin_end);
  if (own.una != own.fin_end || own.arrived.whole() != all) return;
  own.finished = look.now;
  // LAST-ACK is over with the ACK of the FIN (RFC 9293 §3.10.7.4): nobody is left to answer what
  // came again before it in the same burst.
  if (own.closes_last) own.answer_by = own.full_by = Instant::max();
}

/// Frames of this end may have waited for the neighbour's address since `then`, or been lost so.
bool WireAudit::has_waited(const Look& look, Instant then) const {
  const Wait& w = waits_[look.view.ipv6 ? 1 : 0][static_cast<std::size_t>(look.side)];
  return w.asked > w.told || (w.asked != Instant{} && w.told >= then);
}

/// Nothing of it is new, as the end itself has said: not acceptable, so its ACK is not heard (RFC
/// 9293 §3.10.7.4, first check).
bool WireAudit::is_stale(const Look& look) {
  const SegmentIn& s = look.view.segment;
  const Way& own = look.own;
  return own.acking && !s.flags.syn() && before(s.seq, own.last_ack) &&
         at_or_before(s.seq + s.length(), own.last_ack);
}

void WireAudit::hear_ack(const Look& look, bool whole) {
  const SegmentIn& s = look.view.segment;
  Way& own = look.own;
  if (!s.flags.ack() || !own.begun || is_stale(look)) return;
  // So may this be, if what came before it was acceptable.
  const std::uint64_t end = bytes_between(look.peer.iss, s.seq) + s.length();
  const bool old = end < own.arrived.whole() || (s.length() != 0 && end == own.arrived.whole());
  // Nor is what lies beyond the window that the end has told of (table 6), but for an ACK alone at
  // its very edge.
  const bool beyond =
      own.acking && (after(s.seq, own.edge) || (s.seq == own.edge && s.length() != 0));
  if ((old || beyond) && !s.flags.syn()) {
    own.doubtful = true;
    whole = false;
  }
  const Seq edge = s.ack + (std::uint32_t{s.window} << (s.flags.syn() ? 0 : scale(look.peer, own)));
  const bool moved = after(edge, own.offered);
  if (moved) own.offered = edge;
  if (whole && (after(edge, own.sure) || !own.certain)) own.sure = edge;
  if (whole) own.certain = true;
  if (!own.believing || !before(s.seq, own.wl1)) {
    own.believing = true;
    own.believed = edge;
    own.wl1 = s.seq;
  }
  own.timeouts = 0;
  own.alone = false;
  hear_sack(look, whole);
  if (after(s.ack, own.una)) {
    own.probed = false;
    // Three duplicates and a partial ACK may come before the end had its turn, or just after the
    // one in which it sent two segments for the first two (RFC 3042).
    if (own.duplicates >= 3) {
      own.recovering = true;
      own.recover = own.nxt + 2 * full_payload(look);
    }
    const bool before_text = own.una == own.iss && s.ack == own.iss + 1;
    own.una = s.ack;
    own.nxt = tcp::later_of(own.nxt, s.ack);  // text of the SYN counts where it was taken
    own.duplicates = 0;
    if (!exact(look.side)) note_silence(look);
    // Without the peer's SYN an ACK is not believed (RFC 9293 §3.10.7.3); and one of a SYN-ACK says
    // nothing of text that went with it (RFC 7413 §4.2.2).
    const bool opened = s.flags.syn() || own.arrived.has(0, 1);
    const bool syn_alone = before_text && after(own.nxt, s.ack);
    if (whole && opened && !syn_alone && !is_over(look)) own.progress = look.now;
    while (!own.flight.empty() && at_or_before(own.flight.front().to, s.ack)) {
      own.flight.pop_front();
    }
  } else if (s.ack == own.una && s.length() == 0) {
    ++own.duplicates;
  }
}

/// What was told long enough ago to have had its turn among all that came at once.
void WireAudit::heed_sacks(Way& own, Instant now) {
  constexpr Duration kTurn = 50us;
  std::erase_if(own.told, [&](const Told& t) {
    if (now - t.at < kTurn) return false;
    own.sacked.add(bytes_between(own.iss, t.block.left), bytes_between(own.iss, t.block.right));
    return true;
  });
}

/// What came, and when the latest of it can have been sent.
void WireAudit::hear_sack(const Look& look, bool whole) {
  if (!agreed_on_sack(look)) return;
  const SegmentIn& s = look.view.segment;
  Way& own = look.own;
  const auto came = [&](Seq from, Seq to) {
    for (const Sent& f : own.flight) {
      if (!before(f.from, to) || !after(f.to, from)) continue;
      if (!own.has_delivered || f.at > own.delivered) own.delivered = f.at;
      own.has_delivered = true;
    }
  };
  if (after(s.ack, own.una)) came(own.una, s.ack);
  for (std::size_t i = 0; i < s.options.sack_count; ++i) {
    const auto [left, right] = s.options.sack[i];
    if (!after(left, s.ack)) continue;
    came(left, right);
    if (!whole) continue;  // perhaps it was not heard
    own.told.push_back({{left, right}, look.now});
  }
}

void WireAudit::hear_text(const Look& look, bool whole) {
  const SegmentIn& s = look.view.segment;
  Way& own = look.own;
  const Way& peer = look.peer;
  if (s.options.has_timestamps()) {
    own.early_stamps.emplace_back(s.seq, s.options.tsval);
    if (s.flags.syn() && (!own.echo_known || !own.acking)) {
      own.echo_known = true;
      own.echo = s.options.tsval;
    }
  }
  if (s.length() == 0) return;
  const std::uint64_t from = bytes_between(peer.iss, s.seq);
  const std::uint64_t whole_before = own.arrived.whole();
  own.arrived.each_in(from, from + s.length(),
                      [&](std::uint64_t a, std::uint64_t b) { own.twice.add(a, b); });
  own.arrived.add(from, from + s.length());
  if (!whole || !calm_ || !exact(look.side) || s.flags.syn() || !own.synchronized) return;
  const Talk& talk = (*talks_[static_cast<std::size_t>(look.side)])[look.index];
  if (talk.phase != Talk::Phase::open || before(s.ack, own.una)) return;
  const Duration patience = config(look.side).delayed_ack + 20ms + neighbour_time_;
  if (own.answer_by == Instant::max()) own.duty_since = look.now;
  own.answer_by = std::min(own.answer_by, look.now + patience);
  if (own.full_segments == 0) own.full_next = own.last_ack;
  const bool next = s.seq == own.full_next && from == whole_before;
  // Pieces shorter than a full segment are not recognized as parts of one.
  const bool in_pieces = plan_.end[static_cast<std::size_t>(look.side)].rx_piece_bytes != 0;
  if (next && !in_pieces && s.payload.size() >= 1000 && ++own.full_segments >= 2) {
    own.full_by = std::min(own.full_by, look.now + 5ms + neighbour_time_);
  }
  if (own.full_segments != 0 && next) own.full_next = s.seq + s.length();
}

}  // namespace millrace::sim
