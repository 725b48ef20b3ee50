// SPDX-License-Identifier: BSD-3-Clause
//
// How bytes reach the application: lent, partly taken, left, read later, reordered, and cut off by
// the peer's FIN or RST. The stream must come out whole and once, whatever the order of calls.
#include <gtest/gtest.h>

#include <list>
#include <random>

#include "tcp/endpoint/inspect.h"
#include "tests/tcp/endpoint/harness.h"

namespace millrace::tcp::test {
namespace {

class Lending : public testing::TestWithParam<bool> {
 protected:
  Lending() {
    EXPECT_TRUE(solo->listen({.port = kPort}).ok());
    peer = solo.accept();
  }
  /// The next bytes of the peer's stream arrive.
  void arrive(const std::string& payload, std::uint8_t flags = kAck) {
    held.push_back(payload);  // it is lent until settle()
    EXPECT_EQ(solo.in(peer.tuple, segment(flags, peer.theirs, peer.ours, &held.back())),
              Drop::none);
    peer.theirs += static_cast<std::uint32_t>(payload.size()) + ((flags & kFin) != 0 ? 1 : 0);
  }
  [[nodiscard]] std::string readable() { return as_string(solo->readable(peer.id)); }
  /// Reads all there is outside of events.
  std::string read_all() {
    std::string all;
    while (!readable().empty()) {
      all += readable();
      solo->consume(peer.id, readable().size());
    }
    return all;
  }
  void expect_no_cold_state() {
    EXPECT_EQ(inspect(*solo).stores.receive.live(), 0u);
    EXPECT_EQ(inspect(*solo).stores.blocks.live(), 0u);
  }

  Solo solo{GetParam()};
  Solo::Opened peer;
  std::list<std::string> held;
};
INSTANTIATE_TEST_SUITE_P(Families, Lending, testing::Values(false, true), family_name);

TEST_P(Lending, PayloadIsLentInPlace) {
  const std::string payload = "lent";
  EXPECT_EQ(solo.in(peer.tuple, segment(kAck, peer.theirs, peer.ours, &payload)), Drop::none);
  const auto events = solo->events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::data);
  EXPECT_EQ(static_cast<const void*>(events[0].bytes.data()), payload.data());
  solo->consume(peer.id, 4);
  solo->settle(solo.now);
  EXPECT_TRUE(readable().empty());
  expect_no_cold_state();
}

TEST_P(Lending, WhatIsLeftStaysReadable) {
  arrive("0123456789");
  ASSERT_EQ(solo->events().size(), 1u);
  solo->consume(peer.id, 4);
  EXPECT_EQ(readable(), "456789");
  solo->settle(solo.now);
  EXPECT_EQ(readable(), "456789");
  EXPECT_TRUE(solo.events().empty()) << "no repetition without new data";
  solo->consume(peer.id, 1);
  EXPECT_EQ(readable(), "56789");
  EXPECT_EQ(solo->status(peer.id)->unread_bytes, 5u);
  EXPECT_EQ(read_all(), "56789");
  expect_no_cold_state();
}

TEST_P(Lending, NewDataShowTheFrontOfWhatIsUnread) {
  arrive("first.");
  EXPECT_EQ(solo.events().size(), 1u);
  arrive("second.");
  const auto events = solo.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].bytes.substr(0, 6), "first.");
  EXPECT_EQ(read_all(), "first.second.");
}

TEST_P(Lending, SeveralPiecesOfOneBatchAreParkedInOrder) {
  arrive("one.");
  arrive("two.");
  arrive("three.");
  ASSERT_EQ(solo->events().size(), 3u);
  solo->consume(peer.id, 6);
  solo->settle(solo.now);
  EXPECT_EQ(read_all(), "o.three.");
}

TEST_P(Lending, ReadingAheadEmptiesTheEventsThatFollow) {
  arrive("one.");
  arrive("two.");
  const auto events = solo->events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(as_string(events[0].bytes), "one.");
  solo->consume(peer.id, 3);
  EXPECT_EQ(as_string(events[0].bytes), "one.") << "it may still be looked at";
  EXPECT_EQ(read_all(), ".two.");
  EXPECT_TRUE(events[1].bytes.empty());
  solo->settle(solo.now);
  EXPECT_TRUE(readable().empty());
  expect_no_cold_state();
}

TEST_P(Lending, ConsumingMoreThanThereIsTakesAll) {
  arrive("abc");
  ASSERT_EQ(solo->events().size(), 1u);
  solo->consume(peer.id, 1'000'000);
  solo->settle(solo.now);
  EXPECT_TRUE(readable().empty());
  solo->consume(peer.id, 1);
}

TEST_P(Lending, WhatIsUnreadIsShownInAsManyPiecesAsItHas) {
  for (int i = 0; i < 5; ++i) arrive(std::string(1000, static_cast<char>('a' + i)));
  EXPECT_EQ(solo.events().size(), 5u);
  arrive("new");
  std::string shown;
  for (const Event& e : solo->events()) {
    ASSERT_EQ(e.kind, EventKind::data);
    // Consumed first, looked at then: nobody else gets its memory before settle().
    solo->consume(e.connection, e.bytes.size());
    shown += as_string(e.bytes);
  }
  EXPECT_EQ(shown.size(), 5003u);
  EXPECT_EQ(shown.substr(4999), "enew");
  solo->settle(solo.now);
  expect_no_cold_state();
  EXPECT_TRUE(solo.events().empty());
}

TEST_P(Lending, ConsumingWhatIsUnreadOpensTheWindow) {
  EndpointConfig config = small_config();
  config.profiles[0].receive_buffer = 8000;
  Solo narrow(GetParam(), config);
  ASSERT_TRUE(narrow->listen({.port = kPort}).ok());
  const Solo::Opened o = narrow.accept();
  const std::string payload(8000, 'w');
  EXPECT_EQ(narrow.in(o.tuple, segment(kAck, o.theirs, o.ours, &payload)), Drop::none);
  (void)narrow.events();
  const auto shut = narrow.out();
  ASSERT_FALSE(shut.empty());
  EXPECT_EQ(shut.back().segment.window, 0);
  while (!narrow->readable(o.id).empty()) narrow->consume(o.id, narrow->readable(o.id).size());
  const auto open = narrow.out();
  ASSERT_EQ(open.size(), 1u);
  EXPECT_EQ(open[0].segment.window, 8000);
}

TEST_P(Lending, WhatWasConsumedIsNotUnreadWhenTheApplicationCloses) {
  arrive("left");
  EXPECT_EQ(solo.events().size(), 1u);
  arrive("new");
  for (const Event& e : solo->events()) solo->consume(e.connection, e.bytes.size());
  solo->close(peer.id);
  solo->settle(solo.now);
  const auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is(kFin | kAck)) << "not RST";
  expect_no_cold_state();
}

TEST_P(Lending, EndOfStreamComesAfterTheLastByte) {
  arrive("all", kAck | kFin);
  auto events = solo.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::data);
  EXPECT_TRUE(solo.events().empty());
  solo->consume(peer.id, 2);
  EXPECT_TRUE(solo.events().empty());
  solo->consume(peer.id, 1);
  events = solo.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::peer_closed);
  solo->consume(peer.id, 1);
  EXPECT_TRUE(solo.events().empty()) << "once";
}

TEST_P(Lending, EndOfStreamComesAfterWhatWasUnread) {
  arrive("left");
  EXPECT_EQ(solo.events().size(), 1u);
  arrive("new", kAck | kFin);
  const auto events = solo->events();
  ASSERT_EQ(events.size(), 1u);
  solo->consume(peer.id, 6);
  EXPECT_EQ(solo->events().size(), 1u);
  solo->consume(peer.id, 1);
  ASSERT_EQ(solo->events().size(), 2u);
  EXPECT_EQ(solo->events()[1].kind, EventKind::peer_closed);
}

TEST_P(Lending, EndOfStreamAloneIsToldAtOnce) {
  arrive("x");
  ASSERT_EQ(solo->events().size(), 1u);
  solo->consume(peer.id, 1);
  solo->settle(solo.now);
  arrive("", kAck | kFin);
  const auto events = solo.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::peer_closed);
}

TEST_P(Lending, AGapIsFilledBehindWhatWasLent) {
  const std::string a = "aaaa", b = "bbbb", c = "cccc";
  const Seq start = peer.theirs;
  const auto at = [&](std::uint32_t offset, const std::string& p) {
    (void)solo.in(peer.tuple, segment(kAck, start + offset, peer.ours, &p));
  };
  at(0, a);
  at(8, c);
  at(4, b);
  std::string seen;
  for (int i = 0; i < 4; ++i) {
    for (const Event& e : solo->events()) {
      if (e.kind != EventKind::data) continue;
      seen += as_string(e.bytes);
      solo->consume(e.connection, e.bytes.size());
    }
    solo->settle(solo.now);
  }
  EXPECT_EQ(seen, "aaaabbbbcccc") << "an application that never asks gets everything";
  expect_no_cold_state();
}

TEST_P(Lending, AGapIsFilledBehindWhatWasLentAndLeft) {
  const std::string a = "aaaa", b = "bbbb", c = "cccc";
  const Seq start = peer.theirs;
  const auto at = [&](std::uint32_t offset, const std::string& p) {
    (void)solo.in(peer.tuple, segment(kAck, start + offset, peer.ours, &p));
  };
  at(0, a);
  at(8, c);
  at(4, b);
  (void)solo->events();
  solo->consume(peer.id, 1);
  solo->settle(solo.now);
  EXPECT_EQ(read_all(), "aaabbbbcccc");
}

TEST_P(Lending, AResetEndsWhatWasLent) {
  arrive("gone");
  EXPECT_EQ(solo.in(peer.tuple, segment(kRst, peer.theirs)), Drop::tcp_reset);
  const auto events = solo->events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(as_string(events[0].bytes), "gone") << "it came before the reset";
  EXPECT_EQ(events[1].kind, EventKind::closed);
  EXPECT_EQ(events[1].reason, CloseReason::reset);
  solo->consume(peer.id, 2);
  solo->settle(solo.now);
  EXPECT_TRUE(readable().empty());
  EXPECT_TRUE(solo.out().empty());
  EXPECT_EQ(inspect(*solo).connections.live(), 0u);
  expect_no_cold_state();
}

TEST_P(Lending, AResetEmptiesEventsThatShowTheUnreadQueue) {
  arrive("old");
  EXPECT_EQ(solo.events().size(), 1u);
  arrive("new");
  EXPECT_EQ(solo.in(peer.tuple, segment(kRst, peer.theirs)), Drop::tcp_reset);
  const auto events = solo->events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_TRUE(events[0].bytes.empty()) << "those blocks may be another connection's already";
  solo->settle(solo.now);
  expect_no_cold_state();
}

TEST_P(Lending, UnreadBytesOutliveTheConnection) {
  arrive("to be read later");
  EXPECT_EQ(solo.events().size(), 1u);
  solo->shutdown(peer.id);
  (void)solo.out();
  peer.ours += 1;
  arrive("", kAck | kFin);
  EXPECT_EQ(solo.out().size(), 1u) << "the FIN is acknowledged though nothing was read";
  EXPECT_TRUE(solo.events().empty());
  EXPECT_EQ(solo->states().of(State::time_wait), 1u);
  EXPECT_EQ(solo->states().of(State::closed), 1u);
  ASSERT_TRUE(solo->status(peer.id).has_value());
  EXPECT_EQ(solo->status(peer.id)->state, State::closed);
  EXPECT_EQ(solo->send(peer.id, as_bytes("no"), Lifetime::fixed), 0u);
  EXPECT_EQ(read_all(), "to be read later");
  const auto events = solo.events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, EventKind::peer_closed);
  EXPECT_EQ(events[1].kind, EventKind::closed);
  EXPECT_EQ(events[1].reason, CloseReason::graceful);
  EXPECT_EQ(solo->states().of(State::closed), 0u);
  EXPECT_FALSE(solo->status(peer.id).has_value());
  EXPECT_EQ(inspect(*solo).connections.live(), 0u);
  expect_no_cold_state();
}

TEST_P(Lending, UnreadBytesOfAConnectionThatIsOverMayBeGivenUp) {
  for (const bool by_abort : {false, true}) {
    const Solo::Opened p = solo.accept(by_abort ? 1 : 2);
    const std::string payload = "never read";
    EXPECT_EQ(solo.in(p.tuple, segment(kAck | kFin, p.theirs, p.ours, &payload)), Drop::none);
    (void)solo.events();
    solo->shutdown(p.id);
    (void)solo.out();
    EXPECT_EQ(solo.in(p.tuple, segment(kAck, p.theirs + 11, p.ours + 1)), Drop::none);
    EXPECT_TRUE(solo.events().empty());
    EXPECT_EQ(solo->states().of(State::closed), 1u);
    by_abort ? solo->abort(p.id) : solo->close(p.id);
    const auto events = solo.events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].reason, by_abort ? CloseReason::aborted : CloseReason::graceful);
    EXPECT_TRUE(solo.out().empty());
  }
  EXPECT_EQ(inspect(*solo).connections.live(), 1u);
  expect_no_cold_state();
}

TEST_P(Lending, NothingIsShownAfterTheApplicationClosed) {
  arrive("one.");
  arrive("two.");
  const auto events = solo->events();
  ASSERT_EQ(events.size(), 2u);
  solo->close(peer.id);
  EXPECT_TRUE(events[1].bytes.empty());
  solo->settle(solo.now);
  const auto later = solo.events();
  ASSERT_EQ(later.size(), 1u);
  EXPECT_EQ(later[0].reason, CloseReason::unread_data);
}

TEST_P(Lending, AnyPatternOfTakingGivesTheStreamOnce) {
  std::mt19937 random(7);
  std::string sent, got;
  for (int round = 0; round < 400; ++round) {
    for (unsigned i = random() % 4; i != 0; --i) {
      std::string piece(1 + random() % 900, ' ');
      for (char& ch : piece) ch = static_cast<char>('a' + random() % 26);
      sent += piece;
      // The payload must live until settle().
      held.push_back(piece);
      EXPECT_EQ(solo.in(peer.tuple, segment(kAck, peer.theirs, peer.ours, &held.back())),
                Drop::none);
      peer.theirs += static_cast<std::uint32_t>(piece.size());
    }
    for (const Event& e : solo->events()) {
      ASSERT_EQ(e.kind, EventKind::data);
      // What an event shows is next in the stream only if all before it was taken.
      const std::size_t n = random() % 3 == 0 ? random() % 500 : ~std::size_t{0};
      for (std::size_t left = n; left != 0 && !solo->readable(peer.id).empty();) {
        const auto bytes = solo->readable(peer.id);
        const std::size_t taken = std::min(left, bytes.size());
        got += as_string(bytes.first(taken));
        solo->consume(peer.id, taken);
        left -= taken;
      }
    }
    solo->settle(solo.now);
    for (std::string& h : held) h.assign(h.size(), '#');
    held.clear();
    (void)solo.out();
    solo.pass(1ms);
  }
  got += read_all();
  EXPECT_TRUE(got == sent);
  expect_no_cold_state();
}

}  // namespace
}  // namespace millrace::tcp::test
