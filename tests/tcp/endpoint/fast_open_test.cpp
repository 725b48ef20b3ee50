// SPDX-License-Identifier: BSD-3-Clause
//
// Fast Open between endpoints (RFC 7413): who is accepted early, what bounds it, and that every
// byte comes once whatever is lost.
#include <gtest/gtest.h>

#include <cstring>

#include "tcp/endpoint/fast_open_pending.h"
#include "tests/tcp/endpoint/harness.h"
#include "tests/tcp/endpoint/random.h"

namespace millrace::tcp {
namespace {

using test::kAck;
using test::kRst;
using test::kSyn;

// ---- places

TEST(FastOpenPending, CountsByListener) {
  FastOpenPending pending(16);
  pending.add(3, 1);
  pending.add(4, 2);
  EXPECT_FALSE(pending.has_room(1, 1, Instant{1s}));
  EXPECT_TRUE(pending.has_room(1, 2, Instant{1s}));
  EXPECT_TRUE(pending.has_room(5, 1, Instant{1s}));
  pending.remove(3);
  EXPECT_TRUE(pending.has_room(1, 1, Instant{1s}));
  EXPECT_EQ(pending.total(), 1U);
}

TEST(FastOpenPending, AResetHoldsItsPlace) {
  FastOpenPending pending(16);
  pending.add(3, 1);
  pending.hold(3, Instant{10s});
  EXPECT_FALSE(pending.has_room(1, 1, Instant{70s} - Duration{1}));
  EXPECT_EQ(pending.total(), 1U);
  EXPECT_TRUE(pending.has_room(1, 1, Instant{70s}));
  EXPECT_EQ(pending.total(), 0U);
}

TEST(FastOpenPending, HeldPlacesAreBoundedAndComeBack) {
  constexpr std::uint32_t kMost = FastOpenPending::kMost;
  FastOpenPending pending(16);
  for (int round = 0; round < 5; ++round) {
    const Instant now{round * 100s + 1s};
    std::uint32_t held = 0;
    for (std::uint32_t i = 0; i < 2 * kMost; ++i) {
      const auto listener = static_cast<std::uint16_t>(i % 7);
      if (!pending.has_room(listener, kMost, now)) continue;
      pending.add(5, listener);
      pending.hold(5, now);
      ++held;
    }
    EXPECT_EQ(held, kMost) << "all of the endpoint, and no more";
    // A bounded number at once.
    for (std::uint32_t i = 0; i < kMost / 64 + 1; ++i) {
      (void)pending.has_room(0, kMost, now + FastOpenPending::kHeldAfterReset);
    }
    EXPECT_EQ(pending.total(), 0U);
  }
}

// ---- accepting

[[nodiscard]] EndpointConfig fast_config() {
  EndpointConfig c = test::small_config();
  c.secrets.fast_open = {77, 78};
  c.profiles[0].fast_open = true;
  return c;
}

class FastOpenAccept : public testing::TestWithParam<bool> {
 protected:
  void start(const EndpointConfig& config, std::uint32_t backlog = 16) {
    host = std::make_unique<test::Solo>(GetParam(), config);
    const auto listener = (*host)->listen({.port = test::kPort, .backlog = backlog});
    ASSERT_TRUE(listener.ok());
    listener_id = listener.value();
  }
  /// Asks for a cookie and gives the half-open connection up.
  void learn() {
    const FourTuple t = host->tuple(3999);
    SegmentIn syn = test::segment(kSyn, Seq{500});
    syn.options.has |= Options::kFastOpen;
    syn.options.cookie_bytes = 0;
    ASSERT_EQ(host->in(t, syn), Drop::none);
    const auto sent = host->out();
    ASSERT_EQ(sent.size(), 1U);
    cookie = sent[0].segment.options;
    ASSERT_TRUE(cookie.has_fast_open());
    ASSERT_EQ(cookie.cookie_bytes, 8);
    ASSERT_EQ(host->in(t, test::segment(kRst, Seq{501})), Drop::tcp_half_open_reset);
  }
  [[nodiscard]] SegmentIn syn_with(const std::string* payload) const {
    SegmentIn syn = test::segment(kSyn, Seq{1000}, Seq{}, payload);
    syn.options.has |= Options::kFastOpen;
    syn.options.cookie_bytes = cookie.cookie_bytes;
    syn.options.cookie = cookie.cookie;
    return syn;
  }

  std::unique_ptr<test::Solo> host;
  ListenerId listener_id;
  Options cookie;
  const std::string text = "a request";
};
INSTANTIATE_TEST_SUITE_P(Families, FastOpenAccept, testing::Bool(), test::family_name);

TEST_P(FastOpenAccept, TheOptionMeansNothingBesideOtherSegments) {
  start(fast_config());
  learn();
  const auto opened = host->accept(4000);
  (void)host->events();
  SegmentIn s = test::segment(kAck, opened.theirs, opened.ours, &text);
  s.options.has |= Options::kFastOpen;
  s.options.cookie_bytes = 0;
  EXPECT_EQ(host->in(opened.tuple, s), Drop::none);
  // An ACK for the listener with a good cookie is still no SYN.
  SegmentIn stray = syn_with(&text);
  stray.flags.bits = kAck;
  EXPECT_EQ(host->in(host->tuple(4001), stray), Drop::tcp_listen_bad_flags);
  EXPECT_EQ((*host)->counters().TCPFastOpenPassive, 0U);
}

TEST_P(FastOpenAccept, ByThePortOfAnotherClientAsWell) {
  start(fast_config());
  learn();
  for (std::uint16_t port = 4000; port < 4010; ++port) {
    EXPECT_EQ(host->in(host->tuple(port), syn_with(&text)), Drop::none);
    const auto events = host->events();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].kind, EventKind::accepted);
    EXPECT_EQ(events[1].bytes, text);
    const auto sent = host->out();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_TRUE(sent[0].is(kSyn | kAck));
    EXPECT_EQ(sent[0].segment.ack, Seq{1001} + static_cast<std::uint32_t>(text.size()));
  }
  EXPECT_EQ((*host)->states().of(State::syn_received), 10U);
  EXPECT_EQ((*host)->counters().PassiveOpens, 10U);
}

TEST_P(FastOpenAccept, BacklogAndPoolsBoundItToo) {
  EndpointConfig config = fast_config();
  config.max_connections = 3;
  config.max_send_states = 2;
  start(config, 4);
  learn();
  for (std::uint16_t port = 4000; port < 4004; ++port) {
    EXPECT_EQ(host->in(host->tuple(port), syn_with(&text)), Drop::none);
  }
  // Two found a SendState; the others opened in the ordinary way.
  EXPECT_EQ((*host)->counters().TCPFastOpenPassive, 2U);
  EXPECT_EQ((*host)->counters().TCPFastOpenPassiveFail, 2U);
  // What was accepted in this iteration and what is half-open fill the backlog.
  EXPECT_EQ(host->in(host->tuple(4004), syn_with(&text)), Drop::none);
  EXPECT_EQ((*host)->counters().SyncookiesSent, 1U);
  std::size_t early = 0;
  for (const auto& s : host->out()) {
    ASSERT_TRUE(s.is(kSyn | kAck));
    if (s.segment.ack != Seq{1001}) ++early;
  }
  EXPECT_EQ(early, 2U);
}

TEST_P(FastOpenAccept, OutlivesItsListener) {
  EndpointConfig config = fast_config();
  config.profiles[0].fast_open_backlog = 1;
  start(config);
  learn();
  ASSERT_EQ(host->in(host->tuple(4000), syn_with(&text)), Drop::none);
  const auto events = host->events();
  const auto sent = host->out();
  ASSERT_EQ(sent.size(), 1U);
  (*host)->stop_listening(listener_id);
  ASSERT_TRUE((*host)->listen({.port = test::kPort, .backlog = 4}).ok());
  // The new listener has the old one's number; the place is still taken, and is freed once.
  ASSERT_EQ(host->in(host->tuple(4001), syn_with(&text)), Drop::none);
  EXPECT_EQ((*host)->counters().TCPFastOpenListenOverflow, 1U);
  EXPECT_EQ(host->in(host->tuple(4000),
                     test::segment(kAck, sent[0].segment.ack, sent[0].segment.seq + 1)),
            Drop::none);
  EXPECT_EQ((*host)->status(events[0].id)->state, State::established);
  ASSERT_EQ(host->in(host->tuple(4002), syn_with(&text)), Drop::none);
  EXPECT_EQ((*host)->counters().TCPFastOpenPassive, 2U);
}

TEST_P(FastOpenAccept, AListenerMayBeginAndCeaseWhileItListens) {
  EndpointConfig config = fast_config();
  config.profiles[0].fast_open = false;
  start(config);
  TcpConfig on = config.profiles[0];
  on.fast_open = true;
  ASSERT_TRUE((*host)->configure(listener_id, on).ok());
  learn();
  ASSERT_EQ(host->in(host->tuple(4000), syn_with(&text)), Drop::none);
  EXPECT_EQ(host->events().size(), 2U);
  ASSERT_TRUE((*host)->configure(listener_id, config.profiles[0]).ok());
  (void)host->out();
  ASSERT_EQ(host->in(host->tuple(4001), syn_with(&text)), Drop::none);
  EXPECT_TRUE(host->events().empty());
  ASSERT_EQ(host->out().size(), 1U);
}

TEST_P(FastOpenAccept, ThroughTimeWait) {
  EndpointConfig config = fast_config();
  start(config);
  learn();
  const auto old = host->accept_and_close(4000);
  ASSERT_EQ((*host)->states().of(State::time_wait), 1U);
  SegmentIn syn = syn_with(&text);
  syn.seq = old.theirs + 100'000;
  EXPECT_EQ(host->in(old.tuple, syn), Drop::none);
  const auto sent = host->out();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].segment.ack, syn.seq + 1 + static_cast<std::uint32_t>(text.size()));
  EXPECT_TRUE(after(sent[0].segment.seq, old.ours));
  EXPECT_EQ((*host)->states().of(State::time_wait), 0U);
  EXPECT_EQ((*host)->states().of(State::syn_received), 1U);
}

TEST_P(FastOpenAccept, GuessesBringNothing) {
  start(fast_config(), 4096);
  learn();
  Random random(5);
  for (int i = 0; i < 200; ++i) {
    SegmentIn syn = syn_with(&text);
    for (std::size_t k = 0; k < 8; ++k) syn.options.cookie[k] = std::byte(random.below(256));
    EXPECT_EQ(host->in(host->tuple(static_cast<std::uint16_t>(5000 + i)), syn), Drop::none);
    for (const auto& s : host->out()) EXPECT_EQ(s.segment.ack, Seq{1001});
  }
  EXPECT_TRUE(host->events().empty());
  EXPECT_EQ((*host)->counters().TCPFastOpenPassive, 0U);
}

TEST(FastOpenConfig, RangesAreChecked) {
  EndpointConfig config = fast_config();
  config.profiles[0].fast_open_backlog = 0;
  EXPECT_FALSE(Endpoint::create(config).ok());
  config = fast_config();
  config.profiles[0].fast_open_backlog = FastOpenPending::kMost + 1;
  EXPECT_FALSE(Endpoint::create(config).ok());
  config = fast_config();
  config.max_fast_open_paths = (1 << 20) + 1;
  EXPECT_FALSE(Endpoint::create(config).ok());
  config.max_fast_open_paths = 0;
  EXPECT_TRUE(Endpoint::create(config).ok());
}

// ---- both ends

class FastOpenPair : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Families, FastOpenPair, testing::Bool(), test::family_name);

TEST_P(FastOpenPair, ARequestIsAnsweredInOneRoundTrip) {
  test::Pair net(GetParam(), fast_config(), fast_config());
  (void)net.listen();
  net.server.react = [](test::Host& host, const Event& event) {
    if (event.kind != EventKind::data) return;
    (void)host->send(event.connection, test::as_bytes("an answer"), Lifetime::copied);
  };
  (void)net.open();
  const auto id = net.connect(7).connection;
  const std::string request = "a request";
  EXPECT_EQ(net.client->send(id, test::as_bytes(request), Lifetime::copied), request.size());
  net.client.iterate(net.server, net.now);  // SYN with text
  net.server.iterate(net.client, net.now);  // SYN-ACK and the answer
  net.client.iterate(net.server, net.now);
  EXPECT_EQ(net.client.received(id), "an answer");
  net.exchange();
  EXPECT_EQ(net.client->counters().TCPFastOpenActive, 1U);
  EXPECT_EQ(net.server->counters().TCPFastOpenPassive, 1U);
}

// An application that aborts what it was just given: the reset goes instead of the SYN-ACK.
TEST_P(FastOpenPair, AnAbortAtOnceReachesThePeer) {
  test::Pair net(GetParam(), fast_config(), fast_config());
  (void)net.listen();
  (void)net.open();
  net.server.react = [](test::Host& host, const Event& event) {
    if (event.kind == EventKind::data) host->abort(event.connection);
  };
  const auto id = net.connect(7).connection;
  (void)net.client->send(id, test::as_bytes("a request"), Lifetime::copied);
  net.exchange();
  const auto closed = net.client.of(EventKind::closed);
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed[0].id, id);
  EXPECT_EQ(closed[0].reason, CloseReason::refused);
}

/// Echoes what it gets and closes after the peer; whoever cannot send all at once sends later.
void echo(test::Host& host, std::map<std::uint32_t, std::string>& waiting, const Event& event) {
  std::string& text = waiting[event.connection.index];
  if (event.kind == EventKind::accepted) text.clear();
  if (event.kind == EventKind::data) text += test::as_string(event.bytes);
  if (event.kind == EventKind::data || event.kind == EventKind::writable) {
    text.erase(0, host->send(event.connection, test::as_bytes(text), Lifetime::copied));
  }
  if (event.kind == EventKind::peer_closed) host->close(event.connection);
}

// Segments are lost and come twice; in half of the runs no segment with text in a SYN comes
// through.
TEST_P(FastOpenPair, EveryByteComesOnceWhateverIsLost) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Random random(seed);
    test::Pair net(GetParam(), fast_config(), fast_config());
    const bool black_hole = random.below(4) == 0;
    const std::uint32_t loss = random.below(3) * 10;
    const auto lossy = [&](const test::Packet& p) {
      if (black_hole && p.segment.flags.syn() && !p.segment.payload.empty()) return false;
      return random.below(100) >= loss;
    };
    net.client.pass_out = lossy;
    net.server.pass_out = lossy;
    std::map<std::uint32_t, std::string> waiting;
    net.server.react = [&](test::Host& host, const Event& event) { echo(host, waiting, event); };
    (void)net.listen();
    for (int i = 0; i < 12; ++i) {
      const auto opened = net.connect();
      ASSERT_EQ(opened.error, OpenError::none);
      std::string text(random.below(6000), 'x');
      for (char& c : text) c = static_cast<char>('a' + random.below(26));
      const std::size_t pieces = 1 + random.below(12);
      for (std::size_t at = 0, k = 0; k < pieces; ++k) {
        const std::size_t n = k + 1 == pieces ? text.size() - at : (text.size() - at) / 3;
        (void)net.client->send(opened.connection, test::as_bytes(text.substr(at, n)),
                               Lifetime::copied);
        at += n;
      }
      if (random.below(2) == 0) net.client->shutdown(opened.connection);
      net.run_for(90s);
      net.client->shutdown(opened.connection);
      net.run_for(300s);
      const auto closed = net.client.of(EventKind::closed);
      ASSERT_FALSE(closed.empty()) << "seed " << seed << " connection " << i;
      if (closed.back().reason == CloseReason::timeout) continue;  // all copies of a SYN were lost
      ASSERT_EQ(net.client.received(opened.connection), text) << "seed " << seed << " of " << i;
    }
    net.client.check_log();
    net.server.check_log();
    net.run_for(600s);
    ASSERT_EQ(test::live_connections(*net.client), 0U) << seed;
    ASSERT_EQ(test::live_connections(*net.server), 0U) << seed;
  }
}

}  // namespace
}  // namespace millrace::tcp
