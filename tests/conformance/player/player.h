// SPDX-License-Identifier: BSD-3-Clause
//
// Plays a script against an endpoint on a virtual clock, through real headers both ways. Strict:
// every segment that the endpoint sends, every event that it shows and every drop must be in the
// script, at its time (a timer may be late by a millisecond), and nothing more.
#pragma once

#include <string>

#include "tests/conformance/player/script.h"

namespace millrace::script {

/// Empty if the script holds; else the script as far as it held, the line that did not, and what
/// came instead.
[[nodiscard]] std::string play(const Script& script, bool ipv6);

}  // namespace millrace::script
