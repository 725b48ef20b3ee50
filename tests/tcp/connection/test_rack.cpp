// SPDX-License-Identifier: BSD-3-Clause
//
// What RACK remembers (RFC 8985 §6.2): which segment is the latest, how wide its window is.
#include "tcp/connection/rack.h"
#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {
namespace {

constexpr std::uint32_t kRtt_us = 50'000;

class RackState : public ::testing::Test {
 protected:
  RackState() {
    host_.establish();
    EXPECT_GT(host_.write("x"), 0U);
    host_.c.srtt_us = host_.send().min_rtt_us = kRtt_us;
  }
  /// A copy that was sent `age` ago is delivered up to `end`.
  void deliver(Duration age, Seq end) {
    Delivered delivered;
    delivered.again = true;
    delivered.again_age = us_to_stamps(static_cast<std::uint32_t>(age / 1us));
    delivered.again_end = end;
    rack_update(host_.c, host_.send(), loss_, delivered, 0, host_.context());
  }
  [[nodiscard]] Duration age() const {
    return Duration{std::int64_t{stamps_to_us(stamp_of(host_.now) - loss_.rack.sent)} * 1000};
  }

  Host host_;
  LossState loss_{};
};

TEST_F(RackState, TheLatestSentCountsWhateverCameLast) {  // step 2
  deliver(60ms, Seq(3000));
  EXPECT_NEAR(static_cast<double>(age() / 1us), 60'000, 2);
  EXPECT_EQ(loss_.rack.end, Seq(3000));
  deliver(90ms, Seq(5000));
  EXPECT_NEAR(static_cast<double>(age() / 1us), 60'000, 2) << "that one was sent earlier";
  EXPECT_EQ(loss_.rack.end, Seq(3000));
  EXPECT_NEAR(loss_.rack.rtt_us, 90'000, 2) << "RACK.rtt is of what was delivered last";
  deliver(55ms, Seq(2000));
  EXPECT_NEAR(static_cast<double>(age() / 1us), 55'000, 2);
  EXPECT_EQ(loss_.rack.end, Seq(2000)) << "sent later, wherever it lies";
  deliver(55ms, Seq(2500));
  EXPECT_EQ(loss_.rack.end, Seq(2500)) << "of those sent together the last";
  deliver(10ms, Seq(9000));
  EXPECT_EQ(loss_.rack.end, Seq(2500)) << "too early for the copy: the original came";
}

TEST_F(RackState, ADsackWidensOnceInARound) {  // step 4
  Connection& c = host_.c;
  Rack& rack = loss_.rack;
  c.snd_una = Seq(100);
  c.snd_nxt = Seq(1000);
  rack_on_dsack(c, rack);
  EXPECT_EQ(rack.wnd_mult, 2);
  rack_on_dsack(c, rack);
  c.snd_una = Seq(999);
  c.snd_nxt = Seq(3000);
  rack_on_dsack(c, rack);
  EXPECT_EQ(rack.wnd_mult, 2) << "the same round";
  c.snd_una = Seq(1000);
  rack_on_dsack(c, rack);
  EXPECT_EQ(rack.wnd_mult, 3) << "the next";
}

TEST_F(RackState, TheWindowIsNarrowAgainAfterSixteenRecoveries) {  // step 4
  Rack& rack = loss_.rack;
  rack_on_recovery_end(rack);
  EXPECT_EQ(rack.wnd_mult, 1);
  rack_on_dsack(host_.c, rack);
  for (int i = 0; i < 15; ++i) {
    rack_on_recovery_end(rack);
    EXPECT_EQ(rack.wnd_mult, 2) << i;
  }
  rack_on_recovery_end(rack);
  EXPECT_EQ(rack.wnd_mult, 1);
  EXPECT_EQ(rack.wnd_persist, 0);
}

}  // namespace
}  // namespace millrace::tcp::test
