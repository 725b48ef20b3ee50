// SPDX-License-Identifier: BSD-3-Clause
//
// Keyed functions of a four-tuple. Where an entry lies in the index of connections is four rounds
// of AES under a secret key, because whoever chooses addresses and ports must not be able to choose
// the bucket; computed once per segment and handed along. What others get to see, sequence numbers,
// timestamps and cookies, is SipHash-2-4 under other keys (isn.h).
//
// An IPv4 tuple is one block. IPv6 takes three, chained, ports first. The first block names the
// family, so that no tuple's blocks begin with all of another's: chaining is then as good as the
// cipher (CBC-MAC over messages of which none is the beginning of another).
#pragma once

#include <cstdint>
#include <cstring>

#include "tcp/base/aes.h"
#include "tcp/base/four_tuple.h"
#include "tcp/base/packed_tuple.h"
#include "tcp/base/siphash.h"

namespace millrace::tcp {

namespace detail {
[[nodiscard]] constexpr std::uint64_t last_word(std::uint16_t local_port, std::uint16_t remote_port,
                                                std::uint64_t size_bytes) {
  return local_port | (std::uint64_t{remote_port} << 16) | (size_bytes << 56);
}
[[nodiscard, gnu::always_inline]] inline AesBlock address_block(const Address& address) {
  const AddressWords words = address.words();
  return aes_block(words.low, words.high);
}
}  // namespace detail

/// SipHash-C-D of a tuple: IPv4 as it lies packed, IPv6 its addresses before its ports.
template <int C, int D>
[[nodiscard]] inline std::uint64_t tuple_siphash(SipKey key, const FourTuple& t) {
  millrace::detail::SipState s(key);
  const AddressWords local = t.local.words();
  const AddressWords remote = t.remote.words();
  if (t.local.is_v4()) {
    s.template absorb<C>(t.local.to_v4() | (std::uint64_t{t.remote.to_v4()} << 32));
    s.template absorb<C>(detail::last_word(t.local_port, t.remote_port, 12));
  } else {
    for (const std::uint64_t word : {local.high, local.low, remote.high, remote.low}) {
      s.template absorb<C>(word);
    }
    s.template absorb<C>(detail::last_word(t.local_port, t.remote_port, 36));
  }
  return s.template finish<D>();
}

/// The hash of the index: four rounds of AES for each block.
class TupleHasher {
 public:
  explicit TupleHasher(SipKey key) : aes_(key) {}

  /// Of an IPv4 tuple that lies packed in its entry.
  [[nodiscard, gnu::always_inline]] std::uint64_t v4(const PackedTuple& t) const {
    return low_word(aes_(aes_block(t.local | (std::uint64_t{t.remote} << 32),
                                   detail::last_word(t.local_port, t.remote_port, 12))));
  }
  [[nodiscard, gnu::always_inline]] std::uint64_t operator()(const FourTuple& t) const {
    return t.local.is_v4() ? v4(pack_v4(t)) : v6(t);
  }

 private:
  [[nodiscard, gnu::always_inline]] std::uint64_t v6(const FourTuple& t) const {
    AesBlock chain = aes_(aes_block(0, detail::last_word(t.local_port, t.remote_port, 36)));
    chain = aes_(_mm_xor_si128(chain, detail::address_block(t.local)));
    chain = aes_(_mm_xor_si128(chain, detail::address_block(t.remote)));
    return low_word(chain);
  }

  Aes<4> aes_;
};

}  // namespace millrace::tcp
