// SPDX-License-Identifier: BSD-3-Clause
//
// One pinned thread and what it polls in turn: steerers, then workers. It never sleeps while it
// runs, unless it is told to when nothing comes (rest.h). Other threads reach it through a mailbox
// of one slot, read between two iterations; whoever asks waits. Statistics are published ten times
// a second.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "dataplane/backend.h"
#include "dataplane/clock.h"
#include "dataplane/rest.h"
#include "dataplane/stats.h"
#include "dataplane/worker.h"
#include "tcp/base/result.h"
#include "tcp/endpoint/app.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace {

/// All that belongs to one worker. The members' order is that of who needs whom.
struct WorkerSlot {
  std::unique_ptr<tcp::Endpoint> endpoint;
  std::unique_ptr<tcp::App> app;
  std::unique_ptr<Worker> worker;
  StatsBoard board;
};

class CoreThread {
 public:
  static constexpr Duration kPublishEvery = 100ms;

  CoreThread(int core, const Clock& clock, Backend& backend, Idle idle = Idle::poll);
  ~CoreThread();
  CoreThread(const CoreThread&) = delete;
  CoreThread& operator=(const CoreThread&) = delete;

  [[nodiscard]] int core() const { return core_; }
  void add(WorkerSlot& slot) { slots_.push_back(&slot); }
  void add(Steerer& steerer) { steerers_.push_back(&steerer); }

  /// Makes the thread, pinned and known to the backend, and leaves it waiting. Errors: environment.
  [[nodiscard]] Status launch();
  void start();
  void stop();
  /// Runs `work` between two iterations and waits for it; here, while the thread does not run.
  void ask(const std::function<void()>& work);

 private:
  enum class State : int { waiting, running, stopping };

  [[nodiscard]] Status enter();
  void loop();
  void answer();
  void rest(Instant now);

  const int core_;
  const Clock& clock_;
  Backend& backend_;
  const Idle idle_;
  Rest rest_;
  std::vector<Steerer*> steerers_;
  std::vector<WorkerSlot*> slots_;

  std::mutex control_;  // held by start, stop and ask for as long as they take
  std::thread thread_;
  bool started_ = false;
  std::promise<Status> entered_;
  std::atomic<State> state_{State::waiting};
  alignas(64) std::atomic<const std::function<void()>*> question_{nullptr};
};

}  // namespace millrace
