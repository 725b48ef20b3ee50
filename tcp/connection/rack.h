// SPDX-License-Identifier: BSD-3-Clause
//
// RACK (RFC 8985 §6): what was sent before something that has been delivered, by more than the
// reordering window, is lost. First transmissions are judged by the send log, all before an edge at
// once; copies one by one, by the time of each.
//
// RACK.min_RTT is the least smoothed round trip since this connection last had nothing in flight.
// Whether reordering was seen is remembered for the connection's life (Connection::reordering).
#pragma once

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/connection/loss_state.h"
#include "tcp/connection/scoreboard.h"

namespace millrace::tcp {

/// §6.2 steps 1 to 3, by what an ACK delivered. `tsecr` is its echo, 0 if it has none.
void rack_update(Connection& c, SendState& st, LossState& ls, const Delivered& delivered,
                 std::uint32_t tsecr, const Context& context);
/// §6.2 step 4: an ACK told of text that came twice, or a recovery is over.
void rack_on_dsack(const Connection& c, Rack& rack);
void rack_on_recovery_end(Rack& rack);

/// RACK_update_reo_wnd().
[[nodiscard]] std::uint32_t rack_reordering_window_us(const Connection& c, const SendState& st,
                                                      const LossState& ls);
/// §6.2 step 5. True if anything is lost that was not before; sets `ls.reorder_wait`.
[[nodiscard]] bool rack_detect_loss(Connection& c, SendState& st, LossState& ls,
                                    const Context& context, LostText* told = nullptr);
/// §6.3: after a timeout the first segment is lost, and whatever was sent a round trip and the
/// window ago. False if there was no memory to note that.
[[nodiscard]] bool rack_mark_losses_on_timeout(Connection& c, SendState& st, LossState& ls,
                                               const Context& context, LostText* told = nullptr);

}  // namespace millrace::tcp
