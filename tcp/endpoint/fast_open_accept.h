// SPDX-License-Identifier: BSD-3-Clause
//
// The fourth door to a connection: a SYN with a Fast Open cookie of ours (RFC 7413 §4.2.2). The
// connection is made and given to the application before its handshake ends, in SYN-RECEIVED;
// fast_open.h says how it lives until then. It never lies in the half-open table.
//
// Every other SYN with the option opens in the ordinary way, and if it asked for a cookie or had a
// wrong one the SYN-ACK has a good one: no cookie while SYN cookies are in use, text for a listener
// that waits for text, or more connections than may be pending.
#pragma once

#include <cstdint>

#include "tcp/connection/handshake.h"
#include "tcp/endpoint/impl.h"
#include "tcp/endpoint/listen.h"

namespace millrace::tcp {

/// What becomes of a SYN for a listener with Fast Open and room in its backlog.
struct FastOpenVerdict {
  bool accepted = false;  // there is a connection; no half-open entry is to be made
  bool grants = false;    // the SYN-ACK has a cookie
};
FastOpenVerdict try_fast_open(EndpointImpl& e, std::uint16_t listener, std::uint64_t hash,
                              const FourTuple& tuple, const SegmentIn& syn, const Handshake& agreed,
                              const Incarnation& previous);

/// An early connection has left SYN-RECEIVED: its place among the pending.
void left_early(EndpointImpl& e, std::uint32_t index, const Outcome& outcome);

}  // namespace millrace::tcp
