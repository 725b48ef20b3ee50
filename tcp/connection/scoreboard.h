// SPDX-License-Identifier: BSD-3-Clause
//
// What the peer holds of what we sent (RFC 2018 §5, RFC 6675 §3, §4): the stretches it has *not*
// SACKed, in order, each with what became of it. Text beyond `covered` is in flight and was sent
// once; so a transfer without loss has no piece at all, and one with losses has about one for each
// hole, however large its window.
//
//   pipe = SND.NXT - SND.UNA - sacked - lost + retransmitted        (RFC 6675 §4, SetPipe)
//
// Bounded: at most kMostPieces, in blocks from the pool, found by bisection. A SACK block for which
// there is no piece to be had is ignored, which costs a retransmission at most: SACK is advice
// (RFC 2018 §8).
#pragma once

#include <array>
#include <cstdint>
#include <new>
#include <optional>

#include "tcp/connection/context.h"
#include "tcp/connection/loss_state.h"

namespace millrace::tcp {

/// What one ACK has told to be delivered, by SND.UNA or by SACK.
struct Delivered {
  std::uint32_t bytes = 0;
  bool once = false;       // some of it was never sent again
  Seq once_first;          // the lowest of that
  Seq once_end;            // the highest of that
  bool reordered = false;  // and lay below what was delivered earlier (RFC 8985 §6.2 step 3)
  bool again = false;      // a piece with a copy on its way
  Stamp again_age = 0;     // of the latest sent of them
  Seq again_end;
};

/// What was found lost at one time, for whoever wants to know: stretches of text in order, those
/// that find no place left in the last of them.
struct LostText {
  struct Stretch {
    Seq first;
    Seq end;
    Stamp copy_sent = 0;  // valid if is_copy
    bool is_copy = false;
  };
  static constexpr std::uint32_t kMost = 8;
  std::uint32_t count = 0;
  std::uint32_t ranges = 0;  // stretches apart from each other
  std::array<Stretch, kMost> stretches;

  void add(const Piece& p, bool is_copy) {
    if (count != 0 && !is_copy && !stretches[count - 1].is_copy &&
        stretches[count - 1].end == p.first) {
      stretches[count - 1].end = p.end;
      return;
    }
    ++ranges;
    if (count != kMost) stretches[count++] = {p.first, p.end, p.sent, is_copy};
  }
};

void start_scoreboard(Scoreboard& board, Seq una);
/// Gives all blocks back.
void clear_scoreboard(Scoreboard& board, Stores& stores);

[[nodiscard]] inline Piece& piece_at(Scoreboard& b, Stores& stores, std::uint32_t i) {
  const std::uint32_t slot = b.head + i;
  auto* first =
      reinterpret_cast<Piece*>(stores.blocks[b.blocks[slot / kPiecesPerBlock]].bytes.data());
  return *std::launder(first + slot % kPiecesPerBlock);
}

/// [left, right) is SACKed; una =< left, right =< SND.NXT.
void sack_range(Scoreboard& board, Seq left, Seq right, Stamp now, Stores& stores, Delivered& out);
/// SND.UNA moves from `una` to `ack`.
void advance_scoreboard(Scoreboard& board, Seq una, Seq ack, Stamp now, Stores& stores,
                        Delivered& out);

/// All that was sent once and ends before `edge` is lost. Returns whether anything new is, and
/// tells `told` what, if anyone asks.
bool mark_lost_before(Scoreboard& board, Seq edge, Stores& stores, LostText* told = nullptr);
/// True if [from, to) has anything that was sent once and is not lost.
[[nodiscard]] bool sent_once_between(Scoreboard& board, Seq from, Seq to, Stores& stores);
/// The copies of pieces for which `gone(piece)` holds are lost as well: they wait again. Returns
/// their bytes.
template <typename Gone>
std::uint32_t mark_copies_lost(Scoreboard& board, Stores& stores, Gone gone,
                               LostText* told = nullptr) {
  std::uint32_t bytes = 0;
  // Copies go out from the left: few pieces are looked at that have none.
  std::uint32_t copied = board.retransmitted_bytes;
  for (std::uint32_t i = 0; copied != 0 && i < board.count; ++i) {
    Piece& p = piece_at(board, stores, i);
    if (!p.retransmitted) continue;
    const std::uint32_t length = bytes_between(p.first, p.end);
    copied -= length;
    if (!gone(p)) continue;
    if (told != nullptr) told->add(p, true);
    p.retransmitted = false;
    board.retransmitted_bytes -= length;
    if (!p.lost) board.lost_bytes += length;
    p.lost = true;
    board.resend_from = earlier_of(board.resend_from, p.first);
    bytes += length;
  }
  return bytes;
}
/// Nothing is lost after all; copies are on their way all the same.
void forgive_losses(Scoreboard& board, Seq una, Stores& stores);
/// Nothing is SACKed after all (RFC 2018 §8): all up to `covered` is lost.
void forget_sacks(Scoreboard& board, Seq una, Stores& stores);

/// The first stretch that is lost and has no copy on its way.
[[nodiscard]] std::optional<Piece> next_to_resend(Scoreboard& board, Stores& stores);
/// [first, end) goes again at `at`. It lies within one piece, or beyond them all.
void note_resent(Scoreboard& board, Seq first, Seq end, Stamp at, Stores& stores);

/// True if the byte at `una` is SACKED: what a peer that keeps its word never leaves standing.
[[nodiscard]] bool begins_sacked(Scoreboard& board, Seq una, Stores& stores);

/// How much less than SND.NXT - SND.UNA is in the network.
[[nodiscard]] inline std::int32_t pipe_relief(const Scoreboard& board) {
  return static_cast<std::int32_t>(board.sacked_bytes + board.lost_bytes -
                                   board.retransmitted_bytes);
}

}  // namespace millrace::tcp
