// SPDX-License-Identifier: BSD-3-Clause
//
// Resource exhaustion from the catalogue of the hostile network, through the real worker:
//   C7   a peer that falls silent in each of the closing states
//   C10  no packet buffers for five seconds
//   C11  a transmit ring that takes nothing, or a part, for a second
//   C16  clocks that jump, and a machine that stood still
#include <gtest/gtest.h>

#include "tests/sim/simulation.h"
#include "tests/support/station.h"

namespace millrace::sim {
namespace {

using tcp::CloseReason;
using tcp::EventKind;
using tcp::State;

std::string family_name(const ::testing::TestParamInfo<bool>& family) {
  return family.param ? "v6" : "v4";
}

// ---- C7

class SilentPeer : public ::testing::TestWithParam<bool> {
 protected:
  SilentPeer() {
    StationOptions right = on_side(1);
    a = std::make_unique<Station>(on_side(0));
    b = std::make_unique<Station>(right);
    b->listen(80);
    a->worker->poll(now);
    b->worker->poll(now);
    (void)a->connect(*b, 80, GetParam(), now);
    ::millrace::run(*a, *b, now);
    EXPECT_EQ(b->app.count(EventKind::accepted), 1);
  }

  /// One iteration of one station; what it sends stays in its queue.
  void poll(Station& s) { s.worker->poll(now += 10us); }
  void deliver(Station& from, Station& to) {
    for (; !from.sent.empty(); from.sent.pop_front()) to.port->deliver(from.sent.front());
    poll(to);
  }
  [[nodiscard]] static State state(Station& s) {
    const auto status = s.endpoint->status(s.app.connection);
    return status ? status->state : State::closed;
  }
  /// Nobody hears the station any more. How long until nothing is left of its connection?
  Duration until_gone(Station& s) {
    const Instant begin = now;
    const auto left = [&] {
      std::uint64_t n = 0;
      for (const State x : {State::fin_wait_1, State::fin_wait_2, State::closing, State::close_wait,
                            State::last_ack, State::time_wait, State::established}) {
        n += s.endpoint->states().of(x);
      }
      return n;
    };
    while (left() > 0 && now - begin < 2h) {
      const auto next = s.worker->next_deadline(now);
      now = std::max(now + 10us, next.value_or(now + 1s));
      s.worker->poll(now);
      s.sent.clear();
    }
    EXPECT_EQ(left(), 0U);
    EXPECT_EQ(s.app.count(EventKind::closed), 1);
    return now - begin;
  }

  std::unique_ptr<Station> a, b;
  Instant now{1s};
};
INSTANTIATE_TEST_SUITE_P(Families, SilentPeer, ::testing::Bool(), family_name);

/// The sum of all retransmission timeouts, the last one included: ten of at most a minute.
constexpr Duration kRetryBound = 11min;

TEST_P(SilentPeer, InFinWait1) {
  a->endpoint->close(a->app.connection);
  poll(*a);
  EXPECT_EQ(state(*a), State::fin_wait_1);
  a->sent.clear();
  EXPECT_LT(until_gone(*a), kRetryBound);
  EXPECT_EQ(a->app.reason, CloseReason::timeout);
}

TEST_P(SilentPeer, InFinWait2) {
  a->endpoint->close(a->app.connection);
  poll(*a);
  deliver(*a, *b);
  now += 50ms;  // a delayed ACK comes as well
  poll(*b);
  deliver(*b, *a);
  EXPECT_EQ(state(*a), State::fin_wait_2);
  const Duration taken = until_gone(*a);
  EXPECT_GE(taken, 59s);
  EXPECT_LE(taken, 61s);
}

TEST_P(SilentPeer, InClosing) {
  a->endpoint->close(a->app.connection);
  b->endpoint->close(b->app.connection);
  poll(*a);
  poll(*b);
  for (; !b->sent.empty(); b->sent.pop_front()) a->port->deliver(b->sent.front());
  a->sent.clear();  // a's FIN and its ACK of b's are lost
  poll(*a);
  EXPECT_EQ(state(*a), State::closing);
  a->sent.clear();
  EXPECT_LT(until_gone(*a), kRetryBound);
}

TEST_P(SilentPeer, InCloseWaitAndThenLastAck) {
  a->endpoint->close(a->app.connection);
  poll(*a);
  deliver(*a, *b);
  EXPECT_EQ(state(*b), State::close_wait);
  b->sent.clear();
  // The state belongs to the application: nothing ends it but its close().
  for (int i = 0; i < 600; ++i) b->worker->poll(now += 500ms);
  EXPECT_EQ(state(*b), State::close_wait);
  b->endpoint->close(b->app.connection);
  poll(*b);
  EXPECT_EQ(state(*b), State::last_ack);
  b->sent.clear();
  EXPECT_LT(until_gone(*b), kRetryBound);
}

TEST_P(SilentPeer, InCloseWaitWithDataToSend) {
  a->endpoint->shutdown(a->app.connection);
  poll(*a);
  deliver(*a, *b);
  ASSERT_EQ(state(*b), State::close_wait);
  (void)b->send("nobody takes this");
  b->endpoint->close(b->app.connection);
  EXPECT_LT(until_gone(*b), kRetryBound);
  EXPECT_EQ(b->app.reason, CloseReason::timeout);
}

TEST_P(SilentPeer, InTimeWait) {
  a->endpoint->close(a->app.connection);
  poll(*a);
  deliver(*a, *b);
  b->endpoint->close(b->app.connection);
  poll(*b);
  deliver(*b, *a);
  EXPECT_EQ(a->endpoint->states().of(State::time_wait), 1U);
  const Duration taken = until_gone(*a);
  EXPECT_GE(taken, 60s);
  EXPECT_LE(taken, 61s);
}

TEST_P(SilentPeer, WithItsWindowClosed) {
  // b's application stops reading: a has data that nobody will ever take, then b vanishes.
  b->app.on_call = nullptr;
  a->endpoint->close(a->app.connection);
  poll(*a);
  deliver(*a, *b);
  EXPECT_EQ(state(*b), State::close_wait);
  (void)b->send(std::string(100'000, 'x'));
  poll(*b);
  b->sent.clear();
  b->endpoint->close(b->app.connection);
  EXPECT_LT(until_gone(*b), kRetryBound);
}

// ---- C10, C11, C16: plans with one fault each, and streams that must not notice

Plan busy_plan(std::uint64_t seed, FaultKind kind, int side) {
  Plan p = calm_plan(seed);
  for (Impairment& way : p.way) way.delay = 5ms;
  for (int i = 0; i < 10; ++i) {
    ConnectionPlan c;
    c.opener = i % 2;
    c.ipv6 = i % 4 >= 2;
    c.open_at = 1ms * i;
    for (SidePlan& s : c.side) {
      s.bytes = 300'000;
      s.chunk = 5000;
      s.pause = 30ms;  // lasts about two seconds: the fault falls into the middle
    }
    p.connections.push_back(c);
  }
  p.faults.push_back({kind, side, 800ms});
  p.heal_at = 10s;
  return p;
}

struct Exhaustion : ::testing::TestWithParam<int> {
  RunResult run_with(FaultKind kind, Duration until_finished) {
    simulation = std::make_unique<Simulation>(busy_plan(7, kind, GetParam()));
    simulation->run_until(until_finished);
    EXPECT_TRUE(simulation->app(0).finished() && simulation->app(1).finished())
        << "recovery took longer than it may";
    stats = {simulation->stats(0), simulation->stats(1)};
    const RunResult r = simulation->run();
    EXPECT_TRUE(r.failure.empty()) << r.failure;
    EXPECT_EQ(r.graceful, 10U);
    return r;
  }
  [[nodiscard]] const WorkerStats& here() const {
    return stats[static_cast<std::size_t>(GetParam())];
  }

  std::unique_ptr<Simulation> simulation;
  std::array<WorkerStats, 2> stats;
};
INSTANTIATE_TEST_SUITE_P(Sides, Exhaustion, ::testing::Values(0, 1));

TEST_P(Exhaustion, C10PoolDryForFiveSeconds) {
  run_with(FaultKind::pool_dry, 16s);
  EXPECT_GT(here().buffer_stalls, 0U);
}

TEST_P(Exhaustion, C10OneAllocationInTenFails) { run_with(FaultKind::allocate_fails, 8s); }

TEST_P(Exhaustion, C11TransmitRingFullForASecond) {
  run_with(FaultKind::tx_full, 6s);
  EXPECT_GT(here().tx_stalls, 0U);
  EXPECT_EQ(simulation->endpoint(1 - GetParam()).counters().TCPOFOQueue, 0U);  // order kept
}

TEST_P(Exhaustion, C11TransmitRingTakesPartsOnly) {
  run_with(FaultKind::tx_partial, 6s);
  EXPECT_GT(here().tx_stalls, 0U);
  EXPECT_EQ(simulation->endpoint(1 - GetParam()).counters().TCPOFOQueue, 0U);
}

TEST_P(Exhaustion, C15LinkDownForThreeSeconds) { run_with(FaultKind::link_down, 15s); }

TEST_P(Exhaustion, C16ClockJumpsAnHourAhead) {
  run_with(FaultKind::clock_forward, 5s);
  EXPECT_EQ(here().clock_jumps, 1U);
  EXPECT_EQ(simulation->endpoint(GetParam()).counters().TCPTimeouts, 0U);
}

TEST_P(Exhaustion, C16ClockJumpsASecondAhead) {
  run_with(FaultKind::clock_second, 5s);
  EXPECT_EQ(here().clock_jumps, 1U);
  EXPECT_EQ(simulation->endpoint(GetParam()).counters().TCPTimeouts, 0U);
}

TEST_P(Exhaustion, C16ClockJumpsASecondBack) {
  run_with(FaultKind::clock_back, 5s);
  EXPECT_EQ(here().clock_jumps, 1U);
  EXPECT_EQ(simulation->endpoint(GetParam()).counters().TCPTimeouts, 0U);
}

TEST_P(Exhaustion, C16AStallOfHalfASecond) {
  run_with(FaultKind::stall, 6s);
  EXPECT_EQ(here().clock_jumps, 0U);
  // Its own timers wait for what had come; the peer's silence was real.
  EXPECT_EQ(simulation->endpoint(GetParam()).counters().TCPTimeouts, 0U);
}

}  // namespace
}  // namespace millrace::sim
