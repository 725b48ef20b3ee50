// SPDX-License-Identifier: BSD-3-Clause
//
// Cookies out and in: see syn_cookie.h for their bits.
#include "tcp/endpoint/syn_cookie.h"

#include <algorithm>

#include "tcp/endpoint/tuple_hash.h"

namespace millrace::tcp {
namespace {

constexpr std::uint32_t kCodeBits = 29;
constexpr std::uint32_t kCodeMask = (1U << kCodeBits) - 1;
constexpr std::uint32_t kOptionMask = 0x3f;
constexpr std::uint32_t kNoScale = 0x0f;
constexpr std::uint32_t kSackBit = 0x10;
constexpr std::uint32_t kEcnBit = 0x20;
constexpr std::uint32_t kNoTimestamps = 0xff;  // no six bits look like it

[[nodiscard]] std::int64_t epoch_of(Instant now) { return now.time_since_epoch() / kCookieEpoch; }

[[nodiscard]] std::uint32_t mss_index_of(std::uint16_t mss) {
  const auto above = std::upper_bound(kCookieMss.begin(), kCookieMss.end(), mss);
  const auto index = static_cast<std::uint32_t>(above - kCookieMss.begin());
  return index == 0 ? 0 : index - 1;
}

[[nodiscard]] std::uint32_t options_of(const CookieTerms& terms) {
  if (!terms.timestamps) return kNoTimestamps;
  std::uint32_t bits = terms.window_scaling ? terms.peer_scale : kNoScale;
  if (terms.sack) bits |= kSackBit;
  if (terms.ecn) bits |= kEcnBit;
  return bits;
}

[[nodiscard]] CookieTerms terms_of(std::uint32_t mss_index, std::uint32_t options) {
  CookieTerms terms;
  terms.peer_mss = kCookieMss[mss_index];
  if (options == kNoTimestamps) return terms;
  terms.timestamps = true;
  terms.sack = (options & kSackBit) != 0;
  terms.ecn = (options & kEcnBit) != 0;
  terms.window_scaling = (options & kNoScale) != kNoScale;
  if (terms.window_scaling) terms.peer_scale = static_cast<std::uint8_t>(options & kNoScale);
  return terms;
}

/// The latest timestamp not after `tsval` that ends in `options`.
[[nodiscard]] std::uint32_t with_options(std::uint32_t tsval, std::uint32_t options) {
  const std::uint32_t candidate = (tsval & ~kOptionMask) | options;
  return (tsval & kOptionMask) >= options ? candidate : candidate - (kOptionMask + 1);
}

}  // namespace

SipKey SynCookies::key_of(std::int64_t epoch) {
  EpochKey& kept = keys_[static_cast<std::size_t>(epoch & 1)];
  if (kept.epoch != epoch) {
    const auto word = static_cast<std::uint64_t>(epoch);
    kept.key = {siphash_words<2, 4>(secret_, {word, 0}), siphash_words<2, 4>(secret_, {word, 1})};
    kept.epoch = epoch;
  }
  return kept.key;
}

std::uint32_t SynCookies::code(std::int64_t epoch, const FourTuple& tuple, Seq irs,
                               std::uint32_t mss_index, std::uint32_t options) {
  const SipKey key = key_of(epoch);
  const std::uint64_t rest =
      (std::uint64_t{irs.raw()} << 32) | (std::uint64_t{options} << 8) | mss_index;
  const std::uint64_t mac = siphash_words<2, 4>(key, {tuple_siphash<2, 4>(key, tuple), rest});
  return static_cast<std::uint32_t>(mac) & kCodeMask;
}

SynCookies::Issued SynCookies::issue(const FourTuple& tuple, Seq irs, const CookieTerms& terms,
                                     std::uint32_t tsval, Instant now) {
  const std::uint32_t mss_index = mss_index_of(terms.peer_mss);
  const std::uint32_t options = options_of(terms);
  const std::uint32_t mac = code(epoch_of(now), tuple, irs, mss_index, options);
  honoured_until_ = now + kCookieLifetime;
  return {Seq((mss_index << kCodeBits) | mac),
          terms.timestamps ? with_options(tsval, options) : tsval};
}

std::optional<CookieTerms> SynCookies::redeem(const FourTuple& tuple, const SegmentIn& ack,
                                              Instant now) {
  const std::uint32_t cookie = (ack.ack - 1).raw();
  const std::uint32_t mss_index = cookie >> kCodeBits;
  const std::uint32_t options =
      ack.options.has_timestamps() ? ack.options.tsecr & kOptionMask : kNoTimestamps;
  const std::int64_t epoch = epoch_of(now);
  for (const std::int64_t issued : {epoch, epoch - 1}) {
    if (issued < 0) continue;
    if (code(issued, tuple, ack.seq - 1, mss_index, options) == (cookie & kCodeMask)) {
      return terms_of(mss_index, options);
    }
  }
  return std::nullopt;
}

}  // namespace millrace::tcp
