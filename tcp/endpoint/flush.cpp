// SPDX-License-Identifier: BSD-3-Clause
//
// The way out: replies that no connection owns first, then connections in the order in which they
// got something to send, each a bounded turn, so that one bulk sender cannot starve the others. A
// connection leaves the list when it has nothing to send; its timer is filed then.
#include "tcp/connection/output.h"
#include "tcp/connection/pacing.h"
#include "tcp/endpoint/impl.h"
#include "tcp/endpoint/lifecycle.h"

namespace millrace::tcp {
namespace {

constexpr std::size_t kSegmentsPerTurn = 16;

void count(Counters& counters, const SegmentOut& segment) {
  counters.OutSegs +=
      segment.segment_size == 0
          ? 1
          : (segment.payload_bytes + segment.segment_size - 1) / segment.segment_size;
  if (segment.flags.rst()) ++counters.OutRsts;
}

/// What is left of a connection that is over: an RST, if one is owed.
std::size_t flush_over(EndpointImpl& e, std::uint32_t index, Connection& c, SegmentOut& out) {
  std::size_t sent = 0;
  if (c.has(Connection::kResetOwed) && next_segment(c, e.context_of(c), out)) {
    out.tuple = e.tuple_of(c);
    count(e.counters, out);
    sent = 1;
  }
  c.clear(Connection::kDirty);
  free_if_done(e, index, c);
  return sent;
}

/// Whatever pacing holds back wakes the connection when its time has come; firing marks it dirty.
[[gnu::noinline]] void file_departure(EndpointImpl& e, std::uint32_t index, const Connection& c) {
  if (const std::optional<Tick> at = departure_deadline(c, e.context_of(c)))
    e.wheel.arm(index, *at);
}

/// One turn of one connection. Sets `more` if it may have more to send.
[[gnu::noinline]] std::size_t flush_turn(EndpointImpl& e, std::uint32_t index, Connection& c,
                                         std::span<SegmentOut> out, bool& more) {
  const std::size_t most = std::min(out.size(), kSegmentsPerTurn);
  const Context context = e.context_of(c);
  const State before = c.state;
  std::size_t n = 0;
  while (n < most && next_segment(c, context, out[n])) {
    out[n].tuple = e.tuple_of(c);
    count(e.counters, out[n]);
    ++n;
  }
  // Only a next_segment() that finds nothing more leaves the timers right: else it is asked again.
  more = n == most;
  if (c.send != kNil && is_paced(e.stores.send[c.send])) [[unlikely]]
    file_departure(e, index, c);
  if (c.state != before) {
    --e.states.of(before);
    ++e.states.of(c.state);
  }
  return n;
}

}  // namespace

// Not in line in its one caller, whose variables would take the registers.
[[gnu::noinline]] std::size_t Endpoint::flush(std::span<SegmentOut> out, Instant now) {
  EndpointImpl& e = impl();
  e.observe(now);
  std::size_t n = 0;
  for (; n < out.size() && !e.replies.empty(); ++n) {
    write_reply(e.replies.pop(), out[n]);
    if (out[n].options.has_fast_open()) [[unlikely]]
      e.stores.fast_open.keys.grant(out[n].tuple.remote, e.now, out[n].options);
    count(e.counters, out[n]);
  }
  while (n < out.size() && !e.dirty.empty()) {
    const std::uint32_t index = e.dirty.pop();
    Connection& c = e.connections[index];
    if (SegmentOut& segment = out.data()[n]; send_whole_queue(c, e.context_of(c), segment)) {
      e.write_tuple(c, segment.tuple);
      ++e.counters.OutSegs;
      ++n;
      c.clear(Connection::kDirty);
      e.wheel.arm(index, c.timer, c.send_deadline);
      continue;
    }
    if (is_over(c)) {
      n += flush_over(e, index, c, out[n]);
      continue;
    }
    bool more = false;
    n += flush_turn(e, index, c, out.subspan(n), more);
    if (more) {
      e.dirty.push(index);
    } else {
      c.clear(Connection::kDirty);
    }
    file_timer(e, index, c);
  }
  return n;
}

std::size_t Endpoint::output_backlog() const { return impl_->dirty.size(); }
bool Endpoint::has_output() const { return !impl_->replies.empty() || !impl_->dirty.empty(); }

}  // namespace millrace::tcp
