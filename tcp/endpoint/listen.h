// SPDX-License-Identifier: BSD-3-Clause
//
// LISTEN (RFC 9293 §3.10.7.2) and SYN-RECEIVED of a passive open (§3.10.7.4 as far as it concerns
// that state; RFC 5961). Nothing but a half-open entry is spent on a peer before its third segment.
#pragma once

#include <cstdint>

#include "tcp/base/drop.h"
#include "tcp/connection/handshake.h"
#include "tcp/endpoint/impl.h"

namespace millrace::tcp {

/// The TIME_WAIT entry whose tuple a new connection takes, none for an ordinary one.
struct Incarnation {
  EntryRef entry;
  Seq old_snd_nxt;
};

Drop on_listener_segment(EndpointImpl& e, std::uint16_t listener, std::uint64_t hash,
                         const FourTuple& tuple, const SegmentIn& segment);

/// A SYN that may open: a half-open entry and a SYN-ACK for it, if backlog and table allow. The
/// previous incarnation's slot in the index goes to it; releasing that entry is the caller's.
Drop accept_syn(EndpointImpl& e, std::uint16_t listener, std::uint64_t hash, const FourTuple& tuple,
                const SegmentIn& segment, Incarnation previous);

Drop on_half_open_segment(EndpointImpl& e, EntryRef ref, std::uint64_t hash, const FourTuple& tuple,
                          const SegmentIn& segment);

/// RCV.WND that a SYN-ACK offers: its window field is never scaled.
[[nodiscard]] std::uint32_t offered_window(const TcpConfig& config);

/// What a SYN-ACK says besides its numbers: the options that `offered` allows, TSval, TSecr.
struct SynAck {
  Seq iss{};
  Seq irs{};
  std::uint8_t offered = 0;  // Options::has of the peer's SYN, as far as it was agreed
  std::uint32_t tsval = 0;
  std::uint32_t tsecr = 0;
  bool ecn = false;  // agreed (RFC 3168 §6.1.1)
};
/// False if the queue of replies is full.
bool send_syn_ack(EndpointImpl& e, const FourTuple& tuple, const TcpConfig& config,
                  const SynAck& what);

/// The numbers that a connection begins with, beyond those of an earlier incarnation.
[[nodiscard]] FlowNumbers numbers_for(const EndpointImpl& e, const FourTuple& tuple,
                                      const Incarnation& previous);

/// The listener has a new connection: its accepted event, and what the backlog counts.
void count_accepted(EndpointImpl& e, std::uint16_t listener, std::uint32_t index,
                    const Connection& c);

/// The third segment is good: a connection by `h` and an accepted event. `replaces` is the
/// half-open entry whose slot in the index it takes, none for a cookie. Without room for it nothing
/// changes and it is kNil: the peer, which believes it is connected, sends again.
[[nodiscard]] std::uint32_t accept_connection(EndpointImpl& e, std::uint16_t listener,
                                              EntryRef replaces, std::uint64_t hash,
                                              const FourTuple& tuple, const Handshake& h);

/// SYN-ACKs to be sent again and entries to be given up; false if more is due than one call does.
bool advance_half_open(EndpointImpl& e);

/// The listener goes and its half-open connections with it.
void drop_half_open_of(EndpointImpl& e, std::uint16_t listener);

}  // namespace millrace::tcp
