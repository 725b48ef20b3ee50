// SPDX-License-Identifier: BSD-3-Clause
//
// One run: two real workers with their endpoints and interfaces, two ports, a wire and a virtual
// clock that jumps to whatever happens next. The run ends when every connection has finished and
// every store is empty again, or with a sentence that says what went wrong.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "dataplane/worker.h"
#include "tests/sim/forger.h"
#include "tests/sim/invariants.h"
#include "tests/sim/plan.h"
#include "tests/sim/stream_app.h"
#include "tests/sim/wire_audit.h"
#include "tests/support/link.h"
#include "tests/support/memory_port.h"
#include "tests/support/pcap_writer.h"

namespace millrace::sim {

struct RunResult {
  std::string failure;  // empty: the run was good
  std::uint64_t trace_hash = 0;
  Duration simulated{0};
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;  // verified
  std::uint64_t polls = 0;
  std::uint64_t graceful = 0, broken = 0;  // ends of connections
};

class Simulation {
 public:
  explicit Simulation(const Plan& plan, std::size_t capture_bytes = std::size_t{16} << 20);
  ~Simulation();

  /// Runs to the end. Once only.
  RunResult run();
  /// For tests that look between steps: runs until `until` (since the start) or the end.
  void run_until(Duration until);
  /// Judges what a run that is over has left behind.
  RunResult conclude();

  [[nodiscard]] const test::Capture& capture() const { return capture_; }
  [[nodiscard]] tcp::Endpoint& endpoint(int side) { return *ends_[side]->endpoint; }
  [[nodiscard]] const StreamApp& app(int side) const { return *ends_[side]->app; }
  [[nodiscard]] WorkerStats stats(int side) const { return ends_[side]->worker->stats(); }
  [[nodiscard]] test::MemoryPort& port(int side) { return *ends_[side]->port; }
  [[nodiscard]] Link& link() { return link_; }
  [[nodiscard]] Duration elapsed() const { return now_ - kStart; }
  [[nodiscard]] bool failed() const { return !failure_.empty(); }
  [[nodiscard]] const std::string& failure() const { return failure_; }

  static constexpr Instant kStart{Duration{1'000'000'000}};

 private:
  struct End {
    std::unique_ptr<test::MemoryPort> port;
    std::unique_ptr<tcp::Endpoint> endpoint;
    std::unique_ptr<StreamApp> app;
    std::unique_ptr<Worker> worker;
    std::unique_ptr<Invariants> invariants;
    std::unique_ptr<Forger> forger;
    test::Random whim{0};
    Duration clock_offset{0};
    Instant next_poll = kStart;
    std::vector<std::pair<Instant, Duration>> leads;  // since when its time is ahead by how much
    bool stalled = false;
    std::size_t polls = 0;
    std::uint64_t damaged_ipv4 = 0, damaged_segments = 0;  // taken by its port
  };
  struct Moment {
    Instant at;
    std::size_t fault = 0;
    bool begins = false;
  };

  void build_end(int side);
  void on_sent(int side, std::span<const std::byte> frame);
  void step();
  [[nodiscard]] Instant next_instant() const;
  void apply_script();
  void apply_fault(const Fault& fault, bool begins);
  void deliver_due();
  void forge(int side);
  void heed_audit();
  void poll(int side);
  void note(const void* data, std::size_t bytes);
  void fail(const std::string& what);
  [[nodiscard]] bool quiet() const;
  void judge_connections(RunResult& result);
  [[nodiscard]] std::string tell(std::size_t index, int side) const;
  [[nodiscard]] std::string judge_end(std::size_t index, int side) const;
  [[nodiscard]] std::string judge_bytes(std::size_t index, int side) const;
  [[nodiscard]] std::string unexcused(std::size_t index, int side) const;
  [[nodiscard]] bool is_there(std::size_t index, int side, Instant when) const;
  [[nodiscard]] bool abort_is_right(std::size_t index, int side) const;
  [[nodiscard]] bool reset_is_right(std::size_t index, int side) const;
  [[nodiscard]] bool ended_early(std::size_t index, int side) const;
  [[nodiscard]] bool silence_is_right(std::size_t index, int side) const;
  [[nodiscard]] Duration leapt(int side, Instant from, Instant to) const;
  [[nodiscard]] bool stayed_too_short(std::size_t index, int side) const;
  [[nodiscard]] Instant end_of_trouble() const;
  [[nodiscard]] const Talk& talk(std::size_t index, int side) const {
    return ends_[static_cast<std::size_t>(side)]->app->talks()[index];
  }
  void judge_accounts();

  Plan plan_;
  Link link_;
  test::Capture capture_;
  PortBook ports_;
  std::array<std::unique_ptr<End>, 2> ends_;
  std::unique_ptr<WireAudit> audit_;
  std::vector<Moment> script_;  // latest first
  Instant now_ = kStart;
  bool healed_ = false;
  bool over_ = false;
  std::string failure_;
  std::uint64_t trace_hash_ = 0;
  std::uint64_t frames_ = 0;
  std::uint64_t polls_ = 0;
};

/// Runs a plan; a failure is written with its capture to the build's test directory as `name`.pcap,
/// and the sentence says where.
RunResult run_plan(const Plan& plan, const std::string& name);
/// Runs the plan of `seed`; of a failure the sentence says also how to replay it.
RunResult run_seed(std::uint64_t seed);

}  // namespace millrace::sim
