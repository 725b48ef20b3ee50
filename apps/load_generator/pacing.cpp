// SPDX-License-Identifier: BSD-3-Clause
//
// What the generator starts, and when: the phases of a run, arrivals by schedule, the closed loop,
// time-outs and the drain. Work per iteration is bounded; what is left over is late, and counted as
// schedule lag.
#include <algorithm>

#include "apps/load_generator/generator.h"

namespace millrace::load {

namespace {

constexpr int kLaunchesPerIteration = 64;
/// With more than this waiting for the transmit ring, a new connection would only wait behind them.
constexpr std::size_t kMostBacklog = 128;
constexpr int kExpiriesPerIteration = 64;
constexpr std::uint32_t kSweepPerIteration = 1024;
constexpr int kAddressesTried = 4;
constexpr Duration kPublishInterval = 20ms;

NotLaunched cause_of(tcp::OpenError error) {
  switch (error) {
    case tcp::OpenError::time_wait:
      return NotLaunched::time_wait;
    case tcp::OpenError::no_memory:
      return NotLaunched::no_memory;
    case tcp::OpenError::none:
    case tcp::OpenError::no_free_port:
    case tcp::OpenError::in_use:
    case tcp::OpenError::bad_address:
      return NotLaunched::no_free_port;
  }
  return NotLaunched::no_free_port;
}

}  // namespace

void Generator::pace() {
  if (started_ == Instant{}) {
    if (held_.load(std::memory_order_relaxed)) return;
    started_ = now_;
    if (!holds_connections()) begin_offering();
  }
  switch (phase_) {
    case Phase::init:
      init();
      break;
    case Phase::search:
    case Phase::ramp_up:
    case Phase::sustain:
    case Phase::ramp_down:
      offer();
      break;
    case Phase::collect:
      collect();
      break;
    case Phase::done:
      break;
  }
  expire();
  if (now_ >= next_publish_) publish();
}

void Generator::enter(Phase phase) {
  phase_ = phase;
  switch (phase) {
    case Phase::sustain:
      run_started_ = now_;
      ledger_at_start_ = ledger_;
      break;
    case Phase::ramp_down:
      end_sustain();
      break;
    case Phase::collect:
      end_sustain();
      collected_from_ = now_;
      miss_what_is_due();
      break;
    case Phase::init:
    case Phase::search:
    case Phase::ramp_up:
    case Phase::done:
      break;
  }
  publish();
}

/// Once; of a run that was interrupted before, nothing was sustained.
void Generator::end_sustain() {
  if (run_ended_ != Instant{}) return;
  if (run_started_ == Instant{}) {
    run_started_ = now_;
    ledger_at_start_ = ledger_;
  }
  run_ended_ = now_;
  ledger_at_end_ = ledger_;
}

/// What was offered and found no connection, and what is due and was not reached. Interrupted runs
/// offered only what was due by now.
void Generator::miss_what_is_due() {
  Book& book = schedules_transactions() ? ledger_.transactions : ledger_.connections;
  while (waiting_.size() > 0) {
    (void)waiting_.pop();
    book.miss(NotLaunched::no_connection);
  }
  while (!plan_.closed && !holds_all() && schedule_.due(now_)) {
    (void)schedule_.take();
    ++book.offered;
    book.miss(NotLaunched::behind_schedule);
  }
}

/// Opens what the mode holds, then lets the load begin. `concurrent` opens at its rate instead.
void Generator::init() {
  const bool interrupted = interrupted_.load(std::memory_order_relaxed);
  if (plan_.mode == Mode::concurrent || interrupted) return begin_offering();
  for (int i = 0; i < kLaunchesPerIteration; ++i) {
    if (ledger_.connections.offered >= plan_.connections || clogged()) break;
    ++ledger_.connections.offered;
    (void)open(now_);
  }
  const bool all_tried = ledger_.connections.offered >= plan_.connections;
  if (all_tried && !connecting_.any()) begin_offering();
}

void Generator::begin_offering() {
  if (plan_.search) return enter(Phase::search);
  begin_load();
}

void Generator::begin_load() {
  offered_from_ = now_;
  sustain_from_ = now_ + plan_.ramp_up;
  sustain_until_ = sustain_from_ + plan_.duration;
  offered_until_ = sustain_until_ + plan_.ramp_down;
  if (plan_.arrivals == Arrivals::trace) {
    schedule_ = Schedule(now_, *plan_.trace, offered_until_ - now_, plan_.share);
  } else if (plan_.search) {
    schedule_ = Schedule(now_, offered_until_, searched_rate_, plan_.arrivals, plan_.share,
                         Random(plan_.seed, stream_of(plan_)));
  } else if (!plan_.closed) {
    schedule_ = Schedule(now_, *plan_.curve, plan_.arrivals, plan_.share,
                         Random(plan_.seed, stream_of(plan_)));
  }
  enter(plan_.ramp_up > 0s ? Phase::ramp_up : Phase::sustain);
}

void Generator::offer() {
  if (interrupted_.load(std::memory_order_relaxed)) return enter(Phase::collect);
  if (now_ >= offered_until_) {
    if (!plan_.closed) launch_scheduled();  // what came due since the last look is not late yet
    return enter(Phase::collect);
  }
  if (phase_ == Phase::search &&
      asked_turn_.load(std::memory_order_acquire) != turned_.load(std::memory_order_relaxed)) {
    retune();
    if (phase_ >= Phase::collect) return;
  }
  if (phase_ == Phase::ramp_up && now_ >= sustain_from_) enter(Phase::sustain);
  if (phase_ == Phase::sustain && now_ >= sustain_until_) enter(Phase::ramp_down);
  if (thinkers_.due(now_)) end_thinking();
  if (schedules_transactions()) {
    // Connections that ended are replaced, so that the mode holds what it promised.
    for (int i = 0; i < kLaunchesPerIteration && clients_.live() < plan_.connections; ++i) {
      if (clogged()) break;
      ++ledger_.connections.offered;
      if (!open(now_)) break;
    }
  }
  plan_.closed ? launch_closed() : launch_scheduled();
}

void Generator::launch_scheduled() {
  for (int i = 0; i < kLaunchesPerIteration && schedule_.due(now_); ++i) {
    if (holds_all() || (!schedules_transactions() && clogged())) break;
    const Instant intended = schedule_.take();
    const auto lag_ns = static_cast<std::uint64_t>((now_ - intended).count());
    if (measured(intended)) latencies_[Measure::schedule_lag].record(lag_ns);
    worst_lag_ns_ = std::max(worst_lag_ns_, lag_ns);
    if (schedules_transactions()) {
      ++ledger_.transactions.offered;
      if (!waiting_.push(intended)) ledger_.transactions.miss(NotLaunched::no_connection);
    } else {
      ++ledger_.connections.offered;
      (void)open(intended);
    }
  }
  serve_waiting();
}

/// The concurrent mode offers what it is to hold, and no more.
bool Generator::holds_all() const {
  return plan_.mode == Mode::concurrent && ledger_.connections.offered >= plan_.connections;
}

/// How many a closed loop keeps under way: all while the load is sustained, a growing or falling
/// share of them on a ramp.
std::uint32_t Generator::allowed() const {
  if (phase_ != Phase::ramp_up && phase_ != Phase::ramp_down) return plan_.connections;
  const bool up = phase_ == Phase::ramp_up;
  const Duration gone = up ? now_ - offered_from_ : offered_until_ - now_;
  const Duration whole = up ? plan_.ramp_up : plan_.ramp_down;
  const double share = static_cast<double>(gone.count()) / static_cast<double>(whole.count());
  const auto count = static_cast<std::uint32_t>(share * plan_.connections);
  return std::clamp(count, 1U, plan_.connections);
}

/// Opening more would not send more; what is due stays due, and late is counted as late.
bool Generator::clogged() const { return endpoint_->output_backlog() >= kMostBacklog; }

/// Offered transactions, oldest first, to idle connections.
void Generator::serve_waiting() {
  while (waiting_.size() > 0) {
    const std::uint32_t index = idle_head_;
    if (index == kNil) return;
    unlist(index);
    start_request(index, waiting_.pop());
    if (may_ask(clients_[index])) list(index);
  }
}

void Generator::launch_closed() {
  if (schedules_transactions()) {
    for (int i = 0; i < kLaunchesPerIteration && idle_head_ != kNil; ++i) {
      if (transactions_.live() >= allowed()) return;
      const std::uint32_t index = idle_head_;
      unlist(index);
      start_request(index, now_);
      go_on(index);
    }
    return;
  }
  for (int i = 0; i < kLaunchesPerIteration && clients_.live() < allowed(); ++i) {
    if (clogged()) break;
    ++ledger_.connections.offered;
    if (!open(now_)) break;
  }
}

bool Generator::open(Instant intended) {
  Book& book = ledger_.connections;
  const std::uint32_t index = clients_.create();
  const std::uint32_t transaction = index == kNil ? kNil : transactions_.create();
  if (transaction == kNil) {
    if (index != kNil) clients_.free(index);
    book.miss(NotLaunched::connection_limit);
    return false;
  }
  const std::uint32_t target_index = plan_.ask.choice.pick(random_);
  const Target& target = plan_.ask.targets[target_index];
  std::size_t& next_local = next_local_[target_index];
  tcp::OpenResult opened;
  tcp::OpenRequest request;
  request.remote = target.address;
  request.remote_port = target.port;
  request.user = plan_.job << kJobShift | index;
  for (int i = 0; i < kAddressesTried; ++i) {
    request.local = target.local[next_local];
    next_local = next_local + 1 == target.local.size() ? 0 : next_local + 1;
    opened = endpoint_->connect(request, now_);
    if (opened.error == tcp::OpenError::none || opened.error == tcp::OpenError::no_memory) break;
  }
  if (opened.error != tcp::OpenError::none) {
    book.miss(cause_of(opened.error));
    transactions_.free(transaction);
    clients_.free(index);
    return false;
  }
  ++book.launched;
  Client& client = clients_[index];
  client.id = opened.connection;
  client.used = true;
  client.transaction = transaction;
  client.target = static_cast<std::uint16_t>(target_index);
  const std::uint64_t requests = plan_.requests_per_connection.draw(random_);
  client.requests_left = requests == 0 ? Client::kNoLimit : static_cast<std::uint32_t>(requests);
  Transaction& t = transactions_[transaction];
  t.intended = intended;
  t.started = now_;
  t.client = index;
  connecting_.append(transaction);
  if (plan_.fast_open && !schedules_transactions()) send_early(client, t);
  return true;
}

void Generator::expire() {
  for (int i = 0; i < kExpiriesPerIteration; ++i) {
    const std::uint32_t late = connecting_.expired(now_ - plan_.connect_timeout);
    if (late == kNil) break;
    give_up(transactions_[late].client, Failed::connect_timeout);
  }
  for (int i = 0; i < kExpiriesPerIteration; ++i) {
    const std::uint32_t late = active_.expired(now_ - plan_.timeout);
    if (late == kNil) break;
    give_up(transactions_[late].client, Failed::timeout);
  }
}

void Generator::collect() {
  end_idle_and_late();
  if (clients_.live() == 0) enter(Phase::done);
}

/// Closes what is idle; once the drain is over, ends everything that is left.
void Generator::end_idle_and_late() {
  const bool late = now_ - collected_from_ >= plan_.drain;
  for (std::uint32_t n = 0; n < kSweepPerIteration && clients_.touched() > 0; ++n) {
    const std::uint32_t index = sweep_;
    sweep_ = sweep_ + 1 >= clients_.touched() ? 0 : sweep_ + 1;
    Client& client = clients_[index];
    if (!client.used) continue;
    const bool rests = client.phase == Client::Phase::idle ||
                       client.phase == Client::Phase::thinking ||
                       (client.phase == Client::Phase::held && !client.answered);
    if (rests) {
      end_connection(index);
    } else if (late && !client.has_cause) {
      give_up(index, Failed::drain);
    }
    if (clients_.touched() <= n + 1) break;
  }
}

void Generator::publish() {
  Progress progress;
  progress.ledger = ledger_;
  progress.phase = phase_;
  progress.open_connections = clients_.live();
  progress.schedule_lag_ns = worst_lag_ns_;
  progress.run_started = run_started_;
  progress.run_ended = run_ended_;
  worst_lag_ns_ = 0;
  board_.publish(progress);
  latencies_.turn();  // after the books: who sees the turn sees books that go with it
  next_publish_ = now_ + kPublishInterval;
}

}  // namespace millrace::load
