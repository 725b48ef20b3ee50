// SPDX-License-Identifier: BSD-3-Clause
//
// A four-tuple in the twelve bytes that a store's entry can afford. IPv4 fits whole; for IPv6 the
// two addresses live in a pool beside, and the entry keeps their index. The family is told by a
// flag of the entry, not by this type.
#pragma once

#include <array>
#include <cstdint>

#include "tcp/base/four_tuple.h"

namespace millrace {

struct AddressPair6 {
  Address local;
  Address remote;
};
static_assert(sizeof(AddressPair6) == 32);

struct PackedTuple {
  std::uint32_t local = 0;   // IPv4 local address in host order; IPv6: index of an AddressPair6
  std::uint32_t remote = 0;  // IPv4 remote address in host order; IPv6: zero
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;

  /// Without a branch between the parts: every lookup ends with this.
  friend constexpr bool operator==(const PackedTuple& a, const PackedTuple& b) {
    const auto ports =
        static_cast<std::uint32_t>((a.local_port ^ b.local_port) | (a.remote_port ^ b.remote_port));
    return ((a.local ^ b.local) | (a.remote ^ b.remote) | ports) == 0;
  }
};
static_assert(sizeof(PackedTuple) == 12);

[[nodiscard]] constexpr PackedTuple pack_v4(const FourTuple& t) {
  return {t.local.to_v4(), t.remote.to_v4(), t.local_port, t.remote_port};
}
[[nodiscard]] constexpr FourTuple unpack_v4(const PackedTuple& p) {
  return {Address::v4(p.local), Address::v4(p.remote), p.local_port, p.remote_port};
}
[[nodiscard]] constexpr FourTuple unpack_v6(const PackedTuple& p, const AddressPair6& pair) {
  return {pair.local, pair.remote, p.local_port, p.remote_port};
}

}  // namespace millrace
