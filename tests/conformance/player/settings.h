// SPDX-License-Identifier: BSD-3-Clause
//
// `set` lines: the fields of a profile and of the endpoint that a script may choose.
#pragma once

#include "tests/conformance/player/script.h"
#include "tests/conformance/player/words.h"

namespace millrace::script {

/// The endpoint of every script before its first `set`: small, and else as users get it.
[[nodiscard]] tcp::EndpointConfig usual_config();

/// `set` has been read; takes the rest of the line.
void parse_setting(Words& words, Script& script);

}  // namespace millrace::script
