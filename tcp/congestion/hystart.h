// SPDX-License-Identifier: BSD-3-Clause
//
// HyStart++ (RFC 9406): the first slow start ends when round trips grow longer, before the queue
// that makes them longer overflows. A rise is believed after five rounds of Conservative Slow Start
// at a quarter of the pace; if round trips shrink again meanwhile, slow start goes on.
//
// A round is as many bytes as were in flight when it began: this room sees no sequence numbers.
#pragma once

#include <cstdint>

#include "tcp/congestion/congestion.h"

namespace millrace::tcp::hystart {

void begin(CongestionState& state);
/// An ACK in the first slow start: grows CWND. True when slow start is over: SSTHRESH is CWND then,
/// and the words are free.
[[nodiscard]] bool on_ack(CongestionState& state, const AckSample& sample);

}  // namespace millrace::tcp::hystart
