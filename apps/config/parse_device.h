// SPDX-License-Identifier: BSD-3-Clause
//
// Device names as DPDK takes them: a virtual device with its arguments (net_tap0,iface=mr0) or a
// PCI address (0000:01:00.0). Only the spelling is judged here; whether the device is there is the
// fleet's question.
#pragma once

#include <string>
#include <string_view>

#include "tcp/base/result.h"

namespace millrace {

[[nodiscard]] Result<std::string> parse_device(std::string_view word);

}  // namespace millrace
