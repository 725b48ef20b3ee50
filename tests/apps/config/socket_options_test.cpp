// SPDX-License-Identifier: BSD-3-Clause
//
// Options of sockets, from the command line to what a connection does: two endpoints made as
// commands make them, and a look at the effect.
#include "apps/config/socket_options.h"

#include <gtest/gtest.h>

#include "apps/config/command_line.h"
#include "apps/config/exit_code.h"
#include "apps/config/shared_options.h"
#include "tests/support/endpoint_pair.h"

namespace millrace {
namespace {

using tcp::CloseReason;
using tcp::EventKind;

/// What the words after `millrace x` make of the TCP group.
Result<TcpOptions> parsed(const std::vector<std::string>& words) {
  auto options = std::make_shared<TcpOptions>();
  Command x{"x", "does", "millrace x", {}, nullptr};
  add_tcp_options(x.options, *options);
  std::vector<Command> commands;
  commands.push_back(std::move(x));
  std::vector<std::string> args{"x"};
  args.insert(args.end(), words.begin(), words.end());
  const auto nothing = [](const std::string&) { return std::optional<std::string>(); };
  auto line = parse_command_line(args, commands, "", nothing);
  if (!line) return line.error();
  return *options;
}
std::string said(const std::string& word) {
  const auto options = parsed({word});
  return options ? "nothing" : to_line(options.error());
}

struct Notes final : tcp::App {
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant) override {
    for (const tcp::Event& e : events) {
      if (e.kind == EventKind::accepted || e.kind == EventKind::connected) id = e.connection;
      if (e.kind == EventKind::accepted) ++accepted;
      if (e.kind == EventKind::data) endpoint.consume(e.connection, e.bytes.size());
      if (e.kind == EventKind::closed) reason = e.reason;
    }
  }
  tcp::ConnectionId id;
  int accepted = 0;
  CloseReason reason = CloseReason::none;
};

/// A client and a server, each with words of its own.
struct Two {
  explicit Two(const std::vector<std::string>& client, const std::vector<std::string>& server = {})
      : pair(endpoint(client, 1), here, endpoint(server, 2), there) {
    EXPECT_TRUE(pair.server().listen({.local = {}, .port = 80}).ok());
    (void)pair.connect(80);
    pair.settle();
  }
  static tcp::EndpointConfig endpoint(std::vector<std::string> words, std::uint64_t seed) {
    words.emplace_back("--max-connections=100");
    const auto options = parsed(words);
    EXPECT_TRUE(options.ok()) << to_line(options.error());
    tcp::EndpointConfig config = make_endpoint(options.value(), 1, 1500, false);
    config.secrets = test::fixed_secrets(seed);
    return config;
  }
  void send(std::size_t bytes) {
    const std::vector<std::byte> text(bytes);
    EXPECT_EQ(pair.client().send(here.id, text, tcp::Lifetime::copied), bytes);
  }
  [[nodiscard]] tcp::ConnectionStatus status() { return *pair.client().status(here.id); }

  Notes here, there;
  test::EndpointPair pair;
};

TEST(SocketOptions, SegmentsAreNoLargerThanAskedAndNoSmallerThanTheFloor) {
  EXPECT_EQ(Two({}).status().mss, 1448U);
  EXPECT_EQ(Two({"--max-segment=1000"}).status().mss, 988U);  // less 12 of timestamps
  EXPECT_EQ(Two({}, {"--max-segment=1000"}).status().mss, 988U);
  EXPECT_EQ(Two({}, {"--max-segment=100"}).status().mss, 204U);  // raised to 216
  EXPECT_EQ(Two({"--min-peer-mss=48"}, {"--max-segment=100"}).status().mss, 88U);
}

TEST(SocketOptions, NodelaySendsWhatNagleHolds) {
  for (const bool nodelay : {false, true}) {
    Two two({nodelay ? "--nodelay=on" : "--nodelay=off"});
    for (int i = 0; i < 3; ++i) {
      two.send(10);
      two.pair.step();
    }
    EXPECT_EQ(two.pair.server_half().payload_segments(), nodelay ? 3U : 1U);
  }
}

TEST(SocketOptions, LingerOfNothingResetsAtOnce) {
  for (const bool at_once : {false, true}) {
    Two two(at_once ? std::vector<std::string>{"--linger=0s"} : std::vector<std::string>{});
    two.pair.client().close(two.here.id);
    two.pair.settle();
    EXPECT_EQ(two.there.reason, at_once ? CloseReason::reset : CloseReason::none);
  }
}

TEST(SocketOptions, ADeferredAcceptWaits) {
  for (const bool defers : {false, true}) {
    Two two({},
            defers ? std::vector<std::string>{"--defer-accept=10s"} : std::vector<std::string>{});
    two.pair.pass(500ms);
    EXPECT_EQ(two.there.accepted, defers ? 0 : 1);
    two.send(1);
    two.pair.settle();
    EXPECT_EQ(two.there.accepted, 1);
  }
}

/// The client alone, from a moment on: nobody answers any more. When does it end, and why?
Duration until_given_up(Two& two, Duration most) {
  test::EndpointPair& p = two.pair;
  Instant now = p.now();
  std::array<tcp::SegmentOut, 32> out;
  const Instant begin = now;
  while (two.here.reason == CloseReason::none && now - begin < most) {
    now += 1ms;
    (void)p.client().advance(now);
    two.here.on_events(p.client(), p.client().events(), now);
    p.client().settle(now);
    while (p.client().flush(out, now) != 0) {
    }
  }
  return now - begin;
}

TEST(SocketOptions, KeepaliveEndsASilentConnection) {
  Two off({});
  EXPECT_GE(until_given_up(off, 20s), 20s);
  Two on({"--keepalive=3s,500ms,4"});
  const Duration taken = until_given_up(on, 20s);
  EXPECT_EQ(on.here.reason, CloseReason::keepalive);
  EXPECT_GE(taken, 4900ms);
  EXPECT_LE(taken, 5100ms);
}

TEST(SocketOptions, AUserTimeoutEndsWhatIsNotAcknowledged) {
  Two two({"--user-timeout=1500ms"});
  two.send(100);
  const Duration taken = until_given_up(two, 20s);
  EXPECT_EQ(two.here.reason, CloseReason::timeout);
  EXPECT_GE(taken, 1400ms);
  EXPECT_LE(taken, 1600ms);
}

TEST(SocketOptions, AreReadInEveryForm) {
  const SocketOptions plain = parsed({}).value().socket;
  EXPECT_FALSE(plain.keepalive.on);
  EXPECT_EQ(plain.linger, tcp::kNoLinger);
  EXPECT_FALSE(plain.nodelay.has_value());
  const SocketOptions o =
      parsed({"--keepalive", "10s,2s", "--linger", "5s", "--nodelay", "off"}).value().socket;
  EXPECT_TRUE(o.keepalive.on);
  EXPECT_EQ(o.keepalive.idle, 10s);
  EXPECT_EQ(o.keepalive.interval, 2s);
  EXPECT_EQ(o.keepalive.count, 9);
  EXPECT_EQ(o.linger, 5s);
  EXPECT_EQ(o.nodelay, false);
  EXPECT_EQ(parsed({"--keepalive=1h"}).value().socket.keepalive.interval, 75s);
  EXPECT_FALSE(parsed({"--keepalive=off"}).value().socket.keepalive.on);
  EXPECT_EQ(parsed({"--linger=off"}).value().socket.linger, tcp::kNoLinger);
}

TEST(SocketOptions, BadOnesAreNamed) {
  for (const char* word : {",", "10s,", "10s,2s,", "10s,2s,0", "10s,2s,61", "10s,2s,5,1", "x", "0s",
                           "25h", "10s,0s"}) {
    const std::string line = said(std::string("--keepalive=") + word);
    EXPECT_NE(line.find("is not a keepalive: expected off, or IDLE[,INTERVAL[,COUNT]]"),
              std::string::npos)
        << word << ": " << line;
  }
  EXPECT_NE(said("--linger=-1s").find("is not a time to linger: expected off, or 0s to 24h"),
            std::string::npos)
      << said("--linger=-1s");
  for (const char* word :
       {"--defer-accept=2h", "--max-segment=47", "--max-segment=65496", "--min-peer-mss=47",
        "--min-peer-mss=1461", "--user-timeout=25h", "--nodelay=maybe"}) {
    EXPECT_NE(said(word).find("expected"), std::string::npos) << word << ": " << said(word);
  }
}

}  // namespace
}  // namespace millrace
