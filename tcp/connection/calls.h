// SPDX-License-Identifier: BSD-3-Clause
//
// The user calls of RFC 9293 §3.10 on one connection, without handles: the endpoint resolves ids,
// marks connections dirty and turns Outcomes into events. None of these sends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"

namespace millrace::tcp {

/// SEND (§3.10.2): appends up to bytes.size() bytes to the send queue and returns how many. Fewer
/// (queue or pool full) sets kWriteBlocked. 0 after shutdown or before the state allows data; in
/// SYN-SENT data are queued.
[[nodiscard]] std::size_t enqueue(Connection& c, std::span<const std::byte> bytes, bool copy,
                                  const Context& context);
[[nodiscard]] std::size_t send_space(const Connection& c, const Context& context);

/// RECEIVE (§3.10.3). on_segment() lends only while nothing is unread, so all bytes lent in an
/// iteration come before all unread ones. `park` puts back, in front of everything unread, what the
/// application did not take of lent bytes: with several lent pieces left, the last one first. False
/// if no block was free (the connection must then be aborted: the bytes were acknowledged).
/// `front` is the first contiguous unread piece, `take` removes from the front and may owe a window
/// update.
[[nodiscard]] bool park(Connection& c, std::span<const std::byte> bytes, const Context& context);
[[nodiscard]] std::span<const std::byte> front(const Connection& c, const Context& context);
void take(Connection& c, std::size_t bytes, const Context& context);
[[nodiscard]] std::uint32_t unread_bytes(const Connection& c, const Context& context);

/// CLOSE (§3.10.4), of the sending side: FIN after what is queued.
void shut_down_sending(Connection& c, const Context& context, Outcome& outcome);
/// The owner is gone: shut_down_sending, and unread bytes turn it into an abort with reason
/// unread_data (RFC 9293 §3.6.1, RFC 2525 §2.17).
void close_by_owner(Connection& c, const Context& context, Outcome& outcome);
/// The same where it is usual: ESTABLISHED or CLOSE-WAIT, nothing unread or out of order, a
/// SendState to be had. False, and nothing done, if it is not that.
[[nodiscard]] bool close_straight(Connection& c, const Context& context);
/// ABORT (§3.10.5): RST owed where the state calls for one, queues freed, outcome.closed.
void abort_connection(Connection& c, CloseReason reason, const Context& context, Outcome& outcome);

/// In flight: SND.NXT - SND.UNA.
[[nodiscard]] inline std::uint32_t flight_bytes(const Connection& c) {
  return bytes_between(c.snd_una, c.snd_nxt);
}
/// Queued and not acknowledged, sent or not.
[[nodiscard]] inline std::uint32_t unacked_bytes(const Connection& c, const Context& context) {
  return c.send == kNil ? 0 : context.stores.send[c.send].queued_bytes;
}
/// Queued and never sent.
[[nodiscard]] std::uint32_t unsent_bytes(const Connection& c, const Context& context);

/// The connection has moved to the profile in `context`, from one with `before`: what is armed,
/// owed or counted by the old one follows. What the handshake agreed on stays.
void on_profile_changed(Connection& c, const TcpConfig& before, const Context& context,
                        Outcome& outcome);
/// An ACK that waits goes with the next flush (RFC 9293 §3.8.6.3).
void acknowledge_now(Connection& c);

/// Gives every cold object back. Called when the connection is freed.
void release_cold(Connection& c, const Context& context);

}  // namespace millrace::tcp
