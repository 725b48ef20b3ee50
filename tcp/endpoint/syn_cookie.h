// SPDX-License-Identifier: BSD-3-Clause
//
// SYN cookies (RFC 4987 §3.6): when there is no room to remember a SYN, our initial sequence number
// and timestamp remember it, and the ACK that completes the handshake brings both back.
//
//   sequence number   31..29 index into kCookieMss, 28..0 message authentication code
//   timestamp         5..0   peer's window scale (15: none), SACK, ECN; the rest is the clock's
//
// The code is SipHash-2-4 over four-tuple, the peer's initial sequence number, MSS index, those six
// bits, and the key of the epoch. An epoch lasts 64 s, and a cookie is honoured in its own and the
// next: between 64 and 128 s. Keys of epochs are derived from the secret, so that what is learnt of
// one says nothing of another. Without timestamps only the MSS is kept, as RFC 4987 warns.
//
// Refuses to remember anything: what a peer costs is a reply.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "tcp/base/four_tuple.h"
#include "tcp/base/seq.h"
#include "tcp/base/siphash.h"
#include "tcp/base/time.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// What an MSS is rounded down to: our floor, the two defaults (RFC 9293 §3.7.1), tunnels, PPPoE,
/// Ethernet under both families, jumbo frames.
inline constexpr std::array<std::uint16_t, 8> kCookieMss{216,  536,  1220, 1380,
                                                         1440, 1452, 1460, 8940};
inline constexpr Duration kCookieEpoch = 64s;
inline constexpr Duration kCookieLifetime = 2 * kCookieEpoch;  // at most

/// What a cookie remembers of a SYN.
struct CookieTerms {
  std::uint16_t peer_mss = 536;
  bool timestamps = false;  // without them the rest is off
  bool sack = false, window_scaling = false, ecn = false;
  std::uint8_t peer_scale = 0;
  friend bool operator==(const CookieTerms&, const CookieTerms&) = default;
};

class SynCookies {
 public:
  explicit SynCookies(SipKey secret) : secret_(secret) {}

  struct Issued {
    Seq iss;
    std::uint32_t tsval = 0;  // to be sent instead of the `tsval` given: at most 64 below it
  };
  /// The answer to a SYN with sequence number `irs`. An MSS below the least of kCookieMss counts as
  /// that.
  [[nodiscard]] Issued issue(const FourTuple& tuple, Seq irs, const CookieTerms& terms,
                             std::uint32_t tsval, Instant now);

  /// Whether a cookie issued earlier could still be honoured: only then is an ACK worth a look.
  [[nodiscard]] bool outstanding(Instant now) const { return now < honoured_until_; }

  /// What was issued, if `ack` completes a handshake of ours; nothing for everybody else.
  [[nodiscard]] std::optional<CookieTerms> redeem(const FourTuple& tuple, const SegmentIn& ack,
                                                  Instant now);

 private:
  struct EpochKey {
    std::int64_t epoch = -1;
    SipKey key;
  };
  [[nodiscard]] SipKey key_of(std::int64_t epoch);
  [[nodiscard]] std::uint32_t code(std::int64_t epoch, const FourTuple& tuple, Seq irs,
                                   std::uint32_t mss_index, std::uint32_t options);

  SipKey secret_;
  std::array<EpochKey, 2> keys_{};  // of even and of odd epochs
  Instant honoured_until_ = Instant::min();
};

}  // namespace millrace::tcp
