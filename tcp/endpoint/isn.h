// SPDX-License-Identifier: BSD-3-Clause
//
// Initial sequence numbers (RFC 6528 §3, RFC 9293 §3.4.1) and timestamp offsets (RFC 7323 §5.4):
// SipHash-2-4 of the four-tuple under a secret, plus a clock for the former. Two tuples tell
// nothing about each other; one tuple's numbers go up with time.
//
// The timestamp offset is a function of key and tuple alone. Successive incarnations of a tuple
// therefore send timestamps that go up, as RFC 6191 needs, and no store has to keep the offset: a
// TIME_WAIT entry computes it when it answers.
#pragma once

#include <cstdint>

#include "tcp/base/four_tuple.h"
#include "tcp/base/seq.h"
#include "tcp/base/siphash.h"
#include "tcp/base/time.h"

namespace millrace::tcp {

/// ISN = M + F(tuple, secret), M counting every 4 microseconds.
[[nodiscard]] Seq initial_seq(SipKey isn_key, const FourTuple& tuple, Instant now);

/// For a tuple that is taken out of TIME_WAIT: the same, but beyond everything that the old
/// incarnation sent and what may be in flight of it (RFC 9293 §3.6.1, RFC 6191 §2).
[[nodiscard]] Seq initial_seq_beyond(SipKey isn_key, const FourTuple& tuple, Instant now,
                                     Seq old_snd_nxt);

/// Added to timestamp_clock(now) in every timestamp sent on this tuple.
[[nodiscard]] std::uint32_t timestamp_offset(SipKey timestamps_key, const FourTuple& tuple);

}  // namespace millrace::tcp
