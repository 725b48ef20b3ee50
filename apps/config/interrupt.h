// SPDX-License-Identifier: BSD-3-Clause
//
// SIGINT and SIGTERM as a question that the main thread asks. The first signal sets a flag and
// wakes who sleeps in sleep_unless_interrupted(); a second one of the same kind ends the process at
// once. SIGPIPE is ignored: a reader of our output that went away is an error of write(), not of
// us.
#pragma once

#include "tcp/base/time.h"

namespace millrace {

/// To be called once, before threads are started.
void watch_signals();
/// Signal number of the first signal that came, 0 if none did.
[[nodiscard]] int interrupted_by();
[[nodiscard]] inline bool interrupted() { return interrupted_by() != 0; }
/// Sleeps that long, or until a signal comes. Returns false if one did.
bool sleep_unless_interrupted(Duration duration);

}  // namespace millrace
