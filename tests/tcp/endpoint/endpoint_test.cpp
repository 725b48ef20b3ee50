// SPDX-License-Identifier: BSD-3-Clause
//
// The endpoint as a whole: its configuration, ids, errors of opening, fairness of flush, questions,
// bounds that are reached, and many connections one after the other.
#include "tcp/endpoint/endpoint.h"

#include <gtest/gtest.h>

#include <set>

#include "tcp/endpoint/inspect.h"
#include "tests/tcp/endpoint/harness.h"

namespace millrace::tcp::test {
namespace {

std::string complaint(const std::function<void(EndpointConfig&)>& spoil) {
  EndpointConfig config = small_config();
  spoil(config);
  const auto result = Endpoint::create(config);
  if (result.ok()) return "";
  EXPECT_EQ(result.error().kind, ErrorKind::usage);
  return result.error().sentence;
}

TEST(EndpointConfigCheck, NamesTheFieldAndItsRange) {
  EXPECT_EQ(complaint([](EndpointConfig&) {}), "");
  EXPECT_EQ(complaint([](EndpointConfig& c) { c.max_connections = 0; }),
            "max_connections is 0: it must lie between 1 and 268435456.");
  EXPECT_EQ(complaint([](EndpointConfig& c) { c.first_port = 5000, c.last_port = 4999; }),
            "last_port is 4999: it must lie between 5000 and 65535.");
  EXPECT_EQ(complaint([](EndpointConfig& c) { c.profiles.clear(); }),
            "the number of profiles is 0: it must lie between 1 and 256.");
  EXPECT_EQ(complaint([](EndpointConfig& c) { c.profiles[0].two_msl = 241s; }),
            "profile 0: two_msl is 241 s: it must lie between 0 s and 240 s.");
  EXPECT_EQ(complaint([](EndpointConfig& c) { c.profiles[0].min_rto = 2s; }),
            "profile 0: initial_rto is 1 s: it must lie between 2 s and 60 s.");
  EXPECT_EQ(complaint([](EndpointConfig& c) {
              c.profiles.push_back({});
              c.profiles[1].min_peer_mss = 47;
            }),
            "profile 1: min_peer_mss is 47: it must lie between 48 and 1460.");
  EXPECT_NE(complaint([](EndpointConfig& c) { c.profiles[0].dscp = 64; }), "");
  EXPECT_NE(complaint([](EndpointConfig& c) { c.profiles[0].ttl = 0; }), "");
  EXPECT_NE(complaint([](EndpointConfig& c) { c.profiles[0].bbr_loss_percent = 0; }), "");
  EXPECT_NE(complaint([](EndpointConfig& c) { c.profiles[0].bbr_loss_percent = 100; }), "");
  EXPECT_NE(complaint([](EndpointConfig& c) { c.max_half_open = 0; }), "");
  EXPECT_NE(complaint([](EndpointConfig& c) { c.profiles[0].keepalive_idle = 0s; }), "");
}

TEST(EndpointConfigCheck, MemoryThatTheSystemRefusesIsTheEnvironmentsFault) {
  EndpointConfig config = small_config();
  config.max_blocks = 1u << 28;  // 512 GiB: address space is not short of it
  const auto result = Endpoint::create(config);
  if (!result.ok()) {
    EXPECT_EQ(result.error().kind, ErrorKind::environment);
  }
}

class EndpointTest : public testing::TestWithParam<bool> {
 protected:
  Pair net{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Families, EndpointTest, testing::Values(false, true), family_name);

TEST_P(EndpointTest, StaleIdsResolveToNothing) {
  (void)net.listen();
  const auto [c, s] = net.open();
  net.client->abort(c);
  EXPECT_EQ(net.client->send(c, as_bytes("x"), Lifetime::fixed), 0u);
  net.exchange();
  ASSERT_EQ(net.client.count(EventKind::closed), 1u);
  EXPECT_FALSE(net.client->status(c).has_value());
  EXPECT_FALSE(net.client->status({}).has_value());
  EXPECT_FALSE(net.client->status({12345678, 1}).has_value());
  // The slot lives again under another name.
  const auto [c2, s2] = net.open();
  ASSERT_EQ(c2.index, c.index);
  EXPECT_NE(c2.generation, c.generation);
  net.client->abort(c);
  net.client->close(c);
  net.client->shutdown(c);
  net.client->set_user(c, 9);
  net.client->consume(c, 100);
  EXPECT_TRUE(net.client->readable(c).empty());
  EXPECT_EQ(net.client->send_space(c), 0u);
  EXPECT_EQ(net.client->user(c), 0u);
  net.exchange();
  EXPECT_EQ(net.client->states().of(State::established), 1u);
  EXPECT_EQ(net.client->user(c2), 0u);
  net.client->set_user(c2, 9);
  EXPECT_EQ(net.client->user(c2), 9u);
}

TEST_P(EndpointTest, GenerationsWrapWithoutZero) {
  EndpointConfig config = small_config();
  Solo solo(GetParam(), config);
  std::set<std::uint32_t> seen;
  for (int i = 0; i < 66'000; ++i) {
    const OpenResult r = solo->connect({.local = address_of(GetParam(), 1),
                                        .remote = address_of(GetParam(), 2),
                                        .remote_port = 80},
                                       solo.now);
    ASSERT_EQ(r.error, OpenError::none);
    ASSERT_NE(r.connection.generation, 0u);
    seen.insert(r.connection.generation);
    solo->abort(r.connection);
    (void)solo.out();
    ASSERT_EQ(solo.events().size(), 1u);
  }
  EXPECT_EQ(seen.size(), 65'535u);
  EXPECT_EQ(inspect(*solo).connections.live(), 0u);
}

TEST_P(EndpointTest, BadAddressesAreRefused) {
  const bool v6 = GetParam();
  const Address good = address_of(v6, 1), peer = address_of(v6, 2);
  const auto open = [&](const Address& local, const Address& remote, std::uint16_t port = 80) {
    return net.client->connect({.local = local, .remote = remote, .remote_port = port}, net.now)
        .error;
  };
  Address multicast = Address::v4(0xE0000001);
  if (v6) multicast = Address::v6({0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  EXPECT_EQ(open(good, Address{}), OpenError::bad_address);
  EXPECT_EQ(open(Address{}, peer), OpenError::bad_address);
  EXPECT_EQ(open(good, Address::v4(0)), OpenError::bad_address);
  EXPECT_EQ(open(good, multicast), OpenError::bad_address);
  EXPECT_EQ(open(multicast, peer), OpenError::bad_address);
  EXPECT_EQ(open(good, address_of(!v6, 2)), OpenError::bad_address);
  EXPECT_EQ(open(good, good), OpenError::bad_address) << "to itself";
  EXPECT_EQ(open(good, peer, 0), OpenError::bad_address);
  if (!v6) {
    EXPECT_EQ(open(good, Address::v4(0xffffffff)), OpenError::bad_address);
  }
  EXPECT_EQ(net.client->counters().ActiveOpens, 0u);
}

TEST_P(EndpointTest, TheSameTupleTwiceIsInUse) {
  (void)net.listen();
  EXPECT_EQ(net.connect(0, 4000).error, OpenError::none);
  EXPECT_EQ(net.connect(0, 4000).error, OpenError::in_use);
  EXPECT_EQ(net.connect(0, 4001).error, OpenError::none);
}

TEST_P(EndpointTest, PortsRunOutAndComeBack) {
  EndpointConfig config = small_config();
  config.first_port = 2000;
  config.last_port = 2009;
  config.time_wait_reuse = TimeWaitReuse::none;
  config.profiles[0].two_msl = 10s;
  Pair few(GetParam(), config);
  (void)few.listen();
  std::set<std::uint16_t> ports;
  std::vector<ConnectionId> ids;
  for (int i = 0; i < 10; ++i) {
    const OpenResult r = few.connect();
    ASSERT_EQ(r.error, OpenError::none);
    ports.insert(few.client->status(r.connection)->tuple.local_port);
    ids.push_back(r.connection);
  }
  EXPECT_EQ(ports.size(), 10u);
  EXPECT_EQ(*ports.begin(), 2000);
  EXPECT_EQ(few.connect().error, OpenError::no_free_port);
  few.exchange();
  for (const ConnectionId id : ids) few.client->close(id);
  few.exchange();
  for (const Record& r : few.server.of(EventKind::accepted)) few.server->close(r.id);
  few.exchange();
  EXPECT_EQ(few.client->states().of(State::time_wait), 10u);
  EXPECT_EQ(few.connect().error, OpenError::time_wait);
  few.run_for(11s);
  EXPECT_EQ(few.connect().error, OpenError::none);
}

TEST_P(EndpointTest, AnEmptyPoolIsNoMemory) {
  const auto open_two = [&](const std::function<void(EndpointConfig&)>& shrink) {
    EndpointConfig config = small_config();
    shrink(config);
    Pair tight(GetParam(), config);
    EXPECT_EQ(tight.connect().error, OpenError::none);
    const OpenError second = tight.connect().error;
    tight.exchange();
    EXPECT_EQ(inspect(*tight.client).connections.live(), 0u) << "refused by the peer";
    return second;
  };
  EXPECT_EQ(open_two([](EndpointConfig& c) { c.max_connections = 1; }), OpenError::no_memory);
  EXPECT_EQ(open_two([](EndpointConfig& c) { c.max_send_states = 1; }), OpenError::no_memory);
  const OpenError pairs = open_two([](EndpointConfig& c) { c.max_ipv6_pairs = 1; });
  EXPECT_EQ(pairs, GetParam() ? OpenError::no_memory : OpenError::none);
}

TEST_P(EndpointTest, WithoutBlocksUnreadBytesEndTheConnection) {
  EndpointConfig config = small_config();
  config.max_blocks = 1;
  Pair tight(GetParam(), small_config(), config);
  (void)tight.listen();
  const auto [c, s] = tight.open();
  tight.server.greedy = false;
  ASSERT_EQ(tight.client->send(c, as_bytes(std::string(8000, 'x')), Lifetime::copied), 8000u);
  tight.exchange();
  ASSERT_EQ(tight.server.count(EventKind::closed), 1u);
  EXPECT_EQ(tight.server.of(EventKind::closed)[0].reason, CloseReason::no_memory);
  tight.server.check_log();
  EXPECT_EQ(inspect(*tight.server).connections.live(), 0u);
  EXPECT_EQ(inspect(*tight.server).stores.blocks.live(), 0u);
}

TEST_P(EndpointTest, ABulkSenderDoesNotStarveOthers) {
  (void)net.listen();
  const auto bulk = net.open();
  const auto small = net.open();
  const std::string bytes(200'000, 'b');
  TcpConfig large = *net.client->settings(bulk.client);
  large.send_buffer = 262'144;
  ASSERT_TRUE(net.client->configure(bulk.client, large).ok());
  // A first exchange opens the congestion window.
  ASSERT_GT(net.client->send(bulk.client, as_bytes(bytes), Lifetime::fixed), 100'000u);
  net.exchange();
  ASSERT_GT(net.client->send(bulk.client, as_bytes(bytes), Lifetime::fixed), 100'000u);
  ASSERT_EQ(net.client->send(small.client, as_bytes("me too"), Lifetime::copied), 6u);
  std::vector<SegmentOut> out(32);
  const std::size_t n = net.client->flush(out, net.now);
  ASSERT_EQ(n, 32u);
  const auto port = net.client->status(small.client)->tuple.local_port;
  std::size_t of_small = 0;
  for (const SegmentOut& s : out) of_small += s.tuple.local_port == port ? 1 : 0;
  EXPECT_EQ(of_small, 1u);
  EXPECT_TRUE(net.client->has_output());
}

TEST_P(EndpointTest, FlushIntoOneSlotLosesNothing) {
  (void)net.listen();
  const auto [c, s] = net.open();
  const std::string bytes(50'000, 'q');
  ASSERT_EQ(net.client->send(c, as_bytes(bytes), Lifetime::fixed), bytes.size());
  net.client->close(c);
  std::size_t sent = 0;
  std::vector<SegmentOut> one(1);
  while (net.client->flush(one, net.now) == 1) sent += one[0].payload_bytes;
  EXPECT_GE(sent, 10 * 1400u);
  EXPECT_FALSE(net.client->has_output());
  EXPECT_TRUE(net.client->next_deadline(net.now).has_value());
  // All of that was lost; the timers see to it.
  net.run_for(120s);
  EXPECT_TRUE(net.server.received(s) == bytes);
}

// Only a turn that finds nothing more to send leaves the timers right. One whose ACK filled the
// batch was not asked again, and hung for ever in front of a closed window.
TEST_P(EndpointTest, AClosedWindowIsProbedAlthoughAnAckFilledTheBatch) {
  Solo solo(GetParam());
  ASSERT_TRUE(solo->listen({.port = kPort}).ok());
  const Solo::Opened o = solo.accept();
  SegmentIn closed = segment(kAck, o.theirs, o.ours);
  closed.window = 0;
  EXPECT_EQ(solo.in(o.tuple, closed), Drop::none);
  (void)solo.events();
  (void)solo.out();
  ASSERT_EQ(solo->send(o.id, as_bytes("waits"), Lifetime::copied), 5u);
  const std::string old = "x";
  SegmentIn again = segment(kAck, o.theirs - 1, o.ours, &old);
  again.window = 0;
  EXPECT_EQ(solo.in(o.tuple, again), Drop::tcp_duplicate);
  std::vector<SegmentOut> one(1);
  ASSERT_EQ(solo->flush(one, solo.now), 1u);
  EXPECT_EQ(one[0].payload_bytes, 0u);
  while (solo->flush(one, solo.now) != 0) {
  }
  ASSERT_TRUE(solo->next_deadline(solo.now).has_value());
  solo.pass(2s);
  (void)solo.events();
  const std::vector<Sent> probe = solo.out();
  ASSERT_EQ(probe.size(), 1u);
  EXPECT_EQ(probe[0].payload, "w");
}

TEST_P(EndpointTest, SegmentsOfOneBatchAreBounded) {
  Solo solo(GetParam());
  ASSERT_TRUE(solo->listen({.port = kPort}).ok());
  const Solo::Opened o = solo.accept();
  for (int batch = 0; batch < 2; ++batch) {
    for (std::size_t i = 0; i < EventList::kMaxSegments; ++i) {
      ASSERT_EQ(solo.in(o.tuple, segment(kAck, o.theirs, o.ours)), Drop::none);
    }
    EXPECT_EQ(solo.in(o.tuple, segment(kAck, o.theirs, o.ours)), Drop::tcp_no_memory);
    EXPECT_TRUE(solo.events().empty());
  }
}

TEST(ReplyLimit, SuppressesForTheIntervalAndNeverLonger) {
  auto limit = std::make_unique<ReplyLimit>();
  Instant now{1s};
  EXPECT_TRUE(limit->allow(7, now, 500ms));
  EXPECT_FALSE(limit->allow(7, now + 499ms, 500ms));
  EXPECT_TRUE(limit->allow(7, now + 501ms, 500ms));
  EXPECT_TRUE(limit->allow(7, now + 501ms + 45h, 500ms)) << "half way round the ticks";
  EXPECT_TRUE(limit->allow(8, now + 501ms + 45h, 500ms));
  EXPECT_TRUE(limit->allow(9, now, 0ms));
  EXPECT_TRUE(limit->allow(9, now, 0ms));
}

TEST_P(EndpointTest, ListGivesEverythingInSlices) {
  (void)net.listen();
  std::set<std::uint32_t> expected;
  for (int i = 0; i < 7; ++i) expected.insert(net.open().server.index);
  std::set<std::uint32_t> seen;
  std::size_t listeners = 0;
  std::vector<ConnectionStatus> slice(3);
  for (std::uint32_t from = 0; from != kNil;) {
    std::size_t count = 0;
    from = net.server->list(from, slice, count);
    ASSERT_LE(count, 3u);
    for (const ConnectionStatus& s : std::span(slice).first(count)) {
      if (s.state == State::listen) {
        ++listeners;
        EXPECT_EQ(s.tuple.local_port, kPort);
      } else {
        EXPECT_EQ(s.state, State::established);
        EXPECT_TRUE(seen.insert(s.id.index).second);
        EXPECT_EQ(s.tuple.remote, net.client.address);
      }
    }
  }
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(listeners, 1u);
}

TEST_P(EndpointTest, CloseWaitTellsItsAge) {
  (void)net.listen();
  const auto bare = net.open();
  const auto talking = net.open();
  const auto open = net.open();
  const auto age = [&](ConnectionId id) { return net.server->status(id)->close_wait; };
  const auto waits = [&](std::uint32_t slots) {
    CloseWaits sum;
    int slices = 0;
    for (std::uint32_t from = 0; from != kNil; ++slices) {
      from = net.server->survey_close_wait(from, slots, 60s, sum);
    }
    EXPECT_EQ(slices, slots == 1 ? 3 : 1);
    return sum;
  };
  net.client->shutdown(bare.client);
  net.exchange();
  net.run_for(90s);
  ASSERT_EQ(net.client->send(talking.client, as_bytes("the last"), Lifetime::copied), 8u);
  net.client->shutdown(talking.client);
  net.exchange();
  net.run_for(30s);
  net.server->observe(net.now);
  EXPECT_NEAR(static_cast<double>(age(bare.server) / 1ms), 120'000, 100);
  EXPECT_NEAR(static_cast<double>(age(talking.server) / 1ms), 30'000, 100);
  EXPECT_EQ(age(open.server), 0s);
  for (const std::uint32_t slots : {1U, 100U}) {
    EXPECT_EQ(waits(slots).longer, 1u);
    EXPECT_EQ(waits(slots).longest, age(bare.server));
  }
  net.server->observe(net.now + 100 * 24h);  // beyond what ticks can tell
  EXPECT_EQ(age(bare.server) / 24h, 100);
  EXPECT_EQ(waits(100).longer, 2u);
  net.server->observe(net.now);
  net.server->close(bare.server);
  net.exchange();
  EXPECT_EQ(waits(100).longer, 0u);
  EXPECT_EQ(waits(100).longest, age(talking.server));
}

TEST_P(EndpointTest, MemoryIsTouchedOnlyAsUsed) {
  EndpointConfig config = small_config();
  config.max_connections = 4'000'000;
  config.max_time_wait = 4'000'000;
  Pair big(GetParam(), config);
  const Endpoint::Memory before = big.client->memory();
  EXPECT_GT(before.reserved_bytes, 4'000'000u * 128);
  EXPECT_LT(before.touched_bytes, 1u << 20);
  (void)big.listen();
  (void)big.open();
  const Endpoint::Memory after = big.client->memory();
  EXPECT_EQ(after.reserved_bytes, before.reserved_bytes);
  EXPECT_GT(after.touched_bytes, before.touched_bytes);
  EXPECT_LT(after.touched_bytes, 2u << 20);
}

TEST_P(EndpointTest, EveryCloseOfABatchIsToldAlthoughItIsLarge) {
  (void)net.listen(1000);
  std::vector<ConnectionId> ids;
  for (int i = 0; i < 500; ++i) {
    const OpenResult r = net.connect(static_cast<std::uint32_t>(i));
    ASSERT_EQ(r.error, OpenError::none);
    ids.push_back(r.connection);
    if (i % 50 == 0) net.exchange();
  }
  net.exchange();
  for (const ConnectionId id : ids) net.client->abort(id);
  net.exchange();
  EXPECT_EQ(net.client.count(EventKind::closed), 500u);
  EXPECT_EQ(net.server.count(EventKind::closed), 500u);
  net.client.check_log();
  net.server.check_log();
  EXPECT_EQ(inspect(*net.client).connections.live(), 0u);
  EXPECT_EQ(inspect(*net.server).connections.live(), 0u);
}

TEST_P(EndpointTest, IcmpErrorsReachConnectionsOnly) {
  const OpenResult r = net.connect();
  const FourTuple tuple = net.client->status(r.connection)->tuple;
  std::vector<SegmentOut> out(4);
  ASSERT_EQ(net.client->flush(out, net.now), 1u);
  IcmpError error;
  error.hard = true;
  error.seq = out[0].seq + 100'000;
  EXPECT_EQ(net.client->icmp_error(tuple, error, net.now), Drop::icmp_no_connection);
  FourTuple other = tuple;
  other.local_port ^= 1;
  error.seq = out[0].seq;
  EXPECT_EQ(net.client->icmp_error(other, error, net.now), Drop::icmp_no_connection);
  EXPECT_EQ(net.client->icmp_error(tuple, error, net.now), Drop::none);
  net.exchange();
  ASSERT_EQ(net.client.count(EventKind::closed), 1u);
  EXPECT_EQ(net.client.of(EventKind::closed)[0].reason, CloseReason::unreachable);
}

TEST_P(EndpointTest, ALongSleepDoesNotConfuseTheWheel) {
  (void)net.listen();
  const auto [c, s] = net.open();
  for (const Duration sleep : {Duration(30h), Duration(50h), Duration(80h), Duration(25 * 24h)}) {
    net.now += sleep;
    ASSERT_EQ(net.client->send(c, as_bytes("still here"), Lifetime::copied), 10u);
    // The first copy is lost: only the retransmission timer brings it over.
    int n = 0;
    net.client.pass_out = [&](const Packet&) { return ++n > 1; };
    net.run_for(10s);
    net.client.pass_out = nullptr;
  }
  EXPECT_EQ(net.server.received(s).size(), 40u);
}

TEST_P(EndpointTest, AHundredThousandConnectionsLeaveNothingBehind) {
  EndpointConfig config = small_config();
  config.profiles[0].two_msl = 1s;
  Pair churn(GetParam(), config, config);
  (void)churn.listen(1000);
  const int total = GetParam() ? 30'000 : 100'000;
  int launched = 0;
  churn.client.react = [&](Host& host, const Event& e) {
    if (e.kind == EventKind::connected) {
      (void)host->send(e.connection, as_bytes("ping"), Lifetime::copied);
    }
    if (e.kind == EventKind::data) host->close(e.connection);
  };
  churn.server.react = [&](Host& host, const Event& e) {
    if (e.kind == EventKind::data)
      (void)host->send(e.connection, as_bytes("pong"), Lifetime::copied);
    if (e.kind == EventKind::peer_closed) host->close(e.connection);
  };
  std::uint64_t closed = 0;
  while (launched < total) {
    for (int i = 0; i < 100 && launched < total; ++i) {
      ASSERT_EQ(churn.connect().error, OpenError::none);
      ++launched;
    }
    churn.exchange();
    closed += churn.client.count(EventKind::closed);
    churn.client.check_log();
    churn.client.log.clear();
    churn.server.log.clear();
    churn.now += 30ms;
  }
  EXPECT_EQ(closed, static_cast<std::uint64_t>(total));
  churn.run_for(5s);
  for (Host* host : {&churn.client, &churn.server}) {
    const EndpointImpl& e = inspect(**host);
    EXPECT_EQ(e.connections.live(), 0u);
    EXPECT_EQ(e.connections.created(), static_cast<std::uint64_t>(total));
    EXPECT_EQ(e.connections.freed(), static_cast<std::uint64_t>(total));
    EXPECT_EQ(e.stores.send.live() + e.stores.receive.live() + e.stores.chunks.live() +
                  e.stores.blocks.live() + e.stores.pairs.live(),
              0u);
    EXPECT_EQ(e.index.size(), 0u);
    EXPECT_EQ(e.wheel.armed(), 0u);
    EXPECT_EQ(live_connections(**host), 0u);
  }
  EXPECT_EQ(churn.client->counters().TW, static_cast<std::uint64_t>(total));
  EXPECT_EQ(churn.server->counters().PassiveOpens, static_cast<std::uint64_t>(total));
}

}  // namespace
}  // namespace millrace::tcp::test
