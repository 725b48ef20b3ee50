// SPDX-License-Identifier: BSD-3-Clause
//
// What goes in comes out, however slowly it is read, and the end comes behind it.
#include "apps/echo/echo.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/endpoint_pair.h"

namespace millrace::echo {
namespace {

class Talker final : public tcp::App {
 public:
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant) override {
    for (const tcp::Event& event : events) {
      if (event.kind == tcp::EventKind::data && reading)
        take(endpoint, event.connection, event.bytes);
      if (event.kind == tcp::EventKind::peer_closed) peer_closed = true;
      if (event.kind == tcp::EventKind::closed) reason = event.reason;
    }
  }
  void take(tcp::Endpoint& endpoint, tcp::ConnectionId id, std::span<const std::byte> bytes) {
    received.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    endpoint.consume(id, bytes.size());
  }

  std::string received;
  bool reading = true;
  bool peer_closed = false;
  tcp::CloseReason reason = tcp::CloseReason::none;
};

TEST(Echo, SendsBackAllAndThenItsEnd) {
  for (const bool ipv6 : {false, true}) {
    Talker talker;
    Echo echo;
    tcp::EndpointConfig config;
    config.max_connections = 64;
    config.secrets = test::fixed_secrets(1);
    test::EndpointPair pair(config, talker, config, echo);
    ASSERT_TRUE(pair.server().listen({.local = {}, .port = 7}).ok());
    const tcp::ConnectionId id = pair.connect(7, ipv6);
    pair.settle();

    std::string text;
    for (int i = 0; text.size() < 2'000'000; ++i) text += std::to_string(i) + ",";
    talker.reading = false;
    std::size_t sent = 0;
    for (int round = 0; round < 1000 && talker.received.size() < text.size(); ++round) {
      sent += pair.client().send(id, std::as_bytes(std::span(text)).subspan(sent),
                                 tcp::Lifetime::copied);
      pair.settle();
      // Only now and then is something read: both queues fill and both windows close.
      for (auto bytes = pair.client().readable(id); !bytes.empty() && round % 5 == 4;
           bytes = pair.client().readable(id)) {
        talker.take(pair.client(), id, bytes);
      }
    }
    EXPECT_TRUE(talker.received == text);
    EXPECT_FALSE(talker.peer_closed);
    talker.reading = true;
    pair.client().close(id);
    pair.settle();
    EXPECT_EQ(talker.reason, tcp::CloseReason::graceful);
    EXPECT_EQ(pair.server().states().of(tcp::State::established), 0U);
  }
}

}  // namespace
}  // namespace millrace::echo
