// SPDX-License-Identifier: BSD-3-Clause
//
// The hash that places a four-tuple in the index of connections: SipHash-1-3 under a secret key,
// because whoever chooses addresses and ports must not be able to choose the bucket. Computed once
// per segment and handed along. Twelve bytes for IPv4 and thirty-six for IPv6, so the two families
// can never be mistaken for each other.
#pragma once

#include <cstdint>
#include <cstring>

#include "tcp/base/four_tuple.h"
#include "tcp/base/packed_tuple.h"
#include "tcp/base/siphash.h"

namespace millrace::tcp {

namespace detail {
[[nodiscard]] constexpr std::uint64_t last_word(std::uint16_t local_port, std::uint16_t remote_port,
                                                std::uint64_t size_bytes) {
  return local_port | (std::uint64_t{remote_port} << 16) | (size_bytes << 56);
}
}  // namespace detail

/// SipHash-C-D of an IPv4 tuple: addresses and ports in host order, little-endian, local end first.
template <int C, int D>
[[nodiscard, gnu::always_inline]] constexpr std::uint64_t tuple_siphash_v4(SipKey key,
                                                                           const PackedTuple& t) {
  millrace::detail::SipState s(key);
  s.template absorb<C>(t.local | (std::uint64_t{t.remote} << 32));
  s.template absorb<C>(detail::last_word(t.local_port, t.remote_port, 12));
  return s.template finish<D>();
}

/// SipHash-C-D of a tuple of either family.
template <int C, int D>
[[nodiscard, gnu::always_inline]] inline std::uint64_t tuple_siphash(SipKey key,
                                                                     const FourTuple& t) {
  if (t.local.is_v4()) return tuple_siphash_v4<C, D>(key, pack_v4(t));
  std::uint64_t words[4];
  std::memcpy(words, t.local.bytes().data(), 16);
  std::memcpy(words + 2, t.remote.bytes().data(), 16);
  millrace::detail::SipState s(key);
  for (const std::uint64_t word : words) s.template absorb<C>(word);
  s.template absorb<C>(detail::last_word(t.local_port, t.remote_port, 36));
  return s.template finish<D>();
}

/// The hash of the index.
[[nodiscard, gnu::always_inline]] inline std::uint64_t tuple_hash(SipKey key, const FourTuple& t) {
  return tuple_siphash<1, 3>(key, t);
}
/// The same for an IPv4 tuple that lies packed in its entry.
[[nodiscard]] constexpr std::uint64_t tuple_hash_v4(SipKey key, const PackedTuple& t) {
  return tuple_siphash_v4<1, 3>(key, t);
}

/// The hash of one endpoint's index, for who computes it beside the endpoint, in line.
class TupleHasher {
 public:
  explicit TupleHasher(SipKey key) : key_(key) {}
  [[nodiscard, gnu::always_inline]] std::uint64_t operator()(const FourTuple& t) const {
    return tuple_hash(key_, t);
  }

 private:
  SipKey key_;  // never printed, logged or exported
};

}  // namespace millrace::tcp
