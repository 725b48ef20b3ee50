// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes in order that the application has not taken: a chain of chunks in ReceiveState, bounded by
// the receive window (RFC 9293 §3.10.3).
#pragma once

#include <cstdint>
#include <span>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"

namespace millrace::tcp {

/// False if the pool is empty.
[[nodiscard]] bool ensure_receive_state(Connection& c, const Context& context);
/// Gives the ReceiveState back, which holds nothing; the connection keeps the size of its buffer.
void drop_receive_state(Connection& c, Stores& stores);
/// The same if it holds nothing.
void release_receive_state_if_empty(Connection& c, const Context& context);

/// Copies `bytes` behind what is unread; returns how many found room.
[[nodiscard]] std::size_t append_unread(ReceiveState& r, Stores& stores,
                                        std::span<const std::byte> bytes);
/// Appends `bytes` of a block that changes hands.
[[nodiscard]] bool append_unread_block(ReceiveState& r, Stores& stores, std::uint32_t block,
                                       std::span<const std::byte> bytes);

}  // namespace millrace::tcp
