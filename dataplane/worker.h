// SPDX-License-Identifier: BSD-3-Clause
//
// The loop of one core, one iteration at a time (ARCHITECTURE.md, "The one natural way"):
//   rx_burst, parse, hash, prefetch, endpoint.input | advance | app.on_events | settle | flush,
//   headers, tx_burst, release.
// A worker owns one queue of one port, one endpoint and one application. It asks for buffers before
// it pulls segments, so a segment that left the endpoint is never lost for want of a buffer; frames
// the driver would not take wait here, in order, and nothing more is pulled until they are gone.
//
// Time. The caller says what its clock shows; the worker hands a time of its own to endpoint and
// application, which never goes back and never leaps past a deadline: when a clock jumps, or a
// machine slept, for more than kClockJump, our time goes on to what was due and no further (and
// that is counted, as no measurement survives it), so that no peer is given up and no TIME_WAIT
// ends for a clock's sake. Shorter stalls are real: what has arrived meanwhile is read before any
// timer fires. Whoever sleeps between iterations must therefore wake by next_deadline().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/inbox.h"
#include "dataplane/net/interface.h"
#include "dataplane/port.h"
#include "dataplane/stats.h"
#include "tcp/base/drop.h"
#include "tcp/base/flow_steering.h"
#include "tcp/base/time.h"
#include "tcp/endpoint/app.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace {

struct WorkerConfig {
  net::InterfaceConfig interface;
  std::uint16_t index = 0;   // among the workers of one port
  std::uint16_t burst = 32;  // packets per rx_burst and segments per flush
  /// Flushes per iteration at most. No more than an iteration receives (64 packets): two workers
  /// polled in turn would fill the link between them otherwise, and lose what does not fit.
  std::uint16_t flush_bursts = 2;
  /// The largest max_segment_burst of the endpoint's profiles, so that enough buffers are at hand.
  std::uint32_t max_segment_bytes = 0;
  /// As the endpoint's: which worker has what comes here astray. Null: nothing does.
  std::shared_ptr<const FlowSteering> steering;
};

class WorkerImpl;

class Worker {
 public:
  static constexpr Duration kClockJump = 750ms;

  /// `inbox` may be null with one worker per port. All references outlive the worker.
  Worker(const WorkerConfig& config, Port& port, tcp::Endpoint& endpoint, tcp::App& app,
         Inbox* inbox);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// One iteration. Returns true if anything was received, sent or fired.
  bool poll(Instant now);
  /// Whether a packet for `destination` could leave now; if not, what it takes has been begun.
  /// Between two iterations.
  [[nodiscard]] bool reaches(const Address& destination);
  /// The earliest time at which poll() has work although nothing arrives: for the simulator and for
  /// workers that may sleep. `now` if output is waiting. In the time of the caller's clock.
  [[nodiscard]] std::optional<Instant> next_deadline(Instant now) const;

  /// Counters of this core, written by it alone.
  [[nodiscard]] WorkerStats stats() const;
  /// Copies counters, states and port figures to where other threads may read them.
  void publish(StatsBoard& board);

 private:
  std::unique_ptr<WorkerImpl> impl_;
};

}  // namespace millrace
