// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/bulk_path.h"

#include <algorithm>
#include <functional>

#include "tcp/connection/handshake.h"
#include "tcp/connection/input.h"
#include "tcp/connection/output.h"
#include "tcp/connection/pacing.h"
#include "tcp/connection/path_model.h"
#include "tcp/connection/timers.h"

namespace millrace::test {
namespace {

using tcp::Seq;

constexpr Seq kIss{1'000};
constexpr Seq kIrs{5'000};
constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr Duration kDelayedAck = 40ms;

// Never written and never read.
alignas(64) std::byte text[kPiece];

Instant begin_of(Tick tick, Instant now) {
  const auto ahead = static_cast<std::int32_t>(tick - tick_of(now));
  const std::int64_t begin = now.time_since_epoch().count() >> kTickShift << kTickShift;
  return std::max(now, Instant{Duration{begin + std::int64_t{ahead} * kTick.count()}});
}

}  // namespace

BulkPath::BulkPath(const PathPlan& plan)
    : plan_(plan),
      random_(plan.seed),
      tcp_stores_{.send = Pool<tcp::SendState>(2),
                  .receive = Pool<tcp::ReceiveState>(2),
                  .chunks = Pool<tcp::Chunk>(1 << 16),
                  .blocks = Pool<tcp::Block>(1 << 12),
                  .logs = Pool<tcp::SendLog>(2),
                  .loss = Pool<tcp::LossState>(2),
                  .models = Pool<tcp::PathModel>(2),
                  .rate_logs = tcp::RateLogs(2),
                  .pairs = Pool<AddressPair6>(1)} {
  plan_.tcp.send_buffer = 1U << 28;
  plan_.tcp.keepalive = false;
  tcp::Handshake h;
  h.iss = kIss;
  h.irs = kIrs;
  h.snd_wnd = 65'535U << 14;
  h.rcv_wnd = 65'535;
  h.peer_mss = 1460;
  h.timestamps = plan_.tcp.timestamps;
  h.sack = plan_.tcp.sack;
  h.window_scaling = true;
  h.peer_scale = 14;
  h.rtt_us = to_us(plan_.round_trip);
  tcp::establish(c_, h, context());
  begin_count();
}

void BulkPath::set_writing(bool on) { writing_ = on; }

void BulkPath::write(std::size_t bytes) {
  while (bytes != 0) {
    const std::size_t n = std::min(bytes, kPiece);
    if (tcp::enqueue(c_, std::span(text, n), false, context()) == 0) return;
    bytes -= n;
  }
  flush();
}

void BulkPath::fill_queue() {
  if (!writing_) return;
  while (tcp::send_space(c_, context()) >= kPiece &&
         tcp::enqueue(c_, std::span(text, kPiece), false, context()) != 0) {
  }
}

void BulkPath::transmit(const tcp::SegmentOut& out) {
  if (out.payload_bytes == 0) return;
  ++sums_.sent_segments;
  if (departures != nullptr) departures->push_back({now_, out.payload_bytes});
  const bool its_turn = plan_.lose_each != 0 && ++since_loss_ % plan_.lose_each == 0;
  if (lose_ != 0 || its_turn || random_.chance(plan_.loss)) {
    if (lose_ != 0) --lose_;
    ++sums_.lost_segments;
    return;
  }
  const auto wire_time = [&](std::uint64_t bytes) {
    return Duration{static_cast<std::int64_t>(bytes * 1'000'000'000 / plan_.bytes_per_second)};
  };
  const Instant start = std::max(now_, wire_free_);
  if (start - now_ > wire_time(plan_.buffer_bytes)) {
    ++sums_.overflowed_segments;
    return;
  }
  wire_free_ = start + wire_time(out.payload_bytes);
  const auto queue = static_cast<std::uint64_t>(static_cast<double>((wire_free_ - now_).count()) *
                                                1e-9 * static_cast<double>(plan_.bytes_per_second));
  sums_.most_queue_bytes = std::max(sums_.most_queue_bytes, queue);
  Instant at = wire_free_ + plan_.round_trip / 2;
  if (delay_ != 0) {
    --delay_;
    at += delay_by_;
  }
  flying_.push_back({at, order_++, out.seq, out.payload_bytes, out.options.tsval});
  std::ranges::push_heap(flying_, std::greater<>());
}

void BulkPath::flush() {
  fill_queue();
  tcp::SegmentOut out;
  while (tcp::next_segment(c_, context(), out)) transmit(out);
}

std::uint64_t BulkPath::unwrap(Seq seq) const {
  const Seq next = kIss + 1 + static_cast<std::uint32_t>(rcv_nxt_);
  return rcv_nxt_ + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance(next, seq)));
}

void BulkPath::answer(bool dsack, std::uint64_t left, std::uint64_t right) {
  unanswered_ = 0;
  answer_by_.reset();
  const auto seq_of = [](std::uint64_t at) { return kIss + 1 + static_cast<std::uint32_t>(at); };
  tcp::SegmentIn s;
  s.seq = kIrs + 1;
  s.ack = seq_of(rcv_nxt_);
  s.flags = tcp::Flags{tcp::Flags::kAck};
  s.window = 65'535;
  if (plan_.tcp.timestamps) {
    s.options.has = tcp::Options::kTimestamps;
    s.options.tsval = timestamp_clock(now_);
    s.options.tsecr = ts_recent_;
  }
  std::size_t n = 0;
  if (plan_.tcp.sack) {
    if (dsack) s.options.sack[n++] = {seq_of(left), seq_of(right)};
    std::vector<std::uint64_t> told;
    std::erase_if(recent_, [&](std::uint64_t at) {
      const auto it = held_.upper_bound(at);
      if (it == held_.begin()) return true;
      const auto& [from, to] = *std::prev(it);
      if (at < from || at >= to || std::ranges::find(told, from) != told.end()) return true;
      told.push_back(from);
      if (n < 3) s.options.sack[n++] = {seq_of(from), seq_of(to)};
      return false;
    });
    while (recent_.size() > 8) recent_.pop_back();
  }
  s.options.sack_count = static_cast<std::uint8_t>(n);
  answers_.push_back({now_ + plan_.round_trip / 2, s});
}

void BulkPath::receive(const Flying& f) {
  const std::uint64_t from = unwrap(f.seq);
  const std::uint64_t to = from + f.bytes;
  if (static_cast<std::int64_t>(to - rcv_nxt_) <= 0) return answer(true, from, to);
  if (static_cast<std::int64_t>(from - rcv_nxt_) <= 0) ts_recent_ = f.tsval;
  std::uint64_t left = static_cast<std::int64_t>(from - rcv_nxt_) < 0 ? rcv_nxt_ : from;
  std::uint64_t right = to;
  const bool had_gap = !held_.empty();
  auto it = held_.upper_bound(left);
  if (it != held_.begin() && std::prev(it)->second >= right) return answer(true, from, to);
  if (it != held_.begin() && std::prev(it)->second >= left) --it;
  while (it != held_.end() && it->first <= right) {
    left = std::min(left, it->first);
    right = std::max(right, it->second);
    it = held_.erase(it);
  }
  if (left == rcv_nxt_) {
    rcv_nxt_ = right;
  } else {
    held_[left] = right;
    recent_.push_front(from);
  }
  if (had_gap || !held_.empty() || ++unanswered_ >= 2) return answer(false, 0, 0);
  answer_by_ = now_ + kDelayedAck;
}

Instant BulkPath::next_event() const {
  Instant next = Instant::max();
  if (!flying_.empty()) next = flying_.front().at;
  if (!answers_.empty()) next = std::min(next, answers_.front().at);
  if (answer_by_) next = std::min(next, *answer_by_);
  if (const auto tick = tcp::earliest_deadline(c_)) next = std::min(next, begin_of(*tick, now_));
  const tcp::Context context{plan_.tcp, const_cast<tcp::Stores&>(tcp_stores_),
                             const_cast<tcp::Counters&>(counters_), now_};
  if (tcp::is_paced(plan_.tcp)) {
    if (const auto tick = tcp::departure_deadline(c_, context)) {
      next = std::min(next, begin_of(*tick, now_));
    }
  }
  return next;
}

void BulkPath::account(Instant until) {
  const double time = static_cast<double>((until - accounted_).count());
  const Duration backlog = std::max(wire_free_ - accounted_, Duration{0});
  const double queue =
      static_cast<double>(backlog.count()) * 1e-9 * static_cast<double>(plan_.bytes_per_second);
  // The queue drains while nothing comes.
  const double drained = std::min(queue, time * 1e-9 * static_cast<double>(plan_.bytes_per_second));
  queue_integral_ += (queue - drained / 2) * time;
  double flight = tcp::flight_bytes(c_);
  if (c_.send != kNil) flight = tcp::inflight_of(c_, tcp_stores_.send[c_.send]);
  flight_integral_ += flight * time;
  accounted_ = until;
}

void BulkPath::run(Duration time) {
  const Instant end = now_ + time;
  flush();
  while (true) {
    const Instant next = next_event();
    if (next > end) break;
    account(next);
    now_ = next;
    while (!flying_.empty() && flying_.front().at <= now_) {
      std::ranges::pop_heap(flying_, std::greater<>());
      const Flying f = flying_.back();
      flying_.pop_back();
      receive(f);
    }
    if (answer_by_ && *answer_by_ <= now_) answer(false, 0, 0);
    while (!answers_.empty() && answers_.front().at <= now_) {
      tcp::Outcome outcome;
      (void)tcp::on_segment(c_, answers_.front().segment, context(), outcome);
      answers_.pop_front();
      flush();
    }
    tcp::Outcome outcome;
    tcp::on_deadline(c_, context(), outcome);
    flush();
  }
  account(end);
  now_ = end;
}

void BulkPath::begin_count() {
  counting_since_ = accounted_ = now_;
  received_before_ = rcv_nxt_;
  timeouts_before_ = counters_.TCPTimeouts;
  queue_integral_ = flight_integral_ = 0;
  sums_ = {};
}

BulkPath::Figures BulkPath::figures() const {
  Figures f = sums_;
  const double time = static_cast<double>((now_ - counting_since_).count());
  if (time <= 0) return f;
  f.bytes_per_second = static_cast<double>(rcv_nxt_ - received_before_) / (time * 1e-9);
  f.mean_queue_bytes = queue_integral_ / time;
  f.mean_in_flight_bytes = flight_integral_ / time;
  f.timeouts = counters_.TCPTimeouts - timeouts_before_;
  return f;
}

}  // namespace millrace::test
