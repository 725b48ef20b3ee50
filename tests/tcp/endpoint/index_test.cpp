// SPDX-License-Identifier: BSD-3-Clause
//
// The index against a std::map, at capacity, under churn and against tuples chosen to collide.
#include "tcp/endpoint/index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "tcp/base/siphash.h"
#include "tcp/endpoint/tuple_hash.h"
#include "tests/tcp/endpoint/random.h"

namespace millrace::tcp {
namespace {

constexpr SipKey kKey{0x0123456789abcdef, 0xfedcba9876543210};
const TupleHasher kHasher(kKey);

EntryRef connection(std::uint32_t index) { return {EntryKind::connection, index}; }
std::uint64_t hash_of(std::uint32_t index) {
  const std::uint64_t word[] = {index};
  return siphash_words<1, 3>(kKey, word);
}
EntryRef find(const Index& index, std::uint32_t key) {
  return index.find(hash_of(key), [&](EntryRef ref) { return ref.index() == key; });
}

TEST(EntryRef, KeepsKindAndIndex) {
  const EntryRef none;
  EXPECT_FALSE(none);
  for (const EntryKind kind : {EntryKind::connection, EntryKind::half_open, EntryKind::time_wait}) {
    for (const std::uint32_t i : {0U, 1U, EntryRef::kMaxIndex - 1, EntryRef::kMaxIndex}) {
      const EntryRef ref(kind, i);
      EXPECT_TRUE(ref);
      EXPECT_EQ(ref.kind(), kind);
      EXPECT_EQ(ref.index(), i);
      EXPECT_EQ(EntryRef::from_bits(ref.bits()), ref);
    }
  }
  EXPECT_TRUE(EntryRef(EntryKind::time_wait, EntryRef::kIpv6 | 5).ipv6());
  EXPECT_FALSE(EntryRef(EntryKind::time_wait, 5).ipv6());
}

constexpr FourTuple kV4{Address::v4(0xC6120001), Address::v4(0xC6120102), 80, 50'000};
constexpr FourTuple kV6{Address::v6({0x20, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}),
                        Address::v6({0x20, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}), 443,
                        1025};

TEST(TupleHash, IsTheSameOfAPackedTuple) {
  EXPECT_EQ(kHasher.v4(pack_v4(kV4)), kHasher(kV4));
  EXPECT_NE(kHasher(kV4), TupleHasher(SipKey{1, 2})(kV4));
}

TEST(TupleHash, ChainsTheBlocksOfAnIpv6Tuple) {
  // The same three blocks one by one.
  const Aes<4> aes(kKey);
  const std::uint64_t ports = kV6.local_port | std::uint64_t{kV6.remote_port} << 16;
  AesBlock chain = aes(aes_block(0, ports | std::uint64_t{36} << 56));
  for (const Address& address : {kV6.local, kV6.remote}) {
    AesBlock block;
    std::memcpy(&block, address.bytes().data(), 16);
    // The upper half of an address is the lower bytes of memory.
    block = _mm_shuffle_epi32(block, 0x4e);
    chain = aes(_mm_xor_si128(chain, block));
  }
  EXPECT_EQ(kHasher(kV6), low_word(chain));
}

TEST(TupleHash, EveryBitOfATupleMovesHalfOfTheHash) {
  for (const FourTuple& whole : {kV4, kV6}) {
    const std::size_t from = whole.local.is_v4() ? 12 : 0;
    double flipped = 0;
    int count = 0;
    const auto try_bit = [&](const FourTuple& other) {
      flipped += std::popcount(kHasher(whole) ^ kHasher(other));
      ++count;
      // What picks the bucket and what is its tag alike.
      EXPECT_NE(kHasher(whole) >> 40, kHasher(other) >> 40);
      EXPECT_NE(kHasher(whole) << 40, kHasher(other) << 40);
    };
    for (std::size_t bit = 8 * from; bit < 128; ++bit) {
      for (Address FourTuple::*end : {&FourTuple::local, &FourTuple::remote}) {
        auto bytes = (whole.*end).bytes();
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
        FourTuple other = whole;
        other.*end = Address::v6(bytes);
        try_bit(other);
      }
    }
    for (unsigned bit = 0; bit < 16; ++bit) {
      for (std::uint16_t FourTuple::*port : {&FourTuple::local_port, &FourTuple::remote_port}) {
        FourTuple other = whole;
        other.*port = static_cast<std::uint16_t>(other.*port ^ (1U << bit));
        try_bit(other);
      }
    }
    EXPECT_NEAR(flipped / count, 32.0, 6 * 4.0 / std::sqrt(count));  // six standard deviations
  }
}

TEST(Index, HoldsItsCapacityAndNoMore) {
  for (const std::uint32_t capacity : {0U, 1U, 2U, 11U, 12U, 13U, 100U, 1000U, 50'000U}) {
    Index index(capacity);
    for (std::uint32_t i = 0; i < capacity; ++i)
      ASSERT_TRUE(index.insert(hash_of(i), connection(i)));
    EXPECT_FALSE(index.insert(hash_of(capacity), connection(capacity)));
    EXPECT_EQ(index.size(), capacity);
    EXPECT_EQ(index.stats().refused, 0U);
    for (std::uint32_t i = 0; i < capacity; ++i) ASSERT_EQ(find(index, i), connection(i));
    EXPECT_FALSE(find(index, capacity));
  }
}

TEST(Index, CostsAtMostEightBytesAnEntryAtFourFifths) {
  for (const std::uint32_t capacity : {125'000U, 1'250'000U, 12'500'000U, 125'000'000U}) {
    const Index index(capacity);
    EXPECT_LE(static_cast<double>(index.reserved_bytes()), 7.3 * 0.8 * capacity);
  }
}

TEST(Index, AgreesWithAMapUnderChurn) {
  Random random(1);
  constexpr std::uint32_t kKeys = 3000;
  Index index(1500);
  std::map<std::uint32_t, EntryRef> model;
  for (int step = 0; step < 400'000; ++step) {
    const std::uint32_t key = random.below(kKeys);
    const auto it = model.find(key);
    // Drift between empty and full, so that buckets overflow and drain many times.
    const bool filling = (step / 20'000) % 2 == 0;
    if (it == model.end()) {
      if (!random.one_in(4) && !filling) continue;
      const bool inserted = index.insert(hash_of(key), connection(key));
      ASSERT_EQ(inserted, model.size() < index.capacity());
      if (inserted) model[key] = connection(key);
    } else if (random.one_in(3)) {
      const EntryKind kind =
          it->second.kind() == EntryKind::connection ? EntryKind::time_wait : EntryKind::connection;
      ASSERT_TRUE(index.replace(hash_of(key), it->second, EntryRef(kind, key)));
      it->second = EntryRef(kind, key);
    } else if (!filling || random.one_in(4)) {
      ASSERT_TRUE(index.erase(hash_of(key), it->second));
      ASSERT_FALSE(index.erase(hash_of(key), it->second));
      ASSERT_FALSE(index.replace(hash_of(key), it->second, connection(0)));
      model.erase(it);
    }
    ASSERT_EQ(index.size(), model.size());
    const std::uint32_t probe = random.below(kKeys);
    const auto expected = model.find(probe);
    ASSERT_EQ(find(index, probe), expected == model.end() ? EntryRef() : expected->second);
  }
  EXPECT_GT(index.stats().displaced, 0U);
}

/// How many entries the caller is asked to compare, summed over lookups.
std::uint64_t comparisons(const Index& index, std::uint32_t from, std::uint32_t to) {
  std::uint64_t count = 0;
  for (std::uint32_t i = from; i < to; ++i) {
    (void)index.find(hash_of(i), [&](EntryRef ref) {
      ++count;
      return ref.index() == i;
    });
  }
  return count;
}

TEST(Index, LookupsCompareHardlyMoreThanOneEntry) {
  constexpr std::uint32_t kCount = 100'000;
  Index index(kCount * 5 / 4);
  for (std::uint32_t i = 0; i < kCount; ++i) ASSERT_TRUE(index.insert(hash_of(i), connection(i)));
  EXPECT_LT(comparisons(index, 0, kCount), kCount * 105 / 100);
  EXPECT_LT(comparisons(index, kCount, 2 * kCount), kCount * 5 / 100);
  EXPECT_LT(index.stats().displaced, kCount * 15 / 100);
}

TEST(Index, ForgetsOverflowWhenItIsEmptied) {
  // After a full table has been emptied, a lookup stops at its home bucket again: if the counts of
  // overflow were not taken back, misses would go on walking.
  constexpr std::uint32_t kCount = 20'000;
  Index index(kCount);
  for (int round = 0; round < 5; ++round) {
    for (std::uint32_t i = 0; i < kCount; ++i) {
      ASSERT_TRUE(index.insert(hash_of(i), connection(i)));
    }
    for (std::uint32_t i = 0; i < kCount; ++i) ASSERT_TRUE(index.erase(hash_of(i), connection(i)));
  }
  EXPECT_EQ(index.overflow_total(), 0U);
}

TEST(Index, RefusesRatherThanWalkOn) {
  // One hash for all: they fill kMaxProbes buckets of the walk, then the index says no, and what
  // is refused leaves no trace.
  Index index(100'000);
  const std::uint64_t hash = hash_of(7);
  constexpr std::uint32_t kRoom = Index::kMaxProbes * Index::kSlots;
  for (std::uint32_t i = 0; i < kRoom; ++i) ASSERT_TRUE(index.insert(hash, connection(i)));
  EXPECT_FALSE(index.insert(hash, connection(kRoom)));
  EXPECT_EQ(index.stats().refused, 1U);
  EXPECT_EQ(index.stats().max_probes, Index::kMaxProbes);
  for (std::uint32_t i = 0; i < kRoom; ++i) ASSERT_TRUE(index.erase(hash, connection(i)));
  EXPECT_EQ(index.overflow_total(), 0U);
  EXPECT_EQ(index.size(), 0U);
}

// ---- tuples chosen by an attacker

std::uint32_t crc32c(std::uint32_t crc, const unsigned char* p, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= p[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) * 0x82f63b78U);
  }
  return crc;
}

/// The Toeplitz hash of receive-side scaling under the key that everybody knows.
std::uint32_t toeplitz(const unsigned char* p, std::size_t size) {
  constexpr unsigned char kPublic[40] = {
      0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
      0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
      0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
  std::uint32_t hash = 0;
  for (std::size_t bit = 0; bit < 8 * size; ++bit) {
    if ((p[bit / 8] >> (7 - bit % 8) & 1) == 0) continue;
    for (std::size_t i = 0; i < 32; ++i) {
      const std::size_t at = bit + i;
      hash ^= static_cast<std::uint32_t>(kPublic[at / 8] >> (7 - at % 8) & 1) << (31 - i);
    }
  }
  return hash;
}
std::uint32_t crc_of(const unsigned char* p, std::size_t size) { return crc32c(0, p, size); }

using PublicHash = std::uint32_t (*)(const unsigned char*, std::size_t);

/// Such a hash is linear: differences of tuples that leave it unchanged form a space, whose every
/// member added to a tuple collides with it. Gives a basis of it within `bits` bits from byte
/// `from` on, where the remote address and port lie.
std::vector<std::uint64_t> differences_without_effect(PublicHash hash, std::size_t size,
                                                      std::size_t from, int bits) {
  const auto effect = [=](std::uint64_t difference) {
    unsigned char zero[36] = {}, bytes[36] = {};
    std::memcpy(bytes + from, &difference, static_cast<std::size_t>(bits) / 8);
    return hash(bytes, size) ^ hash(zero, size);
  };
  std::vector<std::pair<std::uint32_t, std::uint64_t>> rows;
  std::vector<std::uint64_t> kernel;
  for (int bit = 0; bit < bits; ++bit) {
    std::uint64_t difference = std::uint64_t{1} << bit;
    std::uint32_t image = effect(difference);
    for (const auto& [row_image, row_difference] : rows) {
      if ((image ^ row_image) >= image) continue;
      image ^= row_image;
      difference ^= row_difference;
    }
    if (image == 0) {
      kernel.push_back(difference);
    } else {
      rows.emplace_back(image, difference);
      std::sort(rows.rbegin(), rows.rend());
    }
  }
  return kernel;
}

/// A million tuples that collide under `hash`: 48 bits less 32 give 16 dimensions, and sixteen
/// local ports make a million of 65,536.
void expect_spread(PublicHash hash) {
  constexpr std::uint32_t kCount = 1'000'000;
  const std::vector<std::uint64_t> kernel = differences_without_effect(hash, 12, 4, 48);
  ASSERT_GE(kernel.size(), 16U);
  Index index(kCount * 5 / 4);
  std::set<std::uint32_t> seen;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    std::uint64_t remote = 0;
    for (unsigned bit = 0; bit < 16; ++bit) {
      if (((i >> bit) & 1U) != 0) remote ^= kernel[bit];
    }
    unsigned char bytes[12] = {};
    std::memcpy(bytes + 4, &remote, 6);
    if (i < 65'536) seen.insert(hash(bytes, 12));
    PackedTuple t;
    std::memcpy(&t.remote, bytes + 4, 4);
    std::memcpy(&t.remote_port, bytes + 8, 2);
    t.local_port = static_cast<std::uint16_t>(1 + (i >> 16));
    ASSERT_TRUE(index.insert(kHasher.v4(t), connection(i)));
  }
  EXPECT_EQ(seen.size(), 1U) << "the attack is one";
  EXPECT_LT(index.stats().max_probes, 16U);
  EXPECT_LT(index.stats().displaced, kCount * 15 / 100);
}

void expect_few_probes(const Index& index, std::uint32_t count) {
  EXPECT_LT(index.stats().max_probes, 16U);
  EXPECT_LT(index.stats().displaced, count * 15 / 100);
}

/// The same for IPv6, where the last 64 bits of the remote address alone leave 32 dimensions, of
/// which twenty make a million.
void expect_spread_v6(PublicHash hash) {
  constexpr std::uint32_t kCount = 1'000'000;
  constexpr std::size_t kBytes = 36, kRemoteTail = 24;
  const std::vector<std::uint64_t> kernel =
      differences_without_effect(hash, kBytes, kRemoteTail, 64);
  ASSERT_GE(kernel.size(), 20U);
  Index index(kCount * 5 / 4);
  std::set<std::uint32_t> seen;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    unsigned char bytes[kBytes] = {};
    std::uint64_t tail = 0;
    for (unsigned bit = 0; bit < 20; ++bit) {
      if (((i >> bit) & 1U) != 0) tail ^= kernel[bit];
    }
    std::memcpy(bytes + kRemoteTail, &tail, 8);
    if (i % 64 == 0) seen.insert(hash(bytes, kBytes));
    FourTuple t{Address::v6({}), Address::from_words({0, tail}), 0, 0};
    ASSERT_TRUE(index.insert(kHasher(t), connection(i)));
  }
  EXPECT_EQ(seen.size(), 1U) << "the attack is one";
  expect_few_probes(index, kCount);
}

/// Jenkins' lookup3 (2006), which rte_jhash is: not linear, but every step can be undone, so that
/// whoever may choose as many words as there are makes collisions at will, without any search.
struct Lookup3 {
  std::uint32_t a, b, c;

  static std::uint32_t rot(std::uint32_t x, int k) { return std::rotl(x, k); }
  void mix() {
    a -= c, a ^= rot(c, 4), c += b;
    b -= a, b ^= rot(a, 6), a += c;
    c -= b, c ^= rot(b, 8), b += a;
    a -= c, a ^= rot(c, 16), c += b;
    b -= a, b ^= rot(a, 19), a += c;
    c -= b, c ^= rot(b, 4), b += a;
  }
  void unmix() {
    b -= a, c ^= rot(b, 4), c += b;
    a -= c, b ^= rot(a, 19), b += a;
    c -= b, a ^= rot(c, 16), a += c;
    b -= a, c ^= rot(b, 8), c += b;
    a -= c, b ^= rot(a, 6), b += a;
    c -= b, a ^= rot(c, 4), a += c;
  }
  void finish() {
    c ^= b, c -= rot(b, 14), a ^= c, a -= rot(c, 11), b ^= a, b -= rot(a, 25);
    c ^= b, c -= rot(b, 16), a ^= c, a -= rot(c, 4), b ^= a, b -= rot(a, 14);
    c ^= b, c -= rot(b, 24);
  }
  void unfinish() {
    c += rot(b, 24), c ^= b, b += rot(a, 14), b ^= a, a += rot(c, 4), a ^= c;
    c += rot(b, 16), c ^= b, b += rot(a, 25), b ^= a, a += rot(c, 11), a ^= c;
    c += rot(b, 14), c ^= b;
  }
};
/// Of three words or more, from the start value 0.
std::uint32_t lookup3(std::span<const std::uint32_t> words, std::size_t bytes) {
  const std::uint32_t start = 0xdeadbeef + static_cast<std::uint32_t>(bytes);
  Lookup3 s{start, start, start};
  for (; words.size() > 3; words = words.subspan(3)) {
    s.a += words[0], s.b += words[1], s.c += words[2];
    s.mix();
  }
  s.a += words[0], s.b += words[1], s.c += words[2];
  s.finish();
  return s.c;
}

/// The example that was published with it, thirty bytes: the last words are not whole.
TEST(Index, Lookup3IsThePublishedOne) {
  std::uint32_t words[9] = {};
  std::memcpy(words, "Four score and seven years ago", 30);
  EXPECT_EQ(lookup3(words, 30), 0x17770551U);
}

/// Whatever the last step leaves in the other two words can be traced back to a tuple. The local
/// side is the attacker's as well here, which is more than he has.
TEST(Index, AMillionTuplesThatCollideUnderJenkinsDoNotCollideHere) {  // catalogue C8
  constexpr std::uint32_t kCount = 1'000'000;
  constexpr std::uint32_t kStart = 0xdeadbeef + 12;
  Index index(kCount * 5 / 4);
  std::set<std::uint32_t> seen;
  Random random(8);
  for (std::uint32_t i = 0; i < kCount; ++i) {
    Lookup3 s{i, random(), 0x1234'5678};
    s.unfinish();
    const std::uint32_t words[] = {s.a - kStart, s.b - kStart, s.c - kStart};
    seen.insert(lookup3(words, sizeof words));
    const PackedTuple t{words[0], words[1], static_cast<std::uint16_t>(words[2]),
                        static_cast<std::uint16_t>(words[2] >> 16)};
    ASSERT_TRUE(index.insert(kHasher.v4(t), connection(i)));
  }
  EXPECT_EQ(seen.size(), 1U) << "the attack is one";
  expect_few_probes(index, kCount);
}

/// With the remote address in front its four words are enough, whatever the local side is: what the
/// second block begins with is the same for each.
TEST(Index, AMillionIpv6TuplesThatCollideUnderJenkinsDoNotCollideHere) {  // catalogue C8
  constexpr std::uint32_t kCount = 1'000'000;
  constexpr std::uint32_t kStart = 0xdeadbeef + 36;
  Index index(kCount * 5 / 4);
  std::set<std::uint32_t> seen;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    Lookup3 s{i, 0x0bad'cafe, 0x1234'5678};
    s.unmix();
    const std::uint32_t words[] = {s.a - kStart, s.b - kStart, s.c - kStart, 0 - i, 0, 0, 0, 0, 80};
    seen.insert(lookup3(words, sizeof words));
    const AddressWords remote{words[0] | std::uint64_t{words[1]} << 32,
                              words[2] | std::uint64_t{words[3]} << 32};
    FourTuple t{Address::v6({}), Address::from_words(remote), 80, 0};
    ASSERT_TRUE(index.insert(kHasher(t), connection(i)));
  }
  EXPECT_EQ(seen.size(), 1U) << "the attack is one";
  expect_few_probes(index, kCount);
}

// Catalogue C8.
TEST(Index, AMillionTuplesThatCollideUnderACrcDoNotCollideHere) { expect_spread(crc_of); }
TEST(Index, AMillionTuplesThatCollideUnderToeplitzDoNotCollideHere) { expect_spread(toeplitz); }
TEST(Index, AMillionIpv6TuplesThatCollideUnderACrcDoNotCollideHere) { expect_spread_v6(crc_of); }
TEST(Index, AMillionIpv6TuplesThatCollideUnderToeplitzDoNotCollideHere) {
  expect_spread_v6(toeplitz);
}

TEST(Index, SequentialTuplesSpread) {
  // What most clients look like: consecutive addresses and ports.
  constexpr std::uint32_t kCount = 1'000'000;
  Index index(kCount * 5 / 4);
  for (std::uint32_t i = 0; i < kCount; ++i) {
    const PackedTuple t{0x0a000001, 0x0a000002 + (i >> 14), 80,
                        static_cast<std::uint16_t>(1024 + (i & 0x3fff))};
    ASSERT_TRUE(index.insert(kHasher.v4(t), connection(i)));
  }
  EXPECT_LT(index.stats().max_probes, 16U);
  EXPECT_LT(index.stats().displaced, kCount * 15 / 100);
}

}  // namespace
}  // namespace millrace::tcp
