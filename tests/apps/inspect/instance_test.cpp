// SPDX-License-Identifier: BSD-3-Clause
//
// A fleet over the in-memory cable is asked what it holds: as a function, and over its socket as
// `millrace ss` does.
#include "apps/inspect/instance.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "apps/config/exit_code.h"
#include "apps/inspect/ss.h"
#include "dataplane/backend.h"

namespace millrace::inspect {
namespace {

using nlohmann::json;

constexpr std::uint32_t kConnections = 600;
const Address kServer = Address::v4(0xc6120001);
const Address kClient = Address::v4(0xc6120010);

// Opens connections and keeps them.
class Holder final : public tcp::App {
 public:
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events,
                 Instant now) override {
    for (const tcp::Event& event : events) {
      if (event.kind == tcp::EventKind::connected) connected.fetch_add(1);
    }
    for (int i = 0; i < 32 && opened_ < kConnections; ++i, ++opened_) {
      (void)endpoint.connect({.local = kClient, .remote = kServer, .remote_port = 7}, now);
    }
  }
  std::atomic<std::uint32_t> connected{0};

 private:
  std::uint32_t opened_ = 0;
};

class Quiet final : public tcp::App {
 public:
  void on_events(tcp::Endpoint&, std::span<const tcp::Event>, Instant) override {}
};

EndConfig end_at(const Address& address) {
  EndConfig end;
  end.cores = {0};
  end.interface.addresses = {{address, 24, 1}};
  end.endpoint.max_connections = 4096;
  return end;
}

class InstanceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    // The sockets of this test, not of whoever runs it.
    std::string directory = ::testing::TempDir() + "millrace-XXXXXX";
    ASSERT_NE(mkdtemp(directory.data()), nullptr);
    setenv("XDG_RUNTIME_DIR", directory.c_str(), 1);
    FleetConfig config;
    config.ends = {end_at(kServer), end_at(kClient)};
    config.hugepages = false;
    const auto make_app = [](std::size_t end, std::size_t, tcp::Endpoint& endpoint) {
      if (end == 0) {
        EXPECT_TRUE(endpoint.listen({.local = {}, .port = 7}).ok());
        return std::unique_ptr<tcp::App>(std::make_unique<Quiet>());
      }
      auto app = std::make_unique<Holder>();
      holder_ = app.get();
      return std::unique_ptr<tcp::App>(std::move(app));
    };
    auto made = Fleet::create(config, make_app, make_dpdk_backend());
    ASSERT_TRUE(made.ok()) << to_line(made.error());
    fleet_ = std::move(made).value();
    fleet_->start();
    // Statistics are published a few times a second; a busy machine may take long for all of this.
    for (int i = 0; i < 6000 && established() < 2 * kConnections; ++i) {
      std::this_thread::sleep_for(10ms);
    }
    ASSERT_EQ(holder_->connected.load(), kConnections);
    ASSERT_EQ(established(), 2 * kConnections);
  }
  static void TearDownTestSuite() {
    if (fleet_ != nullptr) fleet_->stop();
    fleet_.reset();
  }

  static std::uint64_t established() {
    return total_stats(*fleet_).states.of(tcp::State::established);
  }
  static json ask(const std::string& request) {
    return json::parse(reply_to(request, *fleet_, {"serve", "x", "cable"}));
  }

  static inline std::unique_ptr<Fleet> fleet_;
  static inline Holder* holder_ = nullptr;
};

TEST_F(InstanceTest, SummarySumsAllWorkers) {
  const json s = ask(R"({"ask": "summary"})");
  EXPECT_EQ(s["states"]["ESTABLISHED"], 2 * kConnections);  // both ends
  EXPECT_EQ(s["states"]["LISTEN"], 1);
  EXPECT_EQ(s["counters"]["ActiveOpens"], kConnections);
  EXPECT_EQ(s["counters"]["PassiveOpens"], kConnections);
  EXPECT_EQ(s["workers"], 2);
  EXPECT_EQ(s["command"], "serve");
  const std::string text = summary_text(s.dump());
  EXPECT_NE(text.find("TCP:   1,200 (estab 1,200, closed 0, synrecv 0, timewait 0)"),
            std::string::npos)
      << text;
}

TEST_F(InstanceTest, ConnectionsComeInSlices) {
  std::set<int> ports;
  std::size_t slices = 0;
  std::string text;
  json from = 0;
  while (!from.is_null()) {
    const json reply = ask(json{{"ask", "connections"}, {"end", 1}, {"from", from}}.dump());
    EXPECT_LE(reply["connections"].size(), 256U);
    EXPECT_EQ(reply["ends"], 2);
    for (const json& c : reply["connections"]) {
      EXPECT_EQ(c["state"], "ESTABLISHED");
      EXPECT_EQ(c["remote"], "198.18.0.1");
      EXPECT_EQ(c["remote_port"], 7);
      ports.insert(c["local_port"].get<int>());
    }
    text += connections_text(reply.dump(), "", true);
    from = reply.contains("next") ? reply["next"] : json();
    ++slices;
  }
  EXPECT_EQ(ports.size(), kConnections);
  EXPECT_GE(slices, 3U);
  EXPECT_NE(text.find("198.18.0.1:7\n\tts sack wscale cubic mss:"), std::string::npos)
      << text.substr(0, 400);
}

TEST_F(InstanceTest, ListenersAreListed) {
  const json reply = ask(R"({"ask": "connections", "end": 0, "from": 4000})");
  const std::string text = connections_text(reply.dump(), "LISTEN", false);
  EXPECT_NE(text.find("*:7"), std::string::npos) << text;
  EXPECT_EQ(connections_text(reply.dump(), "TIME_WAIT", false), "");
  const json first = ask(R"({"ask": "connections"})");
  EXPECT_TRUE(connections_text(first.dump(), "ESTABLISHED", false).starts_with("ESTAB  "));
}

// Nobody here closes, and an hour is long: the words alone, and that nothing lingers yet.
TEST_F(InstanceTest, CloseWaitIsToldWithItsAge) {
  json s = ask(R"({"ask": "summary"})");
  EXPECT_EQ(s["close_wait"], (json{{"longer_than_60_s", 0}, {"longest_ms", 0}}));
  EXPECT_EQ(summary_text(s.dump()).find("CLOSE-WAIT for longer"), std::string::npos);
  s["close_wait"] = {{"longer_than_60_s", 1200}, {"longest_ms", 8'130'000}};
  EXPECT_NE(summary_text(s.dump()).find(
                "\n1,200 in CLOSE-WAIT for longer than 60 s, up to 2 h 15 min: not closed here\n"),
            std::string::npos)
      << summary_text(s.dump());
  json c = ask(R"({"ask": "connections"})")["connections"][0];
  EXPECT_FALSE(c.contains("close_wait_ms"));
  c["state"] = "CLOSE_WAIT";
  const auto line = [&](std::uint64_t ms) {
    c["close_wait_ms"] = ms;
    return connections_text(json{{"connections", {c}}}.dump(), "", false);
  };
  EXPECT_TRUE(line(900).ends_with("  closed by peer 900 ms ago\n")) << line(900);
  EXPECT_TRUE(line(59'000).ends_with("  closed by peer 59 s ago\n"));
  EXPECT_TRUE(line(423'000).ends_with("  closed by peer 7 min 3 s ago\n"));
  EXPECT_TRUE(line(273'600'000).ends_with("  closed by peer 3 d 4 h ago\n"));
}

TEST_F(InstanceTest, QuestionsOfNoUseGetErrors) {
  for (const char* request :
       {"", "x", "[]", "{}", R"({"ask": 5})", R"({"ask": "secrets"})",
        R"({"ask": "connections", "end": 2})", R"({"ask": "connections", "worker": 1})",
        R"({"ask": "connections", "from": -1})", R"({"ask": "connections", "from": "x"})"}) {
    EXPECT_TRUE(ask(request).contains("error")) << request;
  }
  EXPECT_TRUE(ask(R"({"ask": "connections", "from": 4294967295})").contains("connections"));
}

TEST_F(InstanceTest, IsFoundByName) {
  EXPECT_EQ(to_line(find_instance("").error()),
            "no instance is running for this user; start one with millrace serve, and ask as the "
            "same user");
  auto one = answer_questions(*fleet_, {"serve", "one", "cable"});
  ASSERT_TRUE(one.ok()) << to_line(one.error());
  ASSERT_TRUE(find_instance("").ok());
  const auto path = find_instance("one");
  ASSERT_TRUE(path.ok());
  const auto reply = control_ask(path.value(), R"({"ask": "summary"})");
  ASSERT_TRUE(reply.ok()) << to_line(reply.error());
  EXPECT_EQ(json::parse(reply.value())["name"], "one");
  EXPECT_EQ(to_line(find_instance("onne").error()),
            "no instance called 'onne' is running for this user; did you mean one?");
  auto two = answer_questions(*fleet_, {"load", "two", "cable"});
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(to_line(find_instance("").error()),
            "2 instances are running: expected the name of one of them, one, two; try millrace ss "
            "one");
}

}  // namespace
}  // namespace millrace::inspect
