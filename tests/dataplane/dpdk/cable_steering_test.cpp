// SPDX-License-Identifier: BSD-3-Clause
//
// The cable as a NIC: types of hash, key and table as given, the hash in the buffer; rules as
// rte_flow has them; and one queue with a steerer behind it.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "dataplane/dpdk/flow_hash.h"
#include "dataplane/dpdk/flow_rules.h"
#include "dataplane/dpdk/rss_key.h"
#include "tests/dataplane/dpdk/cable_ends.h"
#include "tests/dataplane/dpdk/frames.h"
#include "tests/dataplane/dpdk/soft_rss.h"

namespace millrace::test {
namespace {

using dpdk::Cable;

TcpFrame random_frame(std::mt19937& random, bool v6) {
  TcpFrame f{.v6 = v6};
  f.source = static_cast<std::uint32_t>(random());
  f.destination = static_cast<std::uint32_t>(random());
  f.source_port = static_cast<std::uint16_t>(random());
  f.destination_port = static_cast<std::uint16_t>(random());
  return f;
}

/// The segment that `f` carries, with a header of that kind before it.
std::vector<std::uint8_t> extended(const TcpFrame& f, std::uint8_t kind) {
  std::vector<std::uint8_t> bytes = f.bytes();
  const auto ip = static_cast<std::ptrdiff_t>(f.l2());
  bytes.insert(bytes.begin() + ip + 40, {6, 0, 1, 4, 0, 0, 0, 0});
  bytes[f.l2() + 6] = kind;
  bytes[f.l2() + 5] = static_cast<std::uint8_t>(bytes[f.l2() + 5] + 8);
  return bytes;
}

FourTuple tuple_of(const TcpFrame& f) {
  if (!f.v6) {
    return {Address::v4(f.destination), Address::v4(f.source), f.destination_port, f.source_port};
  }
  std::array<std::uint8_t, 16> a{0x20, 0x01}, b{0x20, 0x01};
  TcpFrame::put32(a.data() + 12, f.destination);
  TcpFrame::put32(b.data() + 12, f.source);
  return {Address::v6(a), Address::v6(b), f.destination_port, f.source_port};
}

/// Sends it and says which port got it; its hash if it came with one.
struct Got {
  std::size_t queue = 99;
  bool hashed = false;
  std::uint32_t hash = 0;
};
Got pass(Ends& ends, const std::vector<std::uint8_t>& bytes) {
  send(*ends.ports[0][0], bytes);
  Got got;
  for (std::size_t q = 0; q < ends.ports[1].size(); ++q) {
    Frame f;
    if (ends.ports[1][q]->rx_burst({&f, 1}) == 0) continue;
    EXPECT_EQ(got.queue, 99U);
    EXPECT_EQ(bytes_of(f), bytes);
    const auto* m = static_cast<const rte_mbuf*>(f.buffer);
    got = {q, (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0, m->hash.rss};
    ends.ports[1][q]->release({&f, 1});
  }
  return got;
}

std::vector<std::uint8_t> key_of(std::uint64_t seed) {
  const auto key = some_key(seed);
  return {key.begin(), key.end()};
}

TEST(CableRss, HashesTheChosenTypesByTheGivenKeyAndTable) {
  std::vector<std::uint16_t> table(64);
  std::mt19937 random(5);
  for (auto& queue : table) queue = static_cast<std::uint16_t>(random() % 5U);
  for (unsigned types = 0; types < 32; ++types) {
    CableConfig config;
    config.hash_types = {(types & 1) != 0, (types & 2) != 0, (types & 4) != 0, (types & 8) != 0,
                         (types & 16) != 0};
    config.rss_key = key_of(21);
    config.rss_table = table;
    Ends ends(1, 5, config);
    const HashTypes& t = config.hash_types;
    const auto expect = [&](const TcpFrame& f, const std::vector<std::uint8_t>& bytes, bool tcp,
                            bool addresses) {
      const Got got = pass(ends, bytes);
      EXPECT_EQ(got.hashed, tcp || addresses) << types;
      const std::uint32_t hash =
          tcp || addresses ? soft_rss(f, config.rss_key.data(), tcp) : std::uint32_t{0};
      EXPECT_EQ(got.hash, hash);
      EXPECT_EQ(got.queue, table[hash % 64]);
    };
    for (int i = 0; i < 10; ++i) {
      const TcpFrame v4 = random_frame(random, false), v6 = random_frame(random, true);
      expect(v4, v4.bytes(), t.tcp_ipv4, t.ipv4);
      expect(v6, v6.bytes(), t.tcp_ipv6, t.ipv6);
      std::vector<std::uint8_t> udp = v4.bytes();
      udp[14 + 9] = 17;
      expect(v4, udp, false, t.ipv4);
      for (const std::uint8_t kind : {std::uint8_t{0}, std::uint8_t{43}, std::uint8_t{60}}) {
        expect(v6, extended(v6, kind), t.tcp_ipv6_ex, t.ipv6);
      }
      expect(v6, extended(v6, 44), false, t.ipv6);  // a fragment
      std::vector<std::uint8_t> arp = v4.bytes();
      arp[13] = 0x06;
      expect(v4, arp, false, false);
    }
    ends.expect_all_buffers_back();
  }
}

TEST(CableRss, TheHashComesWithEverySegmentOfALargeOne) {
  for (const bool v6 : {false, true}) {
    Ends ends(1, 3, {.tso = true});
    TcpFrame f{.v6 = v6, .payload_bytes = 1400, .checksums = false};
    Frame frame = frame_with(*ends.ports[0][0], f.bytes());
    frame.flags = static_cast<std::uint16_t>(Frame::kOffloadTso | (v6 ? Frame::kIpv6 : 0));
    frame.segment_size = 500;
    frame.l2_length = 14;
    frame.l3_length = static_cast<std::uint8_t>(f.l3());
    frame.l4_length = 20;
    ASSERT_EQ(ends.ports[0][0]->tx_burst({&frame, 1}), 1U);
    const auto key = some_key(7);
    const std::uint32_t hash = soft_rss(f, key.data());
    std::array<Frame, 8> got;
    ASSERT_EQ(ends.ports[1][hash % 128 % 3]->rx_burst(got), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
      const auto* m = static_cast<const rte_mbuf*>(got[i].buffer);
      EXPECT_NE(m->ol_flags & RTE_MBUF_F_RX_RSS_HASH, 0U);
      EXPECT_EQ(m->hash.rss, hash);
    }
    ends.ports[1][0]->release(std::span(got).first(3));
    ends.expect_all_buffers_back();
  }
}

TEST(CableRss, RefusesAKeyOrTableThatIsNone) {
  KeySource keys(1);
  for (int i = 0; i < 3; ++i) {
    CableConfig config;
    if (i == 0) config.rss_key.resize(39);
    if (i == 1) config.rss_table.resize(3);
    if (i == 2) config.rss_table = {0, 1, 2, 3};  // of three queues
    auto made = Cable::make(config, {"", 1, 1500}, {"", 3, 1500}, keys);
    ASSERT_FALSE(made.ok());
    EXPECT_NE(made.error().sentence.find("3 queues"), std::string::npos);
  }
  auto many = Cable::make({.steering = Steering::rules}, {"", 1, 1500}, {"", 17, 1500}, keys);
  ASSERT_FALSE(many.ok());
  EXPECT_NE(many.error().sentence.find("17"), std::string::npos);
}

TEST(RssKey, IsAnotherEachTimeAndReachesEveryBucketByPortsAlone) {
  std::set<std::vector<std::uint8_t>> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    KeySource keys(seed);
    std::vector<std::uint8_t> key(FlowSteering::kKeyBytes);
    dpdk::draw_rss_key(keys, key);
    EXPECT_TRUE(
        FlowSteering(key, std::vector<std::uint16_t>(dpdk::kMostBuckets)).ports_reach_all());
    EXPECT_TRUE(seen.insert(key).second);
  }
}

class CableRules : public testing::TestWithParam<std::uint16_t> {};

// By rules as by any other way: where the endpoint thinks that a segment comes, it comes.
TEST_P(CableRules, PutFramesWhereTheEndpointExpectsThem) {
  const std::uint16_t queues = GetParam();
  Ends ends(1, queues, {.steering = Steering::rules});
  const FlowSteering& steering = *ends.cable->steering(1);
  std::mt19937 random(queues);
  std::map<std::size_t, int> share;
  for (int i = 0; i < 600; ++i) {
    TcpFrame f = random_frame(random, i % 2 == 0);
    if (i % 3 == 0) f.destination_port = 80;
    const Got got = pass(ends, f.bytes());
    EXPECT_EQ(got.queue, steering.worker_of(tuple_of(f)));
    EXPECT_FALSE(got.hashed);
    ++share[got.queue];
  }
  ASSERT_EQ(share.size(), queues);
  for (const auto& [queue, frames] : share) EXPECT_GT(frames, 600 / queues / 3) << queue;
  std::vector<std::uint8_t> udp = TcpFrame{}.bytes();
  udp[14 + 9] = 17;
  EXPECT_EQ(pass(ends, udp).queue, 0U);
  EXPECT_EQ(pass(ends, extended(TcpFrame{.v6 = true}, 60)).queue, 0U);
  ends.expect_all_buffers_back();
}

INSTANTIATE_TEST_SUITE_P(TwoToSixteen, CableRules, testing::Values(2, 3, 4, 7, 8, 16));

TEST(FlowRules, AreFewAndMatchEachPairOfPortsOnce) {
  for (const std::uint16_t queues : {std::uint16_t{2}, std::uint16_t{3}, std::uint16_t{16}}) {
    KeySource keys(queues);
    const auto made = dpdk::FlowRules::make(queues, keys);
    const std::size_t values = queues == 2 ? 2 : 16;
    EXPECT_EQ(made->rules.size(), 2 * values * values);
    std::set<std::tuple<int, std::uint16_t, std::uint16_t>> seen;
    for (const auto& rule : made->rules) {
      const rte_flow_item* item = rule->pattern();
      EXPECT_EQ(item[0].type, RTE_FLOW_ITEM_TYPE_ETH);
      const auto& spec = static_cast<const rte_flow_item_tcp*>(item[2].spec)->hdr;
      const auto& mask = static_cast<const rte_flow_item_tcp*>(item[2].mask)->hdr;
      EXPECT_EQ(spec.src_port & ~mask.src_port, 0);
      EXPECT_EQ(mask.src_port & rte_cpu_to_be_16(1), 0) << "clients like even ports";
      EXPECT_TRUE(seen.emplace(item[1].type, spec.src_port, spec.dst_port).second);
      EXPECT_EQ(item[3].type, RTE_FLOW_ITEM_TYPE_END);
      EXPECT_EQ(rule->attributes().ingress, 1U);
      EXPECT_EQ(rule->actions()[0].type, RTE_FLOW_ACTION_TYPE_QUEUE);
      EXPECT_EQ(static_cast<const rte_flow_action_queue*>(rule->actions()[0].conf)->index,
                rule->queue());
      EXPECT_LT(rule->queue(), queues);
    }
  }
}

TEST(CableSteerer, BringsEachFrameToItsWorker) {
  for (const std::uint16_t workers : {std::uint16_t{2}, std::uint16_t{5}, std::uint16_t{16}}) {
    Ends ends(1, workers, {.steering = Steering::software});
    const auto steerer = ends.cable->steerer(1);
    ASSERT_NE(steerer, nullptr);
    EXPECT_EQ(ends.cable->steerer(0), nullptr);
    const FlowSteering& steering = *ends.cable->steering(1);
    std::mt19937 random(workers);
    EXPECT_FALSE(steerer->poll());
    for (int i = 0; i < 300; ++i) {
      const TcpFrame f = random_frame(random, i % 2 == 0);
      const auto bytes = f.v6 && i % 3 == 0 ? extended(f, 60) : f.bytes();
      send(*ends.ports[0][0], bytes);
      EXPECT_TRUE(steerer->poll());
      Frame got;
      ASSERT_EQ(ends.ports[1][steering.worker_of(tuple_of(f))]->rx_burst({&got, 1}), 1U);
      EXPECT_EQ(bytes_of(got), bytes);
      ends.ports[1][0]->release({&got, 1});
    }
    // And back: each worker sends for itself.
    for (std::uint16_t w = 0; w < workers; ++w) {
      const auto bytes = TcpFrame{.source_port = w}.bytes();
      send(*ends.ports[1][w], bytes);
      Frame got;
      ASSERT_EQ(ends.ports[0][0]->rx_burst({&got, 1}), 1U);
      EXPECT_EQ(bytes_of(got), bytes);
      ends.ports[0][0]->release({&got, 1});
    }
    ends.expect_all_buffers_back();
  }
}

TEST(CableSteerer, CountsWhatAFullWorkerMisses) {
  Ends ends(1, 2, {.steering = Steering::software});
  const auto steerer = ends.cable->steerer(1);
  const TcpFrame f;
  const std::uint16_t worker = ends.cable->steering(1)->worker_of(tuple_of(f));
  int sent = 0;
  for (; ends.ports[1][worker]->stats().rx_missed == 0 && sent < 3000; ++sent) {
    send(*ends.ports[0][0], f.bytes());
    steerer->poll();
  }
  EXPECT_GT(sent, 1000);
  EXPECT_EQ(ends.ports[1][1U - worker]->stats().rx_missed, 0U);
  std::array<Frame, 64> got;
  int received = 0;
  for (std::size_t n = 0; (n = ends.ports[1][worker]->rx_burst(got)) != 0;) {
    received += static_cast<int>(n);
    ends.ports[1][worker]->release({got.data(), n});
  }
  EXPECT_EQ(received, sent - 1);
  ends.expect_all_buffers_back();
}

}  // namespace
}  // namespace millrace::test
