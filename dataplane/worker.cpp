// SPDX-License-Identifier: BSD-3-Clause
//
// One iteration, in its order, and the worker's own time.
#include "dataplane/worker.h"

#include <algorithm>

#include "dataplane/worker_impl.h"
#include "tcp/base/check.h"

namespace millrace {
namespace {

constexpr Duration kGap = 1ms;        // counted
constexpr Duration kStall = 10ms;     // long enough that timers may be due whose ACKs lie unread
constexpr Duration kLateness = 50ms;  // a caller that sleeps until a deadline wakes sooner
constexpr int kCatchUpBursts = 64;
constexpr Duration kLinkInterval = 100ms;
/// A scattered or coalesced packet of 64 KiB in pieces of 2 KiB must fit a burst.
constexpr std::size_t kMinReceiveFrames = 64;
constexpr std::size_t kInboxFrames = 32;
constexpr std::size_t kLinkBytes = 22;  // an Ethernet header with two tags

}  // namespace

WorkerImpl::WorkerImpl(const WorkerConfig& config, Port& port, tcp::Endpoint& endpoint,
                       tcp::App& app, Inbox* inbox)
    : config_(config),
      port_(port),
      endpoint_(endpoint),
      hash_(endpoint.hasher()),
      app_(app),
      inbox_(inbox),
      info_(port.info()),
      most_pieces_(info_.tx_tcp_checksum ? -1 : 1),
      host_(config.interface, config.index == 0),
      received_(std::max<std::size_t>(config.burst, kMinReceiveFrames)),
      incoming_(received_.size()),
      segments_(config.burst),
      frames_per_segment_(config.max_segment_bytes > 0 ? tcp::kMaxSegmentsPerBurst : 1),
      empty_target_(kReserve + config.burst - 1U + frames_per_segment_),
      outbox_(kMaxWaiting + net::Host::kMaxParked + empty_target_) {
  in_pieces_.reserve(received_.size());
  MR_CHECK(config.burst > 0 && config.flush_bursts > 0);
  if (inbox_ != nullptr) {
    inbox_memory_.resize(kInboxFrames * (config.interface.mtu + kLinkBytes));
    passed_on_.resize(kInboxFrames);
  }
}

WorkerImpl::~WorkerImpl() {
  host_.release_parked(*this);
  port_.release(outbox_.waiting());
  port_.release(outbox_.empty());
}

/// The caller's clock becomes our time: monotonic, and without leaps past what was due.
Instant WorkerImpl::observe(Instant clock) {
  ++stats_.iterations;
  Instant local = clock + skew_;
  if (!started_) {
    started_ = true;
    return local;
  }
  const Duration gap = local - now_;
  if (gap <= kGap && gap >= Duration{0}) [[likely]]
    return local;
  if (gap < Duration{0}) {
    ++stats_.clock_jumps;
    local = now_;
  } else {
    ++stats_.gaps;
    stats_.longest_gap_ns =
        std::max(stats_.longest_gap_ns, static_cast<std::uint64_t>(gap.count()));
    late_ = gap > kStall;
    if (gap > Worker::kClockJump) {
      const auto deadline = earliest_deadline(now_);
      if (deadline && local - kLateness > std::max(*deadline, now_)) {
        ++stats_.clock_jumps;
        local = std::max(*deadline, now_);
      }
    }
  }
  skew_ = local - clock;
  return local;
}

bool WorkerImpl::poll(Instant clock) {
  now_ = observe(clock);
  bool busy = false;
  if (late_) [[unlikely]] {
    // What came during a stall may answer what the timers are about to complain of.
    for (int i = 0; i < kCatchUpBursts; ++i) {
      busy |= iterate(now_, false);
      if (last_packets_ == 0) break;
    }
    late_ = false;
  }
  busy |= iterate(now_, true);
  if (busy) ++stats_.busy_iterations;
  return busy;
}

bool WorkerImpl::iterate(Instant now, bool fire) {
  const std::size_t received = receive(now);
  if (inbox_ != nullptr) exchange_with_others(now);
  if (fire) {
    timers_left_ = !endpoint_.advance(now);
    if (now >= look_at_link_at_) [[unlikely]]
      look_at_link(now);
    host_.advance(now, *this);
  } else {
    endpoint_.observe(now);  // for the calls that follow, whatever was due before
  }
  const std::span<const tcp::Event> events = endpoint_.events();
  const bool eventful = !events.empty();
  app_.on_events(endpoint_, events, now);
  endpoint_.settle(now);
  release_received();
  const std::size_t sent = transmit(now);
  return received > 0 || sent > 0 || eventful || timers_left_;
}

/// Announcements went nowhere while the link was down, and what it joins now may be another
/// network. Nobody needs to wake for this: it is looked at when there is an iteration.
void WorkerImpl::look_at_link(Instant now) {
  look_at_link_at_ = now + kLinkInterval;
  const bool up = port_.link_up();
  if (up && !link_was_up_) host_.restart_announcements(now);
  link_was_up_ = up;
}

std::optional<Instant> WorkerImpl::earliest_deadline(Instant now) const {
  const Instant host = host_.next_deadline();
  const auto endpoint = endpoint_.next_deadline(now);
  if (host == Instant::max()) return endpoint;
  return endpoint ? std::min(*endpoint, host) : host;
}

std::optional<Instant> WorkerImpl::next_deadline(Instant clock) const {
  if (!started_ || timers_left_ || outbox_.is_waiting() || endpoint_.has_output()) return clock;
  const auto deadline = earliest_deadline(clock + skew_);
  if (!deadline) return std::nullopt;
  return std::max(*deadline - skew_, clock);
}

WorkerStats WorkerImpl::stats() const {
  WorkerStats s = stats_;
  s.unresolved_drops += host_.stats().unresolved_drops;
  return s;
}

void WorkerImpl::publish(StatsBoard& board) const {
  StatsSnapshot snapshot;
  snapshot.worker = stats();
  snapshot.port = port_.stats();
  snapshot.counters = endpoint_.counters();
  snapshot.states = endpoint_.states();
  snapshot.memory_touched_bytes = endpoint_.memory().touched_bytes;
  board.publish(snapshot);
}

Worker::Worker(const WorkerConfig& config, Port& port, tcp::Endpoint& endpoint, tcp::App& app,
               Inbox* inbox)
    : impl_(std::make_unique<WorkerImpl>(config, port, endpoint, app, inbox)) {}
Worker::~Worker() = default;

bool Worker::poll(Instant now) { return impl_->poll(now); }
std::optional<Instant> Worker::next_deadline(Instant now) const {
  return impl_->next_deadline(now);
}
bool Worker::reaches(const Address& destination) { return impl_->reaches(destination); }
WorkerStats Worker::stats() const { return impl_->stats(); }
void Worker::publish(StatsBoard& board) { impl_->publish(board); }

}  // namespace millrace
