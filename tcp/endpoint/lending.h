// SPDX-License-Identifier: BSD-3-Clause
//
// How received bytes reach the application (RFC 9293 §3.10.3). In-order payload is lent for the
// iteration in a data event, where it lies; unread bytes are shown in data events piece by piece.
// Events of one connection follow each other in its stream, and consume() takes from them in order.
// What is left of lent bytes at settle() moves to the front of the unread queue. End of stream is
// told when all before it was consumed.
//
// Bytes of an event stay where they are until settle(), consumed or not, so that the application
// may say consume() first and look at them then. Only when it reads ahead by readable() do its
// events shrink, so that it is not shown the same bytes twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/endpoint/impl.h"

namespace millrace::tcp {

/// Shows received payload to the application, in place. Nothing of the connection is unread.
void lend(EndpointImpl& e, std::uint32_t index, const Connection& c,
          std::span<const std::byte> bytes);
/// Bytes have come to lie in the unread queue: data events show them, unless some do already.
void show_unread(EndpointImpl& e, std::uint32_t index, const Connection& c);
/// The unread queue was freed: nothing shows it any more.
void withdraw_unread(EndpointImpl& e, std::uint32_t index);
/// The application reads no more: its data events of this batch become empty, and what it has
/// consumed of the unread queue is taken out. True if lent bytes were left.
bool stop_reading(EndpointImpl& e, std::uint32_t index, Connection& c);

/// How many bytes are lent or unread, and whether any are.
[[nodiscard]] std::size_t unconsumed_bytes(EndpointImpl& e, std::uint32_t index,
                                           const Connection& c);
[[nodiscard]] bool has_unconsumed(EndpointImpl& e, std::uint32_t index, const Connection& c);

/// The usual consume(): all of the event that is next, lent, with nothing behind it. False, and
/// nothing done, if it is not that.
[[nodiscard]] bool consume_whole(EndpointImpl& e, ConnectionId id, std::size_t bytes);
void consume_bytes(EndpointImpl& e, std::uint32_t index, Connection& c, std::size_t bytes);
[[nodiscard]] std::span<const std::byte> readable_bytes(EndpointImpl& e, std::uint32_t index,
                                                        Connection& c);

/// Ends the batch: parks, forgets connections whose end was shown, and keeps what was not shown.
void settle_events(EndpointImpl& e);

}  // namespace millrace::tcp
