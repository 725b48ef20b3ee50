// SPDX-License-Identifier: BSD-3-Clause
//
// The laboratory: paths that lose, double and delay as they are told to, and ends that close when
// they are told to.
#include "apps/time_wait/lab.h"

#include <gtest/gtest.h>

#include "apps/time_wait/openers.h"

namespace millrace::time_wait {
namespace {

struct Outcome {
  OpenerCounts counts;
  std::uint64_t accepted = 0;
  std::uint64_t at_client = 0;
  std::uint64_t at_server = 0;
  std::uint64_t packets = 0;
  friend bool operator==(const Outcome& a, const Outcome& b) {
    return a.counts.connected == b.counts.connected && a.accepted == b.accepted &&
           a.at_client == b.at_client && a.at_server == b.at_server && a.packets == b.packets;
  }
};

Outcome run(const Faults& faults, std::uint64_t seed, Closes client = Closes::at_once,
            Closes server = Closes::second) {
  LabConfig config;
  config.faults = faults;
  config.seed = seed;
  Opener opener({.rate = 1000, .addresses = 2, .most = 500, .closes = client});
  Acceptor acceptor(server);
  auto lab = Lab::create(config, opener, acceptor);
  EXPECT_TRUE(lab.ok());
  lab.value()->run_for(30s);
  return {opener.counts(), acceptor.accepted(),
          lab.value()->client().states().of(tcp::State::time_wait),
          lab.value()->server().states().of(tcp::State::time_wait),
          lab.value()->to_server().carried() + lab.value()->to_client().carried()};
}

TEST(Lab, EveryConnectionIsMadeAndClosed) {
  const Outcome o = run({}, 1);
  EXPECT_EQ(o.counts.offered, 500u);
  EXPECT_EQ(o.counts.connected, 500u);
  EXPECT_EQ(o.counts.closed, 500u);
  EXPECT_EQ(o.accepted, 500u);
  EXPECT_EQ(o.counts.failed + o.counts.reset + o.counts.all_refused(), 0u);
}

TEST(Lab, WhoeverClosesFirstKeepsTheEntry) {
  const Outcome client = run({}, 1, Closes::at_once, Closes::second);
  EXPECT_EQ(client.at_client, 500u);
  EXPECT_EQ(client.at_server, 0u);
  const Outcome server = run({}, 1, Closes::second, Closes::at_once);
  EXPECT_EQ(server.at_client, 0u);
  EXPECT_EQ(server.at_server, 500u);
  const Outcome both = run({}, 1, Closes::after_a_while, Closes::after_a_while);
  EXPECT_EQ(both.at_client, 500u);
  EXPECT_EQ(both.at_server, 500u);
}

TEST(Lab, FaultsAreThoseAskedFor) {
  const std::uint64_t clean = run({}, 1).packets;
  const Outcome lossy = run({.loss = 0.1}, 1);
  EXPECT_EQ(lossy.counts.connected, 500u) << "what is lost is sent again";
  EXPECT_GT(lossy.packets, clean);
  const Outcome doubled = run({.duplicate = 0.5, .late = 10ms}, 1);
  EXPECT_GT(doubled.packets, clean * 14 / 10) << "about half as many again, and answers to them";
}

TEST(Lab, ASeedRepeatsARun) {
  const Faults faults{.loss = 0.05, .duplicate = 0.1, .reorder = 0.1, .late = 50ms};
  EXPECT_EQ(run(faults, 7), run(faults, 7));
  EXPECT_NE(run(faults, 7).packets, run(faults, 8).packets);
}

TEST(Lab, FinsAreKeptOnRequest) {
  LabConfig config;
  Opener opener({.rate = 1000, .most = 20});
  Acceptor acceptor(Closes::second);
  auto lab = Lab::create(config, opener, acceptor);
  ASSERT_TRUE(lab.ok());
  lab.value()->run_for(1ms);
  lab.value()->keep_fins();
  lab.value()->run_for(1s);
  ASSERT_EQ(lab.value()->to_client().fins().size(), 20u);
  const Path::Fin& fin = lab.value()->to_client().fins()[0];
  EXPECT_TRUE(fin.segment.flags.fin());
  EXPECT_EQ(fin.tuple.local, client_address(0)) << "as the receiver sees it";
  EXPECT_EQ(fin.tuple.remote_port, kPort);
}

}  // namespace
}  // namespace millrace::time_wait
