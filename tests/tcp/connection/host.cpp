// SPDX-License-Identifier: BSD-3-Clause
#include "tests/tcp/connection/host.h"

#include "tcp/connection/reassembly.h"
#include "tcp/connection/send_queue.h"

namespace millrace::tcp::test {

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string pattern(std::size_t bytes, std::size_t from) {
  std::string s(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) {
    const std::size_t x = from + i;
    s[i] = static_cast<char>((x * 2654435761U) >> 13 ^ (x >> 8));
  }
  return s;
}

SegmentIn Segment::view() const {
  SegmentIn in;
  in.seq = seq;
  in.ack = ack;
  in.flags.bits = flags;
  in.window = window;
  in.urgent = urgent;
  in.ecn = ecn;
  in.options = options;
  in.payload = as_bytes(data);
  return in;
}

Segment from_output(const SegmentOut& out) {
  Segment s;
  s.seq = out.seq;
  s.ack = out.ack;
  s.flags = out.flags.bits;
  s.window = out.window;
  s.ecn = out.ecn;
  s.options.has = out.options.has;
  s.options.mss = out.options.mss;
  s.options.window_scale = out.options.window_scale;
  s.options.tsval = out.options.tsval;
  s.options.tsecr = out.options.tsecr;
  s.options.sack_count = out.options.sack_count;
  for (std::size_t i = 0; i < out.options.sack_count; ++i) {
    s.options.sack[i] = out.options.sack[i];
  }
  for (std::size_t i = 0; i < out.piece_count; ++i) {
    s.data.append(reinterpret_cast<const char*>(out.pieces[i].data()), out.pieces[i].size());
  }
  EXPECT_EQ(s.data.size(), out.payload_bytes);
  return s;
}

std::optional<Tick> earliest_event(const Connection& c, const Context& context) {
  const std::optional<Tick> deadline = earliest_deadline(c);
  if (!is_paced(context.config)) return deadline;
  const std::optional<Tick> departure = departure_deadline(c, context);
  if (!departure || (deadline && tick_before(*deadline, *departure))) return deadline;
  return departure;
}

Host::Host(const TcpConfig& tcp_config, Sizes sizes)
    : config(tcp_config), stores{Pool<SendState>(sizes.send),   Pool<ReceiveState>(sizes.receive),
                                 Pool<Chunk>(sizes.chunks),     Pool<Block>(sizes.blocks),
                                 Pool<SendLog>(sizes.send),     Pool<LossState>(sizes.send),
                                 Pool<PathModel>(sizes.models), RateLogs(sizes.models),
                                 Pool<AddressPair6>(1)} {}

void Host::establish(const HostSetup& setup) {
  c = Connection{};
  if (setup.ipv6) c.set(Connection::kIpv6);
  Handshake h;
  h.iss = setup.iss;
  h.irs = setup.irs;
  h.snd_wnd = setup.snd_wnd;
  h.rcv_wnd = setup.rcv_wnd;
  h.peer_mss = setup.peer_mss;
  h.timestamps = setup.timestamps;
  h.sack = setup.sack;
  h.window_scaling = setup.window_scaling;
  h.ecn = setup.ecn;
  h.peer_scale = setup.peer_scale;
  h.our_scale = setup.window_scaling ? our_scale(config) : std::uint8_t{0};
  h.ts_recent = setup.ts_recent;
  h.rtt_us = setup.rtt_us;
  tcp::establish(c, h, context());
  watching_ = false;
  check_invariants();
}

bool Host::open(Seq iss, bool ipv6) {
  c = Connection{};
  if (ipv6) c.set(Connection::kIpv6);
  watching_ = false;
  return open_active(c, iss, 0, context());
}

void Host::apply(const Outcome& o) {
  EXPECT_FALSE(!o.lent.empty() && o.readable) << "lent and readable exclude each other";
  connected |= o.connected;
  ends_of_stream += o.peer_closed ? 1 : 0;
  writable += o.writable ? 1 : 0;
  time_wait |= o.enter_time_wait;
  if (o.closed) {
    EXPECT_FALSE(closed) << "closed twice";
    closed = true;
    reason = o.reason;
    EXPECT_EQ(c.state, State::closed);
  }
  if (o.reset_reply) reset_replies.push_back(o.reset_seq);
  if (!o.lent.empty()) {
    if (reads) {
      received.append(reinterpret_cast<const char*>(o.lent.data()), o.lent.size());
    } else {
      EXPECT_TRUE(park(c, o.lent, context()));
    }
  }
  if (reads) read_all();
  check_invariants();
}

Drop Host::input(const Segment& segment) {
  // An exact copy on the heap, so that a sanitizer sees a read beyond it.
  const std::vector<char> exact(segment.data.begin(), segment.data.end());
  SegmentIn in = segment.view();
  in.payload = std::as_bytes(std::span(exact));
  Outcome outcome;
  Drop drop = Drop::none;
  if (straight && is_expected(c, in, context())) {
    ++straight_taken;
    outcome.lent = in.payload;
    outcome.writable = input_expected(c, in, context());
  } else if (straight && is_expected_end(c, in, context())) {
    ++straight_ends;
    outcome.writable = input_expected_end(c, in, context());
    outcome.peer_closed = in.flags.fin();
    outcome.enter_time_wait = c.state == State::time_wait;
    outcome.closed = c.state == State::closed;
    if (outcome.closed) outcome.reason = CloseReason::graceful;
  } else if (straight && is_syn_ack(c, in)) {
    ++straight_opens;
    outcome.writable = input_syn_ack(c, in, context());
    outcome.connected = true;
  } else {
    drop = on_segment(c, in, context(), outcome);
  }
  apply(outcome);
  return drop;
}

std::vector<Segment> Host::flush() {
  std::vector<Segment> sent;
  const Context x = context();
  for (int i = 0; i < 10'000; ++i) {
    SegmentOut out;
    const bool wants = wants_to_send(c, x);
    if (straight && send_whole_queue(c, x, out)) {
      ++straight_taken;
      EXPECT_TRUE(wants) << "wants_to_send() disagrees";
      EXPECT_FALSE(wants_to_send(c, x)) << "more than was sent in one segment";
      sent.push_back(from_output(out));
      check_invariants();
      return sent;
    }
    if (!next_segment(c, x, out)) {
      EXPECT_FALSE(wants) << "wants_to_send() disagrees";
      check_invariants();
      return sent;
    }
    EXPECT_TRUE(wants) << "wants_to_send() disagrees";
    sent.push_back(from_output(out));
    check_invariants();
  }
  ADD_FAILURE() << "next_segment() never ends";
  return sent;
}

void Host::fire_due() {
  Outcome outcome;
  on_deadline(c, context(), outcome);
  apply(outcome);
}

std::vector<Segment> Host::pass(Duration d) {
  const Instant end = now + d;
  std::vector<Segment> sent = flush();
  while (const std::optional<Tick> due = earliest_event(c, context())) {
    const Tick ahead = *due - tick_of(now);
    Instant at = now;
    if (tick_before(tick_of(now), *due)) {
      at =
          Instant{Duration{((now.time_since_epoch().count() >> kTickShift) + ahead) << kTickShift}};
    }
    if (at > end) break;
    now = std::max(now, at);
    fire_due();
    for (Segment& s : flush()) sent.push_back(std::move(s));
  }
  now = end;
  return sent;
}

std::size_t Host::write(std::string_view text, bool copy) {
  if (straight && enqueue_straight(c, as_bytes(text), copy, context().stores)) {
    ++straight_taken;
    check_invariants();
    return text.size();
  }
  const std::size_t n = enqueue(c, as_bytes(text), copy, context());
  check_invariants();
  return n;
}

void Host::shut_down() {
  Outcome outcome;
  shut_down_sending(c, context(), outcome);
  apply(outcome);
}

void Host::close() {
  Outcome outcome;
  if (straight && close_straight(c, context())) {
    ++straight_ends;
  } else {
    close_by_owner(c, context(), outcome);
  }
  apply(outcome);
}

void Host::abort() {
  Outcome outcome;
  abort_connection(c, CloseReason::aborted, context(), outcome);
  apply(outcome);
}

void Host::read_all() {
  while (true) {
    const std::span<const std::byte> bytes = front(c, context());
    if (bytes.empty()) break;
    received.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    take(c, bytes.size(), context());
  }
}

bool Host::cold_is_empty() const {
  return stores.send.live() == 0 && stores.receive.live() == 0 && stores.chunks.live() == 0 &&
         stores.blocks.live() == 0 && stores.logs.live() == 0 && stores.loss.live() == 0 &&
         stores.rate_logs.live() == 0;
}

Segment Host::peer(std::string data, std::uint8_t flags) const {
  Segment s;
  s.seq = c.rcv_nxt;
  s.ack = c.snd_nxt;
  s.flags = flags;
  s.data = std::move(data);
  if (c.has(Connection::kTimestamps)) {
    s.options.has = Options::kTimestamps;
    s.options.tsval = c.ts_recent;
  }
  return s;
}

// The invariants of one connection, by their numbers in the security notes' list.
void Host::check_invariants() {
  if (c.state == State::closed) return;
  EXPECT_TRUE(at_or_before(c.snd_una, c.snd_nxt));  // 1
  const bool opening = c.state == State::syn_sent || c.state == State::syn_received;
  if (!opening) {
    EXPECT_GE(c.congestion.cwnd, c.mss);  // 15
  }
  const Duration rto = retransmission_timeout(c, config);
  EXPECT_TRUE(rto >= config.min_rto && rto <= config.max_rto);  // 15
  const bool receiving = c.state != State::syn_sent;
  if (receiving) {
    if (watching_) {
      EXPECT_TRUE(at_or_after(c.rcv_nxt, last_rcv_nxt_)) << "RCV.NXT went back";     // 2
      EXPECT_TRUE(at_or_after(c.rcv_adv, last_rcv_adv_)) << "the window went back";  // 2
    }
    EXPECT_TRUE(at_or_before(c.rcv_nxt, c.rcv_adv));
    watching_ = true;
    last_rcv_nxt_ = c.rcv_nxt;
    last_rcv_adv_ = c.rcv_adv;
  }
  if (c.has_receive_state() && receive().reassembly != kNil) {  // 5
    const Reassembly& q = reassembly_of(receive(), stores);
    EXPECT_GT(q.range_count, 0U);
    EXPECT_LE(q.range_count, kMaxRanges);
    Seq left = c.rcv_nxt;
    for (std::uint32_t i = 0; i < q.range_count; ++i) {
      EXPECT_TRUE(before(left, q.ranges[i].left)) << "ranges touch or are out of order";
      EXPECT_TRUE(before(q.ranges[i].left, q.ranges[i].right));
      left = q.ranges[i].right;
    }
    EXPECT_TRUE(at_or_before(left, c.rcv_adv)) << "a range lies beyond the window";
    const std::size_t most =
        config.reassembly_bytes != 0 ? std::min(config.reassembly_bytes, c.rcv_wnd()) : c.rcv_wnd();
    EXPECT_LE(std::size_t{q.page_count} * kBlockBytes, most + 2 * kBlockBytes);
  }
  if (c.send != kNil && !opening) {  // 6
    std::uint64_t bytes = 0;
    for (std::uint32_t i = send().chunk_head; i != kNil; i = chunk_of(send(), stores, i).next) {
      bytes += chunk_of(send(), stores, i).bytes;
    }
    EXPECT_EQ(bytes - send().head_offset, send().queued_bytes);
    const std::uint32_t fin = c.has(Connection::kFinSent) ? 1 : 0;
    EXPECT_LE(flight_bytes(c), send().queued_bytes + fin);
  } else if (c.send == kNil) {
    EXPECT_EQ(c.snd_una, c.snd_nxt);
  }
  // 9: what bounds the closing states, once output has been pulled
  if (c.send != kNil && c.snd_una != c.snd_nxt) {
    EXPECT_TRUE(c.send_timer == SendTimer::retransmit || c.send_timer == SendTimer::persist ||
                c.send_timer == SendTimer::loss_probe || c.send_timer == SendTimer::reorder);
  }
}

}  // namespace millrace::tcp::test
