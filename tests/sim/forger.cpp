// SPDX-License-Identifier: BSD-3-Clause
//
// Forgeries are drawn blindly within what makes each a lie; the text they carry is garbage, so that
// one byte of it in a stream is seen.
#include "tests/sim/forger.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "tcp/connection/reassembly.h"
#include "tcp/connection/timestamps.h"

namespace millrace::sim {

using tcp::Connection;
using tcp::Flags;
using tcp::Options;
using tcp::Seq;
using tcp::State;

namespace {

constexpr const char* kKindNames[] = {"a RST inside the window",
                                      "a RST outside the window",
                                      "a SYN",
                                      "an ACK of unsent data",
                                      "an ACK too old",
                                      "no ACK",
                                      "text beyond the window",
                                      "old text",
                                      "an old timestamp",
                                      "no timestamp"};

/// Garbage of at most 64 bytes.
std::span<const std::byte> garbage(std::size_t bytes) {
  static const auto kGarbage = [] {
    std::array<std::byte, 64> g;
    g.fill(std::byte{0x5a});
    return g;
  }();
  return std::span(kGarbage).first(bytes);
}

template <typename T>
void append(std::vector<std::byte>& to, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

}  // namespace

Drop Forger::hand_in(const FourTuple& tuple, const tcp::SegmentIn& segment, Instant now) {
  ++strikes_;
  return endpoint_.input(endpoint_.hash(tuple), tuple, segment, now);
}

/// All that a connection consists of, but for what a lie may change: what is owed in answer.
std::vector<std::byte> Forger::everything(std::uint32_t index) const {
  std::vector<std::byte> all;
  Connection c = impl_.connections[index];
  // What an answer is, and what it tells: that old text came again (RFC 2883).
  c.clear(Connection::kDirty | Connection::kAckWhole);
  c.acks_owed = 0;
  c.challenge_when = 0;
  tcp::ReceiveState r;
  if (c.has_receive_state()) {
    r = impl_.stores.receive[c.receive];
    const bool nothing_else = r.unread_bytes == 0 && r.reassembly == kNil && !r.fin_known;
    if (r.twice_owed && nothing_else) {
      c.receive = Connection::kNoReceiveState | r.buffer_bytes;
    }
    r.twice_owed = false;
    r.twice = {};
  }
  append(all, c);
  if (c.send != kNil) append(all, impl_.stores.send[c.send]);
  if (!c.has_receive_state()) return all;
  append(all, r);
  if (r.reassembly != kNil) append(all, impl_.stores.blocks[r.reassembly]);
  return all;
}

std::string Forger::strike(Instant now) {
  switch (random_.below(8)) {
    case 0:
      return strike_half_open(now);
    case 1:
      return strike_time_wait(now);
    default:
      return strike_connection(now);
  }
}

std::string Forger::strike_connection(Instant now) {
  const std::uint32_t touched = impl_.connections.touched();
  if (touched == 0) return {};
  const std::uint32_t from = some(touched);
  for (std::uint32_t i = 0; i < touched; ++i) {
    const std::uint32_t index = (from + i) % touched;
    const Connection& c = impl_.connections[index];
    if (c.generation == 0 || tcp::is_over(c)) continue;
    const FourTuple tuple = impl_.tuple_of(c);
    if (c.state == State::syn_sent) return strike_opening(index, tuple, now);
    if (c.state == State::syn_received) return {};
    const auto kind = static_cast<Kind>(random_.below(kKinds));
    const Forgery f = forge(c, kind);
    if (!f.possible) return {};
    return compare(index, tuple, f, now, kKindNames[static_cast<std::size_t>(kind)]);
  }
  return {};
}

std::string Forger::compare(std::uint32_t index, const FourTuple& tuple, const Forgery& f,
                            Instant now, const char* what) {
  const std::string prefix = std::string("17: ") + what + " in " +
                             std::string(name_of(impl_.connections[index].state)) + " ";
  const int twice = f.answer == Answer::limited ? 2 : 1;
  for (int i = 0; i < twice; ++i) {
    const std::vector<std::byte> before = everything(index);
    const std::size_t events = impl_.events.size();
    const unsigned owed = impl_.connections[index].acks_owed;
    const Drop drop = hand_in(tuple, f.segment, now);
    if (drop == Drop::none) return prefix + "was accepted";
    if (impl_.events.size() != events) return prefix + "made an event";
    if (everything(index) != before) return prefix + "changed the connection";
    const unsigned answers = impl_.connections[index].acks_owed - owed;
    if (answers > 1) return "18: " + prefix + "is answered more than once";
    if (f.answer == Answer::none && answers != 0) return "18: " + prefix + "is answered";
    if (f.answer == Answer::always && answers == 0 && owed != 0xff) return prefix + "is ignored";
    const Duration interval = impl_.config.profiles[0].challenge_ack_interval;
    if (i == 1 && answers != 0 && interval > 100ms) return "18: " + prefix + "is answered twice";
  }
  return {};
}

Forger::Forgery Forger::forge(const Connection& c, Kind kind) {
  Forgery f;
  tcp::SegmentIn& s = f.segment;
  s.seq = c.rcv_nxt;
  s.ack = c.snd_nxt;
  s.window = static_cast<std::uint16_t>(random_.next());
  s.flags = Flags{Flags::kAck};
  const std::uint32_t window = before(c.rcv_adv, c.rcv_nxt) ? 0 : c.rcv_wnd();
  forge_stamps(c, kind, f);
  forge_ack(c, kind, f);
  switch (kind) {
    case Kind::reset_inside:
      s.flags = Flags{Flags::kRst};
      f.possible = window > 1;
      if (f.possible) s.seq += 1 + some(window - 1);
      f.answer = Answer::limited;
      break;
    case Kind::reset_outside:
      s.flags = Flags{Flags::kRst};
      s.seq = random_.chance(0.5) ? c.rcv_nxt + window + 1 + some(1 << 20)
                                  : c.rcv_nxt - 1 - some(1 << 20);
      break;
    case Kind::syn:
      s.flags = Flags{
          static_cast<std::uint8_t>(random_.chance(0.5) ? Flags::kSyn : Flags::kSyn | Flags::kAck)};
      s.seq = Seq(static_cast<std::uint32_t>(random_.next()));
      if (random_.chance(0.5)) s.seq = c.rcv_nxt + some(window + 1);
      f.answer = Answer::limited;
      break;
    case Kind::beyond_window:
      s.seq = c.rcv_nxt + window + 1 + some(1 << 20);
      s.payload = garbage(1 + some(64));
      f.answer = Answer::always;
      break;
    case Kind::old_text:
      s.payload = garbage(1 + some(64));
      s.seq = c.rcv_nxt - static_cast<std::uint32_t>(s.payload.size()) - some(1 << 16);
      f.answer = Answer::always;
      break;
    case Kind::ack_of_unsent:
    case Kind::ack_too_old:
    case Kind::no_ack:
    case Kind::old_timestamp:
    case Kind::no_timestamp:
      break;
  }
  return f;
}

/// What is wrong with the ACK, in text that is next.
void Forger::forge_ack(const Connection& c, Kind kind, Forgery& f) {
  tcp::SegmentIn& s = f.segment;
  if (kind == Kind::ack_of_unsent) {
    s.ack = c.snd_nxt + 1 + some(1 << 20);
    s.payload = garbage(some(64));
    f.answer = Answer::limited;
  } else if (kind == Kind::ack_too_old) {
    const std::uint32_t max_snd_wnd = std::uint32_t{c.max_snd_wnd} << c.peer_scale();
    s.ack = c.snd_una - max_snd_wnd - 1 - some(1 << 20);
    s.payload = garbage(some(64));
    f.answer = Answer::limited;
  } else if (kind == Kind::no_ack) {
    s.flags = Flags{random_.chance(0.5) ? Flags::kPsh : Flags::kFin};
    s.payload = garbage(some(64));
  }
}

/// Timestamps as the peer might send them, poison where the segment is not to be believed.
void Forger::forge_stamps(const Connection& c, Kind kind, Forgery& f) {
  tcp::SegmentIn& s = f.segment;
  const bool stamps = c.has(Connection::kTimestamps);
  if (stamps) {
    s.options.has = Options::kTimestamps;
    s.options.tsval = c.ts_recent + (random_.chance(0.5) ? 0 : 1U << 30);
  }
  if (kind == Kind::old_timestamp) {
    f.possible = stamps && !tcp::ts_recent_expired(c, impl_.now);
    s.options.tsval = c.ts_recent - 1 - some(1 << 20);
    s.payload = garbage(1 + some(63));
    f.answer = Answer::always;
  } else if (kind == Kind::no_timestamp) {
    f.possible = stamps;
    s.options.has = 0;
    s.payload = garbage(1 + some(63));
  }
}

/// SYN-SENT believes nothing but what acknowledges its SYN.
std::string Forger::strike_opening(std::uint32_t index, const FourTuple& tuple, Instant now) {
  const Connection& c = impl_.connections[index];
  Forgery f;
  tcp::SegmentIn& s = f.segment;
  s.seq = Seq(static_cast<std::uint32_t>(random_.next()));
  // Behind the text of the SYN (RFC 7413).
  s.ack = tcp::later_of(c.snd_nxt, impl_.stores.send[c.send].resend_next) + 1 + some(1 << 20);
  switch (random_.below(3)) {
    case 0:
      s.flags = Flags{Flags::kRst};
      return compare(index, tuple, f, now, "a RST without ACK");
    case 1:
      s.flags = Flags{Flags::kRst | Flags::kAck};
      return compare(index, tuple, f, now, "a RST with a wrong ACK");
    default:
      s.flags = Flags{Flags::kAck};
      s.ack = c.snd_nxt;
      return compare(index, tuple, f, now, "an ACK without SYN");
  }
}

std::string Forger::strike_half_open(Instant now) {
  std::array<tcp::EntryRef, 8> some_of;
  const std::size_t count = impl_.half_open.list(0, some_of);
  if (count == 0) return {};
  const tcp::EntryRef ref = some_of[some(static_cast<std::uint32_t>(count))];
  const FourTuple tuple = impl_.half_open.tuple(ref);
  const tcp::HalfOpenState before = impl_.half_open.state(ref);
  tcp::SegmentIn s;
  const char* what = "a RST inside the window";
  s.seq = before.irs + 2 + some(1000);
  s.flags = Flags{Flags::kRst};
  if (random_.chance(0.5)) {
    what = "a wrong ACK";
    s.seq = before.irs + 1;
    s.flags = Flags{Flags::kAck};
    s.ack = before.iss + 2 + some(1 << 20);
    if (before.has(tcp::HalfOpenState::kTimestamps)) {
      s.options.has = Options::kTimestamps;
      s.options.tsval = before.ts_recent;
    }
  }
  const Drop drop = hand_in(tuple, s, now);
  const tcp::EntryRef after = watch_.find(tuple);
  if (drop == Drop::none || !(after == ref) ||
      std::memcmp(&impl_.half_open.state(ref), &before, sizeof before) != 0) {
    return std::string("17: ") + what + " had an effect in SYN-RECEIVED";
  }
  return {};
}

/// Lies that must change nothing (RFC 1337), and a FIN that comes again, which begins 2MSL anew.
std::string Forger::strike_time_wait(Instant now) {
  const auto& watched = watch_.watched();
  if (watched.empty()) return {};
  const std::size_t which = some(static_cast<std::uint32_t>(watched.size()));
  const FourTuple tuple = watched[which].tuple;
  const tcp::EntryRef ref = watch_.find(tuple);
  if (!ref || ref.kind() != tcp::EntryKind::time_wait) return {};
  const tcp::TimeWaitState& state = impl_.time_wait.state(ref);
  tcp::SegmentIn s;
  s.seq = state.rcv_nxt;
  s.ack = state.snd_nxt;
  if (state.has(tcp::TimeWaitState::kTimestamps)) {
    s.options.has = Options::kTimestamps;
    s.options.tsval = state.ts_recent;
  }
  const bool silent = impl_.replies.empty();
  const std::uint64_t kind = random_.below(3);
  if (kind == 0) s.flags = Flags{Flags::kRst};
  if (kind == 1) s.flags = Flags{Flags::kSyn};
  if (kind == 1) s.seq = state.rcv_nxt - 1 - some(1 << 20);
  if (kind == 2) s.flags = Flags{Flags::kFin | Flags::kAck};
  if (kind == 2) s.seq = state.rcv_nxt - 1;
  const Tick expiry = impl_.time_wait.expiry(ref);
  (void)hand_in(tuple, s, now);
  const tcp::EntryRef there = watch_.find(tuple);
  if (!there || there.kind() != tcp::EntryKind::time_wait) {
    return kind == 0 ? "17: a RST ended TIME-WAIT" : "17: an old segment ended TIME-WAIT";
  }
  if (kind == 2) {
    watch_.restarted(which, now);
    return impl_.replies.empty() ? "a FIN that came again was not acknowledged" : "";
  }
  if (impl_.time_wait.expiry(there) != expiry) return "17: TIME-WAIT begins anew for a lie";
  if (kind == 0 && silent && !impl_.replies.empty()) return "18: a RST is answered in TIME-WAIT";
  return {};
}

}  // namespace millrace::sim
