// SPDX-License-Identifier: BSD-3-Clause
//
// Fast Open's memories by themselves: the cookies a server gives (RFC 7413 §4.1.2) and the paths a
// client knows (§4.1.3).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tcp/connection/fast_open_keys.h"
#include "tcp/connection/fast_open_paths.h"

namespace millrace::tcp {
namespace {

constexpr Instant kThen{100h + 5min};
constexpr SipKey kSecret{11, 22};

[[nodiscard]] Address v6(std::uint8_t host) {
  std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0x00, 0x02};
  bytes[15] = host;
  return Address::v6(bytes);
}

[[nodiscard]] Options cookie_for(const Address& client, Instant now) {
  FastOpenKeys keys(kSecret);
  Options o;
  keys.grant(client, now, o);
  EXPECT_TRUE(o.has_fast_open());
  EXPECT_EQ(o.cookie_bytes, 8);
  return o;
}

TEST(FastOpenKeys, ACookieIsOfOneAddress) {
  FastOpenKeys keys(kSecret);
  for (const Address& client : {Address::v4(0xC6120001), v6(1)}) {
    const Options o = cookie_for(client, kThen);
    EXPECT_EQ(keys.judge(client, o, kThen), CookieVerdict::good);
    for (const Address& other : {Address::v4(0xC6120002), v6(2), Address::v4(1), v6(0)}) {
      EXPECT_EQ(keys.judge(other, o, kThen), CookieVerdict::wrong);
    }
  }
  EXPECT_NE(0, std::memcmp(cookie_for(Address::v4(1), kThen).cookie.data(),
                           cookie_for(v6(1), kThen).cookie.data(), 8));
}

TEST(FastOpenKeys, NotOneBitMayDiffer) {
  FastOpenKeys keys(kSecret);
  const Options good = cookie_for(v6(1), kThen);
  for (std::size_t bit = 0; bit < 64; ++bit) {
    Options o = good;
    o.cookie[bit / 8] ^= std::byte(1U << bit % 8);
    EXPECT_EQ(keys.judge(v6(1), o, kThen), CookieVerdict::wrong);
  }
  for (const int bytes : {4, 6, 10, 16}) {
    Options o = good;
    o.cookie_bytes = static_cast<std::uint8_t>(bytes);
    EXPECT_EQ(keys.judge(v6(1), o, kThen), CookieVerdict::wrong) << bytes;
  }
  FastOpenKeys others(SipKey{11, 23});
  EXPECT_EQ(others.judge(v6(1), good, kThen), CookieVerdict::wrong);
}

TEST(FastOpenKeys, ACookieLivesOneToTwoEpochs) {
  FastOpenKeys keys(kSecret);
  const Address client = Address::v4(7);
  const Options o = cookie_for(client, kThen);
  EXPECT_EQ(keys.judge(client, o, kThen + 54min), CookieVerdict::good);
  EXPECT_EQ(keys.judge(client, o, kThen + 56min), CookieVerdict::good_but_old);
  EXPECT_EQ(keys.judge(client, o, kThen + 114min), CookieVerdict::good_but_old);
  EXPECT_EQ(keys.judge(client, o, kThen + 116min), CookieVerdict::wrong);
  EXPECT_EQ(keys.judge(client, o, kThen), CookieVerdict::good)
      << "keys follow from the epoch alone";
  // The first epoch of all has none before it.
  const Options first = cookie_for(client, Instant{1s});
  EXPECT_EQ(keys.judge(client, first, Instant{2s}), CookieVerdict::good);
  EXPECT_EQ(keys.judge(client, o, Instant{2s}), CookieVerdict::wrong);
}

[[nodiscard]] FourTuple path(std::uint16_t remote_port, std::uint32_t local = 1) {
  return {Address::v4(local), Address::v4(2), 5000, remote_port};
}
[[nodiscard]] Options a_cookie(std::uint8_t fill, std::uint8_t size = 8) {
  Options o;
  o.has = Options::kFastOpen;
  o.cookie_bytes = size;
  o.cookie.fill(std::byte{fill});
  return o;
}

TEST(FastOpenPaths, WhatWasLearnt) {
  FastOpenPaths paths(16, kSecret);
  EXPECT_EQ(paths.find(path(80), kThen), nullptr);
  paths.learn(path(80), a_cookie(9, 16), 1220, kThen);
  const FastOpenPath* found = paths.find(path(80), kThen);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->cookie_bytes, 16);
  EXPECT_EQ(found->cookie[15], std::byte{9});
  EXPECT_EQ(found->mss, 1220);
  paths.learn(path(80), a_cookie(7, 4), 536, kThen);
  found = paths.find(path(80), kThen);
  EXPECT_EQ(found->cookie_bytes, 4);
  EXPECT_EQ(found->mss, 536);
}

TEST(FastOpenPaths, APathIsTwoAddressesAndAPort) {
  FastOpenPaths paths(64, kSecret);
  paths.learn(path(80), a_cookie(1), 1460, kThen);
  EXPECT_EQ(paths.find(path(81), kThen), nullptr);
  EXPECT_EQ(paths.find(path(80, 3), kThen), nullptr);
  FourTuple other = path(80);
  other.remote = Address::v4(4);
  EXPECT_EQ(paths.find(other, kThen), nullptr);
  other = path(80);
  other.local_port = 6000;
  EXPECT_NE(paths.find(other, kThen), nullptr) << "our port says nothing";
}

TEST(FastOpenPaths, WithoutRoomNothingIsKnown) {
  FastOpenPaths paths(0, kSecret);
  paths.learn(path(80), a_cookie(1), 1460, kThen);
  EXPECT_EQ(paths.find(path(80), kThen), nullptr);
  EXPECT_FALSE(paths.failed(path(80), kThen));
  EXPECT_FALSE(paths.failed(path(80), kThen));
  paths.succeeded(path(80), kThen);
}

TEST(FastOpenPaths, TheOneUsedLongestAgoGivesWay) {
  FastOpenPaths paths(4, kSecret);  // one set
  ASSERT_EQ(paths.capacity(), 4U);
  for (std::uint16_t port = 1; port <= 4; ++port) {
    paths.learn(path(port), a_cookie(1), 1460, kThen + port * 1s);
  }
  (void)paths.find(path(1), kThen + 10s);
  paths.learn(path(5), a_cookie(1), 1460, kThen + 11s);
  EXPECT_EQ(paths.find(path(2), kThen + 12s), nullptr);
  for (const std::uint16_t port : std::initializer_list<std::uint16_t>{1, 3, 4, 5}) {
    EXPECT_NE(paths.find(path(port), kThen + 12s), nullptr) << port;
  }
  EXPECT_EQ(paths.touched_bytes(), paths.reserved_bytes());
}

TEST(FastOpenPaths, TwoFailuresInARowRestThePath) {
  FastOpenPaths paths(16, kSecret);
  const auto rests = [&](Instant at) {
    const FastOpenPath* known = paths.find(path(80), at);
    return known != nullptr && FastOpenPaths::rests(*known, at);
  };
  EXPECT_FALSE(paths.failed(path(80), kThen));
  EXPECT_FALSE(rests(kThen));
  paths.succeeded(path(80), kThen);
  EXPECT_FALSE(paths.failed(path(80), kThen)) << "not in a row";
  Instant at = kThen;
  // 60 s, 2, 4, 8, 16, 32 and 64 min, and no longer.
  for (int i = 0; i < 300; ++i) {
    EXPECT_TRUE(paths.failed(path(80), at));
    const Duration rest = 60s * (1 << std::min(i, 6));
    EXPECT_TRUE(rests(at + rest)) << i;
    EXPECT_FALSE(rests(at + rest + 2s)) << i;
    at += rest + 2s;
  }
  paths.succeeded(path(80), at);
  EXPECT_FALSE(paths.failed(path(80), at));
}

TEST(FastOpenPaths, OneOutageIsNotManyFailures) {
  FastOpenPaths paths(16, kSecret);
  int rested = 0;
  for (int i = 0; i < 100; ++i) rested += paths.failed(path(80), kThen) ? 1 : 0;
  EXPECT_EQ(rested, 1);
  const Instant later = kThen + 62s;
  EXPECT_FALSE(FastOpenPaths::rests(*paths.find(path(80), later), later));
}

TEST(FastOpenPaths, AFailureKeepsTheCookie) {
  FastOpenPaths paths(16, kSecret);
  paths.learn(path(80), a_cookie(1), 1460, kThen);
  (void)paths.failed(path(80), kThen);
  EXPECT_EQ(paths.find(path(80), kThen)->cookie_bytes, 8);
  (void)paths.failed(path(81), kThen);
  EXPECT_EQ(paths.find(path(81), kThen)->cookie_bytes, 0);
}

}  // namespace
}  // namespace millrace::tcp
