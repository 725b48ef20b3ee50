// SPDX-License-Identifier: BSD-3-Clause
//
// SYN cookies by themselves: what they remember, for how long, and of whom (RFC 4987 §3.6).
#include "tcp/endpoint/syn_cookie.h"

#include <gtest/gtest.h>

#include "tests/tcp/endpoint/harness.h"
#include "tests/tcp/endpoint/random.h"

namespace millrace::tcp {
namespace {

constexpr SipKey kSecret{11, 22};
constexpr Instant kThen{100s};  // in the middle of an epoch

class Cookie : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] FourTuple tuple(std::uint16_t port = 4000) const {
    return {test::address_of(GetParam(), 1), test::address_of(GetParam(), 2), 80, port};
  }
  /// The ACK of one who got the cookie.
  [[nodiscard]] static SegmentIn answer(Seq irs, const SynCookies::Issued& issued,
                                        bool timestamps) {
    SegmentIn ack;
    ack.seq = irs + 1;
    ack.ack = issued.iss + 1;
    ack.flags.bits = Flags::kAck;
    if (timestamps) {
      ack.options.has = Options::kTimestamps;
      ack.options.tsecr = issued.tsval;
    }
    return ack;
  }
  SynCookies cookies{kSecret};
};
INSTANTIATE_TEST_SUITE_P(Families, Cookie, testing::Bool(), test::family_name);

TEST_P(Cookie, RemembersAllThatWasAgreed) {
  for (const std::uint16_t mss : kCookieMss) {
    for (int bits = 0; bits < 64; ++bits) {
      CookieTerms terms;
      terms.peer_mss = mss;
      terms.timestamps = true;
      terms.sack = (bits & 1) != 0;
      terms.ecn = (bits & 2) != 0;
      terms.peer_scale = static_cast<std::uint8_t>(bits >> 2);
      terms.window_scaling = terms.peer_scale <= kMaxWindowScale;
      if (!terms.window_scaling) terms.peer_scale = 0;
      const std::uint32_t clock = 0xffff'ff00U + static_cast<std::uint32_t>(7 * bits);
      const auto issued = cookies.issue(tuple(), Seq(5), terms, clock, kThen);
      EXPECT_LT(clock - issued.tsval, 64U);  // never ahead of the clock
      EXPECT_EQ(cookies.redeem(tuple(), answer(Seq(5), issued, true), kThen), terms);
    }
  }
}

TEST_P(Cookie, WithoutTimestampsOnlyTheMss) {
  CookieTerms terms;
  terms.peer_mss = 1460;
  const auto issued = cookies.issue(tuple(), Seq(5), terms, 1234, kThen);
  EXPECT_EQ(issued.tsval, 1234U);
  EXPECT_EQ(cookies.redeem(tuple(), answer(Seq(5), issued, false), kThen), terms);
  // One who had none does not get them by sending some.
  EXPECT_EQ(cookies.redeem(tuple(), answer(Seq(5), issued, true), kThen), std::nullopt);
}

TEST_P(Cookie, RoundsTheMssDown) {
  const auto remembered = [&](std::uint16_t mss) {
    CookieTerms terms;
    terms.peer_mss = mss;
    const auto issued = cookies.issue(tuple(), Seq(5), terms, 0, kThen);
    return cookies.redeem(tuple(), answer(Seq(5), issued, false), kThen)->peer_mss;
  };
  EXPECT_EQ(remembered(48), 216);
  EXPECT_EQ(remembered(216), 216);
  EXPECT_EQ(remembered(535), 216);
  EXPECT_EQ(remembered(1459), 1452);
  EXPECT_EQ(remembered(65'535), 8940);
}

TEST_P(Cookie, IsHonouredInItsEpochAndTheNext) {
  for (int second = 0; second < 64; ++second) {
    const Instant issued_at = Instant(640s) + std::chrono::seconds(second);
    const auto issued = cookies.issue(tuple(), Seq(5), {}, 0, issued_at);
    const SegmentIn ack = answer(Seq(5), issued, false);
    EXPECT_TRUE(cookies.redeem(tuple(), ack, issued_at));
    EXPECT_TRUE(cookies.redeem(tuple(), ack, issued_at + 64s));
    EXPECT_FALSE(cookies.redeem(tuple(), ack, issued_at + 128s)) << second;
  }
}

TEST_P(Cookie, OutstandingForItsLifetime) {
  EXPECT_FALSE(cookies.outstanding(kThen));
  (void)cookies.issue(tuple(), Seq(5), {}, 0, kThen);
  EXPECT_TRUE(cookies.outstanding(kThen + 127s));
  EXPECT_FALSE(cookies.outstanding(kThen + 128s));
}

TEST_P(Cookie, IsOfOneTupleOneSynAndOneSecret) {
  CookieTerms terms;
  terms.timestamps = true;
  terms.sack = true;
  const auto issued = cookies.issue(tuple(), Seq(5), terms, 77, kThen);
  const SegmentIn good = answer(Seq(5), issued, true);
  ASSERT_TRUE(cookies.redeem(tuple(), good, kThen));
  EXPECT_FALSE(cookies.redeem(tuple(4001), good, kThen));
  FourTuple turned = tuple();
  std::swap(turned.local, turned.remote);
  EXPECT_FALSE(cookies.redeem(turned, good, kThen));
  EXPECT_FALSE(cookies.redeem(tuple(), answer(Seq(6), issued, true), kThen));
  EXPECT_FALSE(SynCookies({11, 23}).redeem(tuple(), good, kThen));
  for (std::uint32_t bit = 0; bit < 32; ++bit) {
    SegmentIn other = good;
    other.ack = Seq(good.ack.raw() ^ (1U << bit));
    EXPECT_FALSE(cookies.redeem(tuple(), other, kThen)) << bit;
  }
  // The six bits of the timestamp are under the code as well.
  for (std::uint32_t bit = 0; bit < 6; ++bit) {
    SegmentIn other = good;
    other.options.tsecr ^= 1U << bit;
    EXPECT_FALSE(cookies.redeem(tuple(), other, kThen)) << bit;
  }
}

TEST_P(Cookie, CannotBeGuessed) {
  // Two epochs of 2^29 codes: of 200,000 guesses less than one in a thousand runs finds any.
  Random random(1);
  for (int i = 0; i < 200'000; ++i) {
    SegmentIn guess;
    guess.seq = Seq(random());
    guess.ack = Seq(random());
    ASSERT_FALSE(cookies.redeem(tuple(), guess, kThen));
  }
}

TEST_P(Cookie, IsSpreadOverTheSequenceSpace) {
  std::uint32_t seen = 0;
  std::uint32_t unseen = 0;
  for (std::uint16_t port = 1; port < 200; ++port) {
    const std::uint32_t iss = cookies.issue(tuple(port), Seq(5), {}, 0, kThen).iss.raw();
    seen |= iss;
    unseen |= ~iss;
  }
  EXPECT_EQ(seen & unseen & ((1U << 29) - 1), (1U << 29) - 1);
}

}  // namespace
}  // namespace millrace::tcp
