// SPDX-License-Identifier: BSD-3-Clause
//
// What is rare: full buckets, taking out, and the making. The rest is in the header, in line.
#include "tcp/endpoint/index.h"

#include <algorithm>

#include "tcp/base/check.h"

namespace millrace::tcp {

namespace {

/// With a prime number of buckets every step reaches every bucket.
std::uint64_t prime_at_least(std::uint64_t n) {
  const auto is_prime = [](std::uint64_t candidate) {
    for (std::uint64_t d = 2; d * d <= candidate; ++d) {
      if (candidate % d == 0) return false;
    }
    return true;
  };
  while (!is_prime(n)) ++n;
  return n;
}

// Steps stay within two kibibytes of each other: the next probe is likely on the same page.
constexpr std::uint64_t kLongestStep = 31;

}  // namespace

Index::Index(std::uint32_t capacity) : capacity_(capacity) {
  MR_CHECK(capacity <= EntryRef::kMaxIndex);
  const double slots = static_cast<double>(capacity) / kMaxLoad;
  bucket_count_ = prime_at_least(
      std::max<std::uint64_t>(3, static_cast<std::uint64_t>(slots / double{kSlots}) + 1));
  step_range_ = std::min(bucket_count_ - 1, kLongestStep);
  pages_ = ReservedPages(bucket_count_ * sizeof(Bucket));
}

bool Index::insert_beyond(std::uint64_t hash, EntryRef ref) {
  Walk w = start(hash);
  std::uint32_t probe = 0;
  while (buckets()[w.bucket].used == kAllUsed) {
    if (++probe == kMaxProbes) {
      ++stats_.refused;
      return false;
    }
    advance(w);
  }
  put(buckets()[w.bucket], hash, ref);
  ++stats_.displaced;
  stats_.max_probes = std::max(stats_.max_probes, probe + 1);
  // Only now, because a refused insert must leave no trace.
  for (Walk passed = start(hash); probe > 0; --probe, advance(passed)) {
    std::uint16_t& overflow = buckets()[passed.bucket].overflow;
    if (overflow != kStuck) ++overflow;
  }
  return true;
}

bool Index::erase(std::uint64_t hash, EntryRef ref) {
  const Place place = locate(hash, ref);
  if (place.bucket == nullptr) return false;
  place.bucket->used = static_cast<std::uint16_t>(place.bucket->used & ~(1U << place.slot));
  --size_;
  Walk passed = start(hash);
  for (std::uint32_t left = place.distance; left > 0; --left, advance(passed)) {
    std::uint16_t& overflow = buckets()[passed.bucket].overflow;
    if (overflow != kStuck) --overflow;
  }
  return true;
}

std::uint64_t Index::overflow_total() const {
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < bucket_count_; ++i) total += buckets()[i].overflow;
  return total;
}

}  // namespace millrace::tcp
