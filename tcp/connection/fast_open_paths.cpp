// SPDX-License-Identifier: BSD-3-Clause
//
// Paths of Fast Open in their sets: see fast_open_paths.h. Asked for by connections that open with
// Fast Open, and by no others.
#include "tcp/connection/fast_open_paths.h"

#include <algorithm>
#include <bit>
#include <new>

namespace millrace::tcp {
namespace {

[[nodiscard]] std::uint32_t seconds_of(Instant t) {
  return static_cast<std::uint32_t>(t.time_since_epoch() / Duration(1s));
}

[[nodiscard]] bool is_of(const FastOpenPath& path, const FourTuple& tuple) {
  return path.remote_port == tuple.remote_port && path.local == tuple.local &&
         path.remote == tuple.remote;
}

}  // namespace

FastOpenPaths::FastOpenPaths(std::uint32_t capacity, SipKey key) : key_(key) {
  if (capacity == 0) return;
  const std::size_t sets = std::bit_ceil((std::size_t{capacity} + kWays - 1) / kWays);
  paths_ = ReservedPages(sets * kWays * sizeof(FastOpenPath));
  set_mask_ = sets - 1;
}

// Fresh pages are zeros: paths without a port.
std::span<FastOpenPath, FastOpenPaths::kWays> FastOpenPaths::set_of(const FourTuple& tuple) const {
  const AddressWords local = tuple.local.words();
  const AddressWords remote = tuple.remote.words();
  const std::uint64_t hash = siphash_words<1, 3>(
      key_, {local.high, local.low, remote.high, remote.low, std::uint64_t{tuple.remote_port}});
  auto* const all = std::launder(reinterpret_cast<FastOpenPath*>(paths_.data()));
  return std::span<FastOpenPath, kWays>(all + (hash & set_mask_) * kWays, kWays);
}

const FastOpenPath* FastOpenPaths::find(const FourTuple& tuple, Instant now) {
  if (paths_.data() == nullptr) return nullptr;
  for (FastOpenPath& path : set_of(tuple)) {
    if (!is_of(path, tuple)) continue;
    path.used_s = seconds_of(now);
    return &path;
  }
  return nullptr;
}

FastOpenPath* FastOpenPaths::find_or_make(const FourTuple& tuple, Instant now) {
  if (paths_.data() == nullptr) return nullptr;
  const auto set = set_of(tuple);
  FastOpenPath* place = &set[0];
  for (FastOpenPath& path : set) {
    if (is_of(path, tuple)) {
      path.used_s = seconds_of(now);
      return &path;
    }
    // What holds nothing was never used, so it is the oldest.
    if (path.used_s < place->used_s) place = &path;
  }
  if (place->remote_port == 0) ++used_;
  *place = FastOpenPath{};
  place->local = tuple.local;
  place->remote = tuple.remote;
  place->remote_port = tuple.remote_port;
  place->used_s = seconds_of(now);
  return place;
}

bool FastOpenPaths::rests(const FastOpenPath& path, Instant now) {
  return path.failures >= kFailuresBeforeRest && seconds_of(now) < path.rests_until_s;
}

void FastOpenPaths::learn(const FourTuple& tuple, const Options& options, std::uint16_t mss,
                          Instant now) {
  FastOpenPath* const path = find_or_make(tuple, now);
  if (path == nullptr) return;
  path->cookie = options.cookie;
  path->cookie_bytes = options.cookie_bytes;
  path->mss = mss;
}

void FastOpenPaths::succeeded(const FourTuple& tuple, Instant now) {
  if (paths_.data() == nullptr) return;
  for (FastOpenPath& path : set_of(tuple)) {
    if (!is_of(path, tuple)) continue;
    path.failures = 0;
    path.used_s = seconds_of(now);
  }
}

bool FastOpenPaths::failed(const FourTuple& tuple, Instant now) {
  FastOpenPath* const path = find_or_make(tuple, now);
  // What failed while the path rests was sent before: one outage is one failure more, however many
  // connections it hit.
  if (path == nullptr || rests(*path, now)) return false;
  constexpr std::uint8_t kMost = 0xff;
  if (path->failures != kMost) ++path->failures;
  if (path->failures < kFailuresBeforeRest) return false;
  const unsigned doublings = std::min(path->failures - kFailuresBeforeRest, kMaxRestDoublings);
  // Rounded up, so that the path never rests less than it should.
  path->rests_until_s = seconds_of(now + kFastOpenRest * (1U << doublings)) + 1;
  return true;
}

}  // namespace millrace::tcp
