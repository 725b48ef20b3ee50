// SPDX-License-Identifier: BSD-3-Clause
//
// What must hold of an endpoint whenever its worker has finished an iteration, as far as it can be
// seen from inside: sequence variables, windows, state edges, index, timers, queues, counts. Each
// check names the invariant that it is about; the bytes of streams are the application's to verify.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tcp/connection/config.h"
#include "tcp/endpoint/endpoint.h"
#include "tcp/endpoint/inspect.h"
#include "tests/sim/time_wait_watch.h"

namespace millrace::sim {

class Invariants {
 public:
  /// `every`: check() is called after every iteration, so that what must not happen within one can
  /// be told.
  Invariants(const tcp::Endpoint& endpoint, const tcp::TcpConfig& config, bool every)
      : impl_(tcp::inspect(endpoint)), config_(config), every_(every), watch_(impl_, every) {}

  /// A sentence about the first thing that does not hold, or nothing.
  [[nodiscard]] std::string check(Instant now);
  /// What must hold when every connection is gone: each pool as full as it began.
  [[nodiscard]] std::string check_empty() const;
  [[nodiscard]] TimeWaitWatch& time_wait() { return watch_; }

 private:
  /// What was seen of a connection at the last check.
  struct Seen {
    std::uint16_t generation = 0;
    tcp::State state = tcp::State::closed;
    tcp::Seq snd_una, snd_nxt, rcv_nxt, rcv_adv, right_edge;
    std::uint32_t allowance = 0;  // cwnd and inflation
    bool synchronized = false;
    bool recovering = false;
    bool held_back = false;  // output was due, and could not go
    tcp::LossPhase phase = tcp::LossPhase::open;
    FourTuple tuple;
  };

  [[nodiscard]] std::string check_connection(const tcp::Connection& c, Seen& seen,
                                             std::uint32_t index, Instant now);
  [[nodiscard]] std::string check_sequences(const tcp::Connection& c, Seen& seen) const;
  [[nodiscard]] std::string check_send_queue(const tcp::Connection& c) const;
  [[nodiscard]] bool cursor_is_right(const tcp::Connection& c, const tcp::SendState& s) const;
  [[nodiscard]] std::string check_congestion(const tcp::Connection& c, const Seen& seen) const;
  [[nodiscard]] std::string check_loss(const tcp::Connection& c, const Seen& seen) const;
  [[nodiscard]] bool gone_back(const tcp::Connection& c) const;
  [[nodiscard]] bool probes_with_new_text(const tcp::Connection& c) const;
  [[nodiscard]] tcp::LossPhase phase_of(const tcp::Connection& c) const;
  [[nodiscard]] std::string check_scoreboard(const tcp::Connection& c, Instant now) const;
  [[nodiscard]] std::string check_model(const tcp::Connection& c, Instant now) const;
  [[nodiscard]] std::optional<Tick> departure_of(const tcp::Connection& c) const;
  [[nodiscard]] std::string check_departure(const tcp::Connection& c, Instant now) const;
  [[nodiscard]] std::string check_reassembly(const tcp::Connection& c) const;
  [[nodiscard]] std::string check_timers(const tcp::Connection& c, const Seen& seen,
                                         Instant now) const;
  struct Census {
    std::uint64_t filed = 0, indexed = 0;
    std::array<std::uint64_t, tcp::kStateCount> in_state{};
  };
  [[nodiscard]] Census count_connections() const;
  [[nodiscard]] std::string check_counts() const;

  const tcp::EndpointImpl& impl_;
  const tcp::TcpConfig& config_;
  bool every_;
  /// From here on a worker iterates several times before its timers fire.
  static constexpr Duration kPause = 10ms;
  Instant looked_{};
  bool paused_ = false;  // before this look
  std::vector<Seen> seen_;
  TimeWaitWatch watch_;
};

}  // namespace millrace::sim
