// SPDX-License-Identifier: BSD-3-Clause
//
// What a connection with SACK needs only while something is missing, lost, probed for or sent
// again: cold, from a bounded pool, and back there as soon as nothing of it matters. Without one
// a connection recovers by duplicate ACKs and NewReno (recovery.h), as one without SACK does.
//
// Each part belongs to the file of its algorithm.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tcp/base/pool.h"
#include "tcp/base/seq.h"
#include "tcp/base/time.h"
#include "tcp/congestion/congestion.h"
#include "tcp/connection/loss_figures.h"

namespace millrace::tcp {

/// scoreboard.h: a stretch of unacknowledged text that the peer has not SACKed.
struct Piece {
  Seq first;
  Seq end;
  Stamp sent = 0;  // when it was last sent again; valid if retransmitted
  bool lost = false;
  bool retransmitted = false;  // since it was last taken for lost: a copy is on its way
  bool ever = false;           // sent again at any time
};
static_assert(sizeof(Piece) == 16);

inline constexpr std::uint32_t kPiecesPerBlock = 128;
inline constexpr std::uint32_t kPieceBlocks = 16;
inline constexpr std::uint32_t kMostPieces = kPiecesPerBlock * kPieceBlocks;

struct Scoreboard {
  Seq covered;             // pieces tell of all before it; what is beyond is in flight, sent once
  Seq high_sacked;         // RACK.fack: the end of the highest text that was delivered
  Seq lost_before;         // all pieces before it that were sent once are marked lost
  Seq resend_from;         // no piece before it waits to be sent again
  std::uint32_t head = 0;  // slots before the first piece
  std::uint32_t count = 0;
  std::uint32_t sacked_bytes = 0;
  std::uint32_t lost_bytes = 0;
  std::uint32_t retransmitted_bytes = 0;
  std::array<std::uint32_t, kPieceBlocks> blocks{};  // the first `block_count` are ours
  std::uint32_t block_count = 0;
};

/// rack.h
struct Rack {
  Stamp sent = 0;  // RACK.xmit_ts, RACK.end_seq: the latest sent of what was delivered
  Seq end;
  Seq once_end;                  // the highest that was delivered of what was sent once
  bool is_copy = false;          // RACK's segment had been sent again
  std::uint32_t rtt_us = 0;      // RACK.rtt
  std::uint8_t wnd_mult = 1;     // RACK.reo_wnd_mult
  std::uint8_t wnd_persist = 0;  // RACK.reo_wnd_persist: recoveries until it is 1 again
  bool known = false;            // anything was delivered
  bool dsack_round_open = false;
  Seq dsack_round;  // RACK.dsack_round
};

/// prr.h
struct Prr {
  std::uint32_t delivered = 0;   // prr_delivered
  std::uint32_t out = 0;         // prr_out
  std::uint32_t recover_fs = 0;  // RecoverFS
};

/// undo.h
struct Undo {
  CongestionState before;
  CongestionAlgorithm algorithm{};
  bool possible = false;       // `before` is that of this recovery, which nothing has justified yet
  bool first_pending = false;  // the first retransmission has not been acknowledged
  bool any = false;            // something was sent again
  Seq marker;                  // SND.UNA when recovery began
  Seq expires;                 // DSACKs are awaited until SND.UNA is here; valid after recovery
  std::uint32_t bytes = 0;     // sent again and not told as received twice
  std::uint32_t first_tsval = 0;
};

/// frto.h
enum class Frto : std::uint8_t { off, resent, new_text };

/// tlp.h
struct Tlp {
  bool due = false;       // the probe is to be sent
  bool open = false;      // TLP.end_seq is set
  bool is_again = false;  // TLP.is_retrans
  Seq end;
  std::uint32_t tsval = 0;  // of the probe
};

struct alignas(64) LossState {
  Scoreboard board;
  Rack rack;
  Prr prr;
  Undo undo;
  Tlp tlp;
  LossPhase phase = LossPhase::open;
  Frto frto = Frto::off;
  bool force = false;         // after a timeout one segment goes whatever cwnd says,
  bool alone = false;         // and no other before something is heard
  bool reneging = false;      // the first byte is SACKed: the timer will judge
  bool reorder_wait = false;  // `reorder_stamps` from now on something more may be lost
  Stamp reorder_stamps = 0;
  // Where the last retransmission began, so that the next need not look from the head of the chain.
  std::uint32_t hint_chunk = kNil;
  Seq hint_begin;  // the sequence numbers of that chunk's first byte and behind its last
  Seq hint_end;
};
static_assert(sizeof(LossState) <= 320);

}  // namespace millrace::tcp
