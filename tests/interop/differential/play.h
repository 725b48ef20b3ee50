// SPDX-License-Identifier: BSD-3-Clause
//
// Plays what a script injects and calls, writes down what comes back, and compares two such
// traces. What the script expects is not looked at: the other side is the expectation.
//
// A trace is what a peer sees: after each line that does something, the segments that were sent
// until the next such line, with flags, numbers, length, ECN bits and options. Masked are the
// initial sequence number, timestamps of the side's own, PSH, the window (but not that it is zero)
// and the window scale: both sides choose them freely.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/conformance/player/script.h"
#include "tests/interop/differential/side.h"

namespace millrace::differential {

/// The segments after one line of the script, as text.
struct Answer {
  int line = 0;
  std::vector<std::string> segments;
  friend bool operator==(const Answer&, const Answer&) = default;
};
using Trace = std::vector<Answer>;

/// Why the kernel cannot play it in a bounded time; nothing if it can.
[[nodiscard]] std::optional<std::string> why_not(const script::Script& script);

[[nodiscard]] Trace play(const script::Script& script, bool ipv6, Side& side);

/// The script with both traces where they part; empty if they are equal.
[[nodiscard]] std::string compare(const script::Script& script, const Trace& ours,
                                  const Trace& kernels);

}  // namespace millrace::differential
