// SPDX-License-Identifier: BSD-3-Clause
//
// LISTEN, SYN-RECEIVED and closed ports, segment by segment (RFC 9293 §3.10.7.1, §3.10.7.2,
// §3.10.7.4; RFC 5961), and the bounds: backlog, table, rate.
#include <gtest/gtest.h>

#include "tcp/endpoint/inspect.h"
#include "tests/tcp/endpoint/harness.h"

namespace millrace::tcp::test {
namespace {

constexpr Seq kIsn{1000};

class Listen : public testing::TestWithParam<bool> {
 protected:
  ListenerId listen(std::uint32_t backlog = 64, Address local = {}, std::uint16_t port = kPort) {
    auto result = solo->listen({.local = local, .port = port, .backlog = backlog});
    EXPECT_TRUE(result.ok());
    return result.value();
  }
  /// Sends a SYN and returns the sequence number of the SYN-ACK.
  Seq half_open(const FourTuple& t) {
    EXPECT_EQ(solo.in(t, segment(kSyn, kIsn)), Drop::none);
    const auto sent = solo.out();
    EXPECT_EQ(sent.size(), 1u);
    return sent.empty() ? Seq{} : sent[0].segment.seq;
  }
  void expect_ack(const FourTuple& t, Seq seq, Seq ack) {
    const auto sent = solo.out();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(sent[0].is(kAck));
    EXPECT_EQ(sent[0].segment.seq, seq);
    EXPECT_EQ(sent[0].segment.ack, ack);
    EXPECT_EQ(sent[0].segment.tuple, t);
  }
  [[nodiscard]] std::uint64_t half_open_count() {
    EXPECT_EQ(inspect(*solo).half_open.size(), solo->states().of(State::syn_received));
    return solo->states().of(State::syn_received);
  }

  /// What is full is silent here; with cookies: cookie_open_test.cpp.
  static EndpointConfig without_cookies() {
    EndpointConfig config = small_config();
    config.profiles[0].syn_cookies = SynCookieUse::never;
    return config;
  }
  Solo solo{GetParam(), without_cookies()};
};
INSTANTIATE_TEST_SUITE_P(Families, Listen, testing::Values(false, true), family_name);

TEST_P(Listen, ClosedPortsAnswerWithReset) {
  const FourTuple t = solo.tuple();
  const std::string payload = "abc";
  EXPECT_EQ(solo.in(t, segment(kSyn, kIsn, {}, &payload)), Drop::tcp_no_connection);
  auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is(kRst | kAck));
  EXPECT_EQ(sent[0].segment.seq, Seq{0});
  EXPECT_EQ(sent[0].segment.ack, kIsn + 4);
  EXPECT_EQ(sent[0].segment.tuple, t);
  EXPECT_EQ(sent[0].segment.options.has, 0);

  EXPECT_EQ(solo.in(t, segment(kAck | kFin, kIsn, Seq{777})), Drop::tcp_no_connection);
  sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is(kRst));
  EXPECT_EQ(sent[0].segment.seq, Seq{777});

  EXPECT_EQ(solo.in(t, segment(kRst, kIsn)), Drop::tcp_no_connection_rst);
  EXPECT_EQ(solo.in(t, segment(kRst | kAck, kIsn, Seq{5})), Drop::tcp_no_connection_rst);
  EXPECT_TRUE(solo.out().empty());
  EXPECT_EQ(solo->counters().OutRsts, 2u);
  EXPECT_EQ(solo->counters().InSegs, 4u);
}

TEST_P(Listen, AListenerTakesSynAlone) {
  (void)listen();
  const FourTuple t = solo.tuple();
  EXPECT_EQ(solo.in(t, segment(kRst, kIsn)), Drop::tcp_no_connection_rst);
  EXPECT_TRUE(solo.out().empty());
  EXPECT_EQ(solo.in(t, segment(kFin, kIsn)), Drop::tcp_listen_bad_flags);
  EXPECT_EQ(solo.in(t, segment(0, kIsn)), Drop::tcp_listen_bad_flags);
  EXPECT_TRUE(solo.out().empty());
  EXPECT_EQ(solo.in(t, segment(kSyn | kAck, kIsn, Seq{9})), Drop::tcp_listen_bad_flags);
  const auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is(kRst));
  EXPECT_EQ(sent[0].segment.seq, Seq{9});
  EXPECT_EQ(half_open_count(), 0u);
}

TEST_P(Listen, SynAckOffersWhatTheSynOffered) {
  (void)listen();
  SegmentIn syn = segment(kSyn, kIsn);
  EXPECT_EQ(solo.in(solo.tuple(1), syn), Drop::none);
  auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is(kSyn | kAck));
  EXPECT_EQ(sent[0].segment.ack, kIsn + 1);
  EXPECT_EQ(sent[0].segment.options.has, Options::kMss);
  EXPECT_EQ(sent[0].segment.options.mss, GetParam() ? 1440 : 1460);

  syn.options.has = Options::kMss | Options::kWindowScale | Options::kSackPermitted;
  syn.options.mss = 1400;
  EXPECT_EQ(solo.in(solo.tuple(2), with_timestamps(syn, 4711)), Drop::none);
  sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].segment.options.has,
            Options::kMss | Options::kWindowScale | Options::kSackPermitted | Options::kTimestamps);
  EXPECT_EQ(sent[0].segment.options.tsecr, 4711u);
  EXPECT_EQ(half_open_count(), 2u);
}

TEST_P(Listen, DataAndFinOfTheThirdSegmentAreNotLost) {
  (void)listen();
  const FourTuple t = solo.tuple();
  const Seq iss = half_open(t);
  const std::string payload = "at once";
  EXPECT_EQ(solo.in(t, segment(kAck | kFin, kIsn + 1, iss + 1, &payload)), Drop::none);
  for (const Event& e : solo->events()) {
    if (e.kind != EventKind::data) continue;
    EXPECT_EQ(as_string(e.bytes), payload);
    solo->consume(e.connection, e.bytes.size());
  }
  solo->settle(solo.now);
  const auto later = solo.events();
  ASSERT_EQ(later.size(), 1u);
  EXPECT_EQ(later[0].kind, EventKind::peer_closed);
  EXPECT_EQ(solo->states().of(State::close_wait), 1u);
  expect_ack(t, iss + 1, kIsn + 1 + 8);
}

TEST_P(Listen, DataInSynAreLeftToTheNextSegment) {
  (void)listen();
  const std::string payload = "early";
  const FourTuple t = solo.tuple();
  EXPECT_EQ(solo.in(t, segment(kSyn, kIsn, {}, &payload)), Drop::none);
  const auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].segment.ack, kIsn + 1);
}

TEST_P(Listen, ARepeatedSynIsAnsweredAgainButNotOften) {
  (void)listen();
  const FourTuple t = solo.tuple();
  const Seq iss = half_open(t);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(solo.in(t, segment(kSyn, kIsn)), Drop::tcp_half_open_duplicate);
  }
  const auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is(kSyn | kAck));
  EXPECT_EQ(sent[0].segment.seq, iss);
  solo.pass(501ms);
  EXPECT_EQ(solo.in(t, segment(kSyn, kIsn)), Drop::tcp_half_open_duplicate);
  EXPECT_EQ(solo.out().size(), 1u);
  EXPECT_EQ(half_open_count(), 1u);
}

TEST_P(Listen, AnotherSynIsChallenged) {
  (void)listen();
  const FourTuple t = solo.tuple();
  const Seq iss = half_open(t);
  EXPECT_EQ(solo.in(t, segment(kSyn, kIsn + 5)), Drop::tcp_syn_challenged);
  expect_ack(t, iss + 1, kIsn + 1);
  solo.pass(1s);
  EXPECT_EQ(solo.in(t, segment(kSyn, kIsn - 500)), Drop::tcp_out_of_window);
  expect_ack(t, iss + 1, kIsn + 1);
  EXPECT_EQ(half_open_count(), 1u);
  EXPECT_EQ(solo.in(t, segment(kAck, kIsn + 1, iss + 1)), Drop::none);
  EXPECT_EQ(solo->states().of(State::established), 1u);
}

TEST_P(Listen, OnlyAnExactResetIsBelieved) {
  (void)listen();
  const FourTuple t = solo.tuple();
  const Seq iss = half_open(t);
  EXPECT_EQ(solo.in(t, segment(kRst, kIsn + 2)), Drop::tcp_rst_challenged);
  expect_ack(t, iss + 1, kIsn + 1);
  EXPECT_EQ(solo.in(t, segment(kRst, kIsn)), Drop::tcp_out_of_window);
  EXPECT_EQ(solo.in(t, segment(kRst, kIsn + 70'000)), Drop::tcp_out_of_window);
  const std::string text = "reaches into the window";
  EXPECT_EQ(solo.in(t, segment(kRst, kIsn, Seq{}, &text)), Drop::tcp_out_of_window);
  EXPECT_TRUE(solo.out().empty());
  EXPECT_EQ(half_open_count(), 1u);
  EXPECT_EQ(solo.in(t, segment(kRst, kIsn + 1)), Drop::tcp_half_open_reset);
  EXPECT_EQ(half_open_count(), 0u);
  EXPECT_EQ(solo->counters().EmbryonicRsts, 1u);
  EXPECT_TRUE(solo.out().empty());
  EXPECT_TRUE(solo.events().empty()) << "the application never saw it";
}

TEST_P(Listen, AWrongAckIsResetAndTheEntryStays) {
  (void)listen();
  const FourTuple t = solo.tuple();
  const Seq iss = half_open(t);
  for (const Seq ack : {iss, iss + 2, Seq{0}}) {
    EXPECT_EQ(solo.in(t, segment(kAck, kIsn + 1, ack)), Drop::tcp_half_open_bad_ack);
    const auto sent = solo.out();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(sent[0].is(kRst));
    EXPECT_EQ(sent[0].segment.seq, ack);
  }
  EXPECT_EQ(solo.in(t, segment(kFin, kIsn + 1)), Drop::tcp_no_ack);
  EXPECT_EQ(half_open_count(), 1u);
}

TEST_P(Listen, TimestampsGuardTheHalfOpen) {
  (void)listen();
  const FourTuple t = solo.tuple();
  EXPECT_EQ(solo.in(t, with_timestamps(segment(kSyn, kIsn), 100)), Drop::none);
  const Seq iss = solo.out().at(0).segment.seq;
  EXPECT_EQ(solo.in(t, segment(kAck, kIsn + 1, iss + 1)), Drop::tcp_missing_timestamp);
  EXPECT_TRUE(solo.out().empty());
  EXPECT_EQ(solo.in(t, with_timestamps(segment(kAck, kIsn + 1, iss + 1), 99)), Drop::tcp_paws);
  expect_ack(t, iss + 1, kIsn + 1);
  EXPECT_EQ(solo.in(t, with_timestamps(segment(kAck, kIsn + 1, iss + 1), 101)), Drop::none);
  EXPECT_EQ(solo->states().of(State::established), 1u);
}

TEST_P(Listen, BacklogBoundsTheHalfOpen) {
  (void)listen(3);
  for (std::uint16_t port = 1; port <= 3; ++port) {
    EXPECT_EQ(solo.in(solo.tuple(port), segment(kSyn, kIsn)), Drop::none);
  }
  EXPECT_EQ(solo.in(solo.tuple(4), segment(kSyn, kIsn)), Drop::tcp_listen_overflow);
  EXPECT_EQ(solo->counters().ListenOverflows, 1u);
  EXPECT_EQ(solo->counters().ListenDrops, 1u);
  EXPECT_EQ(solo.out().size(), 3u) << "silence, so that the peer tries again";
  EXPECT_EQ(half_open_count(), 3u);
}

TEST_P(Listen, BacklogCountsWhatTheApplicationHasNotSeen) {
  (void)listen(1);
  const FourTuple t = solo.tuple(1);
  const Seq iss = half_open(t);
  EXPECT_EQ(solo.in(t, segment(kAck, kIsn + 1, iss + 1)), Drop::none);
  EXPECT_EQ(solo.in(solo.tuple(2), segment(kSyn, kIsn)), Drop::tcp_listen_overflow);
  (void)solo.events();
  EXPECT_EQ(solo.in(solo.tuple(2), segment(kSyn, kIsn)), Drop::none);
}

TEST_P(Listen, TheTableBoundsAllListeners) {
  (void)listen(10'000);
  std::uint16_t port = 1;
  while (half_open_count() < 256) {
    ASSERT_EQ(solo.in(solo.tuple(port++), segment(kSyn, kIsn)), Drop::none);
  }
  EXPECT_EQ(solo.in(solo.tuple(port), segment(kSyn, kIsn)), Drop::tcp_half_open_full);
  EXPECT_EQ(solo->counters().ListenDrops, 1u);
}

TEST_P(Listen, SynAckIsSentAgainAndGivenUp) {
  (void)listen();
  (void)half_open(solo.tuple());
  std::vector<Duration> intervals;
  Instant last = solo.now;
  for (int i = 0; i < 100 && half_open_count() != 0; ++i) {
    const auto next = solo->next_deadline(solo.now);
    ASSERT_TRUE(next.has_value());
    solo.now = std::max(*next, solo.now + 1ms);
    (void)solo.events();
    for (const Sent& s : solo.out()) {
      EXPECT_TRUE(s.is(kSyn | kAck));
      intervals.push_back(solo.now - last);
      last = solo.now;
    }
  }
  ASSERT_EQ(intervals.size(), 5u);
  Duration expected = 1s;
  for (const Duration d : intervals) {
    EXPECT_GE(d, expected);
    EXPECT_LT(d, expected + 5ms);
    expected *= 2;
  }
  EXPECT_EQ(half_open_count(), 0u);
  EXPECT_EQ(inspect(*solo).index.size(), 0u);
  EXPECT_EQ(solo->counters().TCPSynRetrans, 5u);
  EXPECT_EQ(solo->counters().AttemptFails, 1u);
}

TEST_P(Listen, AddressBeforeWildcard) {
  const Address ours = solo.tuple().local;
  const ListenerId any = listen(64);
  const ListenerId one = listen(64, ours);
  EXPECT_FALSE(solo->listen({.local = ours, .port = kPort}).ok());
  EXPECT_FALSE(solo->listen({.local = {}, .port = kPort}).ok());
  const FourTuple t = solo.tuple();
  const auto accepted_on = [&](const FourTuple& tuple) {
    const Seq iss = half_open(tuple);
    EXPECT_EQ(solo.in(tuple, segment(kAck, kIsn + 1, iss + 1)), Drop::none);
    const auto events = solo.events();
    EXPECT_EQ(events.size(), 1u);
    return events.at(0).listener.index;
  };
  EXPECT_EQ(accepted_on(t), one.index);
  FourTuple other = t;
  other.local = address_of(GetParam(), 77);
  EXPECT_EQ(accepted_on(other), any.index);
}

TEST_P(Listen, StoppingDropsItsHalfOpenAndNoOther) {
  const ListenerId first = listen(64);
  (void)listen(64, {}, 81);
  (void)half_open(solo.tuple(1));
  const Seq iss = half_open(solo.tuple(2, 81));
  solo->stop_listening(first);
  solo->stop_listening(first);
  EXPECT_EQ(half_open_count(), 1u);
  EXPECT_EQ(solo->states().of(State::listen), 1u);
  EXPECT_EQ(solo.in(solo.tuple(3), segment(kSyn, kIsn)), Drop::tcp_no_connection);
  EXPECT_EQ(solo.in(solo.tuple(2, 81), segment(kAck, kIsn + 1, iss + 1)), Drop::none);
  (void)listen(64);
  (void)solo.out();
  (void)half_open(solo.tuple(4));
}

TEST_P(Listen, BesideConnectionsAndTimeWaitOfItsPort) {  // as with SO_REUSEADDR elsewhere
  const ListenerId first = listen(64);
  (void)solo.accept_and_close(1);
  const Solo::Opened living = solo.accept(2);
  solo->stop_listening(first);
  ASSERT_EQ(solo->states().of(State::time_wait), 1u);
  (void)listen(64);
  const Solo::Opened next = solo.accept(3);
  EXPECT_EQ(solo->states().of(State::established), 2u);
  EXPECT_EQ(solo.in(living.tuple, segment(kAck, living.theirs, living.ours)), Drop::none);
  EXPECT_EQ(solo.in(next.tuple, segment(kAck, next.theirs, next.ours)), Drop::none);
}

TEST_P(Listen, NoObjectForTheThirdSegmentKeepsTheEntry) {
  EndpointConfig config = small_config();
  config.max_connections = 1;
  Solo tight(GetParam(), config);
  ASSERT_TRUE(tight->listen({.port = kPort}).ok());
  const Solo::Opened first = tight.accept(1);
  EXPECT_EQ(tight.in(tight.tuple(2), segment(kSyn, kIsn)), Drop::none);
  const Seq iss = tight.out().at(0).segment.seq;
  EXPECT_EQ(tight.in(tight.tuple(2), segment(kAck, kIsn + 1, iss + 1)), Drop::tcp_no_memory);
  EXPECT_EQ(tight->counters().ListenOverflows, 1u);
  EXPECT_EQ(tight->states().of(State::syn_received), 1u);
  tight->abort(first.id);
  (void)tight.out();
  (void)tight.events();
  EXPECT_EQ(tight.in(tight.tuple(2), segment(kAck, kIsn + 1, iss + 1)), Drop::none);
  EXPECT_EQ(tight->states().of(State::established), 1u);
}

TEST_P(Listen, RequestsAreChecked) {
  EXPECT_FALSE(solo->listen({.port = 0}).ok());
  EXPECT_FALSE(solo->listen({.port = 80, .backlog = 0}).ok());
  const auto result = solo->listen({.port = 80, .profile = 3});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::usage);
  EXPECT_NE(result.error().sentence.find("profile 3"), std::string::npos);
}

}  // namespace
}  // namespace millrace::tcp::test
