// SPDX-License-Identifier: BSD-3-Clause
//
// C6 of the hostile network: pools that others fill. Who stands still goes, the longest first, in
// bounded steps; out-of-order data go where nobody does, or where they are what is too much; who
// gets on is left alone and gets on.
#include "tcp/endpoint/pressure.h"

#include <gtest/gtest.h>

#include <deque>

#include "tcp/endpoint/impl.h"
#include "tcp/endpoint/inspect.h"
#include "tests/tcp/endpoint/harness.h"

namespace millrace::tcp::test {
namespace {

constexpr std::uint32_t kBlocks = 64;  // pressed from 58, relieved at 48

EndpointConfig tight_config() {
  EndpointConfig config = small_config();
  config.max_blocks = kBlocks;
  config.profiles[0].delayed_ack = Duration::zero();
  config.profiles[0].send_buffer = 1 << 20;
  return config;
}

class Pressure : public testing::TestWithParam<bool> {
 protected:
  using Opened = Solo::Opened;

  void SetUp() override {
    ASSERT_TRUE(solo->listen({.local = {}, .port = kPort, .backlog = 64, .profile = 0}).ok());
  }
  [[nodiscard]] const EndpointImpl& inside() { return inspect(*solo); }
  [[nodiscard]] const Shedding& shedding() { return inside().shedding; }
  [[nodiscard]] std::uint32_t blocks() { return inside().stores.blocks.live(); }
  [[nodiscard]] const Counters& counters() { return solo->counters(); }

  /// The peer says that its window is closed.
  void close_window(const Opened& o) {
    SegmentIn closed = segment(kAck, o.theirs, o.ours);
    closed.window = 0;
    (void)solo.in(o.tuple, closed);
  }
  void stall(const Opened& o, std::size_t bytes) {
    close_window(o);
    EXPECT_EQ(solo->send(o.id, as_bytes(std::string(bytes, 's')), Lifetime::copied), bytes);
    (void)solo.out();
  }
  /// The peer takes nothing of what the application writes.
  Opened stalled(std::uint16_t port, std::size_t bytes) {
    Opened o = solo.accept(port);
    stall(o, bytes);
    return o;
  }
  /// A segment of the peer, with the bytes that are next but `ahead`.
  Drop text(const Opened& o, std::size_t bytes, std::uint32_t ahead = 0) {
    lent.emplace_back(bytes, 't');  // events may show it later
    return solo.in(o.tuple, segment(kAck, o.theirs + ahead, o.ours, &lent.back()));
  }
  /// Ten bytes out of order: a page, its table and what keeps the books.
  Opened gapped(std::uint16_t port) {
    Opened o = solo.accept(port);
    EXPECT_EQ(text(o, 10, 5000), Drop::none);
    (void)solo.out();
    return o;
  }
  [[nodiscard]] bool keeps_out_of_order(const Opened& o) {
    const Connection& c = inside().connections[o.id.index];
    return c.has_receive_state() && inside().stores.receive[c.receive].reassembly != kNil;
  }
  /// Iterations of 10 us; what they send is gathered.
  std::vector<Sent> iterate(int times = 40) {
    std::vector<Sent> sent;
    for (int i = 0; i < times; ++i) {
      solo.pass(10us);
      for (Record& r : solo.events()) log.push_back(std::move(r));
      for (Sent& s : solo.out()) sent.push_back(std::move(s));
    }
    return sent;
  }
  void wait(Duration d) {
    const Instant end = solo.now + d;
    while (solo.now < end) {
      solo.pass(50ms);
      (void)iterate(1);
    }
  }
  [[nodiscard]] bool is_there(const Opened& o) { return solo->status(o.id).has_value(); }
  [[nodiscard]] std::size_t closed_for_memory() const {
    std::size_t n = 0;
    for (const Record& r : log) {
      if (r.kind != EventKind::closed) continue;
      EXPECT_EQ(r.reason, CloseReason::no_memory);
      ++n;
    }
    return n;
  }

  Solo solo{GetParam(), tight_config()};
  std::vector<Record> log;
  std::deque<std::string> lent;
};
INSTANTIATE_TEST_SUITE_P(Families, Pressure, testing::Values(false, true), family_name);

TEST_P(Pressure, BeginsAtNineTenthsAndNotBefore) {
  const Opened a = stalled(4000, 57 * kBlockBytes);
  wait(10s);
  EXPECT_EQ(counters().TCPMemoryPressures, 0U);
  EXPECT_TRUE(is_there(a));
  (void)stalled(4001, 1);
  (void)iterate();
  EXPECT_EQ(counters().TCPMemoryPressures, 1U);
  EXPECT_FALSE(is_there(a));
  (void)iterate();
  EXPECT_FALSE(shedding().pressed.any());
  EXPECT_EQ(counters().TCPMemoryPressures, 1U);
}

TEST_P(Pressure, WhoStandsLongestGoesFirst) {
  // Who comes last in the order of the hand stands longest.
  const Opened last = solo.accept(4003);
  const Opened youngest = solo.accept(4002);
  const Opened middle = solo.accept(4001);
  const Opened oldest = solo.accept(4000);
  stall(oldest, 20'000);
  wait(30s);
  stall(middle, 30'000);
  wait(10s);
  stall(youngest, 65'000);
  EXPECT_EQ(blocks(), 57U);
  stall(last, 1);
  (void)iterate(5);
  EXPECT_FALSE(is_there(oldest));
  EXPECT_TRUE(is_there(middle));
  EXPECT_TRUE(is_there(youngest)) << "it has not stood still for long";
  EXPECT_TRUE(is_there(last));
  EXPECT_EQ(counters().TCPEvictedStalled, 1U);
  EXPECT_EQ(counters().TCPAbortOnMemory, 1U);
}

TEST_P(Pressure, AWindowHeldClosedEndsWithAReset) {
  std::vector<Opened> peers;
  for (std::uint16_t i = 0; i < 8; ++i) {
    peers.push_back(stalled(static_cast<std::uint16_t>(4000 + i), 15'000));
  }
  (void)iterate();
  ASSERT_TRUE(shedding().pressed.blocks);
  for (const Opened& o : peers) EXPECT_TRUE(is_there(o)) << "four seconds are not over";
  EXPECT_GT(shedding().rests_until, solo.now) << "and nothing can be gained";
  // They answer every probe, which is no progress.
  for (int i = 0; i < 12; ++i) {
    for (const Opened& o : peers) {
      if (is_there(o)) close_window(o);
    }
    wait(500ms);
  }
  EXPECT_EQ(counters().TCPEvictedStalled, 2U) << "no more than it takes";
  EXPECT_EQ(blocks(), 48U);
  EXPECT_EQ(closed_for_memory(), 2U);
  EXPECT_EQ(counters().OutRsts, 2U);
  EXPECT_FALSE(shedding().pressed.any());
}

TEST_P(Pressure, WhoGetsOnIsNotEnded) {
  Opened slow = solo.accept(4000);
  const std::string bytes(60 * kBlockBytes, 's');
  ASSERT_EQ(solo->send(slow.id, as_bytes(bytes), Lifetime::copied), bytes.size());
  for (int i = 0; i < 20; ++i) {
    slow.ours += 100;
    (void)solo.in(slow.tuple, segment(kAck, slow.theirs, slow.ours));
    wait(1s);
  }
  EXPECT_TRUE(is_there(slow));
}

TEST_P(Pressure, WhatNobodyReadsGoesAsWell) {
  std::vector<Opened> peers;
  for (std::uint16_t i = 0; i < 8 && blocks() < 58; ++i) {
    peers.push_back(solo.accept(static_cast<std::uint16_t>(4000 + i)));
    for (std::uint32_t k = 0; k < 16; ++k) {
      (void)text(peers.back(), 1000, 1000 * k);
      (void)iterate(1);
    }
  }
  ASSERT_TRUE(shedding().pressed.blocks);
  wait(10s);
  EXPECT_GT(counters().TCPEvictedUnread, 0U);
  EXPECT_EQ(counters().TCPEvictedStalled, 0U);
  EXPECT_LE(blocks(), 48U);
  EXPECT_EQ(closed_for_memory(), counters().TCPEvictedUnread);
}

TEST_P(Pressure, TheOwnerlessAreCountedApart) {
  for (std::uint16_t i = 0; i < 8; ++i) {
    const Opened o = stalled(static_cast<std::uint16_t>(4000 + i), 15'000);
    solo->close(o.id);
  }
  wait(6s);
  EXPECT_EQ(counters().TCPEvictedOrphan, 2U);
  EXPECT_EQ(counters().TCPEvictedStalled, 0U);
}

TEST_P(Pressure, OutOfOrderDataStayWhileSomebodyStandsStill) {
  const Opened holder = stalled(4000, 30 * kBlockBytes);
  wait(5s);
  const Opened honest = gapped(4001);
  (void)stalled(4002, 25 * kBlockBytes);
  (void)iterate();
  EXPECT_EQ(counters().TCPMemoryPressures, 1U);
  EXPECT_FALSE(is_there(holder));
  EXPECT_TRUE(keeps_out_of_order(honest));
  EXPECT_EQ(counters().OfoPruned, 0U);
}

TEST_P(Pressure, OutOfOrderDataGoWhereNobodyStandsStill) {
  const Opened young = stalled(4000, 55 * kBlockBytes);
  const Opened gap = gapped(4001);
  (void)iterate();
  EXPECT_TRUE(is_there(young));
  EXPECT_FALSE(keeps_out_of_order(gap));
  EXPECT_EQ(counters().OfoPruned, 1U);
  EXPECT_EQ(counters().TCPAbortOnMemory, 0U);
  EXPECT_EQ(blocks(), 55U);
}

TEST_P(Pressure, OutOfOrderDataGoBeforeAnybodyWhereTheyAreTooMuch) {
  const Opened holder = stalled(4000, 2 * kBlockBytes);
  wait(10s);
  std::vector<Opened> peers;
  for (std::uint16_t i = 0; i < 19; ++i) {
    peers.push_back(gapped(static_cast<std::uint16_t>(4001 + i)));
  }
  ASSERT_EQ(blocks(), 59U);
  (void)iterate();
  EXPECT_TRUE(is_there(holder)) << "it holds little";
  EXPECT_EQ(counters().OfoPruned, 4U) << "no more than it takes";
  EXPECT_EQ(blocks(), 47U);
  // What was dropped comes again, and all that it needs is there.
  for (const Opened& o : peers) {
    EXPECT_TRUE(is_there(o));
    const bool dropped = !keeps_out_of_order(o);
    EXPECT_EQ(text(o, 5000), Drop::none);
    if (dropped) {
      EXPECT_EQ(text(o, 10, 5000), Drop::none);
    }
    for (const Record& r : solo.events()) solo->consume(r.id, r.bytes.size());
    (void)solo.out();
  }
}

TEST_P(Pressure, OrphansGoWhileTheyCrowdTheRest) {
  EndpointConfig config = small_config();
  config.max_connections = 64;
  Solo full(GetParam(), config);
  ASSERT_TRUE(full->listen({.local = {}, .port = kPort, .backlog = 64, .profile = 0}).ok());
  std::vector<Opened> owned;
  std::vector<Opened> orphans;
  for (std::uint16_t i = 0; i < 20; ++i) {
    owned.push_back(full.accept(static_cast<std::uint16_t>(4000 + i)));
  }
  for (std::uint16_t i = 0; i < 38; ++i) {
    Opened o = full.accept(static_cast<std::uint16_t>(5000 + i));
    full->close(o.id);
    (void)full.out();
    (void)full.in(o.tuple, segment(kAck, o.theirs, o.ours + 1));
    (void)full.out();
    orphans.push_back(o);
  }
  ASSERT_EQ(full->states().of(State::fin_wait_2), 38U);
  for (int i = 0; i < 100; ++i) {
    full.pass(10us);
    (void)full.events();
    (void)full.out();
  }
  EXPECT_EQ(full->counters().TCPEvictedOrphan, 0U) << "their FINs may be under way";
  for (int i = 0; i < 12; ++i) {
    full.pass(500ms);
    (void)full.events();
    (void)full.out();
  }
  EXPECT_EQ(full->counters().TCPEvictedOrphan, 10U) << "no more than it takes";
  EXPECT_EQ(inspect(*full).connections.live(), 48U);
  for (const Opened& o : owned) EXPECT_TRUE(full->status(o.id).has_value());
}

TEST_P(Pressure, AFullHouseOfOwnedConnectionsIsNoTrouble) {
  EndpointConfig config = small_config();
  config.max_connections = 64;
  Solo full(GetParam(), config);
  ASSERT_TRUE(full->listen({.local = {}, .port = kPort, .backlog = 64, .profile = 0}).ok());
  for (std::uint16_t i = 0; i < 64; ++i) {
    (void)full.accept(static_cast<std::uint16_t>(4000 + i));
  }
  full.pass(100s);
  (void)full.events();
  EXPECT_EQ(full->counters().TCPMemoryPressures, 0U);
  EXPECT_EQ(full->states().of(State::established), 64U);
}

TEST_P(Pressure, WhoIsNewIsRefusedWhenAllIsUsedUp) {
  (void)stalled(4000, 32 * kBlockBytes);
  (void)stalled(4001, 31 * kBlockBytes);
  (void)iterate(1);
  const Opened there = solo.accept(4002);  // one block is left
  (void)stalled(4003, 1);
  (void)iterate(1);
  ASSERT_EQ(blocks(), kBlocks);
  EXPECT_EQ(solo.in(solo.tuple(4004), segment(kSyn, Seq{1})), Drop::tcp_no_memory);
  EXPECT_TRUE(solo.out().empty()) << "it may try again";
  EXPECT_EQ(counters().TCPMemoryRefused, 1U);
  const FourTuple t = solo.tuple(4005);
  const OpenResult open =
      solo->connect({.local = t.local, .remote = t.remote, .remote_port = 4005}, solo.now);
  EXPECT_EQ(open.error, OpenError::no_memory);
  EXPECT_EQ(counters().TCPMemoryRefused, 2U);
  // Whoever is there already is served.
  EXPECT_EQ(text(there, 1000), Drop::none);
  wait(6s);
  EXPECT_GT(counters().TCPEvictedStalled, 0U);
  (void)solo.accept(4004);  // which fails the test if there is no SYN-ACK
}

// Unread text has no timer of its own.
TEST_P(Pressure, TheHandAsksToBeMovedOn) {
  const Opened o = solo.accept(4000);
  for (std::uint32_t k = 0; k < 60; ++k) {
    (void)text(o, 1000, 1000 * k);
    (void)iterate(1);
  }
  const Opened p = solo.accept(4001);
  for (std::uint32_t k = 0; k < 60; ++k) {
    (void)text(p, 1000, 1000 * k);
    (void)iterate(1);
  }
  (void)iterate();
  ASSERT_TRUE(shedding().pressed.blocks);
  ASSERT_GT(shedding().rests_until, solo.now);
  EXPECT_EQ(solo->next_deadline(solo.now), shedding().rests_until);
}

TEST_P(Pressure, AnHonestConnectionGetsOnBesideThem) {
  std::vector<Opened> holders;
  for (std::uint16_t i = 0; i < 16; ++i) {
    holders.push_back(solo.accept(static_cast<std::uint16_t>(4000 + i)));
  }
  Opened honest = solo.accept(5000);
  for (const Opened& o : holders) {
    close_window(o);
    (void)solo->send(o.id, as_bytes(std::string(32'000, 's')), Lifetime::copied);
    (void)solo.out();
  }
  ASSERT_EQ(blocks(), kBlocks);
  wait(5s);
  std::uint64_t sent = 0;
  for (int i = 0; i < 400; ++i) {
    sent += solo->send(honest.id, as_bytes(std::string(1000, 'h')), Lifetime::copied);
    for (const Sent& s : iterate(1)) {
      if (s.segment.tuple.remote_port != 5000 || s.payload.empty()) continue;
      honest.ours = later_of(honest.ours, s.segment.seq + s.segment.payload_bytes);
      (void)solo.in(honest.tuple, segment(kAck, honest.theirs, honest.ours));
    }
    solo.pass(50ms);
  }
  EXPECT_TRUE(is_there(honest));
  EXPECT_EQ(sent, 400'000U);
  EXPECT_GT(counters().TCPEvictedStalled, 0U);
}

// The hand looks at so many connections a call, and rests where nothing can be gained.
TEST_P(Pressure, WorkIsBoundedAndRests) {
  EndpointConfig config = small_config();
  config.max_send_states = 200;
  Solo many(GetParam(), config);
  ASSERT_TRUE(many->listen({.local = {}, .port = kPort, .backlog = 1000, .profile = 0}).ok());
  for (std::uint16_t i = 0; i < 190; ++i) {
    const auto o = many.accept(static_cast<std::uint16_t>(4000 + i));
    ASSERT_EQ(many->send(o.id, as_bytes("x"), Lifetime::copied), 1U);
    (void)many.out();
  }
  const EndpointImpl& e = inspect(*many);
  ASSERT_TRUE(e.shedding.pressed.send);
  many.pass(1s);
  std::uint32_t before = e.shedding.looked;
  int calls = 0;
  for (; e.shedding.rests_until <= many.now && calls < 10; ++calls) {
    many.pass(10us);
    (void)many->advance(many.now);
    if (e.shedding.looked > before) {
      EXPECT_LE(e.shedding.looked - before, 64U);
    }
    before = e.shedding.looked;
  }
  EXPECT_GE(calls, 2);
  EXPECT_LE(calls, 4);
  EXPECT_GT(e.shedding.rests_until, many.now) << "everyone moved a moment ago";
  // Who stands still is ended in steps as well.
  std::uint64_t ended = 0;
  many.pass(5s);
  for (int i = 0; i < 20; ++i) {
    many.pass(10us);
    (void)many->advance(many.now);
    EXPECT_LE(many->counters().TCPEvictedStalled - ended, 8U);
    ended = many->counters().TCPEvictedStalled;
    (void)many.events();
    (void)many.out();
    ended = many->counters().TCPEvictedStalled;
  }
  EXPECT_EQ(ended, 40U);
  EXPECT_EQ(e.stores.send.live(), 150U);
}

}  // namespace
}  // namespace millrace::tcp::test
