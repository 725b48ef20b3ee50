// SPDX-License-Identifier: BSD-3-Clause
//
// What TIME-WAIT answers, row by row (RFC 9293 §3.10.7.4, RFC 1337, RFC 6191, RFC 7323), how our
// own opens reuse tuples, and what happens when the store is full or 2MSL is 0.
#include "tcp/endpoint/time_wait_rules.h"

#include <gtest/gtest.h>

#include "tcp/endpoint/inspect.h"
#include "tests/tcp/endpoint/harness.h"

namespace millrace::tcp::test {
namespace {

constexpr Seq kSndNxt{50'000}, kRcvNxt{90'000};

TimeWaitState plain() {
  TimeWaitState s;
  s.snd_nxt = kSndNxt;
  s.rcv_nxt = kRcvNxt;
  s.window = 1000;
  return s;
}
TimeWaitState stamped() {
  TimeWaitState s = plain();
  s.flags = TimeWaitState::kTimestamps;
  s.ts_recent = 700;
  return s;
}

struct Row {
  const char* name;
  SegmentIn segment;
  Drop drop;
  bool answer, restart, reopen;
};

TEST(TimeWaitRules, WithoutTimestamps) {
  const std::string data = "data";
  const Row rows[] = {
      {"RST at RCV.NXT", segment(kRst, kRcvNxt), Drop::tcp_time_wait_rst, false, false, false},
      {"RST anywhere", segment(kRst | kAck, kRcvNxt + 9, kSndNxt), Drop::tcp_time_wait_rst, false,
       false, false},
      {"FIN again", segment(kFin | kAck, kRcvNxt - 1, kSndNxt), Drop::none, true, true, false},
      {"FIN again, before ours came", segment(kFin | kAck, kRcvNxt - 1, kSndNxt - 1), Drop::none,
       true, true, false},
      {"FIN again with data", segment(kFin | kAck, kRcvNxt - 5, kSndNxt, &data), Drop::none, true,
       true, false},
      {"FIN of unsent data", segment(kFin | kAck, kRcvNxt - 1, kSndNxt + 1),
       Drop::tcp_time_wait_old, true, false, false},
      {"another FIN", segment(kFin | kAck, kRcvNxt - 2, kSndNxt), Drop::tcp_time_wait_old, true,
       false, false},
      {"old data", segment(kAck, kRcvNxt - 4, kSndNxt, &data), Drop::tcp_time_wait_old, true, false,
       false},
      {"data after FIN", segment(kAck, kRcvNxt, kSndNxt, &data), Drop::tcp_data_after_fin, false,
       false, false},
      {"the ACK of our FIN", segment(kAck, kRcvNxt, kSndNxt), Drop::none, false, false, false},
      {"ACK of unsent data", segment(kAck, kRcvNxt, kSndNxt + 1), Drop::tcp_bad_ack, true, false,
       false},
      {"old ACK", segment(kAck, kRcvNxt - 1, kSndNxt), Drop::tcp_time_wait_old, true, false, false},
      {"ACK beyond the window", segment(kAck, kRcvNxt + 1000, kSndNxt), Drop::tcp_time_wait_old,
       true, false, false},
      {"nothing", segment(0, kRcvNxt), Drop::tcp_no_ack, false, false, false},
      {"SYN at RCV.NXT", segment(kSyn, kRcvNxt), Drop::none, false, false, true},
      {"SYN far ahead", segment(kSyn, kRcvNxt + 1'000'000), Drop::none, false, false, true},
      {"SYN behind", segment(kSyn, kRcvNxt - 1), Drop::tcp_time_wait_old, true, false, false},
      {"SYN with timestamp, behind", with_timestamps(segment(kSyn, kRcvNxt - 1), 9),
       Drop::tcp_time_wait_old, true, false, false},
      {"SYN ACK", segment(kSyn | kAck, kRcvNxt + 5, kSndNxt), Drop::tcp_syn_challenged, true, false,
       false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const TimeWaitVerdict v = judge_time_wait(plain(), row.segment);
    EXPECT_EQ(name_of(v.drop), name_of(row.drop));
    EXPECT_EQ(v.answer, row.answer);
    EXPECT_EQ(v.restart, row.restart);
    EXPECT_EQ(v.reopen, row.reopen);
    EXPECT_FALSE(v.newer_timestamp);
  }
}

TEST(TimeWaitRules, WithTimestamps) {
  const auto at = [](std::uint8_t flags, Seq seq, std::uint32_t tsval) {
    return with_timestamps(segment(flags, seq, kSndNxt), tsval);
  };
  const Row rows[] = {
      {"SYN newer by timestamp", at(kSyn, kRcvNxt - 500, 701), Drop::none, false, false, true},
      {"SYN older by timestamp", at(kSyn, kRcvNxt + 500, 699), Drop::tcp_time_wait_old, true, false,
       false},
      {"SYN equal, sequence newer", at(kSyn, kRcvNxt, 700), Drop::none, false, false, true},
      {"SYN equal, sequence older", at(kSyn, kRcvNxt - 1, 700), Drop::tcp_time_wait_old, true,
       false, false},
      {"SYN without, sequence newer", segment(kSyn, kRcvNxt), Drop::none, false, false, true},
      {"SYN without, sequence older", segment(kSyn, kRcvNxt - 1), Drop::tcp_time_wait_old, true,
       false, false},
      {"FIN again", at(kFin | kAck, kRcvNxt - 1, 705), Drop::none, true, true, false},
      {"FIN older", at(kFin | kAck, kRcvNxt - 1, 600), Drop::tcp_paws, true, false, false},
      {"ACK without", segment(kAck, kRcvNxt, kSndNxt), Drop::tcp_missing_timestamp, false, false,
       false},
      {"RST without", segment(kRst, kRcvNxt), Drop::tcp_time_wait_rst, false, false, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const TimeWaitVerdict v = judge_time_wait(stamped(), row.segment);
    EXPECT_EQ(name_of(v.drop), name_of(row.drop));
    EXPECT_EQ(v.answer, row.answer);
    EXPECT_EQ(v.restart, row.restart);
    EXPECT_EQ(v.reopen, row.reopen);
    EXPECT_EQ(v.newer_timestamp, row.restart) << "TS.Recent moves only on acceptable segments";
  }
  // 2^31 apart is where "newer" turns.
  EXPECT_TRUE(judge_time_wait(stamped(), at(kSyn, kRcvNxt - 1, 700U + 0x7fff'ffff)).reopen);
  EXPECT_FALSE(judge_time_wait(stamped(), at(kSyn, kRcvNxt - 1, 700U + 0x8000'0001)).reopen);
}

TEST(TimeWaitRules, TheWindowIsScaled) {  // RFC 7323 §2.3
  const SegmentIn last = segment(kAck, kRcvNxt + 7999, kSndNxt);
  EXPECT_EQ(judge_time_wait(plain(), last).drop, Drop::tcp_time_wait_old);
  EXPECT_EQ(judge_time_wait(plain(), last, 3).drop, Drop::none);
  const SegmentIn beyond = segment(kAck, kRcvNxt + 8000, kSndNxt);
  EXPECT_EQ(judge_time_wait(plain(), beyond, 3).drop, Drop::tcp_time_wait_old);
}

TEST(TimeWaitRules, OnlyWhatCouldGoRoundForEverIsLimited) {
  const std::string data = "data";
  EXPECT_TRUE(judge_time_wait(plain(), segment(kAck, kRcvNxt - 1, kSndNxt)).limited);
  EXPECT_TRUE(judge_time_wait(plain(), segment(kAck, kRcvNxt, kSndNxt + 1)).limited);
  EXPECT_FALSE(judge_time_wait(plain(), segment(kAck, kRcvNxt - 4, kSndNxt, &data)).limited);
  EXPECT_FALSE(judge_time_wait(plain(), segment(kFin | kAck, kRcvNxt - 1, kSndNxt)).limited);
  EXPECT_FALSE(judge_time_wait(plain(), segment(kSyn, kRcvNxt - 1)).limited);
}

class TimeWaitEndpoint : public testing::TestWithParam<bool> {
 protected:
  Solo make(EndpointConfig config = small_config()) {
    Solo solo(GetParam(), config);
    EXPECT_TRUE(solo->listen({.port = kPort}).ok());
    return solo;
  }
};
INSTANTIATE_TEST_SUITE_P(Families, TimeWaitEndpoint, testing::Values(false, true), family_name);

TEST_P(TimeWaitEndpoint, ARepeatedFinIsAnsweredAndRestarts) {
  Solo solo = make();
  solo.timestamps = true;
  const Solo::Opened o = solo.accept_and_close();
  EXPECT_EQ(solo->states().of(State::time_wait), 1u);
  EXPECT_EQ(live_connections(*solo), 0u);
  solo.pass(59s);
  (void)solo.events();
  EXPECT_EQ(solo.in(o.tuple, with_timestamps(segment(kFin | kAck, o.theirs - 1, o.ours), 9000)),
            Drop::none);
  const auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is(kAck));
  EXPECT_EQ(sent[0].segment.seq, o.ours);
  EXPECT_EQ(sent[0].segment.ack, o.theirs);
  EXPECT_TRUE(sent[0].segment.options.has_timestamps());
  EXPECT_EQ(sent[0].segment.options.tsecr, 9000u);
  EXPECT_EQ(solo->counters().TimeWaitRestarted, 1u);
  solo.pass(59s);
  (void)solo.events();
  EXPECT_EQ(solo->states().of(State::time_wait), 1u);
  solo.pass(2s);
  (void)solo.events();
  EXPECT_EQ(solo->states().of(State::time_wait), 0u);
  EXPECT_EQ(inspect(*solo).index.size(), 0u);
}

// The entry kept the window as our header had it, and judged by that as if it were octets.
TEST_P(TimeWaitEndpoint, RemembersThatItsWindowWasScaled) {
  EndpointConfig config = small_config();
  config.profiles[0].receive_buffer = 262'144;
  Solo wide(GetParam(), config);
  ASSERT_TRUE(wide->listen({.port = kPort}).ok());
  const FourTuple t = wide.tuple();
  SegmentIn syn = segment(kSyn, Seq{1000});
  syn.options.has |= Options::kWindowScale;
  EXPECT_EQ(wide.in(t, syn), Drop::none);
  const auto answer = wide.out();
  ASSERT_EQ(answer.size(), 1u);
  const Seq ours = answer[0].segment.seq + 1;
  EXPECT_EQ(wide.in(t, segment(kAck, Seq{1001}, ours)), Drop::none);
  for (const Record& r : wide.events()) wide->close(r.id);
  (void)wide.out();
  EXPECT_EQ(wide.in(t, segment(kFin | kAck, Seq{1001}, ours + 1)), Drop::none);
  (void)wide.events();
  (void)wide.out();
  EXPECT_EQ(wide->states().of(State::time_wait), 1u);
  EXPECT_EQ(wide.in(t, segment(kAck, Seq{1002 + 200'000}, ours + 1)), Drop::none);
  EXPECT_TRUE(wide.out().empty());
}

TEST_P(TimeWaitEndpoint, AResetDoesNotAssassinate) {
  Solo solo = make();
  const Solo::Opened o = solo.accept_and_close();
  EXPECT_EQ(solo.in(o.tuple, segment(kRst, o.theirs)), Drop::tcp_time_wait_rst);
  EXPECT_TRUE(solo.out().empty());
  EXPECT_EQ(solo->states().of(State::time_wait), 1u);
}

TEST_P(TimeWaitEndpoint, AnOldSynIsAcknowledgedAndDoesNotShorten) {
  Solo solo = make();
  const Solo::Opened o = solo.accept_and_close();
  solo.pass(30s);
  EXPECT_EQ(solo.in(o.tuple, segment(kSyn, o.theirs - 100)), Drop::tcp_time_wait_old);
  const auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is(kAck));
  EXPECT_EQ(sent[0].segment.ack, o.theirs);
  solo.pass(29s);
  (void)solo.events();
  EXPECT_EQ(solo->states().of(State::time_wait), 1u);
  solo.pass(2s);
  (void)solo.events();
  EXPECT_EQ(solo->states().of(State::time_wait), 0u);
}

TEST_P(TimeWaitEndpoint, ANewerSynReopensBeyondTheOldNumbers) {
  Solo solo = make();
  const Solo::Opened o = solo.accept_and_close();
  const Seq isn = o.theirs + 10;
  EXPECT_EQ(solo.in(o.tuple, segment(kSyn, isn)), Drop::none);
  const auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  ASSERT_TRUE(sent[0].is(kSyn | kAck));
  EXPECT_TRUE(after(sent[0].segment.seq, o.ours));
  EXPECT_EQ(solo->states().of(State::time_wait), 0u);
  EXPECT_EQ(solo->states().of(State::syn_received), 1u);
  EXPECT_EQ(solo->counters().TWRecycled, 1u);
  EXPECT_EQ(inspect(*solo).time_wait.size(), 0u);
  EXPECT_EQ(solo.in(o.tuple, segment(kAck, isn + 1, sent[0].segment.seq + 1)), Drop::none);
  EXPECT_EQ(solo->states().of(State::established), 1u);
  EXPECT_EQ(inspect(*solo).index.size(), 1u);
}

TEST_P(TimeWaitEndpoint, ANewerSynThatNobodyCanTakeLeavesTheEntry) {
  Solo solo(GetParam());
  const ListenerId listener = solo->listen({.port = kPort, .backlog = 1}).value();
  const Solo::Opened o = solo.accept_and_close();
  EXPECT_EQ(solo.in(solo.tuple(9), segment(kSyn, Seq{5})), Drop::none);
  EXPECT_EQ(solo.in(o.tuple, segment(kSyn, o.theirs)), Drop::tcp_listen_overflow);
  EXPECT_EQ(solo->states().of(State::time_wait), 1u);
  (void)solo.out();
  solo->stop_listening(listener);
  EXPECT_EQ(solo.in(o.tuple, segment(kSyn, o.theirs)), Drop::tcp_time_wait_old);
  const auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is(kAck));
  EXPECT_EQ(solo->states().of(State::time_wait), 1u);
}

TEST_P(TimeWaitEndpoint, TwoConfusedEndsDoNotTalkForEver) {
  Solo solo = make();
  const Solo::Opened o = solo.accept_and_close();
  std::size_t answers = 0;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(solo.in(o.tuple, segment(kAck, o.theirs + 5'000'000, o.ours)),
              Drop::tcp_time_wait_old);
    answers += solo.out().size();
    solo.pass(1ms);
  }
  EXPECT_EQ(answers, 2u);
  EXPECT_EQ(solo->counters().TCPACKSkippedTimeWait, 998u);
}

TEST_P(TimeWaitEndpoint, ZeroSkipsTheStateAndSaysSo) {
  EndpointConfig config = small_config();
  config.profiles[0].two_msl = 0s;
  Solo solo = make(config);
  const Solo::Opened o = solo.accept_and_close();
  EXPECT_EQ(solo->states().of(State::time_wait), 0u);
  EXPECT_EQ(solo->counters().TimeWaitSkipped, 1u);
  EXPECT_EQ(solo->counters().TimeWaitEntered, 0u);
  EXPECT_EQ(inspect(*solo).index.size(), 0u);
  EXPECT_EQ(inspect(*solo).connections.live(), 0u);
  EXPECT_EQ(solo.in(o.tuple, segment(kFin | kAck, o.theirs - 1, o.ours)),
            Drop::tcp_listen_bad_flags);
}

/// Fills a store for four and closes a fifth.
class FullStore : public TimeWaitEndpoint {
 protected:
  Solo fill(TimeWaitOverflow policy) {
    EndpointConfig config = small_config();
    config.max_time_wait = 4;
    config.time_wait_overflow = policy;
    config.profiles[0].ttl = 31;
    config.profiles[0].dscp = 46;
    Solo solo = make(config);
    for (std::uint16_t port = 1; inspect(*solo).time_wait.size() < 4; ++port) {
      opened.push_back(solo.accept_and_close(port));
      solo.pass(10ms);
    }
    return solo;
  }
  std::vector<Solo::Opened> opened;
};
INSTANTIATE_TEST_SUITE_P(Families, FullStore, testing::Values(false, true), family_name);

TEST_P(FullStore, RecycleOldest) {
  Solo solo = fill(TimeWaitOverflow::recycle_oldest);
  const Solo::Opened o = solo.accept_and_close(99);
  EXPECT_EQ(solo->counters().TCPTimeWaitOverflow, 1u);
  EXPECT_EQ(solo->states().of(State::time_wait), 4u);
  EXPECT_EQ(inspect(*solo).index.size(), 4u);
  EXPECT_EQ(solo.in(o.tuple, segment(kRst, o.theirs)), Drop::tcp_time_wait_rst);
  EXPECT_EQ(solo.in(opened[0].tuple, segment(kRst, opened[0].theirs)), Drop::tcp_no_connection_rst);
  EXPECT_EQ(solo.in(opened[1].tuple, segment(kRst, opened[1].theirs)), Drop::tcp_time_wait_rst);
}

TEST_P(FullStore, Reset) {
  Solo solo = fill(TimeWaitOverflow::reset);
  Solo::Opened o = solo.accept(99);
  solo->close(o.id);
  (void)solo.out();
  EXPECT_EQ(solo.in(o.tuple, segment(kFin | kAck, o.theirs, o.ours + 1)), Drop::none);
  const auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is(kRst | kAck));
  EXPECT_EQ(sent[0].segment.seq, o.ours + 1);
  EXPECT_EQ(sent[0].segment.ack, o.theirs + 1);
  EXPECT_EQ(sent[0].segment.ttl, 31) << "as all segments of its connection";
  EXPECT_EQ(sent[0].segment.dscp, 46);
  const auto events = solo.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, CloseReason::graceful);
  EXPECT_EQ(solo->counters().TCPTimeWaitOverflow, 1u);
  EXPECT_EQ(solo->states().of(State::time_wait), 4u);
  EXPECT_EQ(inspect(*solo).connections.live(), 0u);
}

TEST_P(FullStore, RefuseKeepsTheTupleBusyInItsObject) {
  Solo solo = fill(TimeWaitOverflow::refuse);
  const Solo::Opened o = solo.accept_and_close(99);
  EXPECT_EQ(solo->counters().TCPTimeWaitOverflow, 1u);
  EXPECT_EQ(solo->states().of(State::time_wait), 5u);
  EXPECT_EQ(inspect(*solo).connections.live(), 1u);
  EXPECT_FALSE(solo->status(o.id).has_value()) << "its closed event was shown";
  EXPECT_EQ(solo.in(o.tuple, segment(kRst, o.theirs)), Drop::tcp_time_wait_rst);
  EXPECT_EQ(solo.in(o.tuple, segment(kSyn, o.theirs + 5)), Drop::tcp_time_wait_old);
  EXPECT_EQ(solo.out().size(), 1u);
  solo.pass(30s);
  EXPECT_EQ(solo.in(o.tuple, segment(kFin | kAck, o.theirs - 1, o.ours)), Drop::none);
  EXPECT_EQ(solo.out().size(), 1u);
  solo.pass(59s);
  (void)solo.events();
  EXPECT_EQ(solo->states().of(State::time_wait), 1u) << "2MSL began anew";
  solo.pass(2s);
  EXPECT_TRUE(solo.events().empty());
  EXPECT_EQ(solo->states().of(State::time_wait), 0u);
  EXPECT_EQ(inspect(*solo).connections.live(), 0u);
  EXPECT_EQ(inspect(*solo).index.size(), 0u);
  EXPECT_EQ(inspect(*solo).wheel.armed(), 0u);
}

/// An active open towards a tuple of ours that is in TIME_WAIT.
class Reuse : public testing::TestWithParam<bool> {
 protected:
  void make(TimeWaitReuse policy, bool timestamps = true) {
    EndpointConfig client = small_config();
    client.time_wait_reuse = policy;
    client.profiles[0].timestamps = timestamps;
    net = std::make_unique<Pair>(GetParam(), client);
    (void)net->listen();
    const OpenResult first = net->connect(0, kLocalPort);
    ASSERT_EQ(first.error, OpenError::none);
    net->exchange();
    old_snd_nxt = inspect(*net->client).connections[first.connection.index].snd_nxt + 1;
    net->client->close(first.connection);
    net->exchange();
    net->server->close(net->server.of(EventKind::accepted).at(0).id);
    net->exchange();
    ASSERT_EQ(net->client->states().of(State::time_wait), 1u);
  }
  /// Opens again and says how the ISN lies to the old SND.NXT.
  OpenError again() {
    const OpenResult result = net->connect(0, kLocalPort);
    if (result.error != OpenError::none) return result.error;
    iss = inspect(*net->client).connections[result.connection.index].snd_una;
    net->exchange();
    EXPECT_EQ(net->client.count(EventKind::connected), 2u);
    EXPECT_EQ(net->client->states().of(State::time_wait), 0u);
    EXPECT_EQ(net->client->counters().TWRecycled, 1u);
    return OpenError::none;
  }
  static constexpr std::uint16_t kLocalPort = 7000;
  std::unique_ptr<Pair> net;
  Seq old_snd_nxt, iss;
};
INSTANTIATE_TEST_SUITE_P(Families, Reuse, testing::Values(false, true), family_name);

TEST_P(Reuse, NoneWaitsItOut) {
  make(TimeWaitReuse::none);
  net->run_for(59s);
  EXPECT_EQ(again(), OpenError::time_wait);
  net->run_for(2s);
  EXPECT_EQ(net->connect(0, kLocalPort).error, OpenError::none);
}

TEST_P(Reuse, TimestampAfterASecond) {
  make(TimeWaitReuse::timestamp);
  net->run_for(900ms);
  EXPECT_EQ(again(), OpenError::time_wait);
  net->run_for(200ms);
  EXPECT_EQ(again(), OpenError::none);
  EXPECT_TRUE(after(iss, old_snd_nxt));
}

TEST_P(Reuse, TimestampNeedsTimestamps) {
  make(TimeWaitReuse::timestamp, false);
  net->run_for(5s);
  EXPECT_EQ(again(), OpenError::time_wait);
}

TEST_P(Reuse, SequenceIsBeyond) {
  make(TimeWaitReuse::sequence, false);
  EXPECT_EQ(again(), OpenError::none);
  EXPECT_TRUE(after(iss, old_snd_nxt));
}

TEST_P(Reuse, TheOnePortThatMayBeReusedIsFoundAmongThoseInUse) {
  EndpointConfig config = small_config();
  config.first_port = 2000;
  config.last_port = 2004;
  config.time_wait_reuse = TimeWaitReuse::sequence;
  Pair few(GetParam(), config);
  (void)few.listen();
  std::vector<Pair::Ends> ends;
  for (int i = 0; i < 5; ++i) ends.push_back(few.open());
  for (std::size_t i = 0; i < 5; ++i) {
    few.client->close(ends[i].client);
    few.exchange();
    few.server->close(ends[i].server);
    few.exchange();
    ASSERT_EQ(few.client->states().of(State::time_wait), 1u);
    EXPECT_EQ(few.connect().error, OpenError::none);
    few.exchange();
    EXPECT_EQ(few.client->states().of(State::time_wait), 0u);
    EXPECT_EQ(few.client->states().of(State::established), 5u);
    EXPECT_EQ(inspect(*few.client).index.size(), 5u);
    EXPECT_EQ(inspect(*few.client).time_wait.size(), 0u);
  }
}

TEST_P(Reuse, ImmediateTakesAnOrdinaryNumber) {
  make(TimeWaitReuse::immediate, false);
  const FourTuple tuple{net->client.address, net->server.address, kLocalPort, kPort};
  const Seq ordinary = flow_numbers(small_config().secrets.numbers, tuple, net->now).isn;
  EXPECT_EQ(again(), OpenError::none);
  EXPECT_EQ(iss, ordinary);
}

}  // namespace
}  // namespace millrace::tcp::test
