// SPDX-License-Identifier: BSD-3-Clause
//
// `millrace time-wait EXPERIMENT`: theory first, then the run, then the two beside each other.
#pragma once

#include "apps/config/options.h"

namespace millrace::time_wait {

[[nodiscard]] Command time_wait_command();

}  // namespace millrace::time_wait
