// SPDX-License-Identifier: BSD-3-Clause
//
// Dynamic right-sizing of the receive buffer, and the send buffer's answer to a shortage.
#include "tcp/connection/autotune.h"

#include "tcp/connection/receive_window.h"
#include "tcp/connection/timestamps.h"

namespace millrace::tcp {
namespace {

[[nodiscard]] std::uint32_t unread_of(const Connection& c, const Stores& stores) {
  return c.has_receive_state() ? stores.receive[c.receive].unread_bytes : 0;
}

void begin_round(ReceiveRound& round, Seq taken, Stamp now) {
  round.began = taken;
  round.began_at = now;
  round.least_rtt = 0;
}

// What counts as taken before anything was: the first flight of slow start (RFC 6928), but so
// little that a window full of text is more.
[[nodiscard]] std::uint32_t least_most(const Connection& c, std::uint32_t buffer) {
  return std::min(10U * c.mss, buffer / 2);
}

void claim_round(Connection& c, Seq taken, std::uint32_t buffer, Stamp now,
                 const Context& context) {
  ReceiveRound* const round = context.stores.rounds.claim(c, now);
  if (round == nullptr) return;
  begin_round(*round, taken, now);
  round->rtt = us_to_stamps(c.srtt_us);
  round->most_bytes = least_most(c, buffer);
  round->window_end = c.rcv_adv;
  round->window_at = now;
}

// The buffer has been made smaller than what was taken asks for: it is to be asked again.
void forget_most(const Connection& c, std::uint32_t buffer, Stores& stores) {
  if (ReceiveRound* const round = stores.rounds.find(c)) round->most_bytes = least_most(c, buffer);
}

// A window's worth of text takes a round trip at least, so the shortest time that it ever took is
// nearest to it.
void time_window(const Connection& c, ReceiveRound& round, Stamp now) {
  if (before(c.rcv_nxt, round.window_end)) return;
  const std::uint32_t taken = std::max(now - round.window_at, 1U);
  if (round.rtt == 0 || taken < round.rtt) round.rtt = taken;
  round.window_end = c.rcv_adv;
  round.window_at = now;
}

// What a buffer must hold of a stream of which `taken` bytes passed in a round trip, `most` at most
// in any before. Their sender may have doubled its window by the time it hears of ours, and twice.
[[nodiscard]] std::uint64_t wanted_bytes(std::uint32_t taken, std::uint32_t most,
                                         std::uint32_t mss) {
  constexpr std::uint32_t kSlack = 16;  // segments
  const std::uint64_t growth = taken - most;
  return 2 * (taken + std::min<std::uint64_t>(2 * growth, taken)) + std::uint64_t{kSlack} * mss;
}

}  // namespace

void tune_receive_buffer(Connection& c, const Context& context) {
  const TcpConfig& config = context.config;
  Stores& stores = context.stores;
  const std::uint32_t buffer = receive_buffer_of(c, stores);
  const bool is_short = memory_is_short(stores);
  if (is_short && buffer > config.receive_buffer_initial) {
    set_receive_buffer(c, stores, config.receive_buffer_initial);
    forget_most(c, config.receive_buffer_initial, stores);
    ++context.counters.TCPRcvBufferCut;
    return;
  }
  const std::uint32_t limit = std::min(config.receive_buffer_max, 0xffffU << c.our_scale());
  if (buffer >= limit) return;
  const Stamp now = stamp_of(context.now);
  const std::uint32_t unread = unread_of(c, stores);
  const Seq taken_to = c.rcv_nxt - unread;
  ReceiveRound* round = stores.rounds.find(c);
  if (round == nullptr) return claim_round(c, taken_to, buffer, now, context);
  if (!c.has(Connection::kTimestamps)) time_window(c, *round, now);
  if (round->rtt == 0 && round->least_rtt == 0) return;
  if (now - round->began_at < (round->rtt != 0 ? round->rtt : round->least_rtt)) return;
  if (round->least_rtt != 0) round->rtt = round->least_rtt;
  const std::uint32_t taken =
      after(taken_to, round->began) ? bytes_between(round->began, taken_to) : 0;
  begin_round(*round, taken_to, now);
  // Who leaves most of it lying is not held back by the window.
  if (taken <= round->most_bytes || unread > taken / 2) return;
  const std::uint64_t wanted =
      std::min<std::uint64_t>(wanted_bytes(taken, round->most_bytes, c.mss), limit);
  if (is_short) {
    if (wanted > buffer) ++context.counters.TCPRcvBufferHeld;
    return;
  }
  round->most_bytes = taken;
  if (wanted > buffer) set_receive_buffer(c, stores, static_cast<std::uint32_t>(wanted));
}

void note_receive_rtt(Connection& c, const SegmentIn& segment, const Context& context) {
  if (context.config.receive_buffer != 0 || !c.has(Connection::kTimestamps)) return;
  if (segment.options.tsecr == 0) return;
  ReceiveRound* const round = context.stores.rounds.find(c);
  if (round == nullptr) return;
  constexpr std::uint32_t kMostMs = 60'000;
  const std::uint32_t ms = tsval_of(c, context.now) - segment.options.tsecr;
  if (ms > kMostMs) return;
  // Below a millisecond our own measurement is the better one, if there is any.
  const bool measured = ms <= 1 && c.srtt_us != 0 && c.srtt_us < 1000;
  const Stamp rtt = us_to_stamps(measured ? c.srtt_us : std::max(ms, 1U) * 1000);
  if (round->least_rtt == 0 || rtt < round->least_rtt) round->least_rtt = std::max(rtt, 1U);
}

void retune_receive_buffer(Connection& c, const TcpConfig& before, const Context& context) {
  const TcpConfig& after = context.config;
  std::uint32_t bytes = receive_buffer_of(c, context.stores);
  if (after.receive_buffer != 0 || before.receive_buffer != 0) {
    bytes = initial_receive_buffer(after);
  } else {
    bytes = std::max(std::min(bytes, after.receive_buffer_max), after.receive_buffer_initial);
  }
  forget_most(c, bytes, context.stores);
  set_receive_buffer(c, context.stores, bytes);
}

std::uint32_t send_buffer_for_copies(const Connection& c, const Context& context) {
  const TcpConfig& config = context.config;
  if (config.send_buffer != 0 || !memory_is_short(context.stores)) return send_buffer_of(c, config);
  return config.send_buffer_initial;
}

}  // namespace millrace::tcp
