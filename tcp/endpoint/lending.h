// SPDX-License-Identifier: BSD-3-Clause
//
// How received bytes reach the application (RFC 9293 §3.10.3). In-order payload is lent for the
// iteration in a data event; consume() takes from what was lent first and from the unread queue
// then, which is the order of the stream, because payload is lent only while nothing is unread.
// What is left at settle() moves to the front of that queue. End of stream is told when all before
// it was consumed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/endpoint/impl.h"

namespace millrace::tcp {

/// Shows received payload to the application, in place. Nothing of the connection is unread.
void lend(EndpointImpl& e, std::uint32_t index, const Connection& c,
          std::span<const std::byte> bytes);
/// Bytes have come to lie in the unread queue: a data event shows the first piece, unless one does.
void show_unread(EndpointImpl& e, std::uint32_t index, const Connection& c);
/// The application reads no more: its data events of this batch become empty.
void withdraw_lent(EndpointImpl& e, std::uint32_t index);

[[nodiscard]] bool has_lent(const EndpointImpl& e, std::uint32_t index);
/// True if bytes are lent or unread.
[[nodiscard]] bool has_unconsumed(EndpointImpl& e, std::uint32_t index, const Connection& c);

void consume_bytes(EndpointImpl& e, std::uint32_t index, Connection& c, std::size_t bytes);
[[nodiscard]] std::span<const std::byte> readable_bytes(EndpointImpl& e, std::uint32_t index,
                                                        const Connection& c);
/// Data events that show the unread queue follow what became of it: for when it was freed.
void refresh_shown(EndpointImpl& e, std::uint32_t index, const Connection& c);

/// Ends the batch: parks, forgets connections whose end was shown, and keeps what was not shown.
void settle_events(EndpointImpl& e);

}  // namespace millrace::tcp
