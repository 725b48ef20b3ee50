// SPDX-License-Identifier: BSD-3-Clause
//
// Two lists in order of prefix length. Of equal prefixes the first stays: our addresses before the
// operator's routes, each in the order given.
#include "dataplane/net/routes.h"

#include <algorithm>

namespace millrace::net {
namespace {

/// Our address that speaks for a family where no prefix of ours says which: the first one, and for
/// IPv6 rather a global one.
[[nodiscard]] Address spokesman(std::span<const InterfaceAddress> own, bool v4) {
  Address found;
  for (const InterfaceAddress& a : own) {
    if (a.address.is_v4() != v4) continue;
    if (v4 || !is_link_local_v6(a.address)) return a.address;
    if (found.is_unspecified()) found = a.address;
  }
  return found;
}

}  // namespace

Routes::Routes(std::span<const InterfaceAddress> own, std::span<const Route> routes) {
  for (const InterfaceAddress& a : own) add(a.address, a.prefix_length, Address{}, a.address);
  for (const Route& r : routes) {
    add(r.prefix, r.prefix_length, r.via.value_or(Address{}), spokesman(own, r.prefix.is_v4()));
  }
}

void Routes::add(const Address& prefix, std::uint8_t length, const Address& via,
                 const Address& source) {
  const int family_bits = prefix.is_v4() ? 32 : 128;
  const int host_bits = family_bits - std::min<int>(length, family_bits);
  RouteEntry entry;
  entry.mask = host_bits == 128 ? 0 : ~Wide{0} << host_bits;
  entry.prefix = wide_of(prefix) & entry.mask;
  entry.via = via;
  entry.source = source;
  entry.bits = static_cast<std::uint8_t>(128 - host_bits);
  List& list = prefix.is_v4() ? v4_ : v6_;
  const auto at = std::find_if(list.begin(), list.end(),
                               [&](const RouteEntry& e) { return e.bits < entry.bits; });
  list.insert(at, entry);
}

const RouteEntry* Routes::longest(const Address& destination, bool only_on_link) const {
  const Wide wanted = wide_of(destination);
  for (const RouteEntry& e : destination.is_v4() ? v4_ : v6_) {
    if ((wanted & e.mask) != e.prefix) continue;
    if (!only_on_link || e.via.is_unspecified()) return &e;
  }
  return nullptr;
}

}  // namespace millrace::net
