// SPDX-License-Identifier: BSD-3-Clause
//
// The worker's way in: every frame is delivered or dropped for exactly one reason and its buffer
// comes back (A5), packets in pieces are one stream, control frames reach every worker, and time as
// the worker tells it (C16 in small).
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/random.h"
#include "tests/support/station.h"

namespace millrace {
namespace {

constexpr std::uint16_t kPort = 80;

std::uint64_t judged(const WorkerStats& s) {
  std::uint64_t sum = 0;
  for (const std::uint64_t n : s.drops.count) sum += n;
  return sum;
}

/// Traffic class, flow label and hop limit: no checksum sees them, and no harm comes of them.
bool not_covered_in_ipv6(std::uint64_t byte) { return (byte >= 14 && byte < 18) || byte == 21; }

class Receive : public ::testing::TestWithParam<bool> {
 protected:
  void build(const StationOptions& left = {}, StationOptions right = {}) {
    a = std::make_unique<Station>(left);
    right.side = 1;
    b = std::make_unique<Station>(right);
    b->listen(kPort);
    a->worker->poll(now);
    b->worker->poll(now);
    (void)a->connect(*b, kPort, GetParam(), now);
    run(*a, *b, now);
    ASSERT_EQ(b->app.count(tcp::EventKind::accepted), 1);
  }
  std::unique_ptr<Station> a, b;
  Instant now{1s};
};
INSTANTIATE_TEST_SUITE_P(Families, Receive, ::testing::Bool(),
                         [](const auto& family) { return family.param ? "v6" : "v4"; });

TEST_P(Receive, AMillionBadFramesLeaveEveryBufferInThePool) {
  build();
  (void)a->send("material to spoil");
  a->worker->poll(now += 10us);
  ASSERT_EQ(a->sent.size(), 1U);
  const test::Bytes good = a->sent.front();
  const std::uint32_t kept = 64;  // spare frames that the worker may hold back at any time
  test::Random random(1);
  for (int round = 0; round < 1'000'000 / 50; ++round) {
    for (int i = 0; i < 50; ++i) {
      test::Bytes bad = good;
      // One bit anywhere behind the MAC addresses, or a frame cut short.
      if (random.chance(0.9)) {
        std::uint64_t bit = 0;
        do {
          bit = random.between(12 * 8, bad.size() * 8 - 1);
        } while (GetParam() && not_covered_in_ipv6(bit / 8));
        bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      } else {
        bad.resize(random.between(1, bad.size() - 1));
      }
      ASSERT_TRUE(b->port->deliver(bad));
    }
    b->worker->poll(now += 1us);
    b->sent.clear();
  }
  const WorkerStats s = b->worker->stats();
  EXPECT_GE(s.rx_frames, 1'000'000U);
  EXPECT_EQ(judged(s), s.rx_frames);
  EXPECT_LE(b->port->with_worker(), kept);
  EXPECT_EQ(b->app.received, "");
  EXPECT_EQ(b->port->rx_waiting(), 0U);
}

TEST_P(Receive, PacketsInPiecesAreOneStreamUpToItsEnd) {
  for (const std::size_t piece : {60U, 61U, 100U, 1000U, 1460U}) {
    build();
    std::string text(20'000, 0);
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 256);
    (void)a->send(text);
    a->endpoint->shutdown(a->app.connection);
    for (int i = 0; i < 2000 && b->app.count(tcp::EventKind::peer_closed) == 0; ++i) {
      a->worker->poll(now += 1ms);  // tiny pieces are acknowledged late
      // Headers of link, IP and TCP lie in the first piece, as every device does it.
      for (; !a->sent.empty(); a->sent.pop_front()) {
        b->port->deliver(a->sent.front(), 0, std::max<std::size_t>(piece, 100));
      }
      b->worker->poll(now);
      exchange(*b, *a);
    }
    EXPECT_TRUE(b->app.received == text)
        << "pieces of " << piece << ": " << b->app.received.size() << " bytes";
    EXPECT_EQ(b->app.count(tcp::EventKind::peer_closed), 1);
    const WorkerStats s = b->worker->stats();
    EXPECT_EQ(judged(s), s.rx_frames);
    EXPECT_EQ(s.rx_frames, b->port->delivered());
  }
}

/// An inbox that keeps what is broadcast and gives what it was told to give.
class TestInbox final : public Inbox {
 public:
  std::size_t broadcast(const Frame& frame) override {
    broadcasts.emplace_back(frame.data, frame.data + frame.length);
    return lost_per_broadcast;
  }
  bool pass(std::span<const Frame> pieces, std::uint16_t worker) override {
    if (full) return false;
    test::Bytes bytes;
    for (const Frame& f : pieces) bytes.insert(bytes.end(), f.data, f.data + f.length);
    passed.emplace_back(worker, std::move(bytes));
    return true;
  }
  std::size_t collect(std::span<Frame> frames) override {
    std::size_t n = 0;
    for (; n < frames.size() && !pending.empty(); ++n) {
      const test::Bytes& bytes = pending.front();
      std::copy(bytes.begin(), bytes.end(), frames[n].data);
      frames[n].length = static_cast<std::uint32_t>(bytes.size());
      pending.erase(pending.begin());
    }
    return n;
  }
  std::vector<test::Bytes> broadcasts;
  std::vector<std::pair<std::uint16_t, test::Bytes>> passed;
  std::vector<test::Bytes> pending;
  bool full = false;
  std::size_t lost_per_broadcast = 0;
};

TEST_P(Receive, WhatConcernsAllWorkersIsPassedOnAndLearntFrom) {
  TestInbox inbox;
  TestInbox other;
  StationOptions first;
  first.side = 1;
  first.inbox = &inbox;
  Station one(first);
  StationOptions second = first;  // the same host, another worker
  second.inbox = &other;
  second.worker.index = 1;
  Station two(second);
  Station peer;
  for (Station* s : {&one, &two, &peer}) s->worker->poll(now);
  one.sent.clear();
  two.sent.clear();
  // The peer asks for our address; the question arrives at worker one alone.
  (void)peer.connect(one, kPort, GetParam(), now);
  peer.worker->poll(now += 10us);
  inbox.lost_per_broadcast = 1;
  for (const test::Bytes& frame : peer.sent) one.port->deliver(frame);
  one.worker->poll(now += 10us);
  ASSERT_FALSE(inbox.broadcasts.empty());
  EXPECT_EQ(one.worker->stats().inbox_drops, inbox.broadcasts.size());
  EXPECT_FALSE(one.sent.empty());  // it answers
  other.pending = inbox.broadcasts;
  two.worker->poll(now += 10us);
  EXPECT_EQ(two.worker->stats().inbox_frames, inbox.broadcasts.size());
  EXPECT_EQ(two.worker->stats().rx_frames, 0U);
  EXPECT_TRUE(two.sent.empty());  // it only learns
}

/// A host of two workers, and a peer all of whose frames a port brings to the wrong one of them, in
/// pieces of that size.
struct Astray {
  explicit Astray(bool ipv6) : v6(ipv6) {
    std::array<std::uint8_t, FlowSteering::kKeyBytes> key{};
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i * 37 + 11);
    StationOptions options = on_side(1);
    options.worker.steering = std::make_shared<FlowSteering>(key, std::vector<std::uint16_t>{0, 1});
    for (std::uint16_t w = 0; w < 2; ++w) {
      options.worker.index = w;
      options.inbox = &inboxes[w];
      host.push_back(std::make_unique<Station>(options));
      host.back()->listen(kPort);
      host.back()->worker->poll(now);
      host.back()->sent.clear();
    }
    peer.worker->poll(now);
    const auto id = peer.connect(*host[0], kPort, v6, now);
    FourTuple tuple = peer.endpoint->status(id)->tuple;
    std::swap(tuple.local, tuple.remote);
    std::swap(tuple.local_port, tuple.remote_port);
    own = options.worker.steering->worker_of(tuple);
  }
  Station& wrong() { return *host[1 - own]; }
  Station& right() { return *host[own]; }
  void run(int rounds, std::size_t piece = 2000) {
    for (int i = 0; i < rounds; ++i) {
      peer.worker->poll(now += 10us);
      for (; !peer.sent.empty(); peer.sent.pop_front()) {
        wrong().port->deliver(peer.sent.front(), 0, piece);
      }
      wrong().worker->poll(now);
      TestInbox& from = inboxes[1 - own];
      TestInbox& to = inboxes[own];
      for (auto& frame : from.broadcasts) to.pending.push_back(std::move(frame));
      for (auto& [worker, frame] : from.passed) {
        EXPECT_EQ(worker, own);
        to.pending.push_back(std::move(frame));
      }
      from.broadcasts.clear();
      from.passed.clear();
      right().worker->poll(now);
      for (Station* s : {&wrong(), &right()}) {
        for (; !s->sent.empty(); s->sent.pop_front()) peer.port->deliver(s->sent.front());
      }
    }
  }

  bool v6;
  Instant now{1s};
  std::array<TestInbox, 2> inboxes;
  std::vector<std::unique_ptr<Station>> host;
  Station peer;
  std::uint16_t own = 0;
};

TEST_P(Receive, ASegmentThatCameAstrayGoesToItsOwnCore) {
  for (const std::size_t piece : {2000U, 200U}) {
    Astray net(GetParam());
    net.run(20, piece);
    ASSERT_EQ(net.right().app.count(tcp::EventKind::accepted), 1);
    const std::string text(4000, 'x');
    (void)net.peer.send(text);
    net.run(20, piece);
    EXPECT_EQ(net.right().app.received, text);
    (void)net.right().send("an answer");
    net.run(10, piece);
    EXPECT_EQ(net.peer.app.received, "an answer");
    const WorkerStats wrong = net.wrong().worker->stats();
    const WorkerStats right = net.right().worker->stats();
    EXPECT_GT(wrong.strays_passed, 4U);
    EXPECT_EQ(wrong.drops.of(Drop::wrong_core), 0U);
    EXPECT_EQ(right.strays_taken, wrong.strays_passed);
    EXPECT_EQ(judged(wrong) + wrong.strays_passed, wrong.rx_frames);
    EXPECT_EQ(judged(right), right.strays_taken);
    EXPECT_EQ(net.peer.endpoint->counters().RetransSegs, 0U);
  }
}

TEST_P(Receive, AStrayThatNobodyCanTakeIsDroppedAndOneThatIsNobodysGoesNowhere) {
  Astray net(GetParam());
  net.run(20);
  net.inboxes[1U - net.own].full = true;
  const std::string full(GetParam() ? 1428 : 1448, 'x');  // nothing to wait for (Nagle)
  (void)net.peer.send(full);
  net.run(3);
  EXPECT_EQ(net.wrong().worker->stats().drops.of(Drop::wrong_core), 1U);
  // What was passed on is never passed on again, whoever thinks that it should have been.
  const std::uint64_t passed = net.wrong().worker->stats().strays_passed;
  (void)net.peer.send(full);
  net.peer.worker->poll(net.now += 10us);
  ASSERT_FALSE(net.peer.sent.empty());
  net.inboxes[1U - net.own].full = false;
  net.inboxes[1U - net.own].pending.push_back(net.peer.sent.front());
  net.wrong().worker->poll(net.now);
  EXPECT_EQ(net.wrong().worker->stats().drops.of(Drop::wrong_core), 2U);
  EXPECT_EQ(net.wrong().worker->stats().strays_passed, passed);
}

TEST_P(Receive, AddressesAreAnnouncedAnewWhenTheLinkComesUp) {
  Station station;
  const auto polled = [&](Duration span) {
    for (const Instant end = now + span; now < end;) station.worker->poll(now += 10ms);
    const std::size_t frames = station.sent.size();
    station.sent.clear();
    return frames;
  };
  const std::size_t at_first = polled(10s);
  EXPECT_GT(at_first, 0U);
  EXPECT_EQ(polled(10s), 0U);
  station.port->set_link(false);
  EXPECT_EQ(polled(1s), 0U);
  station.port->set_link(true);
  EXPECT_EQ(polled(10s), at_first);
  EXPECT_EQ(polled(10s), 0U);
}

TEST_P(Receive, TimeNeverGoesBackAndALeapEndsNothing) {
  StationOptions options;
  options.tcp.two_msl = 60s;
  build(options);
  a->endpoint->close(a->app.connection);
  run(*a, *b, now);
  b->endpoint->close(b->app.connection);
  run(*a, *b, now);
  ASSERT_EQ(a->endpoint->states().of(tcp::State::time_wait), 1U);
  const Instant before = a->app.last_now;
  a->worker->poll(now += 1h);  // the clock's mistake, not an hour
  EXPECT_EQ(a->endpoint->states().of(tcp::State::time_wait), 1U);
  EXPECT_EQ(a->worker->stats().clock_jumps, 1U);
  EXPECT_LE(a->app.last_now - before, 61s);
  const Instant then = a->app.last_now;
  a->worker->poll(now -= 2h);
  EXPECT_EQ(a->worker->stats().clock_jumps, 2U);
  EXPECT_GE(a->app.last_now, then);
  for (int i = 0; i < 59; ++i) a->worker->poll(now += 500ms);
  EXPECT_GE(a->app.last_now - then, 29s);
  for (int i = 0; i < 70; ++i) a->worker->poll(now += 500ms);
  EXPECT_EQ(a->endpoint->states().of(tcp::State::time_wait), 0U);
}

TEST_P(Receive, AStallReadsWhatHasComeBeforeItFiresTimers) {
  build();
  for (int i = 0; i < 40; ++i) {
    (void)a->send(std::string(1448, 'x'));
    a->worker->poll(now += 10us);
  }
  exchange(*a, *b);
  for (int i = 0; i < 5; ++i) b->worker->poll(now += 10us);
  exchange(*b, *a);  // the ACKs lie in a's ring while a stands still
  a->worker->poll(now += 500ms);
  EXPECT_EQ(a->endpoint->counters().TCPTimeouts, 0U);
  EXPECT_EQ(a->endpoint->counters().RetransSegs, 0U);
  EXPECT_GE(a->worker->stats().gaps, 1U);
  EXPECT_EQ(a->worker->stats().clock_jumps, 0U);
}

TEST_P(Receive, CallsAfterAStallAreMadeAtTheTimeOfNow) {
  StationOptions options;
  options.tcp.linger = 300ms;  // from the call on, not from before the stall
  build(options);
  a->app.on_call = [&](tcp::Endpoint& endpoint, Instant at) {
    if (at == now) endpoint.close(a->app.connection);
  };
  a->worker->poll(now += 500ms);
  EXPECT_EQ(a->app.count(tcp::EventKind::closed), 0);
  a->app.on_call = nullptr;
  a->worker->poll(now += 290ms);
  EXPECT_EQ(a->app.count(tcp::EventKind::closed), 0);
  a->worker->poll(now += 20ms);
  EXPECT_EQ(a->app.count(tcp::EventKind::closed), 1);
  EXPECT_EQ(a->app.reason, tcp::CloseReason::aborted);
}

TEST_P(Receive, PublishedFiguresAreThoseOfTheWorker) {
  build();
  StatsBoard board;
  b->worker->publish(board);
  const StatsSnapshot s = board.read();
  EXPECT_EQ(s.worker.rx_frames, b->worker->stats().rx_frames);
  EXPECT_GT(s.worker.rx_frames, 0U);
  EXPECT_EQ(s.counters.PassiveOpens, 1U);
  EXPECT_EQ(s.states.of(tcp::State::established), 1U);
  EXPECT_EQ(s.port.buffers_total, 512U);
  EXPECT_GT(s.memory_touched_bytes, 0U);
}

}  // namespace
}  // namespace millrace
