// SPDX-License-Identifier: BSD-3-Clause
//
// The worker's way out: buffers, the driver's refusals, order, checksums in software and offloaded,
// segmentation by the port and by us, neighbours that do not answer. C10 and C11 of the catalogue
// in small; tests/sim has them with time and loss.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/station.h"

namespace millrace {
namespace {

constexpr std::uint16_t kPort = 80;

std::string pattern(std::size_t bytes) {
  std::string s(bytes, 0);
  for (std::size_t i = 0; i < bytes; ++i)
    s[i] = static_cast<char>(i * 31 + (i >> 8) * 7 + (i >> 16));
  return s;
}

/// Two stations with a connection between them.
class Pair : public ::testing::TestWithParam<bool> {
 protected:
  void build(const StationOptions& left = {}, StationOptions right = {}) {
    a = std::make_unique<Station>(left);
    right.side = 1;
    b = std::make_unique<Station>(right);
    b->listen(kPort);
    a->worker->poll(now);
    b->worker->poll(now);
    (void)a->connect(*b, kPort, GetParam(), now);
    run(*a, *b, now);
    ASSERT_EQ(a->app.count(tcp::EventKind::connected), 1);
    ASSERT_EQ(b->app.count(tcp::EventKind::accepted), 1);
  }
  /// Sends all of `text` from a to b, whatever the send buffer.
  void send_all(const std::string& text) {
    std::size_t at = 0;
    a->app.on_call = [&](tcp::Endpoint& endpoint, Instant) {
      const auto rest = std::as_bytes(std::span(text)).subspan(at);
      at += endpoint.send(a->app.connection, rest, tcp::Lifetime::fixed);
    };
    run(*a, *b, now);
    a->app.on_call = nullptr;
    EXPECT_EQ(at, text.size());
  }
  /// EXPECT_EQ would print it all.
  void expect_received(const std::string& text) {
    EXPECT_TRUE(b->app.received == text)
        << b->app.received.size() << " bytes arrived, as far as "
        << std::mismatch(text.begin(), text.end(), b->app.received.begin(), b->app.received.end())
                   .first -
               text.begin()
        << " right, of " << text.size();
  }
  void expect_no_buffer_lost(Station& s) {
    const std::uint32_t device = s.port->with_device();
    s.worker.reset();
    EXPECT_EQ(s.port->with_worker(), 0U);
    EXPECT_EQ(s.port->free_buffers() + device, s.port->stats().buffers_total);
  }

  std::unique_ptr<Station> a, b;
  Instant now{1s};
};
INSTANTIATE_TEST_SUITE_P(Families, Pair, ::testing::Bool(),
                         [](const auto& family) { return family.param ? "v6" : "v4"; });

TEST_P(Pair, CarriesAStreamAndGivesEveryBufferBack) {
  build();
  const std::string text = pattern(300'000);
  send_all(text);
  expect_received(text);
  EXPECT_EQ(a->endpoint->counters().RetransSegs, 0U);
  expect_no_buffer_lost(*a);
  expect_no_buffer_lost(*b);
}

TEST_P(Pair, ChecksumsAreRightForPiecesOfEveryLength) {
  StationOptions judging;
  judging.port.rx_checksums = true;
  build({}, judging);
  // Many small writes make segments of many pieces with odd lengths.
  std::string all;
  for (std::size_t n = 1; n < 120; ++n) {
    const std::string text = pattern(n);
    all += text;
    ASSERT_EQ(a->send(text), n);
  }
  run(*a, *b, now);
  expect_received(all);
  EXPECT_EQ(b->worker->stats().drops.of(Drop::tcp_bad_checksum), 0U);
}

TEST_P(Pair, ThePortFillsInTheChecksumsItClaims) {
  StationOptions offloading;
  offloading.port.info.tx_tcp_checksum = true;
  build(offloading);
  const std::string text = pattern(50'001);
  send_all(text);
  expect_received(text);
  EXPECT_EQ(b->worker->stats().drops.of(Drop::tcp_bad_checksum), 0U);
}

TEST_P(Pair, SegmentsForThePortToCut) {
  StationOptions tso;
  tso.tcp.max_segment_burst = 60'000;
  tso.port.info.tx_tcp_checksum = tso.port.info.tx_ip_checksum = tso.port.info.tx_tso = true;
  tso.port.info.max_pieces = 40;
  build(tso);
  const std::string text = pattern(400'000);
  send_all(text);
  expect_received(text);
  EXPECT_GT(b->worker->stats().rx_frames, a->port->stats().tx_frames / 2);
  EXPECT_EQ(b->worker->stats().drops.of(Drop::tcp_bad_checksum), 0U);
  expect_no_buffer_lost(*a);
}

TEST_P(Pair, TsoPacketsKeepToThePiecesThatThePortTakes) {
  StationOptions tso;
  tso.tcp.max_segment_burst = 60'000;
  tso.port.info.tx_tcp_checksum = tso.port.info.tx_ip_checksum = tso.port.info.tx_tso = true;
  tso.port.info.max_pieces = 3;  // the port refuses to live with more
  build(tso);
  const std::string text = pattern(200'000);
  send_all(text);
  expect_received(text);
}

TEST_P(Pair, WeCutWhatThePortCannot) {
  StationOptions bursts;
  bursts.tcp.max_segment_burst = 60'000;
  build(bursts);
  const std::string text = pattern(400'000);
  send_all(text);
  expect_received(text);
  expect_no_buffer_lost(*a);
}

/// Bytes of `frame` up to its TCP header.
std::size_t tcp_at(std::span<const std::byte> frame) {
  return frame[12] == std::byte{0x86} ? 54
                                      : 14 + (std::to_integer<std::size_t>(frame[14]) & 15) * 4;
}

TEST_P(Pair, OnlyTheLastOfCutSegmentsCarriesTheFin) {
  StationOptions left;
  left.tcp.max_segment_burst = 60'000;
  build(left);
  const std::string text = pattern(8'000);
  ASSERT_EQ(a->send(text), text.size());
  a->endpoint->shutdown(a->app.connection);
  a->worker->poll(now += 10us);
  std::size_t fins = 0;
  ASSERT_GT(a->sent.size(), 5U);
  for (const auto& frame : a->sent) {
    const bool fin = (std::to_integer<unsigned>(frame[tcp_at(frame) + 13]) & tcp::Flags::kFin) != 0;
    EXPECT_EQ(fin, &frame == &a->sent.back());
    fins += fin ? 1 : 0;
  }
  EXPECT_EQ(fins, 1U);
}

TEST_P(Pair, WhatThePortRefusesWaitsInOrderAndNothingIsPulled) {
  build();
  const std::string text = pattern(30'000);
  a->port->set_tx_room(0);
  (void)a->send(text);
  for (int i = 0; i < 5; ++i) a->worker->poll(now += 10us);
  EXPECT_TRUE(a->sent.empty());
  const std::uint32_t held = a->port->with_worker();
  EXPECT_GT(a->worker->stats().tx_stalls, 4U);
  EXPECT_EQ(a->worker->next_deadline(now), now);  // output is waiting
  for (int i = 0; i < 100; ++i) a->worker->poll(now += 10us);
  EXPECT_EQ(a->port->with_worker(), held);  // no more was pulled meanwhile
  a->port->set_tx_room(1);
  run(*a, *b, now);
  expect_received(text);
  // Order was kept: nothing arrived out of order, so nothing was acknowledged twice.
  EXPECT_EQ(b->endpoint->counters().TCPOFOQueue, 0U);
  EXPECT_EQ(a->endpoint->counters().RetransSegs, 0U);
  a->port->set_tx_room(std::nullopt);
  expect_no_buffer_lost(*a);
}

TEST_P(Pair, BurstsCutAnywhereLoseNothing) {
  build();
  a->port->set_tx_refusal(0.7);
  b->port->set_tx_refusal(0.7);
  const std::string text = pattern(200'000);
  send_all(text);
  expect_received(text);
  EXPECT_EQ(b->endpoint->counters().TCPOFOQueue, 0U);
  expect_no_buffer_lost(*a);
  expect_no_buffer_lost(*b);
}

TEST_P(Pair, WithoutBuffersSegmentsStayInTheEndpoint) {
  StationOptions few;
  few.port.buffers = 64;
  build(few);
  const std::string before = pattern(100'000);
  send_all(before);  // opens the congestion window
  b->app.received.clear();
  a->port->set_dry(true);
  const std::string text = pattern(120'000);
  std::size_t at = a->send(text);
  for (int i = 0; i < 50; ++i) {
    a->worker->poll(now += 10us);
    b->worker->poll(now);
    exchange(*a, *b);
  }
  EXPECT_GT(a->worker->stats().buffer_stalls, 0U);
  EXPECT_LT(b->app.received.size(), text.size());
  EXPECT_TRUE(a->endpoint->has_output());
  a->port->set_dry(false);
  send_all(text.substr(at));
  expect_received(text);
  EXPECT_EQ(b->endpoint->counters().TCPOFOQueue, 0U);
}

TEST_P(Pair, AllocationsThatFailByChanceLoseNothing) {
  build();
  a->port->set_allocate_failure(0.5);
  b->port->set_allocate_failure(0.5);
  const std::string text = pattern(200'000);
  send_all(text);
  expect_received(text);
  EXPECT_EQ(b->endpoint->counters().TCPOFOQueue, 0U);
}

TEST_P(Pair, BuffersThatTheDeviceKeepsAreNotTouched) {
  StationOptions holding;
  holding.port.hold_tx_frames = 100;
  build(holding, holding);
  const std::string text = pattern(200'000);
  send_all(text);
  expect_received(text);
  expect_no_buffer_lost(*a);
}

TEST_P(Pair, ASilentNeighbourCostsAQueueOfSixteenAndNoMore) {
  build();
  // Nobody has these addresses.
  Station nobody(on_side(99));
  for (int i = 0; i < 40; ++i) (void)a->connect(nobody, 1000, GetParam(), now);
  for (int i = 0; i < 20; ++i) a->worker->poll(now += 10us);
  EXPECT_EQ(a->worker->stats().unresolved_drops, 40U - 16U);
  for (int i = 0; i < 600; ++i) a->worker->poll(now += 10ms);  // the questions end unanswered
  EXPECT_GE(a->worker->stats().unresolved_drops, 40U);
  a->sent.clear();
  expect_no_buffer_lost(*a);
}

TEST_P(Pair, TheReserveAnswersNeighboursWhenThePoolIsDry) {
  build();
  (void)a->send(pattern(200'000));
  a->worker->poll(now += 10us);  // fills the window; nothing is acknowledged
  a->sent.clear();
  // The pool goes dry after a question for our address has been received.
  Station stranger(on_side(7));
  stranger.worker->poll(now);
  (void)stranger.connect(*a, kPort, GetParam(), now);
  stranger.worker->poll(now += 10us);
  ASSERT_FALSE(stranger.sent.empty());
  for (const test::Bytes& frame : stranger.sent) a->port->deliver(frame);
  a->port->set_dry(true);
  a->worker->poll(now += 10us);
  EXPECT_GT(a->sent.size(), 0U);
  EXPECT_EQ(a->worker->stats().control_drops, 0U);
}

}  // namespace
}  // namespace millrace
