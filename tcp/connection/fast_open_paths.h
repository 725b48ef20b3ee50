// SPDX-License-Identifier: BSD-3-Clause
//
// What a client of Fast Open remembers of a path (RFC 7413 §4.1.3): the server's cookie and MSS,
// and how often Fast Open failed there lately. A path is our address, the server's, and its port:
// a cookie is bound to our address, and failures to the service.
//
// After two failures in a row the path is not tried for a minute, and twice as long with each
// further one, up to about an hour (§4.1.3.1, §7).
//
// A bounded table: sets of four in a line each, the one used longest ago gives way. Places are
// chosen by a keyed hash. Nothing is remembered with a capacity of zero.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/base/four_tuple.h"
#include "tcp/base/pool.h"
#include "tcp/base/siphash.h"
#include "tcp/base/time.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

inline constexpr unsigned kFailuresBeforeRest = 2;
inline constexpr Duration kFastOpenRest = 60s;
inline constexpr unsigned kMaxRestDoublings = 6;

struct FastOpenPath {
  Address local;
  Address remote;
  std::array<std::byte, kMaxCookieBytes> cookie;
  std::uint16_t remote_port = 0;  // 0: nothing lies here
  std::uint16_t mss = 0;          // the peer's, as clamped; meaningful with a cookie
  std::uint8_t cookie_bytes = 0;  // 0: none is known
  std::uint8_t failures = 0;      // in a row
  std::uint32_t used_s = 0;       // when it was asked for last
  std::uint32_t rests_until_s = 0;
};
static_assert(sizeof(FastOpenPath) == 64);

class FastOpenPaths {
 public:
  FastOpenPaths() = default;
  /// Room for `capacity` paths or somewhat more.
  FastOpenPaths(std::uint32_t capacity, SipKey key);

  /// What is known of the path of `tuple`, nullptr if nothing. Valid until the next call.
  [[nodiscard]] const FastOpenPath* find(const FourTuple& tuple, Instant now);
  /// True while the path rests because of failures.
  [[nodiscard]] static bool rests(const FastOpenPath& path, Instant now);

  /// The server gave the cookie in `options`: one of 4 to 16 bytes.
  void learn(const FourTuple& tuple, const Options& options, std::uint16_t mss, Instant now);
  /// Fast Open worked: failures before count no more.
  void succeeded(const FourTuple& tuple, Instant now);
  /// It did not. True if the path rests from now on.
  bool failed(const FourTuple& tuple, Instant now);

  [[nodiscard]] std::size_t capacity() const { return paths_.bytes() / sizeof(FastOpenPath); }
  [[nodiscard]] std::size_t reserved_bytes() const { return paths_.bytes(); }
  [[nodiscard]] std::size_t touched_bytes() const { return used_ * sizeof(FastOpenPath); }

 private:
  static constexpr std::size_t kWays = 4;

  [[nodiscard]] std::span<FastOpenPath, kWays> set_of(const FourTuple& tuple) const;
  [[nodiscard]] FastOpenPath* find_or_make(const FourTuple& tuple, Instant now);

  ReservedPages paths_;
  SipKey key_;
  std::size_t set_mask_ = 0;
  std::size_t used_ = 0;
};

}  // namespace millrace::tcp
