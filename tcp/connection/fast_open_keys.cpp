// SPDX-License-Identifier: BSD-3-Clause
//
// Giving and judging Fast Open cookies: see fast_open_keys.h.
#include "tcp/connection/fast_open_keys.h"

#include <cstring>

namespace millrace::tcp {
namespace {

[[nodiscard]] std::int64_t epoch_of(Instant now) { return now.time_since_epoch() / kFastOpenEpoch; }

}  // namespace

std::uint64_t FastOpenKeys::cookie_of(const Address& client, std::int64_t epoch) {
  EpochKey& kept = keys_[static_cast<std::size_t>(epoch & 1)];
  if (kept.epoch != epoch) {
    const auto word = static_cast<std::uint64_t>(epoch);
    kept.key = {siphash_words<2, 4>(secret_, {word, 0}), siphash_words<2, 4>(secret_, {word, 1})};
    kept.epoch = epoch;
  }
  const AddressWords words = client.words();
  return siphash_words<2, 4>(kept.key, {words.high, words.low});
}

void FastOpenKeys::grant(const Address& client, Instant now, Options& out) {
  const std::uint64_t cookie = cookie_of(client, epoch_of(now));
  out.has |= Options::kFastOpen;
  out.cookie_bytes = sizeof cookie;
  std::memcpy(out.cookie.data(), &cookie, sizeof cookie);
}

CookieVerdict FastOpenKeys::judge(const Address& client, const Options& options, Instant now) {
  std::uint64_t came = 0;
  if (options.cookie_bytes != sizeof came) return CookieVerdict::wrong;
  std::memcpy(&came, options.cookie.data(), sizeof came);
  const std::int64_t epoch = epoch_of(now);
  if (came == cookie_of(client, epoch)) return CookieVerdict::good;
  if (epoch > 0 && came == cookie_of(client, epoch - 1)) return CookieVerdict::good_but_old;
  return CookieVerdict::wrong;
}

}  // namespace millrace::tcp
