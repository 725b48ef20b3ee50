// SPDX-License-Identifier: BSD-3-Clause
//
// What the functions over a connection are given and what they give back. Effects are values: no
// function here sends, calls the application or touches a table; the endpoint does, from the Outcome.
#pragma once

#include <cstdint>
#include <span>

#include "tcp/base/counters.h"
#include "tcp/base/pool.h"
#include "tcp/base/state.h"
#include "tcp/base/time.h"
#include "tcp/connection/cold.h"
#include "tcp/connection/config.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// The cold pools of one core.
struct Stores {
  Pool<SendState> send;
  Pool<ReceiveState> receive;
  Pool<Chunk> chunks;
  Pool<Block> blocks;
  Pool<AddressPair6> pairs;
};

struct Context {
  const TcpConfig& config;  // the connection's profile
  Stores& stores;
  Counters& counters;
  Instant now;
};

/// What one segment, deadline or call did. Default: nothing.
struct Outcome {
  std::span<const std::byte> lent;  // in-order payload of this segment that fits the window
  bool readable = false;            // unread bytes lie in the receive queue (after a gap was filled)
  bool connected = false;           // entered ESTABLISHED from SYN-SENT or SYN-RECEIVED
  bool peer_closed = false;         // FIN processed, in order
  bool writable = false;            // room in the send queue and kWriteBlocked was set
  bool enter_time_wait = false;     // to be moved to the TIME_WAIT store, owing an ACK
  bool closed = false;              // CLOSED: unlink and free (after flush if kResetOwed)
  CloseReason reason = CloseReason::none;
  bool reset_reply = false;         // send <SEQ=reset_seq><CTL=RST> in answer; connection unchanged
  Seq reset_seq;
};

}  // namespace millrace::tcp
