// SPDX-License-Identifier: BSD-3-Clause
//
// Random bytes for keys: the kernel's, or a stream from a seed where a run shall be repeatable.
#pragma once

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "tcp/base/check.h"
#include "tcp/base/siphash.h"

namespace millrace {

class KeySource {
 public:
  /// `seed` 0: the kernel's randomness.
  explicit KeySource(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  void fill(std::span<std::uint8_t> bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      std::uint64_t word = next();
      const std::size_t part = bytes.size() - at < 8 ? bytes.size() - at : 8;
      std::memcpy(bytes.data() + at, &word, part);
      at += part;
    }
  }
  [[nodiscard]] SipKey sip_key() {
    SipKey key;
    key.k0 = next();
    key.k1 = next();
    return key;
  }

 private:
  std::uint64_t next() {
    if (seed_ != 0) {
      const std::uint64_t words[] = {stream_, counter_++};
      return siphash_words<2, 4>(SipKey{seed_, ~seed_}, words);
    }
    std::uint64_t word = 0;
    // Eight bytes come whole or not at all; a signal may interrupt only before the pool is ready.
    while (getrandom(&word, sizeof word, 0) != static_cast<ssize_t>(sizeof word)) {
      MR_CHECK(errno == EINTR);
    }
    return word;
  }

  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t counter_ = 0;
};

}  // namespace millrace
