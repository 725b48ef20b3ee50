// SPDX-License-Identifier: BSD-3-Clause
//
// What an end may say, after all that it has said and heard: W1 to W11 of wire_audit.h.
#include <algorithm>
#include <array>

#include "tests/sim/wire_audit.h"

namespace millrace::sim {

using tcp::SegmentIn;
using tcp::Seq;

namespace {

std::string number(std::uint64_t n) { return std::to_string(n); }

/// The MSS that a cookie made of this SYN keeps.
std::uint32_t kept_by_cookie(const tcp::Options& syn) {
  constexpr std::array<std::uint32_t, 8> kKept{216, 536, 1220, 1380, 1440, 1452, 1460, 8940};
  std::uint32_t kept = kKept[0];
  for (const std::uint32_t mss : kKept) {
    if (mss <= syn.mss) kept = mss;
  }
  return kept;
}

}  // namespace

void WireAudit::check_sent(const Look& look) {
  check_duty(look);
  check_stamps(look);
  note_smaller_path(look);
  if (look.view.segment.flags.ack()) {
    check_ack(look);
    check_edge(look);
    check_sack(look);
  }
  if (look.view.segment.flags.syn()) return;
  check_text(look);
  check_again(look);
  check_nagle(look);
}

// W1
void WireAudit::check_ack(const Look& look) {
  const SegmentIn& s = look.view.segment;
  if (look.own.acking && before(s.ack, look.own.last_ack)) {
    return complain(look, "W1: an ACK that goes back");
  }
  const std::uint64_t arrived = look.own.arrived.whole();
  const std::uint64_t acked = bytes_between(look.peer.iss, s.ack);
  if (acked > arrived) {
    complain(look, "W1: an ACK of " + number(acked) + " where " + number(arrived) + " arrived");
  }
}

// W2. A scaled field is rounded, by up to a unit.
void WireAudit::check_edge(const Look& look) {
  const SegmentIn& s = look.view.segment;
  const int shift = s.flags.syn() ? 0 : scale(look.own, look.peer);
  const std::uint32_t unit = 1U << shift;
  const Seq edge = s.ack + (std::uint32_t{s.window} << shift);
  if (!look.own.acking || !look.own.synchronized) return;
  Way& own = look.own;
  if (before(edge + (unit - 1), look.own.edge) && s.window != 0xffff) {
    return complain(look, "W2: the right edge went back by " +
                              number(bytes_between(edge, look.own.edge)) + " in units of " +
                              number(unit));
  }
  const std::int32_t step = distance(look.own.edge, edge);
  const std::uint32_t buffer = tcp::initial_receive_buffer(config(look.side));
  const std::uint32_t full = worthy_payload(look);
  const auto worthwhile = static_cast<std::int32_t>(std::min(buffer / 2, full));
  const bool clamped = own.clamped || s.window == 0xffff;
  // A SYN sent again names its window to the byte, after segments that could not.
  const auto silly = std::int32_t{2} << scale(look.own, look.peer);
  // Of several ACKs in one flush all but the last lie before RCV.NXT, off the units that the edge
  // was chosen in: their fields are rounded down.
  const auto rounded = step + static_cast<std::int32_t>(unit - 1);
  if (step >= silly && rounded < worthwhile && !clamped && calm_) {
    complain(look, "W2: the window opens by " + number(static_cast<std::uint64_t>(step)) +
                       ", which is silly");
  }
}

// W3, W4
void WireAudit::check_text(const Look& look) {
  const SegmentIn& s = look.view.segment;
  Way& own = look.own;
  if (s.length() == 0) return;
  const Seq end = s.seq + s.length();
  if (after(end, tcp::later_of(own.offered, own.una + 1))) {
    return complain(look, "W3: " + number(bytes_between(own.offered, end)) + " bytes of " +
                              number(s.length()) + " beyond the window offered");
  }
  if (s.payload.size() > most_payload(look)) {
    return complain(look, "W4: " + number(s.payload.size()) + " bytes, where the peer takes " +
                              number(most_payload(look)));
  }
  const std::uint32_t at = bytes_between(own.iss + 1, s.seq);
  if (!pattern_.matches(look.index, look.side, at, s.payload)) {
    return complain(look, "W4: other bytes than the stream has at " + number(at));
  }
  if (s.flags.fin()) {
    if (own.fin && end != own.fin_end) return complain(look, "W4: a FIN at another place");
    const auto& talk = (*talks_[static_cast<std::size_t>(look.side)])[look.index];
    if (at + s.payload.size() != talk.sent) complain(look, "W4: a FIN before the end");
  } else if (own.fin && !before(end, own.fin_end)) {
    complain(look, "W4: text behind the FIN");
  }
}

// RFC 2883 §4: a first block below the ACK, or within the second.
[[nodiscard]] bool is_dsack(std::span<const tcp::SackBlock> blocks, Seq ack) {
  if (blocks.empty()) return false;
  if (at_or_before(blocks[0].right, ack)) return true;
  return blocks.size() > 1 && at_or_after(blocks[0].left, blocks[1].left) &&
         at_or_before(blocks[0].right, blocks[1].right);
}

// W5
void WireAudit::check_sack(const Look& look) {
  const SegmentIn& s = look.view.segment;
  std::span blocks(s.options.sack.data(), s.options.sack_count);
  if (is_dsack(blocks, s.ack)) {
    const std::uint32_t from = bytes_between(look.peer.iss, blocks[0].left);
    const std::uint32_t to = bytes_between(look.peer.iss, blocks[0].right);
    // Forged segments are not heard here.
    const bool came = look.own.twice.has(from, to) || plan_.forged > 0;
    if (!before(blocks[0].left, blocks[0].right) || !came) {
      return complain(look, "W5: DSACK of " + number(from) + " to " + number(to) +
                                ", which did not come twice");
    }
    blocks = blocks.subspan(1);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto [left, right] = blocks[i];
    const std::uint32_t from = bytes_between(look.peer.iss, left);
    const std::uint32_t to = bytes_between(look.peer.iss, right);
    if (!before(left, right) || !after(left, s.ack)) {
      return complain(look, "W5: an empty SACK block, or one that touches the ACK");
    }
    if (!look.own.arrived.has(from, to)) return complain(look, "W5: SACK of what never arrived");
    for (std::size_t j = 0; j < i; ++j) {
      if (before(left, blocks[j].right) && before(blocks[j].left, right)) {
        return complain(look, "W5: SACK blocks that overlap");
      }
    }
  }
}

// W6
void WireAudit::check_stamps(const Look& look) {
  const SegmentIn& s = look.view.segment;
  Way& own = look.own;
  const bool agreed = own.syn.has_timestamps() && look.peer.syn.has_timestamps();
  if (!s.options.has_timestamps()) {
    if (agreed && own.synchronized) complain(look, "W6: no timestamp");
    return;
  }
  const std::uint32_t tsval = s.options.tsval;
  const std::int64_t base =
      std::int64_t{tsval} - static_cast<std::int64_t>(timestamp_clock(look.now));
  if (!own.stamped) {
    own.stamped = true;
    own.last_tsval = tsval;
    own.stamp_base = base;
  }
  if (static_cast<std::int32_t>(tsval - own.last_tsval) < 0) {
    return complain(look, "W6: a timestamp that goes back");
  }
  own.last_tsval = tsval;
  // A frame may have been waiting for its neighbour's address.
  const auto drift = static_cast<std::int32_t>(base - own.stamp_base);
  if (exact(look.side) && (drift < -3000 || drift > 3000)) {
    return complain(look, "W6: timestamps that do not run with the clock");
  }
  if (!agreed || !s.flags.ack()) return;
  {
    // An ACK may have been sent and have found no neighbour.
    const Seq acked = own.acking && calm_ ? own.last_ack : calm_ ? look.peer.iss + 1 : s.ack;
    std::erase_if(own.early_stamps, [&](const auto& stamp) {
      if (after(stamp.first, acked)) return false;
      if (static_cast<std::int32_t>(stamp.second - own.echo) > 0) own.echo = stamp.second;
      return true;
    });
  }
  if (!own.echo_known || static_cast<std::int32_t>(s.options.tsecr - own.echo) > 0) {
    complain(look, "W6: an echo of a timestamp that was not next");
  }
}

// W11
void WireAudit::check_reset(const Look& look) {
  const SegmentIn& s = look.view.segment;
  // The answer to a lie lies where the lie says.
  if (s.flags.ack() || !look.own.synchronized || plan_.forged > 0) return;
  // Who has no such connection any more takes the number from the segment itself (§3.10.7.1), which
  // need not be one that would have been heard.
  if (is_over(look) && s.seq == look.own.last_told) return;
  if (after(s.seq, look.own.offered)) complain(look, "W11: a RST beyond the peer's window");
}

// RFC 4987 §3.6: of the peer's MSS a cookie keeps what is not above it in a table.
std::uint32_t WireAudit::most_payload(const Look& look) const {
  const std::uint16_t headers = look.view.ipv6 ? 60 : 40;
  std::uint32_t mss = static_cast<std::uint32_t>(config(look.side).mtu - headers);
  if (look.peer.syn.has_mss()) mss = std::min<std::uint32_t>(mss, look.peer.syn.mss);
  const ConnectionPlan& c = plan_.connections[look.index];
  const bool remembers = c.simultaneous || c.opener == look.side || c.after;
  if (!remembers && config(look.side).syn_cookies == tcp::SynCookieUse::always) {
    mss = std::min(mss, kept_by_cookie(look.peer.syn));
  }
  const bool stamps = look.own.syn.has_timestamps() && look.peer.syn.has_timestamps();
  return stamps ? mss - 12 : mss;
}

std::uint32_t WireAudit::full_payload(const Look& look) const {
  return std::min(most_payload(look), look.own.full_limit);
}

// Three timeouts take this long at least. Where what goes again is short it does not show them.
void WireAudit::note_silence(const Look& look) {
  if (look.now - look.own.progress >= 6 * config(look.side).min_rto) look.own.narrowed = true;
}

// A segment that goes again, cut for a smaller path (RFC 4821 §7.7), tells what is a full one from
// now on. How often it went before frames do not tell: some were lost in the end itself, perhaps
// all, and new text is the first that one sees.
void WireAudit::note_smaller_path(const Look& look) {
  const SegmentIn& s = look.view.segment;
  const tcp::Options& o = s.options;
  if (s.payload.empty() || s.flags.syn()) return;
  const bool again = before(s.seq, look.own.nxt);
  if (!again && exact(look.side)) return;
  note_silence(look);
  const bool as_before =
      std::any_of(look.own.flight.begin(), look.own.flight.end(),
                  [&](const Sent& f) { return f.from == s.seq && f.to == s.seq + s.length(); });
  if (!again || as_before) return;
  const std::uint32_t headers = (look.view.ipv6 ? 60U : 40U) + (o.has_timestamps() ? 12U : 0U);
  const std::uint32_t blocks = o.sack_count == 0 ? 0U : 4U + 8U * o.sack_count;
  const std::size_t packet = headers + blocks + s.payload.size();
  for (const std::uint32_t mtu : {look.view.ipv6 ? 1280U : 1024U, look.view.ipv6 ? 1280U : 552U}) {
    if (packet == mtu) look.own.full_limit = std::min(look.own.full_limit, mtu - headers);
  }
}

std::uint32_t WireAudit::worthy_payload(const Look& look) const {
  std::uint32_t least = std::min(full_payload(look), look.own.narrowed ? 500U : 0xffffU);
  const bool opened = plan_.connections[look.index].opener == look.side;
  if (!opened && config(look.side).syn_cookies != tcp::SynCookieUse::never) {
    least = std::min(least, kept_by_cookie(look.peer.syn) - 12);
  }
  return least;
}

// W7: nothing that is SACKed goes again, unless the byte at SND.UNA is: then the peer reneged. Who
// has no memory for a scoreboard does not remember what was; and a peer without memory reneges
// without end, so that frames do not tell when that was noticed.
void WireAudit::check_sacked(const Look& look) {
  const SegmentIn& s = look.view.segment;
  Way& own = look.own;
  if (!agreed_on_sack(look) || s.payload.empty() || !before(s.seq, own.nxt)) return;
  if (plan_.end[0].blocks + plan_.end[1].blocks != 0) return;
  heed_sacks(own, look.now);
  const std::uint64_t una = bytes_between(own.iss, own.una);
  const std::uint64_t from = bytes_between(own.iss, s.seq);
  if (own.sacked.has(una, una + 1)) return own.sacked.clear();
  if (own.sacked.has(from, from + s.payload.size())) {
    complain(look, "W7: sent again at " + number(from) + " although it is SACKed");
  }
}

// W7: the segment at SND.UNA, again.
void WireAudit::check_again(const Look& look) {
  const SegmentIn& s = look.view.segment;
  Way& own = look.own;
  if (s.length() == 0 || !exact(look.side)) return;
  // It may have waited for the neighbour's address, and tell what the end knew before.
  if (has_waited(look, look.now - 1ms)) {
    own.alone = false;
    own.recovering = true;
    own.recover = own.nxt;
    return;
  }
  const Seq end = s.seq + s.length();
  if (own.alone && after(end, own.una + full_payload(look) + 1)) {
    return complain(look, "W8: more than a segment after a timeout");
  }
  check_sacked(look);
  if (own.doubtful && before(s.seq, own.una)) {  // it has not heard the ACK that we saw
    own.recovering = true;
    own.recover = own.nxt;
    return;
  }
  if (s.seq == own.nxt) return;
  const bool sack = agreed_on_sack(look);
  const bool probe = sack && !own.probed && end == own.nxt;
  if (probe) own.probed = true;
  if (s.seq != own.una) return;
  const auto last = std::find_if(own.flight.rbegin(), own.flight.rend(), [&](const Sent& f) {
    return at_or_before(f.from, s.seq) && after(f.to, s.seq);
  });
  if (last == own.flight.rend()) return;
  const Duration gap = look.now - last->at;
  if (sack && own.has_delivered && own.delivered >= last->at) return;  // RACK has seen it lost
  const bool opened =
      own.offered != last->offered || own.sure != last->sure || own.believed != last->believed;
  const bool recovering = own.recovering && before(own.una, own.recover);
  own.recovering = true;
  own.recover = own.nxt;
  if (gap + 2 * kTick >= config(look.side).min_rto) {
    if (!recovering && (sack || own.duplicates < 3) && !opened) check_timeout(look, gap);
    if (probe) own.alone = false;
    return;
  }
  if (probe) return;
  if (own.duplicates >= 3 || recovering || opened) return;
  // What went as a probe into a window too small to be worth it is sent again when the peer speaks.
  const bool probed = bytes_between(own.una, own.believed) < full_payload(look);
  if (probed) return;
  complain(look, "W7: sent again after " + number(to_us(gap)) + " us and " +
                     number(own.duplicates) + " duplicates");
}

// W8
void WireAudit::check_timeout(const Look& look, Duration gap) {
  Way& own = look.own;
  ++own.timeouts;
  const Duration least = std::min(own.gap * 9 / 5, config(look.side).max_rto * 9 / 10);
  if (own.timeouts > 2 && gap < least) {
    complain(look, "W8: timeout number " + number(own.timeouts) + " after " + number(to_us(gap)) +
                       " us, the one before after " + number(to_us(own.gap)));
  }
  own.gap = gap;
  own.alone = true;
}

// W9: called before the next segment either way.
void WireAudit::check_duty(const Look& look) {
  Way& own = look.own;
  // ABORT in CLOSING and LAST-ACK deletes the connection and says nothing (RFC 9293 §3.10.5).
  const Talk& talk = (*talks_[static_cast<std::size_t>(look.side)])[look.index];
  if (talk.phase == Talk::Phase::closed && talk.reason == tcp::CloseReason::aborted) return;
  // What waited for the neighbour's address may have been thrown away.
  if (has_waited(look, own.duty_since)) return;
  if (look.now > own.answer_by) complain(look, "W9: nothing, where an ACK was due");
  if (look.now > own.full_by) complain(look, "W9: no ACK of two full segments");
}

// W10, as Minshall has it.
void WireAudit::check_nagle(const Look& look) {
  const SegmentIn& s = look.view.segment;
  Way& own = look.own;
  const std::uint32_t full = worthy_payload(look);
  // What looks new may have gone before, unseen, and be a piece of it.
  if (own.narrowed && !exact(look.side)) return;
  if (before(s.seq, own.nxt) && s.payload.size() + 40 >= full && before(s.seq, own.short_end) &&
      at_or_after(s.seq + s.length(), own.short_end)) {
    own.has_short = false;  // its bytes went again, and not alone
  }
  if (s.payload.empty() || s.seq != own.nxt) return;
  if (s.payload.size() + 40 >= full) return;
  const auto side = static_cast<std::size_t>(look.side);
  const Talk& talk = (*talks_[side])[look.index];
  const bool off = !config(look.side).nagle || plan_.connections[look.index].side[side].nodelay ||
                   talk.shut || talk.released;
  const bool room = bytes_between(s.seq, own.offered) >= full;
  const bool in_flight = own.has_short && after(own.short_end, own.una);
  if (!off && room && in_flight && s.flags.psh()) {
    complain(look, "W10: a short segment while another is in flight, up to " +
                       number(bytes_between(own.una, own.short_end)) + " beyond SND.UNA at " +
                       number(bytes_between(own.iss, own.una)));
  }
  if (!room) return;
  own.has_short = true;
  own.short_end = s.seq + s.length();
}

void WireAudit::note_sent(const Look& look) {
  const SegmentIn& s = look.view.segment;
  Way& own = look.own;
  if (s.flags.ack()) {
    const int shift = s.flags.syn() ? 0 : scale(own, look.peer);
    const Seq edge = s.ack + (std::uint32_t{s.window} << shift);
    if (!own.acking || !own.synchronized || after(edge, own.edge)) own.edge = edge;
    own.last_ack = s.ack;
    own.acking = true;
    own.clamped = s.window == 0xffff;
    if (!s.flags.syn()) own.synchronized = true;
  }
  if (s.length() == 0 || s.flags.syn()) return;
  const Seq end = s.seq + s.length();
  if (s.flags.fin()) {
    if (!own.fin) own.closes_last = look.peer.fin && s.ack == look.peer.fin_end;
    own.fin = true;
    own.fin_end = end;
  }
  own.flight.push_back({s.seq, end, look.now, own.offered, own.sure, own.believed});
  own.nxt = tcp::later_of(own.nxt, end);
}

}  // namespace millrace::sim
