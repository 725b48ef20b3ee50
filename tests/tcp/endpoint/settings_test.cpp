// SPDX-License-Identifier: BSD-3-Clause
//
// What an application may set while an endpoint runs (RFC 9293 §3.9.1): profiles that are added,
// connections and listeners that move to them, linger, deferred accepts, and what status() tells.
#include <gtest/gtest.h>

#include "tcp/endpoint/inspect.h"
#include "tcp/endpoint/segment_arrives.h"
#include "tests/tcp/endpoint/harness.h"

namespace millrace::tcp::test {
namespace {

EndpointConfig with_profile(const TcpConfig& profile) {
  EndpointConfig c = small_config();
  c.profiles = {profile};
  return c;
}

class Settings : public testing::TestWithParam<bool> {
 protected:
  /// A change of one connection's settings that must be possible.
  template <typename Change>
  static void change(Endpoint& endpoint, ConnectionId id, Change&& how) {
    ASSERT_NE(endpoint.settings(id), nullptr);
    TcpConfig config = *endpoint.settings(id);
    how(config);
    const Status done = endpoint.configure(id, config);
    ASSERT_TRUE(done.ok()) << done.error().sentence;
    EXPECT_TRUE(*endpoint.settings(id) == config);
  }
  [[nodiscard]] static std::string complaint(Endpoint& endpoint, const TcpConfig& config) {
    auto result = endpoint.add_profile(config);
    return result ? std::string() : result.error().sentence;
  }

  Pair net{GetParam()};
  Solo solo{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Families, Settings, testing::Values(false, true), family_name);

TEST_P(Settings, AProfileIsAddedOnce) {
  TcpConfig config;
  EXPECT_EQ(solo->add_profile(config).value(), 0);
  config.ttl = 32;
  EXPECT_EQ(solo->add_profile(config).value(), 1);
  config.ttl = 33;
  EXPECT_EQ(solo->add_profile(config).value(), 2);
  config.ttl = 32;
  EXPECT_EQ(solo->add_profile(config).value(), 1);
  EXPECT_EQ(solo->profile(1).ttl, 32);
  EXPECT_EQ(solo->profile(0).ttl, 64) << "profiles do not move or change";
}

TEST_P(Settings, WhatAProfileCannotBeIsSaid) {
  TcpConfig config;
  config.ttl = 0;
  EXPECT_EQ(complaint(*solo, config), "ttl is 0: it must lie between 1 and 255.");
  config = {};
  config.mtu = 9000;
  EXPECT_EQ(complaint(*solo, config), "mtu is 9000, more than any profile had at the start.");
  config = {};
  config.max_segment_burst = 3000;
  EXPECT_NE(complaint(*solo, config), "");
  config = {};
  config.two_msl = 1s;
  EXPECT_NE(complaint(*solo, config), "");
  config = {};
  config.max_segment = 47;
  EXPECT_EQ(complaint(*solo, config), "max_segment is 47: it must lie between 48 and 65495.");
  config = {};
  config.linger = -2ns;
  EXPECT_NE(complaint(*solo, config), "");
}

TEST_P(Settings, ThereAre256ProfilesAndNoMore) {
  (void)solo->listen({.local = {}, .port = kPort});
  for (int i = 1; i < 256; ++i) {
    TcpConfig config;
    config.send_buffer = static_cast<std::uint32_t>(10'000 + i);
    EXPECT_EQ(solo->add_profile(config).value(), i);
  }
  TcpConfig config;
  config.send_buffer = 5000;
  EXPECT_EQ(complaint(*solo, config),
            "There are 256 profiles already, and none of them has these settings.");
  const auto o = solo.accept();
  EXPECT_FALSE(solo->configure(o.id, config).ok());
  config.send_buffer = 10'255;
  EXPECT_TRUE(solo->configure(o.id, config).ok()) << "one that there is";
}

TEST_P(Settings, AListenerMovesToAnotherProfile) {
  const ListenerId listener = solo->listen({.local = {}, .port = kPort}).value();
  TcpConfig config = *solo->settings(listener);
  config.max_segment = 700;
  config.ttl = 9;
  ASSERT_TRUE(solo->configure(listener, config).ok());
  ASSERT_EQ(solo.in(solo.tuple(), segment(kSyn, Seq{1000})), Drop::none);
  const auto answer = solo.out();
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].segment.options.mss, 700);
  EXPECT_EQ(answer[0].segment.ttl, 9);
  solo->stop_listening(listener);
  EXPECT_EQ(solo->settings(listener), nullptr);
}

TEST_P(Settings, HalfOpenEntriesOfAnAddedProfileAreRetransmittedAndExpire) {
  const ListenerId listener = solo->listen({.local = {}, .port = kPort}).value();
  TcpConfig config = *solo->settings(listener);
  config.initial_rto = 300ms;
  config.syn_retries = 1;
  ASSERT_TRUE(solo->configure(listener, config).ok());
  (void)solo.in(solo.tuple(), segment(kSyn, Seq{1000}));
  ASSERT_EQ(solo.out().size(), 1u);
  solo.pass(301ms);
  (void)solo.events();
  ASSERT_EQ(solo.out().size(), 1u);
  solo.pass(601ms);
  (void)solo.events();
  EXPECT_EQ(solo->states().of(State::syn_received), 0u);
}

TEST_P(Settings, AnActiveOpenAnnouncesItsMaximumSegment) {
  TcpConfig config;
  config.max_segment = 900;
  (void)net.listen();
  std::uint16_t announced = 0;
  net.client.pass_out = [&](const Packet& p) {
    if (p.segment.flags.syn()) announced = p.segment.options.mss;
    return true;
  };
  const auto opened = net.client->connect({.local = net.client.address,
                                           .remote = net.server.address,
                                           .remote_port = kPort,
                                           .profile = net.client->add_profile(config).value()},
                                          net.now);
  net.exchange();
  EXPECT_EQ(announced, 900);
  EXPECT_EQ(net.client->status(opened.connection)->mss, 888u) << "12 for timestamps";
  EXPECT_EQ(net.server->status(net.server.of(EventKind::accepted).at(0).id)->mss, 888u);
}

TEST_P(Settings, TheSegmentsOfALivingConnectionOnlyShrink) {
  (void)net.listen();
  const auto ends = net.open();
  change(*net.client, ends.client, [](TcpConfig& c) { c.max_segment = 500; });
  EXPECT_EQ(net.client->status(ends.client)->mss, 488u);
  change(*net.client, ends.client, [](TcpConfig& c) { c.max_segment = 0; });
  EXPECT_EQ(net.client->status(ends.client)->mss, 488u);
}

TEST_P(Settings, HopLimitAndServiceClassOfALivingConnectionChange) {  // RFC 9293 SHLD-21
  (void)net.listen();
  const auto ends = net.open();
  change(*net.client, ends.client, [](TcpConfig& c) {
    c.ttl = 9;
    c.dscp = 34;
  });
  ASSERT_EQ(net.client->send(ends.client, as_bytes("a"), Lifetime::copied), 1u);
  std::vector<SegmentOut> out(4);
  ASSERT_EQ(net.client->flush(out, net.now), 1u);
  EXPECT_EQ(out[0].ttl, 9);
  EXPECT_EQ(out[0].dscp, 34);
}

TEST_P(Settings, NagleFollowsTheProfile) {
  (void)net.listen();
  const auto ends = net.open();
  net.client.pass_out = [](const Packet&) { return false; };
  ASSERT_EQ(net.client->send(ends.client, as_bytes("a"), Lifetime::copied), 1u);
  net.exchange();
  ASSERT_EQ(net.client->send(ends.client, as_bytes("b"), Lifetime::copied), 1u);
  net.exchange();
  EXPECT_EQ(net.client->status(ends.client)->unsent_bytes, 1u);
  change(*net.client, ends.client, [](TcpConfig& c) { c.nagle = false; });
  net.exchange();
  EXPECT_EQ(net.client->status(ends.client)->unsent_bytes, 0u);
}

TEST_P(Settings, KeepaliveIsSwitchedOnAndOffWhileIdle) {
  (void)net.listen();
  const auto ends = net.open();
  net.run_for(1h);
  change(*net.client, ends.client, [](TcpConfig& c) {
    c.keepalive = true;
    c.keepalive_idle = 10s;
    c.keepalive_interval = 2s;
    c.keepalive_probes = 3;
  });
  net.run_for(9s);
  EXPECT_EQ(net.client->counters().TCPKeepAlive, 0u);
  net.run_for(2s);
  EXPECT_EQ(net.client->counters().TCPKeepAlive, 1u);
  change(*net.client, ends.client, [](TcpConfig& c) { c.keepalive = false; });
  net.run_for(1h);
  EXPECT_EQ(net.client->counters().TCPKeepAlive, 1u);
  change(*net.client, ends.client, [](TcpConfig& c) { c.keepalive = true; });
  net.client.pass_out = [](const Packet&) { return false; };
  net.run_for(10s + 3 * 2s - 1s);
  EXPECT_EQ(net.client.count(EventKind::closed), 0u);
  net.run_for(2s);
  ASSERT_EQ(net.client.count(EventKind::closed), 1u);
  EXPECT_EQ(net.client.of(EventKind::closed)[0].reason, CloseReason::keepalive);
}

TEST_P(Settings, AShorterKeepaliveIdleTimeIsNotWaitedForTheOldOne) {
  (void)net.listen();
  const auto ends = net.open();
  change(*net.client, ends.client, [](TcpConfig& c) { c.keepalive = true; });
  net.run_for(1s);
  change(*net.client, ends.client, [](TcpConfig& c) { c.keepalive_idle = 5s; });
  net.run_for(6s);
  EXPECT_EQ(net.client->counters().TCPKeepAlive, 1u);
}

TEST_P(Settings, ALargerSendBufferWakesTheWriter) {
  TcpConfig small;
  small.send_buffer = 4096;
  Pair tight(GetParam(), with_profile(small));
  (void)tight.listen();
  const auto ends = tight.open();
  tight.client.pass_out = [](const Packet&) { return false; };
  const std::string text(10'000, 'x');
  ASSERT_EQ(tight.client->send(ends.client, as_bytes(text), Lifetime::copied), 4096u);
  tight.exchange();
  EXPECT_EQ(tight.client.count(EventKind::writable), 0u);
  change(*tight.client, ends.client, [](TcpConfig& c) { c.send_buffer = 16'384; });
  tight.exchange();
  EXPECT_EQ(tight.client.count(EventKind::writable), 1u);
  EXPECT_EQ(tight.client->send_space(ends.client), 16'384u - 4096u);
  change(*tight.client, ends.client, [](TcpConfig& c) { c.send_buffer = 2048; });
  EXPECT_EQ(tight.client->send_space(ends.client), 0u);
}

TEST_P(Settings, ALargerReceiveBufferIsAnnounced) {
  TcpConfig small;
  small.receive_buffer = 8192;
  Pair tight(GetParam(), small_config(), with_profile(small));
  (void)tight.listen();
  const auto ends = tight.open();
  EXPECT_EQ(tight.client->status(ends.client)->snd_wnd_bytes, 8192u);
  change(*tight.server, ends.server, [](TcpConfig& c) { c.receive_buffer = 1 << 20; });
  tight.exchange();
  EXPECT_EQ(tight.client->status(ends.client)->snd_wnd_bytes, 65'535u) << "as far as scale 0 goes";
}

TEST_P(Settings, TheReceiveBufferOfAListenerDecidesScaleAndWindow) {
  const ListenerId listener = net.listen();
  TcpConfig config = *net.server->settings(listener);
  config.receive_buffer = 4 << 20;
  ASSERT_TRUE(net.server->configure(listener, config).ok());
  const auto ends = net.open();
  ASSERT_EQ(net.client->send(ends.client, as_bytes("x"), Lifetime::copied), 1u);
  net.run_for(1s);
  EXPECT_GT(net.client->status(ends.client)->snd_wnd_bytes, 4'000'000u);
}

/// Closes both ends, the server's first, and tells whether its TIME-WAIT reads windows by the scale
/// of its profile.
bool reads_by_profile(Pair& pair, const Pair::Ends& ends) {
  const FourTuple tuple = pair.server->status(ends.server)->tuple;
  pair.server->close(ends.server);
  pair.exchange();
  pair.client->close(ends.client);
  pair.exchange();
  const EndpointImpl& e = inspect(*pair.server);
  const EntryRef entry = find_entry(e, pair.server->hash(tuple), tuple);
  EXPECT_EQ(entry.kind(), EntryKind::time_wait);
  return e.time_wait.state(entry).has(TimeWaitState::kScaled);
}

TEST_P(Settings, TimeWaitUsesTheScaleThatWasAgreedOn) {
  (void)net.listen();
  const auto as_it_was = net.open();
  EXPECT_TRUE(reads_by_profile(net, as_it_was));
  const auto ends = net.open();
  change(*net.server, ends.server, [](TcpConfig& c) { c.receive_buffer = 1 << 30; });
  EXPECT_FALSE(reads_by_profile(net, ends)) << "the scale of 1 GiB would make the window another";
  net.run_for(61s);
  EXPECT_EQ(net.server->states().of(State::time_wait), 0u);
}

TEST_P(Settings, TimeWaitUsesTheAgreedScaleInAProfileOfTheStartAsWell) {
  EndpointConfig config = small_config();
  config.profiles.push_back(config.profiles[0]);
  config.profiles[1].receive_buffer = 1 << 30;
  Pair two(GetParam(), small_config(), config);
  (void)two.listen();
  const auto ends = two.open();
  ASSERT_TRUE(two.server->configure(ends.server, config.profiles[1]).ok());
  ASSERT_EQ(two.server->status(ends.server)->profile, 1);
  EXPECT_FALSE(reads_by_profile(two, ends));
}

TEST_P(Settings, TheUserTimeoutOfAConnectionEndsIt) {
  (void)net.listen();
  const auto ends = net.open();
  change(*net.client, ends.client, [](TcpConfig& c) { c.user_timeout = 2s; });
  net.client.pass_out = [](const Packet&) { return false; };
  ASSERT_EQ(net.client->send(ends.client, as_bytes("lost"), Lifetime::copied), 4u);
  net.run_for(1900ms);
  EXPECT_EQ(net.client.count(EventKind::closed), 0u);
  net.run_for(200ms);
  ASSERT_EQ(net.client.count(EventKind::closed), 1u);
  EXPECT_EQ(net.client.of(EventKind::closed)[0].reason, CloseReason::timeout);
}

TEST_P(Settings, CongestionControlChangesAndKeepsItsWindow) {
  (void)net.listen();
  const auto ends = net.open();
  const std::string text(60'000, 'x');
  ASSERT_EQ(net.client->send(ends.client, as_bytes(text), Lifetime::fixed), text.size());
  net.run_for(1s);
  const auto before = net.client->status(ends.client)->cwnd_bytes;
  EXPECT_GT(before, 14'600u);
  change(*net.client, ends.client,
         [](TcpConfig& c) { c.congestion = congestion_from_name("cubic").value(); });
  EXPECT_EQ(net.client->status(ends.client)->cwnd_bytes, before);
  EXPECT_EQ(net.client->settings(ends.client)->congestion, CongestionAlgorithm::cubic);
  ASSERT_EQ(net.client->send(ends.client, as_bytes(text), Lifetime::fixed), text.size());
  net.run_for(1s);
  EXPECT_EQ(net.server.received(ends.server).size(), 2 * text.size());
}

TEST_P(Settings, AnAckThatWaitsIsCalledForward) {
  (void)solo->listen({.local = {}, .port = kPort});
  const auto o = solo.accept();
  const std::string text = "text";
  ASSERT_EQ(solo.in(o.tuple, segment(kAck, o.theirs, o.ours, &text)), Drop::none);
  (void)solo.events();
  EXPECT_EQ(solo.out().size(), 0u) << "delayed";
  solo->acknowledge(o.id);
  const auto sent = solo.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].segment.ack, o.theirs + 4);
  solo->acknowledge(o.id);
  EXPECT_EQ(solo.out().size(), 0u) << "nothing waits";
  solo.pass(1s);
  (void)solo.events();
  EXPECT_EQ(solo.out().size(), 0u) << "and the timer is off";
}

TEST_P(Settings, WithoutDelayTheWaitingAckGoesToo) {
  (void)solo->listen({.local = {}, .port = kPort});
  const auto o = solo.accept();
  const std::string text = "text";
  ASSERT_EQ(solo.in(o.tuple, segment(kAck, o.theirs, o.ours, &text)), Drop::none);
  (void)solo.events();
  change(*solo, o.id, [](TcpConfig& c) { c.delayed_ack = 0s; });
  EXPECT_EQ(solo.out().size(), 1u);
  ASSERT_EQ(solo.in(o.tuple, segment(kAck, o.theirs + 4, o.ours, &text)), Drop::none);
  EXPECT_EQ(solo.out().size(), 1u);
}

TEST_P(Settings, AStaleIdIsLeftAlone) {
  EXPECT_TRUE(solo->configure(ConnectionId{3, 1}, TcpConfig{}).ok());
  EXPECT_EQ(solo->settings(ConnectionId{3, 1}), nullptr);
  solo->acknowledge(ConnectionId{3, 1});
}

TEST_P(Settings, LingerZeroResetsWhatIsQueued) {
  (void)net.listen();
  const auto ends = net.open();
  change(*net.client, ends.client, [](TcpConfig& c) { c.linger = 0s; });
  ASSERT_EQ(net.client->send(ends.client, as_bytes("never sent"), Lifetime::copied), 10u);
  net.client->close(ends.client);
  net.exchange();
  ASSERT_EQ(net.server.count(EventKind::closed), 1u);
  EXPECT_EQ(net.server.of(EventKind::closed)[0].reason, CloseReason::reset);
  EXPECT_EQ(net.server.received(ends.server), "");
  EXPECT_EQ(net.client.of(EventKind::closed).at(0).reason, CloseReason::aborted);
  EXPECT_EQ(net.client->states().of(State::time_wait), 0u);
}

TEST_P(Settings, ATimedLingerDeliversWhileItLasts) {
  (void)net.listen();
  const auto ends = net.open();
  change(*net.client, ends.client, [](TcpConfig& c) { c.linger = 2s; });
  ASSERT_EQ(net.client->send(ends.client, as_bytes("delivered"), Lifetime::copied), 9u);
  net.client->close(ends.client);
  net.exchange();
  EXPECT_EQ(net.server.received(ends.server), "delivered");
  net.server->close(ends.server);
  net.run_for(10s);
  EXPECT_EQ(net.client.of(EventKind::closed).at(0).reason, CloseReason::graceful);
  EXPECT_EQ(net.client->states().of(State::time_wait), 1u) << "a limit over closed is moot";
  EXPECT_TRUE(inspect(*net.client).lingering.empty());
}

TEST_P(Settings, ATimedLingerEndsWithAReset) {
  (void)net.listen();
  const auto ends = net.open();
  change(*net.client, ends.client, [](TcpConfig& c) { c.linger = 2s; });
  net.client.pass_out = [](const Packet&) { return false; };
  ASSERT_EQ(net.client->send(ends.client, as_bytes("held up"), Lifetime::copied), 7u);
  net.client->close(ends.client);
  net.run_for(1900ms);
  EXPECT_EQ(net.client.count(EventKind::closed), 0u);
  net.client.pass_out = [](const Packet& p) { return p.segment.flags.rst(); };
  net.run_for(200ms);
  EXPECT_EQ(net.client.of(EventKind::closed).at(0).reason, CloseReason::aborted);
  EXPECT_EQ(net.server.of(EventKind::closed).at(0).reason, CloseReason::reset);
}

TEST_P(Settings, ManyLingersMakeRoomForEachOther) {
  EndpointConfig few = small_config();
  few.max_connections = 4;
  few.profiles[0].linger = 1h;
  few.profiles[0].two_msl = 0s;
  Pair tight(GetParam(), few);
  (void)tight.listen();
  for (int i = 0; i < 50; ++i) {
    const auto ends = tight.open();
    tight.client->close(ends.client);
    tight.exchange();
    tight.server->close(ends.server);
    tight.exchange();
  }
  EXPECT_EQ(tight.client.count(EventKind::closed), 50u);
}

TEST_P(Settings, ADeferredAcceptWaitsForText) {
  const ListenerId listener = solo->listen({.local = {}, .port = kPort}).value();
  TcpConfig config = *solo->settings(listener);
  config.defer_accept = 10s;
  ASSERT_TRUE(solo->configure(listener, config).ok());
  const FourTuple tuple = solo.tuple();
  ASSERT_EQ(solo.in(tuple, segment(kSyn, Seq{1000})), Drop::none);
  const Seq ours = solo.out().at(0).segment.seq + 1;
  ASSERT_EQ(solo.in(tuple, segment(kAck, Seq{1001}, ours)), Drop::none);
  EXPECT_TRUE(solo.events().empty());
  EXPECT_TRUE(solo.out().empty());
  EXPECT_EQ(solo->states().of(State::syn_received), 1u);
  solo.pass(3500ms);
  EXPECT_TRUE(solo.events().empty());
  EXPECT_TRUE(solo.out().empty()) << "acknowledged: it is not sent again";
  const std::string text = "GET";
  ASSERT_EQ(solo.in(tuple, segment(kAck, Seq{1001}, ours, &text)), Drop::none);
  const auto events = solo.events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, EventKind::accepted);
  EXPECT_EQ(events[1].bytes, "GET");
  const auto status = solo->status(events[0].id);
  EXPECT_GT(status->cwnd_bytes, 5000u) << "nothing was lost: it starts as usual";
  EXPECT_EQ(status->rto_us, 1'000'000u) << "the peer's thinking is no round trip";
}

TEST_P(Settings, ADeferredAcceptIsToldOfItsEndByAnotherAck) {
  const ListenerId listener = solo->listen({.local = {}, .port = kPort}).value();
  TcpConfig config = *solo->settings(listener);
  config.defer_accept = 2s;  // timeouts of 1 and 2 s: over after 3
  ASSERT_TRUE(solo->configure(listener, config).ok());
  const FourTuple tuple = solo.tuple();
  (void)solo.in(tuple, segment(kSyn, Seq{1000}));
  const Seq ours = solo.out().at(0).segment.seq + 1;
  (void)solo.in(tuple, segment(kAck, Seq{1001}, ours));
  for (int i = 0; i < 29; ++i) {
    solo.pass(100ms);
    (void)solo.events();
  }
  EXPECT_TRUE(solo.out().empty());
  solo.pass(300ms);
  EXPECT_TRUE(solo.events().empty());
  const auto again = solo.out();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_TRUE(again[0].is(kSyn | kAck));
  (void)solo.in(tuple, segment(kAck, Seq{1001}, ours));
  const auto events = solo.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::accepted);
}

TEST_P(Settings, ADeferredAcceptTakesAFinAndResets) {
  TcpConfig config;
  config.defer_accept = 10s;
  Solo listening(GetParam(), with_profile(config));
  (void)listening->listen({.local = {}, .port = kPort});
  const FourTuple tuple = listening.tuple();
  (void)listening.in(tuple, segment(kSyn, Seq{1000}));
  const Seq ours = listening.out().at(0).segment.seq + 1;
  (void)listening.in(tuple, segment(kAck, Seq{1001}, ours));
  ASSERT_EQ(listening.in(tuple, segment(kFin | kAck, Seq{1001}, ours)), Drop::none);
  EXPECT_EQ(listening.events().at(0).kind, EventKind::accepted);
  const FourTuple other = listening.tuple(4001);
  (void)listening.in(other, segment(kSyn, Seq{1000}));
  const Seq second = listening.out().back().segment.seq + 1;
  (void)listening.in(other, segment(kAck, Seq{1001}, second));
  (void)listening.in(other, segment(kRst, Seq{1001}));
  EXPECT_EQ(listening->states().of(State::syn_received), 0u);
}

TEST_P(Settings, ADeferredAcceptOfACookieWaitsForItsText) {
  TcpConfig config;
  config.defer_accept = 10s;
  config.syn_cookies = SynCookieUse::always;
  Solo listening(GetParam(), with_profile(config));
  (void)listening->listen({.local = {}, .port = kPort});
  const FourTuple tuple = listening.tuple();
  (void)listening.in(tuple, segment(kSyn, Seq{1000}));
  const Seq ours = listening.out().at(0).segment.seq + 1;
  (void)listening.in(tuple, segment(kAck, Seq{1001}, ours));
  EXPECT_TRUE(listening.events().empty());
  EXPECT_TRUE(listening.out().empty());
  const std::string text = "GET";
  (void)listening.in(tuple, segment(kAck, Seq{1001}, ours, &text));
  EXPECT_EQ(listening.events().size(), 2u);
}

TEST_P(Settings, StatusTellsWhatIsUnackedUnreadAndWrong) {
  (void)solo->listen({.local = {}, .port = kPort});
  const auto o = solo.accept();
  ASSERT_EQ(solo->send(o.id, as_bytes("abcdef"), Lifetime::copied), 6u);
  EXPECT_EQ(solo->status(o.id)->unacked_bytes, 6u);
  (void)solo.out();
  EXPECT_EQ(solo->status(o.id)->unacked_bytes, 6u);
  EXPECT_EQ(solo->status(o.id)->soft_error, SoftError::none);
  IcmpError error;
  error.hard = true;
  error.seq = o.ours;
  EXPECT_EQ(solo->icmp_error(o.tuple, error, solo.now), Drop::icmp_ignored);
  EXPECT_EQ(solo->status(o.id)->soft_error, SoftError::unreachable);
  error.kind = IcmpError::Kind::time_exceeded;
  (void)solo->icmp_error(o.tuple, error, solo.now);
  EXPECT_EQ(solo->status(o.id)->soft_error, SoftError::time_exceeded);
  const std::string text = "text";
  (void)solo.in(o.tuple, segment(kAck, o.theirs, o.ours + 6, &text));
  EXPECT_EQ(solo->status(o.id)->unread_bytes, 4u) << "lent";
  (void)solo.events();
  const auto status = solo->status(o.id);
  EXPECT_EQ(status->unread_bytes, 4u);
  EXPECT_EQ(status->unacked_bytes, 0u);
  EXPECT_EQ(status->soft_error, SoftError::none);
}

TEST_P(Settings, ATimeoutThatWasForetoldIsUnreachable) {
  (void)net.listen();
  const auto ends = net.open();
  net.client.pass_out = [](const Packet&) { return false; };
  ASSERT_EQ(net.client->send(ends.client, as_bytes("lost"), Lifetime::copied), 4u);
  net.exchange();
  const auto status = net.client->status(ends.client);
  EXPECT_EQ(status->unanswered, 0u);
  IcmpError error;
  const EndpointImpl& e = inspect(*net.client);
  error.seq = e.connections[ends.client.index].snd_una;
  EXPECT_EQ(net.client->icmp_error(status->tuple, error, net.now), Drop::icmp_ignored);
  net.run_for(1s);
  EXPECT_GE(net.client->status(ends.client)->unanswered, 1u);
  net.run_for(1h);
  EXPECT_EQ(net.client.of(EventKind::closed).at(0).reason, CloseReason::unreachable);
}

}  // namespace
}  // namespace millrace::tcp::test
