// SPDX-License-Identifier: BSD-3-Clause
//
// The inside of an endpoint, to look at and never to change: for tests that check invariants.
#pragma once

#include "tcp/endpoint/impl.h"

namespace millrace::tcp {

[[nodiscard]] inline const EndpointImpl& inspect(const Endpoint& endpoint) {
  return *endpoint.impl_;
}

}  // namespace millrace::tcp
