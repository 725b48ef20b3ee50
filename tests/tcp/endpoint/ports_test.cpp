// SPDX-License-Identifier: BSD-3-Clause
//
// Ephemeral ports: all of the range can be had, near exhaustion calls stay bounded and find what
// was given back, and neither the order nor another destination can be guessed from what is seen.
#include "tcp/endpoint/ports.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "tests/tcp/endpoint/random.h"

namespace millrace::tcp {
namespace {

constexpr SipKey kKey{5, 6};
constexpr std::uint16_t kFirst = 1024;
constexpr std::uint16_t kLast = 65'535;
constexpr std::uint32_t kRange = 64'512;

FourTuple destination(std::uint32_t number, bool ipv6 = false) {
  if (!ipv6) return {Address::v4(0xC6120001), Address::v4(0xC6130001 + number), 0, 80};
  return {Address::v6({0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}),
          Address::v6({0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                       static_cast<std::uint8_t>(number + 2)}),
          0, 80};
}

/// The ports of one destination, as an endpoint's tables would know them.
struct Used {
  std::vector<PortState> state = std::vector<PortState>(65'536, PortState::free);

  PortChoice choose(EphemeralPorts& ports, const FourTuple& to,
                    PortState becomes = PortState::in_use) {
    const PortChoice c = ports.choose(to, [&](std::uint16_t port) { return state[port]; });
    EXPECT_LE(c.steps, EphemeralPorts::kMaxSteps + EphemeralPorts::kHints);
    if (c.port != 0) {
      EXPECT_EQ(state[c.port], c.reusable ? PortState::reusable : PortState::free);
      state[c.port] = becomes;
    }
    return c;
  }
  void give_back(EphemeralPorts& ports, FourTuple to, std::uint16_t port) {
    state[port] = PortState::free;
    to.local_port = port;
    ports.released(to);
  }
};

// What is remembered of a destination must not depend on who else was asked for.
TEST(EphemeralPorts, AreThoseOfTheDestinationWhoeverComesBetween) {
  for (const bool ipv6 : {false, true}) {
    EphemeralPorts alone(kKey, kFirst, kLast);
    EphemeralPorts among(kKey, kFirst, kLast);
    const FourTuple wanted = destination(0, ipv6);
    std::vector<FourTuple> others(3, wanted);
    others[0].remote_port += 64;
    std::swap(others[1].local, others[1].remote);
    // The same last byte, another network.
    others[2].local = ipv6 ? Address::v6({0x20, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
                           : Address::v4(0xC6130001);
    Used of_alone;
    Used of_among;
    Used of_others;
    for (int i = 0; i < 20; ++i) {
      for (const FourTuple& other : others) (void)of_others.choose(among, other);
      EXPECT_EQ(of_among.choose(among, wanted).port, of_alone.choose(alone, wanted).port);
    }
  }
}

TEST(EphemeralPorts, GivesEveryPortOfTheRangeOnce) {
  for (const bool ipv6 : {false, true}) {
    EphemeralPorts ports(kKey, kFirst, kLast);
    EXPECT_EQ(ports.count(), kRange);
    Used used;
    for (std::uint32_t i = 0; i < kRange; ++i) {
      const PortChoice c = used.choose(ports, destination(0, ipv6));
      ASSERT_GE(c.port, kFirst);
      ASSERT_EQ(c.steps, 1U) << "in order, the first candidate is free";
    }
    // Full: that is found out within one round, and costs little from then on.
    std::uint32_t calls = 0;
    PortChoice c;
    do {
      c = used.choose(ports, destination(0, ipv6));
      ASSERT_EQ(c.port, 0);
      ASSERT_FALSE(c.time_wait);
    } while (!c.whole_round && ++calls < 100);
    EXPECT_TRUE(c.whole_round);
    EXPECT_LE(calls, kRange / EphemeralPorts::kMaxSteps);
    for (int i = 0; i < 1000; ++i) {
      EXPECT_LE(used.choose(ports, destination(0, ipv6)).steps, EphemeralPorts::kTiredSteps);
    }
    // Another destination has all of them.
    Used other;
    EXPECT_EQ(other.choose(ports, destination(1, ipv6)).steps, 1U);
  }
}

TEST(EphemeralPorts, RangesOfAllSizes) {
  for (const auto& [first, last] : std::vector<std::pair<int, int>>{
           {1, 1}, {65'535, 65'535}, {1000, 1006}, {1, 65'535}, {32'768, 60'999}}) {
    EphemeralPorts ports(kKey, static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last),
                         1);
    Used used;
    std::set<std::uint16_t> seen;
    for (int i = first; i <= last; ++i) {
      const PortChoice c = used.choose(ports, destination(0));
      ASSERT_NE(c.port, 0);
      ASSERT_TRUE(ports.contains(c.port));
      seen.insert(c.port);
    }
    EXPECT_EQ(static_cast<int>(seen.size()), last - first + 1);
    EXPECT_EQ(used.choose(ports, destination(0)).port, 0);
    EXPECT_FALSE(ports.contains(static_cast<std::uint16_t>(first - 1)));
    if (last < 65'535) {
      EXPECT_FALSE(ports.contains(static_cast<std::uint16_t>(last + 1)));
    }
  }
}

TEST(EphemeralPorts, FindsTheLastFreePortWithinOneRound) {
  EphemeralPorts ports(kKey, kFirst, kLast);
  Used used;
  std::fill(used.state.begin(), used.state.end(), PortState::in_use);
  used.state[40'000] = PortState::free;  // free, but nobody ever said so
  std::uint32_t calls = 0;
  while (used.choose(ports, destination(0)).port == 0 && ++calls < 100) {
  }
  EXPECT_LE(calls, kRange / EphemeralPorts::kMaxSteps + 1);
}

TEST(EphemeralPorts, FindsWhatWasGivenBackAtOnceWhenAllElseIsTaken) {
  EphemeralPorts ports(kKey, kFirst, kLast);
  Used used;
  for (std::uint32_t i = 0; i < kRange; ++i) (void)used.choose(ports, destination(0));
  for (int i = 0; i < 70; ++i) (void)used.choose(ports, destination(0));
  Random random(1);
  std::uint64_t steps = 0;
  for (int i = 0; i < 5000; ++i) {
    const auto port = static_cast<std::uint16_t>(kFirst + random.below(kRange));
    if (used.state[port] != PortState::in_use) continue;
    used.give_back(ports, destination(0), port);
    const PortChoice c = used.choose(ports, destination(0));
    ASSERT_NE(c.port, 0);
    steps += c.steps;
    EXPECT_LE(used.choose(ports, destination(0)).steps, EphemeralPorts::kTiredSteps);
  }
  EXPECT_LE(steps, 5000U * (EphemeralPorts::kTiredSteps + 1));
}

TEST(EphemeralPorts, FindsManyThatWereGivenBackTogether) {
  EphemeralPorts ports(kKey, kFirst, kLast);
  Used used;
  for (std::uint32_t i = 0; i < kRange + 70; ++i) (void)used.choose(ports, destination(0));
  Random random(2);
  std::set<std::uint16_t> given;
  while (given.size() < 3000)
    given.insert(static_cast<std::uint16_t>(kFirst + random.below(kRange)));
  for (const std::uint16_t port : given) used.give_back(ports, destination(0), port);
  std::size_t taken = 0;
  std::uint64_t steps = 0;
  for (int calls = 0; calls < 4000 && taken < given.size(); ++calls) {
    const PortChoice c = used.choose(ports, destination(0));
    steps += c.steps;
    taken += c.port != 0 ? 1 : 0;
  }
  EXPECT_EQ(taken, given.size()) << "all 64,512 are reached";
  EXPECT_LE(steps, 3 * kRange);
}

TEST(EphemeralPorts, AWaitingRangeIsToldFromABusyOne) {
  EphemeralPorts ports(kKey, kFirst, kLast);
  Used used;
  std::fill(used.state.begin(), used.state.end(), PortState::in_use);
  for (int port = 30'000; port < 30'010; ++port) {
    used.state[static_cast<std::size_t>(port)] = PortState::time_wait;
  }
  PortChoice c;
  for (int i = 0; i < 70; ++i) c = used.choose(ports, destination(0));
  EXPECT_TRUE(c.whole_round);
  EXPECT_TRUE(c.time_wait);
  // Later none waits any more, and a round later that is known.
  std::fill(used.state.begin(), used.state.end(), PortState::in_use);
  for (std::uint32_t i = 0; i < 2 * kRange / EphemeralPorts::kTiredSteps + 2; ++i) {
    c = used.choose(ports, destination(0));
  }
  EXPECT_FALSE(c.time_wait);
}

TEST(EphemeralPorts, TakesAReusablePortOnlyIfNoFreeOneIsNear) {
  EphemeralPorts ports(kKey, kFirst, kLast);
  Used used;
  std::fill(used.state.begin(), used.state.end(), PortState::reusable);
  const PortChoice first = used.choose(ports, destination(0));
  EXPECT_TRUE(first.reusable);
  EXPECT_EQ(first.steps, EphemeralPorts::kNearSteps);
  used.state[first.port] = PortState::reusable;
  // A free one within reach is preferred. The walk has gone on by kNearSteps.
  std::uint32_t next = first.port + EphemeralPorts::kNearSteps + 5;
  if (next > kLast) next -= kRange;
  used.state[next] = PortState::free;
  const PortChoice second = used.choose(ports, destination(0));
  EXPECT_FALSE(second.reusable);
  EXPECT_EQ(second.port, next);
}

TEST(EphemeralPorts, ExhaustedDestinationsDoNotDisturbEachOther) {
  // Many addresses run dry at once, as in a load test; collisions of cells cost time, never ports.
  EphemeralPorts ports(kKey, 10'000, 10'999, 4);
  constexpr std::uint32_t kDestinations = 40;
  std::vector<Used> used(kDestinations);
  std::uint64_t given = 0;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    for (std::uint32_t d = 0; d < kDestinations; ++d) {
      for (int attempt = 0; attempt < 3; ++attempt) {
        if (used[d].choose(ports, destination(d)).port == 0) continue;
        ++given;
        break;
      }
    }
  }
  EXPECT_EQ(given, 1000U * kDestinations);
  for (std::uint32_t d = 0; d < kDestinations; ++d) {
    EXPECT_EQ(used[d].choose(ports, destination(d)).port, 0);
  }
}

TEST(EphemeralPorts, OrderIsNotTheSameForAllDestinations) {
  // RFC 6056: an observer of one destination must not be able to tell the ports of another.
  std::map<int, int> differences;
  for (std::uint32_t d = 0; d < 500; ++d) {
    EphemeralPorts ports(kKey, kFirst, kLast, 64);
    Used a, b;
    ++differences[a.choose(ports, destination(d)).port - b.choose(ports, destination(d + 1)).port];
  }
  for (const auto& [difference, times] : differences) EXPECT_LE(times, 3) << difference;
  EphemeralPorts one({1, 1}, kFirst, kLast);
  EphemeralPorts two({1, 2}, kFirst, kLast);
  Used a, b;
  EXPECT_NE(a.choose(one, destination(0)).port, b.choose(two, destination(0)).port);
}

TEST(EphemeralPorts, APortIsUsedAgainAsLateAsCanBe) {
  EphemeralPorts ports(kKey, kFirst, kLast);
  Used used;
  std::map<std::uint16_t, std::uint32_t> last;
  for (std::uint32_t i = 0; i < 3 * kRange; ++i) {
    const PortChoice c = used.choose(ports, destination(0));
    used.state[c.port] = PortState::free;
    const auto it = last.find(c.port);
    if (it != last.end()) {
      ASSERT_EQ(i - it->second, kRange);
    }
    last[c.port] = i;
  }
}

}  // namespace
}  // namespace millrace::tcp
