// SPDX-License-Identifier: BSD-3-Clause
//
// Whole connections between two endpoints: every way to open, every order of closing, aborts and
// silence. Each ends with exactly one closed event per end and with nothing left in any pool.
#include <gtest/gtest.h>

#include "tcp/endpoint/inspect.h"
#include "tests/tcp/endpoint/harness.h"

namespace millrace::tcp::test {
namespace {

class OpenClose : public testing::TestWithParam<bool> {
 protected:
  void expect_nothing_left(Host& host) {
    host.check_log();
    EXPECT_EQ(live_connections(*host), 0u);
    const EndpointImpl& e = inspect(*host);
    EXPECT_EQ(e.connections.live(), 0u);
    EXPECT_EQ(e.half_open.size(), 0u);
    EXPECT_EQ(e.stores.send.live(), 0u);
    EXPECT_EQ(e.stores.receive.live(), 0u);
    EXPECT_EQ(e.stores.chunks.live(), 0u);
    EXPECT_EQ(e.stores.blocks.live(), 0u);
    EXPECT_EQ(e.stores.pairs.live(), 0u);
    EXPECT_EQ(e.wheel.armed(), 0u);
    EXPECT_EQ(e.index.size(), e.time_wait.size());
    EXPECT_EQ(e.states.of(State::time_wait), e.time_wait.size());
  }
  void expect_end(Host& host, CloseReason reason) {
    ASSERT_EQ(host.count(EventKind::closed), 1u);
    EXPECT_EQ(host.of(EventKind::closed)[0].reason, reason);
  }

  Pair net{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Families, OpenClose, testing::Values(false, true), family_name);

TEST_P(OpenClose, BothEndsAreToldOnce) {
  const ListenerId listener = net.listen();
  const OpenResult opened = net.connect(77);
  ASSERT_EQ(opened.error, OpenError::none);
  EXPECT_EQ(net.client->states().of(State::syn_sent), 1u);
  net.exchange();
  ASSERT_EQ(net.client.log.size(), 1u);
  EXPECT_EQ(net.client.log[0].kind, EventKind::connected);
  EXPECT_EQ(net.client.log[0].id, opened.connection);
  EXPECT_EQ(net.client.log[0].user, 77u);
  ASSERT_EQ(net.server.log.size(), 1u);
  EXPECT_EQ(net.server.log[0].kind, EventKind::accepted);
  EXPECT_EQ(net.server.log[0].listener.index, listener.index);
  EXPECT_EQ(net.client->states().of(State::established), 1u);
  EXPECT_EQ(net.server->states().of(State::established), 1u);
  EXPECT_EQ(net.server->states().of(State::listen), 1u);
  EXPECT_EQ(net.client->counters().ActiveOpens, 1u);
  EXPECT_EQ(net.server->counters().PassiveOpens, 1u);
  const auto status = net.client->status(opened.connection);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->tuple.remote, net.server.address);
  EXPECT_EQ(status->tuple.remote_port, kPort);
  EXPECT_TRUE(status->timestamps && status->sack && status->window_scaling);
}

TEST_P(OpenClose, BytesArriveInBothDirections) {
  (void)net.listen();
  const auto [c, s] = net.open();
  std::string up(60'000, 'x');
  for (std::size_t i = 0; i < up.size(); ++i) up[i] = static_cast<char>('a' + i % 23);
  ASSERT_EQ(net.client->send(c, as_bytes(up), Lifetime::fixed), up.size());
  ASSERT_EQ(net.server->send(s, as_bytes("an answer"), Lifetime::copied), 9u);
  net.run_for(1s);
  EXPECT_TRUE(net.server.received(s) == up);
  EXPECT_EQ(net.client.received(c), "an answer");
}

TEST_P(OpenClose, ZeroBytesAreNothing) {
  (void)net.listen();
  const auto [c, s] = net.open();
  for (const Lifetime lifetime : {Lifetime::copied, Lifetime::fixed}) {
    EXPECT_EQ(net.client->send(c, {}, lifetime), 0U);
  }
  net.client->consume(c, 0);
  EXPECT_FALSE(net.client->has_output());
  net.run_for(1s);
  EXPECT_EQ(net.server.count(EventKind::data), 0U);
  EXPECT_EQ(net.client.count(EventKind::writable), 0U);
  ASSERT_EQ(net.client->send(c, as_bytes("still here"), Lifetime::copied), 10U);
  net.exchange();
  EXPECT_EQ(net.server.received(s), "still here");
}

TEST_P(OpenClose, TheClientClosesFirst) {
  (void)net.listen();
  const auto [c, s] = net.open();
  net.client->close(c);
  net.exchange();
  ASSERT_EQ(net.server.count(EventKind::peer_closed), 1u);
  EXPECT_EQ(net.server->states().of(State::close_wait), 1u);
  EXPECT_EQ(net.client->states().of(State::fin_wait_2), 1u);
  EXPECT_EQ(net.client.count(EventKind::closed), 0u);
  net.server->close(s);
  net.exchange();
  expect_end(net.client, CloseReason::graceful);
  expect_end(net.server, CloseReason::graceful);
  EXPECT_EQ(net.client.count(EventKind::peer_closed), 0u) << "the owner was gone";
  EXPECT_EQ(net.client->states().of(State::time_wait), 1u);
  EXPECT_EQ(net.client->counters().TimeWaitEntered, 1u);
  EXPECT_EQ(net.server->states().of(State::time_wait), 0u);
  expect_nothing_left(net.client);
  expect_nothing_left(net.server);
  net.run_for(59s);
  EXPECT_EQ(net.client->states().of(State::time_wait), 1u);
  net.run_for(2s);
  EXPECT_EQ(net.client->states().of(State::time_wait), 0u);
  EXPECT_EQ(net.client->counters().TW, 1u);
}

TEST_P(OpenClose, TheServerClosesFirst) {
  (void)net.listen();
  const auto [c, s] = net.open();
  net.server->close(s);
  net.exchange();
  net.client->close(c);
  net.exchange();
  expect_end(net.client, CloseReason::graceful);
  expect_end(net.server, CloseReason::graceful);
  EXPECT_EQ(net.client->states().of(State::time_wait), 0u);
  EXPECT_EQ(net.server->states().of(State::time_wait), 1u);
  expect_nothing_left(net.client);
  expect_nothing_left(net.server);
}

TEST_P(OpenClose, BothCloseAtOnce) {
  (void)net.listen();
  const auto [c, s] = net.open();
  net.client->close(c);
  net.server->close(s);
  net.exchange();
  expect_end(net.client, CloseReason::graceful);
  expect_end(net.server, CloseReason::graceful);
  EXPECT_EQ(net.client->states().of(State::time_wait), 1u);
  EXPECT_EQ(net.server->states().of(State::time_wait), 1u);
  expect_nothing_left(net.client);
  expect_nothing_left(net.server);
}

TEST_P(OpenClose, HalfCloseLeavesTheOtherDirectionOpen) {
  (void)net.listen();
  const auto [c, s] = net.open();
  ASSERT_EQ(net.client->send(c, as_bytes("question"), Lifetime::copied), 8u);
  net.client->shutdown(c);
  EXPECT_EQ(net.client->send(c, as_bytes("more"), Lifetime::copied), 0u);
  net.exchange();
  EXPECT_EQ(net.server.received(s), "question");
  EXPECT_EQ(net.server.count(EventKind::peer_closed), 1u);
  ASSERT_EQ(net.server->send(s, as_bytes("a late answer"), Lifetime::copied), 13u);
  net.run_for(1s);
  EXPECT_EQ(net.client.received(c), "a late answer");
  net.server->shutdown(s);
  net.exchange();
  EXPECT_EQ(net.client.count(EventKind::peer_closed), 1u);
  expect_end(net.client, CloseReason::graceful);
  expect_end(net.server, CloseReason::graceful);
  expect_nothing_left(net.client);
  expect_nothing_left(net.server);
}

TEST_P(OpenClose, DataBeforeCloseAreNotLost) {
  (void)net.listen();
  const auto [c, s] = net.open();
  const std::string bytes(60'000, 'z');
  ASSERT_EQ(net.client->send(c, as_bytes(bytes), Lifetime::fixed), bytes.size());
  net.client->close(c);
  net.run_for(1s);
  EXPECT_TRUE(net.server.received(s) == bytes);
  EXPECT_EQ(net.server.count(EventKind::peer_closed), 1u);
}

TEST_P(OpenClose, AClosedPortRefuses) {
  const OpenResult opened = net.connect(5);
  net.exchange();
  ASSERT_EQ(net.client.log.size(), 1u);
  EXPECT_EQ(net.client.log[0].kind, EventKind::closed);
  EXPECT_EQ(net.client.log[0].reason, CloseReason::refused);
  EXPECT_EQ(net.client.log[0].user, 5u);
  EXPECT_EQ(net.client.log[0].id, opened.connection);
  EXPECT_EQ(net.client->counters().AttemptFails, 1u);
  EXPECT_EQ(net.server->counters().OutRsts, 1u);
  expect_nothing_left(net.client);
  expect_nothing_left(net.server);
}

TEST_P(OpenClose, SilenceEndsAnOpenByTimeout) {
  net.client.pass_out = [](const Packet&) { return false; };
  (void)net.connect();
  net.run_for(200s);
  expect_end(net.client, CloseReason::timeout);
  EXPECT_EQ(net.client->counters().TCPSynRetrans, 5u);
  expect_nothing_left(net.client);
}

TEST_P(OpenClose, AbortResetsThePeer) {
  (void)net.listen();
  const auto [c, s] = net.open();
  net.client->abort(c);
  net.exchange();
  expect_end(net.client, CloseReason::aborted);
  expect_end(net.server, CloseReason::reset);
  EXPECT_EQ(net.client->counters().OutRsts, 1u);
  EXPECT_EQ(net.server->counters().EstabResets, 1u);
  expect_nothing_left(net.client);
  expect_nothing_left(net.server);
}

TEST_P(OpenClose, AbortOfAnOpeningConnection) {
  (void)net.listen();
  const OpenResult opened = net.connect();
  net.client->abort(opened.connection);
  net.exchange();
  expect_end(net.client, CloseReason::aborted);
  net.run_for(300s);
  expect_nothing_left(net.client);
  expect_nothing_left(net.server);
}

TEST_P(OpenClose, CloseWithUnreadBytesResets) {
  (void)net.listen();
  const auto [c, s] = net.open();
  net.server.greedy = false;
  ASSERT_EQ(net.client->send(c, as_bytes("unwanted"), Lifetime::copied), 8u);
  net.exchange();
  net.server->close(s);
  net.exchange();
  expect_end(net.server, CloseReason::unread_data);
  expect_end(net.client, CloseReason::reset);
  expect_nothing_left(net.client);
  expect_nothing_left(net.server);
}

TEST_P(OpenClose, CloseInTheMidstOfLentBytesResets) {
  (void)net.listen();
  const auto [c, s] = net.open();
  net.server.greedy = false;
  net.server.react = [](Host& host, const Event& event) {
    if (event.kind == EventKind::data) host->close(event.connection);
  };
  ASSERT_EQ(net.client->send(c, as_bytes("unwanted"), Lifetime::copied), 8u);
  net.exchange();
  expect_end(net.server, CloseReason::unread_data);
  expect_end(net.client, CloseReason::reset);
  expect_nothing_left(net.server);
}

TEST_P(OpenClose, SimultaneousOpen) {
  const std::uint16_t port = 5000;
  const OpenResult a = net.client->connect({.local = net.client.address,
                                            .remote = net.server.address,
                                            .remote_port = port,
                                            .local_port = port},
                                           net.now);
  const OpenResult b = net.server->connect({.local = net.server.address,
                                            .remote = net.client.address,
                                            .remote_port = port,
                                            .local_port = port},
                                           net.now);
  ASSERT_EQ(a.error, OpenError::none);
  ASSERT_EQ(b.error, OpenError::none);
  // Both SYNs are on their way before either arrives.
  Host nobody(small_config(), address_of(GetParam(), 9));
  net.client.iterate(net.server, net.now);
  std::deque<Packet> syn;
  syn.swap(net.server.inbox);
  net.server.iterate(net.client, net.now);
  net.server.inbox.swap(syn);
  net.run_for(100ms);
  EXPECT_EQ(net.client.count(EventKind::connected), 1u);
  EXPECT_EQ(net.server.count(EventKind::connected), 1u);
  EXPECT_EQ(net.client->states().of(State::established), 1u);
  EXPECT_EQ(net.server->states().of(State::established), 1u);
  ASSERT_EQ(net.client->send(a.connection, as_bytes("hello"), Lifetime::copied), 5u);
  net.run_for(1s);
  EXPECT_EQ(net.server.received(b.connection), "hello");
  net.client->close(a.connection);
  net.server->close(b.connection);
  net.run_for(100s);
  expect_nothing_left(net.client);
  expect_nothing_left(net.server);
}

TEST_P(OpenClose, ASilentPeerIsGivenUpInEveryClosingState) {
  (void)net.listen();
  for (const bool server_first : {false, true}) {
    const auto [c, s] = net.open();
    if (server_first) {
      net.server->close(s);
      net.exchange();
    }
    net.server.pass_out = net.client.pass_out = [](const Packet&) { return false; };
    net.client->close(c);
    if (!server_first) net.server->abort(s);
    net.run_for(30min);
    net.server.pass_out = net.client.pass_out = nullptr;
    EXPECT_EQ(live_connections(*net.client), 0u);
    EXPECT_EQ(live_connections(*net.server), 0u);
  }
  expect_nothing_left(net.client);
  expect_nothing_left(net.server);
}

TEST_P(OpenClose, LossOnlyDelays) {
  (void)net.listen();
  int n = 0;
  net.client.pass_out = net.server.pass_out = [&](const Packet&) { return ++n % 7 != 0; };
  const OpenResult opened = net.connect();
  net.run_for(10s);
  ASSERT_EQ(net.server.count(EventKind::accepted), 1u);
  const ConnectionId s = net.server.of(EventKind::accepted)[0].id;
  std::string bytes(300'000, ' ');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
  std::size_t sent = 0;
  for (int i = 0; i < 200 && sent < bytes.size(); ++i) {
    sent += net.client->send(opened.connection, as_bytes(bytes).subspan(sent), Lifetime::fixed);
    net.run_for(1s);
  }
  net.client->close(opened.connection);
  net.run_for(60s);
  EXPECT_TRUE(net.server.received(s) == bytes);
  EXPECT_EQ(net.server.count(EventKind::peer_closed), 1u);
  net.server->close(s);
  net.run_for(300s);
  expect_nothing_left(net.client);
  expect_nothing_left(net.server);
}

}  // namespace
}  // namespace millrace::tcp::test
