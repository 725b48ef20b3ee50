// SPDX-License-Identifier: BSD-3-Clause
//
// Whether an EndpointConfig can be what it says: the first field that cannot is named with the
// range that it has. Decides nothing about whether the values are wise.
#pragma once

#include "tcp/base/result.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace::tcp {

[[nodiscard]] Status check_config(const EndpointConfig& config);
/// One profile alone.
[[nodiscard]] Status check_profile(const TcpConfig& profile);

}  // namespace millrace::tcp
