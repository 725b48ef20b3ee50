// SPDX-License-Identifier: BSD-3-Clause
//
// How a connection enters TIME-WAIT, and what the state answers (RFC 9293 §3.6.1, §3.10.7.4;
// RFC 1337; RFC 6191; RFC 7323 §5). One judgement serves entries of the store and, where the store
// was full and the operator chose to keep tuples busy, connections held in their objects.
#pragma once

#include <cstdint>

#include "tcp/base/drop.h"
#include "tcp/endpoint/impl.h"

namespace millrace::tcp {

/// What a segment means to a connection in TIME-WAIT. Default: ignored.
struct TimeWaitVerdict {
  Drop drop = Drop::none;
  bool answer = false;   // <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>
  bool limited = false;  // ... but not often: two ends with other ideas could go on for ever
  bool restart = false;  // 2MSL begins anew
  bool reopen = false;   // a new incarnation, if a listener wants it
  bool newer_timestamp = false;  // TS.Recent moves to the segment's
};
/// `scale` is what our window field was shifted by.
[[nodiscard]] TimeWaitVerdict judge_time_wait(const TimeWaitState& state, const SegmentIn& segment,
                                              int scale = 0);

/// The connection's Outcome asked for TIME-WAIT: moves it to the store under the configured rules
/// and sends the ACK that it owes. Afterwards `c` is CLOSED and out of the index, or, held in its
/// object, TIME-WAIT and in the index.
void enter_time_wait(EndpointImpl& e, std::uint32_t index, Connection& c);

Drop on_time_wait_segment(EndpointImpl& e, EntryRef ref, std::uint64_t hash, const FourTuple& tuple,
                          const SegmentIn& segment);
/// The same for a connection that is held in its object.
Drop on_held_segment(EndpointImpl& e, std::uint32_t index, Connection& c, std::uint64_t hash,
                     const FourTuple& tuple, const SegmentIn& segment);
/// The wheel fired for a held connection: 2MSL may be over.
void on_held_deadline(EndpointImpl& e, std::uint32_t index, Connection& c);

/// True if an active open of ours may take this entry's tuple now.
[[nodiscard]] bool may_reuse(const EndpointImpl& e, EntryRef ref);

}  // namespace millrace::tcp
