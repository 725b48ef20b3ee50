// SPDX-License-Identifier: BSD-3-Clause
//
// The server over two endpoints: every route, requests cut at every byte, pipelines, bodies both
// ways, clients that are slow or leave. After each test nothing of it is left in the server.
#include <gtest/gtest.h>

#include "tests/apps/http_server/rig.h"

namespace millrace::http {
namespace {

class ServerTest : public ::testing::Test {
 protected:
  void TearDown() override {
    rig_.finish();
    EXPECT_EQ(rig_.server.live_exchanges(), 0U);
    EXPECT_EQ(rig_.server.live_buffers(), 0U);
    EXPECT_EQ(rig_.pair.server().states().of(tcp::State::established), 0U);
  }
  Rig rig_;
};

TEST_F(ServerTest, EveryRouteOverBothFamilies) {
  for (const bool ipv6 : {false, true}) {
    EXPECT_EQ(rig_.get("/", ipv6).status, 200);
    EXPECT_NE(rig_.get("/", ipv6).body.find("Millrace"), std::string::npos);
    EXPECT_EQ(rig_.get("/bytes/100", ipv6).body, pattern_text(100));
    EXPECT_EQ(rig_.get("/bytes/0", ipv6).body, "");
    EXPECT_EQ(rig_.get("/bytes/300000", ipv6).body, pattern_text(300'000));
    EXPECT_EQ(rig_.get("/chunked/50000", ipv6).body, pattern_text(50'000));
    EXPECT_EQ(rig_.get("/chunked/0", ipv6).body, "");
    EXPECT_EQ(rig_.get("/status/503", ipv6).status, 503);
    EXPECT_EQ(rig_.get("/nothing", ipv6).status, 404);
    const Response echo =
        parse_response(rig_.ask(request("/echo", "Content-Length: 5\r\n", "POST") + "hello", ipv6));
    EXPECT_EQ(echo.body, "hello");
  }
}

TEST_F(ServerTest, HeadHasTheHeadersOfGet) {
  const std::string get = rig_.ask(request("/bytes/1000"));
  const std::string head = rig_.ask(request("/bytes/1000", "", "HEAD"));
  EXPECT_EQ(head, get.substr(0, get.find("\r\n\r\n") + 4));
  EXPECT_EQ(parse_response(rig_.ask(request("/bytes/10737418240", "", "HEAD")), true).status, 200);
}

TEST_F(ServerTest, ErrorsWhereTheyBelong) {
  const auto status = [&](const std::string& text) {
    return parse_response(rig_.ask(text)).status;
  };
  EXPECT_EQ(status(request("/bytes/1", "", "DELETE")), 405);
  EXPECT_EQ(status(request("/echo")), 405);
  EXPECT_EQ(status(request("/echo", "", "POST")), 411);
  EXPECT_EQ(status(request("/echo", "Content-Length: 99999999999999\r\n", "POST")), 413);
  EXPECT_EQ(status(request("/", "", "BREW")), 501);
  EXPECT_EQ(status(request("/echo", "Transfer-Encoding: gzip, chunked\r\n", "POST")), 501);
  EXPECT_EQ(status(request("/", "Expect: cake\r\n")), 417);
  EXPECT_EQ(status("GET / HTTP/3.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_NE(rig_.ask(request("/", "", "PUT")).find("Allow: GET, HEAD\r\n"), std::string::npos);
}

// The same answer whether a request comes whole, in two pieces cut anywhere, or byte by byte.
TEST_F(ServerTest, RequestsMayBeCutAnywhere) {
  const std::string texts[] = {
      request("/bytes/20"),
      "\r\n\r\n" + request("/bytes/20", "Connection: close\r\n"),
      request("/bytes/3") + request("/nothing") + request("/chunked/5"),
      request("/echo", "Content-Length: 10\r\n", "POST") + "0123456789" + request("/bytes/1"),
      request("/echo", "Transfer-Encoding: chunked\r\n", "POST") +
          "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n" + request("/status/200"),
  };
  for (const std::string& text : texts) {
    const std::string whole = rig_.ask(text);
    const bool chunked_echo = text.find("chunked\r\n\r\n") != std::string::npos;
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      const tcp::ConnectionId id = rig_.open();
      rig_.send(id, std::string_view(text).substr(0, cut));
      rig_.send(id, std::string_view(text).substr(cut));
      // A chunked echo may be cut into other chunks: its body counts.
      if (chunked_echo) {
        const Response response = parse_response(rig_.seen(id).received);
        EXPECT_EQ(response.body, "abc0123456789") << cut;
        const auto rest = parse_response(rig_.seen(id).received.substr(response.length));
        EXPECT_EQ(rest.status, 200) << cut;
      } else {
        EXPECT_EQ(rig_.seen(id).received, whole) << "cut at " << cut << " of\n" << text;
      }
      rig_.pair.client().abort(id);
      rig_.pair.settle();
    }
    const tcp::ConnectionId id = rig_.open();
    rig_.drip(id, text, 1);
    if (!chunked_echo) {
      EXPECT_EQ(rig_.seen(id).received, whole);
    }
  }
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  const tcp::ConnectionId id = rig_.open();
  std::string text;
  for (int i = 0; i < 500; ++i) text += request("/bytes/" + std::to_string(i));
  rig_.send(id, text);
  std::string_view received = rig_.seen(id).received;
  for (std::size_t i = 0; i < 500; ++i) {
    const Response response = parse_response(received);
    ASSERT_EQ(response.body, pattern_text(i)) << i;
    received.remove_prefix(response.length);
  }
  EXPECT_TRUE(received.empty());
}

// What comes while an answer waits lies in the receive queue and is taken from there.
TEST_F(ServerTest, RequestsBehindADelayKeepTheirOrder) {
  const tcp::ConnectionId id = rig_.open();
  std::string text = request("/delay/50");
  for (int i = 0; i < 200; ++i) {
    text += request("/bytes/" + std::to_string(i), "X-Number: " + std::to_string(i) + "\r\n");
    if (i % 10 == 0) text += request("/delay/1");
  }
  rig_.drip(id, text, 777);
  EXPECT_EQ(rig_.seen(id).received, "");
  rig_.pair.pass(200ms);
  std::string_view received = rig_.seen(id).received;
  for (std::size_t i = 0; i < 200; ++i) {
    Response response = parse_response(received);
    while (response.head.find("text/plain") != std::string::npos) {
      received.remove_prefix(response.length);
      response = parse_response(received);
    }
    ASSERT_EQ(response.body, pattern_text(i)) << i;
    received.remove_prefix(response.length);
  }
}

TEST_F(ServerTest, DelayTakesItsTime) {
  const tcp::ConnectionId id = rig_.open();
  rig_.send(id, request("/delay/250"));
  rig_.pair.pass(240ms);
  EXPECT_EQ(rig_.seen(id).received, "");
  rig_.pair.pass(15ms);
  EXPECT_EQ(parse_response(rig_.seen(id).received).status, 200);
}

TEST_F(ServerTest, LargeBodyByPattern) {
  rig_.client.keep = false;
  const std::string head =
      "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: "
      "67108864\r\n\r\n";
  rig_.client.pattern_from = head.size();
  const tcp::ConnectionId id = rig_.open();
  rig_.send(id, request("/bytes/67108864"));
  rig_.pair.pass(1s);
  EXPECT_EQ(rig_.seen(id).bytes, head.size() + 67'108'864);
  EXPECT_EQ(rig_.client.wrong_bytes, 0U);
}

TEST_F(ServerTest, ClosesWhenAskedTo) {
  for (const std::string& text : {request("/bytes/5", "Connection: close\r\n"),
                                  std::string("GET /bytes/5 HTTP/1.0\r\n\r\n")}) {
    const tcp::ConnectionId id = rig_.open();
    rig_.send(id, text);
    EXPECT_TRUE(rig_.seen(id).peer_closed);
    EXPECT_NE(rig_.seen(id).received.find("Connection: close\r\n"), std::string::npos);
    EXPECT_EQ(parse_response(rig_.seen(id).received).body, pattern_text(5));
  }
  const tcp::ConnectionId id = rig_.open();
  rig_.send(id, "GET /bytes/5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_FALSE(rig_.seen(id).peer_closed);
  EXPECT_NE(rig_.seen(id).received.find("Connection: keep-alive\r\n"), std::string::npos);
  const tcp::ConnectionId old = rig_.open();
  rig_.send(old, "GET /chunked/70000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(rig_.seen(old).peer_closed);
  EXPECT_TRUE(rig_.seen(old).received.ends_with("\r\n\r\n" + pattern_text(70'000)));
}

// Requests behind one that closes are not answered, and do not cost the answer before them.
TEST_F(ServerTest, WhatFollowsACloseIsDropped) {
  const tcp::ConnectionId id = rig_.open();
  rig_.send(id, request("/bytes/5", "Connection: close\r\n") + request("/bytes/6"));
  EXPECT_EQ(parse_response(rig_.seen(id).received).body, pattern_text(5));
  EXPECT_EQ(parse_response(rig_.seen(id).received).length, rig_.seen(id).received.size());
  EXPECT_TRUE(rig_.seen(id).peer_closed);
  EXPECT_FALSE(rig_.seen(id).closed);
  rig_.pair.pass(3s);
  rig_.send(id, "more");
  EXPECT_TRUE(rig_.seen(id).closed);
}

TEST_F(ServerTest, UnreadBodyDoesNotCostTheAnswer) {
  const tcp::ConnectionId id = rig_.open();
  rig_.send(id, request("/nothing", "Content-Length: 200000\r\n", "POST"));
  rig_.send(id, std::string(200'000, 'x'));
  EXPECT_EQ(parse_response(rig_.seen(id).received).status, 404);
  EXPECT_TRUE(rig_.seen(id).peer_closed);
  EXPECT_FALSE(rig_.seen(id).closed);
  rig_.pair.client().close(id);
  rig_.pair.pass(2s);
  EXPECT_EQ(rig_.seen(id).reason, tcp::CloseReason::graceful);
}

TEST_F(ServerTest, HalfClosedClientGetsItsAnswer) {
  for (const char* path : {"/bytes/600000", "/delay/20", "/bytes/5"}) {
    const tcp::ConnectionId id = rig_.open();
    (void)!rig_.pair.client().send(id, bytes_of(request(path)), tcp::Lifetime::copied);
    rig_.pair.client().shutdown(id);
    rig_.pair.pass(100ms);
    EXPECT_EQ(parse_response(rig_.seen(id).received).status, 200) << path;
    EXPECT_TRUE(rig_.seen(id).peer_closed) << path;
  }
}

TEST_F(ServerTest, ContinuesWhenAsked) {
  const tcp::ConnectionId id = rig_.open();
  rig_.send(id, request("/echo", "Content-Length: 5\r\nExpect: 100-continue\r\n", "POST"));
  EXPECT_EQ(rig_.seen(id).received, "HTTP/1.1 100 Continue\r\n\r\n");
  rig_.send(id, "hello");
  EXPECT_EQ(parse_response(std::string_view(rig_.seen(id).received).substr(25)).body, "hello");
  EXPECT_EQ(parse_response(rig_.ask(request("/echo", "Expect: 100-continue\r\n", "POST"))).status,
            411);
}

TEST_F(ServerTest, EmptyBodiesAreEchoed) {
  const std::string plain = request("/echo", "Content-Length: 0\r\n", "POST");
  const std::string chunked = request("/echo", "Transfer-Encoding: chunked\r\n", "POST");
  const std::string all = rig_.ask(plain + chunked + "0\r\n\r\n" + plain);
  const Response first = parse_response(all);
  const Response second = parse_response(std::string_view(all).substr(first.length));
  const Response third = parse_response(std::string_view(all).substr(first.length + second.length));
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(third.length, all.size() - first.length - second.length);
}

TEST_F(ServerTest, BadChunksEndTheConnection) {
  const std::string head = request("/echo", "Transfer-Encoding: chunked\r\n", "POST");
  // Before the answer began there is a way to say so; afterwards there is a reset alone.
  EXPECT_EQ(parse_response(rig_.ask(head + "0x5\r\nhello\r\n0\r\n\r\n")).status, 400);
  const tcp::ConnectionId id = rig_.open();
  rig_.send(id, head + "5\r\nhello\r\n");
  rig_.send(id, "+5\r\nhello\r\n");
  EXPECT_EQ(rig_.seen(id).reason, tcp::CloseReason::reset);
}

// Both kinds of body, many megabytes, with a client that stops reading now and then.
TEST_F(ServerTest, EchoWaitsForItsReader) {
  const std::string body = pattern_text(3'000'000);
  std::string chunked;
  for (std::size_t at = 0; at < body.size(); at += 50'000) {
    chunked += "c350\r\n" + body.substr(at, 50'000) + "\r\n";
  }
  chunked += "0\r\n\r\n";
  const std::pair<std::string, std::string> cases[] = {
      {request("/echo", "Content-Length: 3000000\r\n", "POST"), body},
      {request("/echo", "Transfer-Encoding: chunked\r\n", "POST"), chunked}};
  for (const auto& [head, wire] : cases) {
    const tcp::ConnectionId id = rig_.open();
    const std::string text = head + wire;
    std::size_t sent = 0;
    for (int round = 0; round < 4000 && !parse_response(rig_.seen(id).received).status; ++round) {
      rig_.client.reading = round % 3 == 2;
      if (rig_.client.reading) {
        for (Bytes b = rig_.pair.client().readable(id); !b.empty();
             b = rig_.pair.client().readable(id)) {
          rig_.seen(id).received += view_of(b);
          rig_.pair.client().consume(id, b.size());
        }
      }
      sent += rig_.pair.client().send(id, bytes_of(text).subspan(sent), tcp::Lifetime::copied);
      rig_.pair.settle();
      if (round % 7 == 0) rig_.pair.pass(1ms);
    }
    EXPECT_EQ(sent, text.size());
    const Response response = parse_response(rig_.seen(id).received);
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.body == body);
    rig_.client.reading = true;
  }
}

TEST_F(ServerTest, LongHeadsAreRefused) {
  const std::string line = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const std::string fits = line + std::string(8192 - line.size() - 4, 'x') + "\r\n\r\n";
  EXPECT_EQ(parse_response(rig_.ask(fits)).status, 200);
  EXPECT_EQ(
      parse_response(rig_.ask(line + std::string(8192 - line.size() - 3, 'x') + "\r\n\r\n")).status,
      431);
  EXPECT_EQ(parse_response(rig_.ask("GET /" + std::string(9000, 'x') + " HTTP/1.1\r\n\r\n")).status,
            414);
  for (const std::size_t piece : {1U, 100U, 5000U}) {
    const tcp::ConnectionId id = rig_.open();
    rig_.drip(id, fits, piece);
    EXPECT_EQ(parse_response(rig_.seen(id).received).status, 200) << piece;
    const tcp::ConnectionId longer = rig_.open();
    rig_.drip(longer, line + std::string(20'000, 'x'), piece);
    EXPECT_EQ(parse_response(rig_.seen(longer).received).status, 431) << piece;
    EXPECT_TRUE(rig_.seen(longer).peer_closed);
  }
}

TEST_F(ServerTest, SlowHeadsEndAfterTenSeconds) {
  const tcp::ConnectionId id = rig_.open();
  rig_.pair.pass(30s);  // without a byte it is an idle connection, and may be one
  EXPECT_FALSE(rig_.seen(id).peer_closed);
  const std::string text = request("/", "X: " + std::string(100, 'x') + "\r\n");
  for (int i = 0; i < 9; ++i) {
    rig_.send(id, std::string_view(text).substr(static_cast<std::size_t>(i), 1));
    rig_.pair.pass(1s);
  }
  EXPECT_EQ(rig_.seen(id).received, "");
  EXPECT_EQ(rig_.server.live_exchanges(), 1U);
  rig_.pair.pass(1100ms);
  EXPECT_EQ(parse_response(rig_.seen(id).received).status, 408);
  EXPECT_EQ(rig_.server.stats().slow_heads, 1U);
  EXPECT_EQ(rig_.server.live_exchanges(), 0U);
}

TEST_F(ServerTest, WhoDoesNotReadIsResetAfterAMinute) {
  rig_.client.reading = false;
  const tcp::ConnectionId id = rig_.open();
  rig_.send(id, request("/bytes/5000000"));
  rig_.pair.pass(58s);
  EXPECT_FALSE(rig_.seen(id).closed);
  EXPECT_EQ(rig_.server.live_exchanges(), 1U);
  rig_.pair.pass(4s);
  EXPECT_EQ(rig_.seen(id).reason, tcp::CloseReason::reset);
  EXPECT_EQ(rig_.server.stats().stalled, 1U);
}

TEST_F(ServerTest, WhoReadsSlowlyGetsAll) {
  rig_.client.reading = false;
  const tcp::ConnectionId id = rig_.open();
  rig_.send(id, request("/bytes/2000000"));
  std::string received;
  for (int i = 0; i < 500 && received.size() < 2'000'000; ++i) {
    const Bytes b = rig_.pair.client().readable(id);
    received += view_of(b);
    rig_.pair.client().consume(id, b.size());
    rig_.pair.pass(i % 50 == 0 ? Duration(20s) : Duration(1ms));
    while (true) {
      const Bytes more = rig_.pair.client().readable(id);
      if (more.empty()) break;
      received += view_of(more);
      rig_.pair.client().consume(id, more.size());
    }
  }
  EXPECT_TRUE(parse_response(received).body == pattern_text(2'000'000));
}

TEST_F(ServerTest, ClientsThatLeaveLeaveNothing) {
  rig_.client.reading = false;
  for (const std::string& text :
       {request("/bytes/5000000"), request("/delay/5000"), std::string("GET / HT"),
        request("/echo", "Content-Length: 500\r\n", "POST") + "abc",
        request("/nothing", "Content-Length: 500\r\n", "POST")}) {
    const tcp::ConnectionId id = rig_.open();
    rig_.send(id, text);
    EXPECT_EQ(rig_.server.live_exchanges(), 1U) << text;
    rig_.pair.client().abort(id);
    rig_.pair.settle();
    EXPECT_EQ(rig_.server.live_exchanges(), 0U) << text;
  }
}

TEST_F(ServerTest, KnownHeadsNeedNoParser) {
  const tcp::ConnectionId id = rig_.open();
  for (int i = 0; i < 10; ++i) rig_.send(id, request("/bytes/64"));
  EXPECT_EQ(rig_.server.stats().requests, 10U);
  EXPECT_EQ(rig_.server.stats().known_heads, 9U);
  EXPECT_EQ(rig_.server.stats().answers[2], 10U);
}

TEST_F(ServerTest, DrainingClosesIdleAndFinishesTheRest) {
  const tcp::ConnectionId idle = rig_.open();
  const tcp::ConnectionId busy = rig_.open();
  const tcp::ConnectionId next = rig_.open();
  rig_.send(idle, request("/bytes/5"));
  rig_.send(busy, request("/delay/500"));
  rig_.server.start_draining(rig_.pair.server());
  rig_.send(next, request("/bytes/5"));
  EXPECT_NE(rig_.seen(next).received.find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(rig_.server.close_idle(rig_.pair.server(), 0, 10'000), kNil);
  rig_.pair.settle();
  EXPECT_TRUE(rig_.seen(idle).peer_closed);
  EXPECT_TRUE(rig_.seen(next).peer_closed);
  EXPECT_FALSE(rig_.seen(busy).peer_closed);
  rig_.pair.pass(600ms);
  EXPECT_EQ(parse_response(rig_.seen(busy).received).status, 200);
  EXPECT_TRUE(rig_.seen(busy).peer_closed);
  const tcp::ConnectionId late = rig_.pair.connect(80);
  rig_.pair.settle();
  EXPECT_EQ(rig_.seen(late).reason, tcp::CloseReason::refused);
}

TEST(ServerBounds, FullPoolsAnswer503) {
  ServerConfig config;
  config.max_exchanges = 2;
  Rig rig(config);
  const tcp::ConnectionId a = rig.open();
  const tcp::ConnectionId b = rig.open();
  const tcp::ConnectionId c = rig.open();
  rig.send(a, "GET /");
  rig.send(b, "GET /");
  rig.send(c, "GET /");
  // There is no exchange to linger with either: the connection is reset or closed.
  EXPECT_TRUE(rig.seen(c).closed || rig.seen(c).peer_closed);
  EXPECT_GE(rig.server.stats().out_of_memory, 1U);
  // Whole requests need none.
  const tcp::ConnectionId d = rig.open();
  rig.send(d, request("/bytes/5"));
  EXPECT_EQ(parse_response(rig.seen(d).received).body, pattern_text(5));
  rig.send(a, " HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(parse_response(rig.seen(a).received).status, 200);
  rig.finish();
  EXPECT_EQ(rig.server.live_exchanges(), 0U);
}

// A port that coalesces gives more at once than a head may have.
TEST(ServerBounds, LongHeadInOnePiece) {
  Rig rig({}, 262'144, 60'000);
  const std::string line = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const std::size_t fits = 8192 - line.size() - 4;
  EXPECT_EQ(parse_response(rig.ask(line + std::string(fits, 'x') + "\r\n\r\n")).status, 200);
  EXPECT_EQ(parse_response(rig.ask(line + std::string(fits + 1, 'x') + "\r\n\r\n")).status, 431);
  rig.finish();
}

// A send queue of two heads: pieces of answers have to wait.
TEST(ServerBounds, TinySendQueue) {
  Rig rig({}, 2048);
  std::string text;
  for (const char* path :
       {"/", "/bytes/16000", "/chunked/40000", "/nothing", "/status/204", "/delay/1"}) {
    text += request(path);
  }
  const std::string echo = request("/echo", "Transfer-Encoding: chunked\r\n", "POST") + "3e8\r\n" +
                           pattern_text(1000) + "\r\n0\r\n\r\n";
  const tcp::ConnectionId id = rig.open();
  rig.send(id, text + echo + request("/bytes/7"));
  rig.pair.pass(3s);
  std::string_view received = rig.seen(id).received;
  const std::size_t bodies[] = {0, 16'000, 40'000, 0, 0, 0, 1000, 7};
  for (std::size_t i = 0; i < 8; ++i) {
    const Response response = parse_response(received);
    ASSERT_NE(response.status, 0) << i << " of " << rig.seen(id).received.size();
    if (bodies[i] != 0) {
      EXPECT_TRUE(response.body == pattern_text(bodies[i])) << i;
    }
    received.remove_prefix(response.length);
  }
  EXPECT_TRUE(received.empty());
  rig.finish();
  EXPECT_EQ(rig.server.live_exchanges(), 0U);
  EXPECT_EQ(rig.server.live_buffers(), 0U);
}

}  // namespace
}  // namespace millrace::http
