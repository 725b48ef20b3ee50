// SPDX-License-Identifier: BSD-3-Clause
//
// When the bytes in flight were first sent, as RACK wants to know (RFC 8985 §5.2): not a time for
// each segment but runs of what left about the same time, in order. The latest run lies in
// SendState, so a request or a response has no more than that; earlier ones are kept here while
// they are in flight. A run lasts at most 1/32 of a round trip. Its text counts as sent when the
// last of it was where one asks whether it is lost, and when the first of it was where one asks
// what its delivery proves: so nothing is taken for lost too early.
//
// What is sent again is told by the scoreboard; this log knows first transmissions only, and so
// both its columns ascend.
#pragma once

#include <array>
#include <cstdint>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"

namespace millrace::tcp {

/// SND.NXT is about to move to new text; `c.snd_nxt` is still where that begins.
void close_run(const Connection& c, SendState& st, Stamp at, const Context& context);
inline void log_sent(const Connection& c, SendState& st, const Context& context) {
  const Stamp at = stamp_of(context.now);
  if (c.snd_nxt == c.snd_una) {
    st.sent_at = st.run_began = at;
  } else if (at != st.sent_at) {
    close_run(c, st, at, context);
  }
}

/// Everything before `una` has been acknowledged.
inline void forget_log(SendLog& log, Seq una) {
  while (log.count != 0 && at_or_before(log.runs[log.head].end, una)) {
    log.head = (log.head + 1) % kLoggedRuns;
    --log.count;
  }
}

/// The run in which the byte at `seq`, which is in flight, was first sent.
[[nodiscard]] SentRun run_of(const Connection& c, const SendState& st, const Stores& stores,
                             Seq seq);

/// The end of what is of this age or older, as one of `now`; SND.UNA if nothing is.
[[nodiscard]] Seq sent_until(const Connection& c, const SendState& st, const Stores& stores,
                             Stamp now, Stamp age);

}  // namespace millrace::tcp
