// SPDX-License-Identifier: BSD-3-Clause
//
// The cable as its workers see it: order, content and ownership of frames, the receive queue that a
// NIC would choose, back-pressure, and that no buffer is ever lost.
#include "dataplane/dpdk/cable.h"

#include <gtest/gtest.h>
#include <rte_thash.h>

#include <array>
#include <map>
#include <random>

#include "dataplane/dpdk/flow_hash.h"
#include "tests/dataplane/dpdk/cable_ends.h"
#include "tests/dataplane/dpdk/frames.h"
#include "tests/dataplane/dpdk/soft_rss.h"

namespace millrace::test {
namespace {

using dpdk::Cable;

TEST(Cable, PassesFramesInOrderBothWaysWithoutCopying) {
  Ends ends(1, 1);
  for (std::size_t side = 0; side < 2; ++side) {
    Port& from = *ends.ports[side][0];
    Port& to = *ends.ports[1 - side][0];
    std::array<Frame, 100> sent;
    ASSERT_EQ(from.allocate(sent), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) {
      ASSERT_GE(sent[i].capacity, 1518U);
      std::memset(sent[i].data, static_cast<int>(i), 60 + i);
      sent[i].length = static_cast<std::uint32_t>(60 + i);
    }
    ASSERT_EQ(from.tx_burst(sent), sent.size());
    std::size_t got = 0;
    std::array<Frame, 32> frames;
    for (std::size_t n = 0; (n = to.rx_burst(frames)) != 0;) {
      for (std::size_t i = 0; i < n; ++i, ++got) {
        EXPECT_EQ(frames[i].length, 60 + got);
        EXPECT_EQ(frames[i].data, sent[got].data);
        EXPECT_EQ(frames[i].data[59], static_cast<std::byte>(got));
        EXPECT_EQ(frames[i].flags, 0);
      }
      to.release({frames.data(), n});
    }
    EXPECT_EQ(got, sent.size());
    EXPECT_EQ(from.stats().tx_frames, sent.size());
    EXPECT_EQ(to.stats().rx_frames, sent.size());
    EXPECT_EQ(from.stats().tx_bytes, to.stats().rx_bytes);
  }
  ends.expect_all_buffers_back();
}

TEST(Cable, GivesMacAddressesAndOffloadsAsAsked) {
  Ends off(1, 1);
  EXPECT_NE(off.ports[0][0]->info().mac, off.ports[1][0]->info().mac);
  EXPECT_EQ(off.ports[0][0]->info().mac[0] & 3, 2) << "locally administered, not a group";
  EXPECT_FALSE(off.ports[0][0]->info().tx_tcp_checksum);
  EXPECT_FALSE(off.ports[0][0]->info().tx_tso);
  Ends on(1, 1, {true, true, true});
  EXPECT_TRUE(on.ports[0][0]->info().tx_tcp_checksum);
  EXPECT_TRUE(on.ports[0][0]->info().tx_tso);
  EXPECT_GT(on.ports[0][0]->info().max_rx_pieces, 1);
}

TEST(Cable, HoldsTheSenderUpWhenFullAndLosesNothing) {
  Ends ends(1, 1);
  Port& from = *ends.ports[0][0];
  Port& to = *ends.ports[1][0];
  std::uint32_t sent = 0;
  bool full = false;
  std::array<Frame, 32> frames;
  while (!full) {
    ASSERT_EQ(from.allocate(frames), frames.size()) << "the ring fills before the pool is empty";
    for (Frame& f : frames) {
      f.length = 64;
      std::memcpy(f.data, &sent, sizeof sent);
      ++sent;
    }
    const std::size_t taken = from.tx_burst(frames);
    full = taken < frames.size();
    sent -= static_cast<std::uint32_t>(frames.size() - taken);
    from.release(std::span(frames).subspan(taken));
  }
  EXPECT_GE(sent, Cable::kSlots - 32);
  EXPECT_EQ(from.stats().tx_refused, 1U);
  std::uint32_t got = 0;
  for (std::size_t n = 0; (n = to.rx_burst(frames)) != 0;) {
    for (std::size_t i = 0; i < n; ++i) {
      std::uint32_t number = 0;
      std::memcpy(&number, frames[i].data, sizeof number);
      EXPECT_EQ(number, got++);
    }
    to.release({frames.data(), n});
  }
  EXPECT_EQ(got, sent);
  ends.expect_all_buffers_back();
}

TEST(Cable, RunsOutOfBuffersGracefully) {
  Ends ends(1, 1);
  Port& port = *ends.ports[0][0];
  std::vector<Frame> all(port.stats().buffers_total + 100);
  const std::size_t got = port.allocate(all);
  EXPECT_EQ(got, port.stats().buffers_total);
  EXPECT_EQ(port.stats().buffers_free, 0U);
  EXPECT_EQ(port.allocate(std::span(all).subspan(got)), 0U);
  port.release(std::span(all).first(got));
  ends.expect_all_buffers_back();
}

TEST(Cable, FreesWhatLiesInItWhenItGoes) {
  Ends ends(2, 3);
  for (int i = 0; i < 500; ++i) {
    send(*ends.ports[0][static_cast<std::size_t>(i) % 2],
         TcpFrame{.source_port = static_cast<std::uint16_t>(i)}.bytes());
  }
  std::array<Frame, 4> some;
  const std::size_t got = ends.ports[1][0]->rx_burst(some);
  ASSERT_GT(got, 0U);
  ends.ports[1][0]->release({some.data(), got});
  // The pools are freed with the cable; a buffer freed twice would be found by their cookies or
  // the sanitizer.
}

class CableQueues : public testing::TestWithParam<std::uint16_t> {};

TEST_P(CableQueues, ChoosesTheQueueThatRssWould) {
  const std::uint16_t queues = GetParam();
  Ends ends(1, queues);
  // The cable draws its keys in the order of sides; a side of one queue draws none.
  const auto key = some_key(7);
  std::mt19937 random(42);
  std::map<std::uint16_t, int> share;
  for (int i = 0; i < 600; ++i) {
    TcpFrame f{.v6 = i % 3 == 0, .vlan = i % 5 == 0};
    f.source = static_cast<std::uint32_t>(random());
    f.destination = static_cast<std::uint32_t>(random());
    f.source_port = static_cast<std::uint16_t>(random());
    f.destination_port = static_cast<std::uint16_t>(random());
    send(*ends.ports[0][0], f.bytes());
    const std::uint16_t expected =
        queues == 1 ? std::uint16_t{0}
                    : static_cast<std::uint16_t>(soft_rss(f, key.data()) % 128 % queues);
    Frame got;
    ASSERT_EQ(ends.ports[1][expected]->rx_burst({&got, 1}), 1U) << "frame " << i;
    EXPECT_EQ(bytes_of(got), f.bytes());
    ++share[expected];
    ends.ports[1][expected]->release({&got, 1});
  }
  EXPECT_EQ(share.size(), queues) << "every queue gets some";
  ends.expect_all_buffers_back();
}

INSTANTIATE_TEST_SUITE_P(OneToSixteen, CableQueues, testing::Values(1, 2, 3, 4, 8, 16));

TEST(CableQueue, OwnPortIsChosenByWhatThePeerWillSend) {
  const auto key = some_key(3);
  std::vector<std::uint16_t> reta(128);
  for (std::size_t i = 0; i < reta.size(); ++i) reta[i] = static_cast<std::uint16_t>(i % 4);
  const FlowSteering steering(key, reta);
  for (const bool v6 : {false, true}) {
    for (std::uint16_t port = 1024; port < 1500; ++port) {
      const TcpFrame reply{.v6 = v6, .source_port = 443, .destination_port = port};
      FourTuple tuple;
      if (v6) {
        std::array<std::uint8_t, 16> a{0x20, 0x01}, b{0x20, 0x01};
        TcpFrame::put32(a.data() + 12, reply.destination);
        TcpFrame::put32(b.data() + 12, reply.source);
        tuple = {Address::v6(a), Address::v6(b), port, 443};
      } else {
        tuple = {Address::v4(reply.destination), Address::v4(reply.source), port, 443};
      }
      EXPECT_EQ(steering.worker_of(tuple), soft_rss(reply, key.data()) % 128 % 4);
    }
  }
}

TEST(CableQueue, OthersAreHashedByAddressesOrGoToTheFirstBucket) {
  const auto key = some_key(3);
  const FlowSteering steering(key, {0, 1});
  const auto hash = [&](const std::vector<std::uint8_t>& f) {
    return dpdk::flow_hash(steering, HashTypes{}, f.data(), f.size()).value;
  };
  const TcpFrame tcp;
  std::vector<std::uint8_t> f = tcp.bytes();
  const std::uint32_t tuple[] = {tcp.source, tcp.destination};
  const std::uint32_t addresses = rte_softrss(const_cast<std::uint32_t*>(tuple), 2, key.data());
  EXPECT_NE(hash(f), addresses);
  f[14 + 9] = 17;  // UDP
  EXPECT_EQ(hash(f), addresses);
  f = tcp.bytes();
  f[14 + 7] = 1;  // a fragment
  EXPECT_EQ(hash(f), addresses);
  f = tcp.bytes();
  f[12] = 0x08, f[13] = 0x06;  // ARP
  EXPECT_EQ(hash(f), 0U);
}

TEST(CableQueue, HashingReadsNothingBeyondTheFrame) {
  const FlowSteering steering(some_key(3), {0, 1});
  for (const bool v6 : {false, true}) {
    const std::vector<std::uint8_t> whole = TcpFrame{.v6 = v6, .vlan = true}.bytes();
    for (std::size_t size = 0; size <= whole.size(); ++size) {
      const std::vector<std::uint8_t> cut(whole.begin(),
                                          whole.begin() + static_cast<std::ptrdiff_t>(size));
      (void)dpdk::flow_hash(steering, HashTypes{}, cut.data(), cut.size());  // the sanitizer judges
    }
  }
}

TEST(CableQueue, AFullQueueHoldsUpOnlyWhatComesAfterItsFrame) {
  Ends ends(1, 2);
  const auto& steering = *ends.cable->steering(1);
  const auto hash_of = [&](const std::vector<std::uint8_t>& f) {
    return dpdk::flow_hash(steering, HashTypes{}, f.data(), f.size()).value;
  };
  const auto port_for = [&](std::uint16_t worker) {
    TcpFrame f;
    for (f.source_port = 1;; ++f.source_port) {
      const auto bytes = f.bytes();
      if (steering.worker_of(hash_of(bytes)) == worker) {
        return f;
      }
    }
  };
  const auto first = port_for(0).bytes(), second = port_for(1).bytes();
  Port& from = *ends.ports[0][0];
  bool full = false;
  std::size_t to_first = 0;
  while (!full) {
    Frame f = frame_with(from, first);
    full = from.tx_burst({&f, 1}) == 0;
    full ? from.release({&f, 1}) : void(++to_first);
  }
  std::array<Frame, 3> frames{frame_with(from, second), frame_with(from, first),
                              frame_with(from, second)};
  EXPECT_EQ(from.tx_burst(frames), 1U);
  from.release(std::span(frames).subspan(1));
  std::array<Frame, 64> got;
  std::size_t received = 0;
  for (std::size_t n = 0; (n = ends.ports[1][0]->rx_burst(got)) != 0; received += n) {
    ends.ports[1][0]->release({got.data(), n});
  }
  EXPECT_EQ(received, to_first);
  ASSERT_EQ(ends.ports[1][1]->rx_burst(got), 1U);
  ends.ports[1][1]->release({got.data(), 1});
  ends.expect_all_buffers_back();
}

}  // namespace
}  // namespace millrace::test
