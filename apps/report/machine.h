// SPDX-License-Identifier: BSD-3-Clause
//
// The machine that a result was made on, in one line: kernel, processor, how many cores it has.
#pragma once

#include <string>

namespace millrace::report {

/// "Linux 6.1.0 x86_64, AMD EPYC 7B13, 2 cores". No host name: results are passed on.
[[nodiscard]] std::string machine_text();

}  // namespace millrace::report
