// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/core_thread.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <optional>
#include <string>

namespace millrace {

CoreThread::CoreThread(int core, const Clock& clock, Backend& backend, Idle idle)
    : core_(core), clock_(clock), backend_(backend), idle_(idle) {}

CoreThread::~CoreThread() { stop(); }

Status CoreThread::launch() {
  std::future<Status> entered = entered_.get_future();
  thread_ = std::thread([this] {
    Status status = enter();
    const bool ok = status.ok();
    entered_.set_value(std::move(status));
    if (!ok) return;
    state_.wait(State::waiting);
    loop();
    backend_.leave_thread();
  });
  return entered.get();
}

Status CoreThread::enter() {
  const std::string name = "millrace-" + std::to_string(core_);
  pthread_setname_np(pthread_self(), name.c_str());
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(core_), &one);
  if (pthread_setaffinity_np(pthread_self(), sizeof one, &one) != 0) {
    return Error{ErrorKind::environment,
                 "This process may not run on core " + std::to_string(core_) + ".",
                 "taskset -pc $$ shows which cores it may use."};
  }
  return backend_.enter_thread();
}

void CoreThread::start() {
  const std::lock_guard lock(control_);
  if (started_ || !thread_.joinable()) return;
  started_ = true;
  state_.store(State::running);
  state_.notify_one();
}

void CoreThread::stop() {
  const std::lock_guard lock(control_);
  if (!thread_.joinable()) return;
  state_.store(State::stopping);
  state_.notify_one();
  thread_.join();
}

void CoreThread::ask(const std::function<void()>& work) {
  const std::lock_guard lock(control_);
  if (!started_ || !thread_.joinable()) {
    work();
    return;
  }
  question_.store(&work, std::memory_order_release);
  question_.wait(&work);
}

void CoreThread::answer() {
  const std::function<void()>* work = question_.load(std::memory_order_acquire);
  if (work == nullptr) [[likely]] {
    return;
  }
  (*work)();
  question_.store(nullptr, std::memory_order_release);
  question_.notify_one();
}

void CoreThread::rest(Instant now) {
  if (idle_ == Idle::pause) {
    constexpr int kPauses = 64;  // a microsecond or two
    for (int i = 0; i < kPauses; ++i) __builtin_ia32_pause();
    return;
  }
  std::optional<Instant> due;
  for (const WorkerSlot* slot : slots_) {
    const auto next = slot->worker->next_deadline(now);
    if (next && (!due || *next < *due)) due = next;
  }
  const Duration length = rest_.length(now, due);
  if (length > Duration{0}) std::this_thread::sleep_for(length);
}

void CoreThread::loop() {
  Instant last = clock_.now();
  Instant publish_at = last;
  while (state_.load(std::memory_order_relaxed) == State::running) {
    bool busy = false;
    for (Steerer* steerer : steerers_) busy |= steerer->poll();
    for (WorkerSlot* slot : slots_) {
      last = std::max(last, clock_.now());  // time never runs backwards, whatever the counter does
      busy |= slot->worker->poll(last);
    }
    if (last >= publish_at) {
      publish_at = last + kPublishEvery;
      for (WorkerSlot* slot : slots_) slot->worker->publish(slot->board);
    }
    answer();
    if (idle_ != Idle::poll && rest_.is_due(busy)) rest(last);
  }
  for (WorkerSlot* slot : slots_) slot->worker->publish(slot->board);
}

}  // namespace millrace
