// SPDX-License-Identifier: BSD-3-Clause
//
// Cookies that a server of Fast Open gives (RFC 7413 §4.1.2): SipHash-2-4 of the client's address
// under the key of the epoch, eight bytes. A cookie shows that its bearer once received at that
// address, and nothing more: it is the same for all ports and connections.
//
// An epoch lasts an hour by the virtual clock. A cookie is honoured in its own and the next, so for
// one to two hours, and in the second its bearer is given a new one. Keys of epochs are derived
// from the secret, so that what is learnt of one says nothing of another.
//
// Refuses: to remember whom it gave a cookie.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "tcp/base/address.h"
#include "tcp/base/siphash.h"
#include "tcp/base/time.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

inline constexpr Duration kFastOpenEpoch = 1h;

enum class CookieVerdict : std::uint8_t { wrong, good, good_but_old };

class FastOpenKeys {
 public:
  FastOpenKeys() = default;
  explicit FastOpenKeys(SipKey secret) : secret_(secret) {}

  /// The option of a SYN-ACK to `client`: has, cookie_bytes and cookie.
  void grant(const Address& client, Instant now, Options& out);

  /// Whether the cookie of a SYN from `client` is ours. `options` has one.
  [[nodiscard]] CookieVerdict judge(const Address& client, const Options& options, Instant now);

 private:
  struct EpochKey {
    std::int64_t epoch = -1;
    SipKey key;
  };
  [[nodiscard]] std::uint64_t cookie_of(const Address& client, std::int64_t epoch);

  SipKey secret_;                   // never printed, logged or exported
  std::array<EpochKey, 2> keys_{};  // of even and of odd epochs
};

}  // namespace millrace::tcp
