// SPDX-License-Identifier: BSD-3-Clause
//
// Addresses as people read them: dotted quads, RFC 5952, MAC addresses. How people write them is
// read by apps/config. Not on the packet path.
#pragma once

#include <string>

#include "dataplane/port.h"
#include "tcp/base/address.h"

namespace millrace::net {

[[nodiscard]] std::string to_text(const Address& address);
[[nodiscard]] std::string to_text(const MacAddress& mac);

}  // namespace millrace::net
