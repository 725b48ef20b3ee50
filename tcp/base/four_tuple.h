// SPDX-License-Identifier: BSD-3-Clause
//
// The name of a connection, seen from our side. Both addresses are of one family.
#pragma once

#include <cstdint>

#include "tcp/base/address.h"

namespace millrace {

struct FourTuple {
  Address local;
  Address remote;
  std::uint16_t local_port = 0;   // host order
  std::uint16_t remote_port = 0;  // host order

  friend constexpr bool operator==(const FourTuple&, const FourTuple&) = default;
};

}  // namespace millrace
