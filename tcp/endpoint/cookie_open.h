// SPDX-License-Identifier: BSD-3-Clause
//
// The third door to a connection: a SYN answered with a cookie, and the ACK that brings it back
// (RFC 4987 §3.6). Used when backlog or half-open table are full, or always if the profile says so;
// see syn_cookie.h for what a cookie can remember. It is not sent again: if the SYN-ACK or the ACK
// after it is lost, the peer's SYN or data come again.
#pragma once

#include <cstdint>

#include "tcp/base/drop.h"
#include "tcp/connection/handshake.h"
#include "tcp/endpoint/impl.h"

namespace millrace::tcp {

[[nodiscard]] inline bool wants_cookie(const TcpConfig& config, bool full) {
  switch (config.syn_cookies) {
    case SynCookieUse::never:
      return false;
    case SynCookieUse::when_full:
      return full;
    case SynCookieUse::always:
      return true;
  }
  return false;
}

/// The SYN-ACK with a cookie; `agreed` is what the SYN's options would lead to.
Drop send_cookie(EndpointImpl& e, const Listener& listener, const FourTuple& tuple,
                 const SegmentIn& syn, const Handshake& agreed);

/// An ACK for `listener` that no connection owns, while cookies are outstanding: a connection, or a
/// reset if it brings none of ours. A SYN that came twice may have got a cookie and then, when
/// there was room again, the half-open entry `instead_of`: the connection takes its place.
Drop on_cookie(EndpointImpl& e, std::uint16_t listener, EntryRef instead_of, std::uint64_t hash,
               const FourTuple& tuple, const SegmentIn& segment);

}  // namespace millrace::tcp
