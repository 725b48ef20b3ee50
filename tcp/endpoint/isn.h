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

/// What a tuple's numbers begin with: halves of one keyed hash, so that one computation serves
/// both.
struct FlowNumbers {
  Seq isn;                      // M + F(tuple, secret), M counting every 4 microseconds
  std::uint32_t ts_offset = 0;  // added to timestamp_clock(now) in every timestamp of this tuple
};
[[nodiscard]] FlowNumbers flow_numbers(SipKey key, const FourTuple& tuple, Instant now);

/// For a tuple that is taken out of TIME_WAIT: the same, but with an ISN beyond everything that the
/// old incarnation sent and what may be in flight of it (RFC 9293 §3.6.1, RFC 6191 §2).
[[nodiscard]] FlowNumbers flow_numbers_beyond(SipKey key, const FourTuple& tuple, Instant now,
                                              Seq old_snd_nxt);

/// The offset alone.
[[nodiscard]] std::uint32_t timestamp_offset(SipKey key, const FourTuple& tuple);

}  // namespace millrace::tcp
