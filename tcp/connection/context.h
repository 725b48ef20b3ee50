// SPDX-License-Identifier: BSD-3-Clause
//
// What the functions over a connection are given and what they give back. Effects are values: no
// function here sends, calls the application or touches a table; the endpoint does, from the
// Outcome.
#pragma once

#include <cstdint>
#include <span>

#include "tcp/base/counters.h"
#include "tcp/base/pool.h"
#include "tcp/base/state.h"
#include "tcp/base/time.h"
#include "tcp/connection/cold.h"
#include "tcp/connection/config.h"
#include "tcp/connection/fast_open_keys.h"
#include "tcp/connection/fast_open_paths.h"
#include "tcp/connection/loss_state.h"
#include "tcp/connection/path_state.h"
#include "tcp/connection/receive_rounds.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// What Fast Open remembers on one core: how cookies are made, and those of others.
struct FastOpen {
  FastOpenKeys keys;
  FastOpenPaths paths;
};

/// The cold pools of one core.
struct Stores {
  Pool<SendState> send;
  Pool<ReceiveState> receive;
  Pool<Chunk> chunks;
  Pool<Block> blocks;
  Pool<SendLog> logs;
  Pool<LossState> loss;
  Pool<PathModel> models;
  RateLogs rate_logs;
  Pool<AddressPair6> pairs;
  FastOpen fast_open{};
  ReceiveRounds rounds = ReceiveRounds(1);
};

struct Context {
  const TcpConfig& config;  // the connection's profile
  Stores& stores;
  Counters& counters;
  Instant now;
};

/// What one segment, deadline or call did. Default: nothing.
struct Outcome {
  std::span<const std::byte> lent;  // in-order payload; only while nothing is unread
  bool readable = false;            // more unread bytes lie in the receive queue; never with `lent`
  bool connected = false;           // entered ESTABLISHED from SYN-SENT or SYN-RECEIVED
  bool peer_closed = false;         // FIN processed, in order
  bool writable = false;            // room in the send queue and kWriteBlocked was set
  /// State is TIME-WAIT: build the entry from `c` (snd_nxt, rcv_nxt, ts_recent, ts_offset, flags,
  /// scale), then send the ACK owed (next_segment() gives it once), then let `c` go. Bytes still
  /// unread stay in `c` until they are read or the owner closes.
  bool enter_time_wait = false;
  /// State is CLOSED: unlink, and free after a flush if kResetOwed. After a graceful end unread
  /// bytes stay readable; after any other they are gone.
  bool closed = false;
  CloseReason reason = CloseReason::none;
  bool reset_reply = false;  // send <SEQ=reset_seq><CTL=RST> in answer; connection unchanged
  Seq reset_seq;
};

}  // namespace millrace::tcp
