// SPDX-License-Identifier: BSD-3-Clause
//
// SYN cookies at work (RFC 4987 §3.6): when they are given, what a connection of theirs knows, and
// what floods of SYN and ACK cost.
#include <gtest/gtest.h>

#include "tcp/endpoint/inspect.h"
#include "tests/tcp/endpoint/harness.h"
#include "tests/tcp/endpoint/random.h"

namespace millrace::tcp::test {
namespace {

constexpr Seq kIsn{1000};

EndpointConfig config_with(SynCookieUse use) {
  EndpointConfig config = small_config();
  config.profiles[0].syn_cookies = use;
  return config;
}

class CookieOpen : public testing::TestWithParam<bool> {
 protected:
  void listen(std::uint32_t backlog) {
    ASSERT_TRUE(solo->listen({.local = {}, .port = kPort, .backlog = backlog}).ok());
  }
  /// A listener whose backlog somebody fills who never answers.
  void listen_full() {
    listen(1);
    EXPECT_EQ(solo.in(solo.tuple(60'000), full_syn()), Drop::none);
    EXPECT_EQ(solo.out().size(), 1U);
  }
  /// A SYN with every option, as most clients send it.
  [[nodiscard]] static SegmentIn full_syn(std::uint32_t tsval = 700) {
    SegmentIn syn = with_timestamps(segment(kSyn, kIsn), tsval);
    syn.options.has |= Options::kMss | Options::kWindowScale | Options::kSackPermitted;
    syn.options.mss = 1452;
    syn.options.window_scale = 9;
    return syn;
  }
  [[nodiscard]] Sent answer_to(const FourTuple& t, const SegmentIn& syn) {
    EXPECT_EQ(solo.in(t, syn), Drop::none);
    const auto sent = solo.out();
    EXPECT_EQ(sent.size(), 1U);
    return sent.empty() ? Sent{} : sent.front();
  }
  /// The ACK that completes the handshake which `syn_ack` belongs to.
  [[nodiscard]] static SegmentIn completing(const Sent& syn_ack,
                                            const std::string* payload = nullptr) {
    SegmentIn ack = segment(kAck, kIsn + 1, syn_ack.segment.seq + 1, payload);
    ack.window = 100;
    if (!syn_ack.segment.options.has_timestamps()) return ack;
    return with_timestamps(ack, 701, syn_ack.segment.options.tsval);
  }
  [[nodiscard]] std::uint32_t remembered() { return inspect(*solo).half_open.size(); }

  Solo solo{GetParam(), config_with(SynCookieUse::when_full)};
};
INSTANTIATE_TEST_SUITE_P(Families, CookieOpen, testing::Values(false, true), family_name);

TEST_P(CookieOpen, BeginWhereTheBacklogEnds) {
  listen(3);
  for (std::uint16_t port = 1; port <= 3; ++port) (void)answer_to(solo.tuple(port), full_syn());
  EXPECT_EQ(remembered(), 3U);
  EXPECT_EQ(solo->counters().SyncookiesSent, 0U);
  const Sent cookie = answer_to(solo.tuple(4), full_syn());
  EXPECT_TRUE(cookie.is(kSyn | kAck));
  EXPECT_EQ(cookie.segment.ack, kIsn + 1);
  EXPECT_EQ(remembered(), 3U);
  EXPECT_EQ(solo->counters().SyncookiesSent, 1U);
  EXPECT_EQ(solo->counters().ListenDrops, 0U);
}

TEST_P(CookieOpen, BeginWhereTheTableEnds) {
  listen(10'000);
  std::uint16_t port = 1;
  while (remembered() < 256) (void)answer_to(solo.tuple(port++), full_syn());
  for (int i = 0; i < 1000; ++i) (void)answer_to(solo.tuple(port++), full_syn());
  EXPECT_EQ(remembered(), 256U);
  EXPECT_EQ(solo->counters().SyncookiesSent, 1000U);
}

TEST_P(CookieOpen, TheConnectionKnowsWhatTheSynSaid) {
  listen_full();
  const FourTuple t = solo.tuple();
  const Sent cookie = answer_to(t, full_syn());
  EXPECT_EQ(cookie.segment.options.has,
            Options::kMss | Options::kTimestamps | Options::kWindowScale | Options::kSackPermitted);
  EXPECT_EQ(cookie.segment.options.tsecr, 700U);
  solo.pass(30s);
  (void)solo.events();
  (void)solo.out();  // to the silent one
  const std::string hello = "hello";
  EXPECT_EQ(solo.in(t, completing(cookie, &hello)), Drop::none);
  EXPECT_EQ(solo->counters().SyncookiesRecv, 1U);
  EXPECT_EQ(solo->counters().PassiveOpens, 1U);
  EXPECT_EQ(solo->states().of(State::established), 1U);
  const auto records = solo.events();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].kind, EventKind::accepted);
  EXPECT_EQ(records[1].bytes, hello);
  const auto status = solo->status(records[0].id);
  ASSERT_TRUE(status);
  EXPECT_TRUE(status->timestamps && status->sack && status->window_scaling);
  EXPECT_EQ(status->mss, (GetParam() ? 1440U : 1452U) - 12U);
  EXPECT_EQ(status->snd_wnd_bytes, 100U << 9);
  // Its timestamps go on from the cookie's: RFC 7323 §5.4 has one offset for each flow.
  (void)solo->send(records[0].id, as_bytes(hello), Lifetime::copied);
  const auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].segment.seq, cookie.segment.seq + 1);
  EXPECT_EQ(sent[0].segment.options.tsecr, 701U);
  const std::uint32_t passed_ms = sent[0].segment.options.tsval - cookie.segment.options.tsval;
  EXPECT_GE(passed_ms, 30'000U);
  EXPECT_LT(passed_ms, 30'000U + 64U);
}

TEST_P(CookieOpen, WithoutTimestampsTheMssAlone) {
  listen_full();
  SegmentIn syn = full_syn();
  syn.options.has &= static_cast<std::uint8_t>(~Options::kTimestamps);
  const FourTuple t = solo.tuple();
  const Sent cookie = answer_to(t, syn);
  EXPECT_EQ(cookie.segment.options.has, Options::kMss);
  EXPECT_EQ(solo.in(t, completing(cookie)), Drop::none);
  const auto records = solo.events();
  ASSERT_EQ(records.size(), 1U);
  const auto status = solo->status(records[0].id);
  EXPECT_FALSE(status->timestamps || status->sack || status->window_scaling);
  EXPECT_EQ(status->mss, GetParam() ? 1440U : 1452U);
  EXPECT_EQ(status->snd_wnd_bytes, 100U);
}

TEST_P(CookieOpen, AnswersForAtMost128Seconds) {
  listen_full();
  const FourTuple t = solo.tuple();
  const Sent cookie = answer_to(t, full_syn());
  solo.pass(128s);
  // Others keep cookies outstanding.
  (void)answer_to(solo.tuple(4001), full_syn());
  EXPECT_EQ(solo.in(t, completing(cookie)), Drop::tcp_listen_bad_flags);
  EXPECT_EQ(solo->counters().SyncookiesFailed, 1U);
  const auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_TRUE(sent[0].is(kRst));
}

TEST_P(CookieOpen, ACookieOutlivesTheEntryOfALaterCopy) {
  listen_full();
  const FourTuple t = solo.tuple();
  const Sent cookie = answer_to(t, full_syn());
  EXPECT_EQ(solo.in(solo.tuple(60'000), segment(kRst, kIsn + 1)), Drop::tcp_half_open_reset);
  const Sent kept = answer_to(t, full_syn());  // the SYN once more, and now there is room
  EXPECT_EQ(remembered(), 1U);
  EXPECT_NE(kept.segment.seq, cookie.segment.seq);
  EXPECT_EQ(solo.in(t, completing(cookie)), Drop::none);
  EXPECT_EQ(remembered(), 0U);
  EXPECT_EQ(solo->states().of(State::established), 1U);
  EXPECT_EQ(solo->states().of(State::syn_received), 0U);
  EXPECT_EQ(solo->counters().SyncookiesRecv, 1U);
  EXPECT_TRUE(solo.events().at(0).kind == EventKind::accepted);
}

TEST_P(CookieOpen, AFloodOfAcksOpensNothing) {
  listen_full();
  Random random(7);
  // While no cookie is outstanding they are not even looked at.
  EXPECT_EQ(solo.in(solo.tuple(), segment(kAck, kIsn, kIsn)), Drop::tcp_listen_bad_flags);
  EXPECT_EQ(solo->counters().SyncookiesFailed, 0U);
  (void)solo.out();
  (void)answer_to(solo.tuple(), full_syn());
  for (int i = 0; i < 20'000; ++i) {
    const SegmentIn ack =
        with_timestamps(segment(kAck, Seq(random()), Seq(random())), random(), random());
    (void)solo.in(solo.tuple(static_cast<std::uint16_t>(random() % 50'000)), ack);
    (void)solo.out();
  }
  EXPECT_EQ(solo->counters().SyncookiesFailed, 20'000U);
  EXPECT_EQ(solo->states().of(State::established), 0U);
  EXPECT_TRUE(solo.events().empty());
}

TEST_P(CookieOpen, WithoutRoomForItTheThirdSegmentMayComeAgain) {
  EndpointConfig config = config_with(SynCookieUse::always);
  config.max_connections = 1;
  Solo small{GetParam(), config};
  ASSERT_TRUE(small->listen({.local = {}, .port = kPort}).ok());
  std::vector<Sent> cookies;
  for (std::uint16_t port = 1; port <= 2; ++port) {
    EXPECT_EQ(small.in(small.tuple(port), full_syn()), Drop::none);
    cookies.push_back(small.out().at(0));
  }
  EXPECT_EQ(small.in(small.tuple(1), completing(cookies[0])), Drop::none);
  EXPECT_EQ(small.in(small.tuple(2), completing(cookies[1])), Drop::tcp_no_memory);
  EXPECT_TRUE(small.out().empty());
  EXPECT_EQ(small->counters().SyncookiesRecv, 1U);
  const auto records = small.events();
  ASSERT_EQ(records.size(), 1U);
  small->abort(records[0].id);
  (void)small.out();
  (void)small.events();
  EXPECT_EQ(small.in(small.tuple(2), completing(cookies[1])), Drop::none);
  EXPECT_EQ(small->counters().SyncookiesRecv, 2U);
}

TEST_P(CookieOpen, AlwaysMeansThatNoSynIsKept) {
  Pair pair{GetParam(), small_config(), config_with(SynCookieUse::always)};
  ASSERT_TRUE(pair.server->listen({.local = {}, .port = kPort}).ok());
  for (int i = 0; i < 100; ++i) {
    const Pair::Ends ends = pair.open();
    const std::string text = "through a cookie";
    ASSERT_EQ(pair.client->send(ends.client, as_bytes(text), Lifetime::copied), text.size());
    pair.exchange();
    EXPECT_EQ(pair.server.received(ends.server), text);
  }
  EXPECT_EQ(pair.server->counters().SyncookiesSent, 100U);
  EXPECT_EQ(pair.server->counters().SyncookiesRecv, 100U);
}

TEST_P(CookieOpen, ATupleOutOfTimeWaitGetsNone) {
  Solo one{GetParam(), config_with(SynCookieUse::when_full)};
  ASSERT_TRUE(one->listen({.local = {}, .port = kPort, .backlog = 1}).ok());
  const Solo::Opened old = one.accept_and_close();
  EXPECT_EQ(one.in(one.tuple(9), segment(kSyn, kIsn)), Drop::none);
  (void)one.out();
  // The backlog is full now: a stranger would get a cookie, this one has to try again.
  EXPECT_EQ(one.in(old.tuple, segment(kSyn, old.theirs + 100'000)), Drop::tcp_listen_overflow);
  EXPECT_EQ(one->counters().SyncookiesSent, 0U);
  EXPECT_EQ(one->states().of(State::time_wait), 1U);
}

}  // namespace
}  // namespace millrace::tcp::test
