// SPDX-License-Identifier: BSD-3-Clause
//
// Pools hand out each index once, come back whole, and touch no memory before it is needed.
#include "tcp/base/pool.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <vector>

#include "tests/support/random.h"

namespace millrace {
namespace {

struct Element {
  std::uint64_t value = 7;
  std::uint32_t other = 9;
};

TEST(Pool, EveryIndexOnceThenNil) {
  Pool<Element> pool(100);
  std::set<std::uint32_t> seen;
  for (int i = 0; i < 100; ++i) {
    const std::uint32_t index = pool.create();
    ASSERT_LT(index, 100U);
    EXPECT_TRUE(seen.insert(index).second);
    EXPECT_EQ(pool[index].value, 7U);
    EXPECT_EQ(pool[index].other, 9U);
    pool[index].value = 1000 + index;
  }
  EXPECT_EQ(pool.create(), kNil);
  EXPECT_EQ(pool.live(), 100U);
  for (const std::uint32_t index : seen) EXPECT_EQ(pool[index].value, 1000 + index);
}

TEST(Pool, LastFreedComesFirstAndClean) {
  Pool<Element> pool(10);
  const std::uint32_t a = pool.create();
  const std::uint32_t b = pool.create();
  pool[a].value = pool[b].value = 1;
  pool.free(a);
  pool.free(b);
  EXPECT_EQ(pool.create(), b);
  EXPECT_EQ(pool.create(), a);
  EXPECT_EQ(pool[a].value, 7U);
  EXPECT_EQ(pool.touched(), 2U);
}

TEST(Pool, CreatedIsLiveAndFreed) {
  Pool<Element> pool(64);
  test::Random random(1);
  std::vector<std::uint32_t> held;
  for (int i = 0; i < 100'000; ++i) {
    if (random.chance(0.5)) {
      const std::uint32_t index = pool.create();
      EXPECT_EQ(index == kNil, held.size() == 64);
      if (index != kNil) held.push_back(index);
    } else if (!held.empty()) {
      const std::size_t at = random.below(held.size());
      pool.free(held[at]);
      held[at] = held.back();
      held.pop_back();
    }
    ASSERT_EQ(pool.live(), held.size());
    ASSERT_EQ(pool.created(), pool.freed() + pool.live());
  }
  EXPECT_EQ(std::set<std::uint32_t>(held.begin(), held.end()).size(), held.size());
}

std::size_t resident_bytes() {
  std::size_t total = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

TEST(Pool, CapacityCostsNothingUntilItIsUsed) {
  const std::size_t before = resident_bytes();
  Pool<std::array<std::byte, 128>> pool(16U << 20);  // 2 GiB of address space
  ASSERT_NE(pool.create(), kNil);
  // A huge page at most.
  EXPECT_LT(resident_bytes(), before + (4U << 20));
}

TEST(ReservedPages, AreZeroAndMove) {
  ReservedPages pages(10'000);
  for (std::size_t i = 0; i < pages.bytes(); ++i) ASSERT_EQ(pages.data()[i], std::byte{0});
  std::byte* const data = pages.data();
  ReservedPages moved = std::move(pages);
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(moved.bytes(), 10'000U);
  ReservedPages other;
  other = std::move(moved);
  EXPECT_EQ(other.data(), data);
}

}  // namespace
}  // namespace millrace
